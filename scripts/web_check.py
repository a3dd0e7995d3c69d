"""Goes through the interactive page in headless Chromium, by the pipe of its debugger. See web-check.sh.

python3 scripts/web_check.py PAGE FOLDER [PARTS]

PARTS are those of the page's own test, with commas: drawings, sizes, choices, calls, learns. With them nothing else is done.
"""

import base64
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe", "about:blank",
]
# Of a self-test, on a slow machine.
LIMIT = 1800


class Browser:
    """Chromium, with one page."""

    def __init__(self, profile, *options):
        ours, theirs = os.pipe(), os.pipe()
        descriptors = f"3<&{ours[0]} 4>&{theirs[1]}"
        command = ["bash", "-c", f'exec chromium "$@" {descriptors} 2>/dev/null', "chromium", f"--user-data-dir={profile}", *options, *OPTIONS]
        self.process = subprocess.Popen(command, pass_fds=(ours[0], theirs[1]), stdout=subprocess.DEVNULL)
        os.close(ours[0])
        os.close(theirs[1])
        self.to, self.back = ours[1], theirs[0]
        self.buffer, self.count, self.session = b"", 0, None
        self.requests, self.wrong = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Network", "Log"]:
            self.call(f"{domain}.enable")

    def close(self):
        self.process.terminate()
        self.process.wait()

    def message(self):
        while b"\0" not in self.buffer:
            read = os.read(self.back, 1 << 16)
            if not read:
                raise SystemExit("Chromium has ended")
            self.buffer += read
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **parameters):
        self.count += 1
        asked = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            asked["sessionId"] = self.session
        os.write(self.to, json.dumps(asked).encode() + b"\0")
        while True:
            said = self.message()
            if said.get("id") == self.count:
                if "error" in said:
                    raise SystemExit(f"{method}: {said['error']}")
                return said["result"]
            event, values = said.get("method"), said.get("params", {})
            if event == "Network.requestWillBeSent":
                self.requests.append(values["request"]["url"])
            elif event == "Runtime.exceptionThrown":
                self.wrong.append(values["exceptionDetails"].get("exception", {}).get("description", "an exception"))
            elif event == "Log.entryAdded" and values["entry"]["level"] == "error":
                self.wrong.append(values["entry"]["text"])

    def value(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise SystemExit(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, expression, limit=LIMIT):
        begun = time.monotonic()
        while not (value := self.value(expression)):
            if time.monotonic() - begun > limit:
                raise SystemExit(f"waited too long for {expression}")
            time.sleep(0.25)
        return value

    def open(self, address):
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && typeof FlowPage !== 'undefined'")

    def screen(self, width, height, phone):
        ratio = 2 if phone else 1
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=ratio, mobile=phone)
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)

    def picture(self, path):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))


def heart(box, count=120):
    """Places on the screen along a heart."""
    for i in range(count + 1):
        s = 2 * math.pi * i / count
        x = 16 * math.sin(s) ** 3
        y = 13 * math.cos(s) - 5 * math.cos(2 * s) - 2 * math.cos(3 * s) - math.cos(4 * s)
        yield box["x"] + box["width"] * (0.5 + x / 42), box["y"] + box["height"] * (0.47 - y / 42)


def started(browser, address):
    browser.open(address)
    browser.until("!document.getElementById('flow-train').disabled && FlowPage.state.points.length > 0")


def stroke(browser, places, phone):
    """Moves the mouse, or a finger, along places of the screen."""
    for i, (x, y) in enumerate(places):
        if phone:
            browser.call("Input.dispatchTouchEvent", type="touchMove" if i else "touchStart", touchPoints=[{"x": x, "y": y}])
        else:
            kind = "mouseMoved" if i else "mousePressed"
            browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)
    if phone:
        browser.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    else:
        browser.call("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, button="left", clickCount=1)


def trained(browser, steps):
    """Trains for some steps, and waits until all pictures are made."""
    browser.value("document.getElementById('flow-train').click()")
    browser.until(f"FlowPage.state.step >= {steps}")
    browser.value("document.getElementById('flow-train').click()")
    browser.until("!FlowPage.state.busy")


def look(browser, path, t):
    browser.value(f"var e = document.getElementById('flow-t'); e.value = {t}; e.dispatchEvent(new Event('input'))")
    time.sleep(0.4)
    browser.picture(path)


# Scrolls the square to the top, below the book's bar. From the top of the page, as the bar follows jumps of any other kind oddly.
TOP = "scrollTo({ top: 0, behavior: 'instant' }); await new Promise(done => setTimeout(done, 200)); document.getElementById('flow-plane').scrollIntoView({ block: 'start', behavior: 'instant' }), scrollBy({ top: -60, behavior: 'instant' })"
BOX = "(({ x, y, width, height }) => ({ x, y, width, height }))(document.getElementById('flow-plane').getBoundingClientRect())"
# The controls whose middle is covered by something else, or outside the window.
COVERED = """[...document.querySelectorAll('.flow button, .flow input, .flow select')].filter(e => {
  e.scrollIntoView({ block: 'center', behavior: 'instant' });
  const { x, y, width, height } = e.getBoundingClientRect();
  return width < 15 || height < 15 || document.elementFromPoint(x + width / 2, y + height / 2) !== e;
}).map(e => e.id).join()"""
WIDE = "document.documentElement.scrollWidth - innerWidth"


def by_hand(browser, address, phone, folder):
    """Draws, trains and looks, as a reader does. Returns what is wrong."""
    name, wrong = "phone" if phone else "desktop", []
    browser.screen(*((375, 740) if phone else (1280, 900)), phone)
    started(browser, address)
    time.sleep(0.5)
    browser.picture(folder / f"{name}_first.png")
    if covered := browser.value(COVERED):
        wrong.append(f"out of reach: {covered}")
    browser.value(f"(async () => {{ {TOP} }})()")
    time.sleep(0.3)
    stroke(browser, list(heart(browser.value(BOX))), phone)
    drawn = browser.value("FlowPage.state.points.length / 2")
    if not 30 <= drawn < 2000:
        wrong.append(f"a stroke left {drawn} points")
    browser.value("document.getElementById('flow-coupling').value = 'optimal'")
    trained(browser, 1000)
    for moment, t in [("begin", 0.15), ("middle", 0.6), ("end", 1.0)]:
        look(browser, folder / f"{name}_{moment}.png", t)
    browser.value("document.getElementById('flow-loss').scrollIntoView({ block: 'end', behavior: 'instant' })")
    time.sleep(0.3)
    browser.picture(folder / f"{name}_controls.png")
    # Turned, or in a smaller window.
    browser.screen(*((740, 375) if phone else (760, 700)), phone)
    browser.value(f"(async () => {{ {TOP} }})()")
    time.sleep(0.3)
    browser.picture(folder / f"{name}_resized.png")
    wide = [browser.value(WIDE)]
    browser.screen(*((375, 740) if phone else (1280, 900)), phone)
    wide.append(browser.value(WIDE))
    if max(wide) > 0:
        wrong.append(f"the page is wider than its window, by {wide}")
    # One point, and ten thousand.
    browser.value("document.getElementById('flow-clear').click()")
    browser.value(f"(async () => {{ {TOP} }})()")
    box = browser.value(BOX)
    stroke(browser, [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)], phone)
    browser.value("document.getElementById('flow-train').click()")
    time.sleep(0.3)
    browser.picture(folder / f"{name}_one_point.png")
    browser.value("""document.getElementById('flow-coupling').value = 'independent';
      FlowPage.state.engine.call('preset', { name: 'checkerboard', count: 10000, seed: 0 }).then(({ value }) => FlowPage.setPoints(value))""")
    trained(browser, 1000)
    look(browser, folder / f"{name}_many.png", 1.0)
    print(f"{name}: drawn, trained, resized")
    return [f"{name}: {line}" for line in wrong]


def without_module(browser, page, folder):
    """Opens the page of a book that is built without the module. Returns what is wrong."""
    with tempfile.TemporaryDirectory() as book:
        shutil.copytree(page.parent, book, ignore=shutil.ignore_patterns("module"), dirs_exist_ok=True)
        browser.screen(1280, 900, False)
        browser.open((pathlib.Path(book) / page.name).as_uri())
        browser.until("document.querySelector('.flow-wrong') !== null")
        browser.picture(folder / "without_module.png")
        said = browser.value("document.getElementById('flow-message').textContent")
    print("without its module the page says:", said)
    return [] if "scripts/web-build.sh" in said else [f"without its module the page says {said}"]


def without_vectors(browser, address):
    """Trains where the processor is said to have no vectors, so that a module with one is invalid. Returns what is wrong."""
    started(browser, address)
    browser.value("document.getElementById('flow-train').click()")
    browser.until("FlowPage.state.step >= 20 && FlowPage.state.losses.every(Number.isFinite)")
    print("without vectors: it trains")
    return ["vectors where there are none"] if browser.value("FlowPage.state.engine.vectors") else []


def tested(browser, page, parts, wrong):
    """Runs the page's own test in the four ways. Returns what each measured."""
    for asked in ["", "&simd=off", "&worker=off", "&worker=off&simd=off"]:
        browser.screen(1280, 900, False)
        browser.open(f"{page}?selftest={parts}{asked}")
        found = json.loads(browser.until("document.getElementById('flow-result')?.textContent"))
        name = ", ".join(["worker" if found.get("worker") else "no worker", "SIMD" if found.get("simd") else "no SIMD"])
        if (found.get("worker"), found.get("simd")) != ("worker=off" not in asked, "simd=off" not in asked):
            wrong.append(f"?{asked} gave {name}")
        wrong += [f"{name}: {error}" for error in found["errors"]]
        wrong += [f"{name}: {check}: {seen}" for check, seen in found["checks"].items() if not seen["holds"]]
        print(f"{name}: {len(found['checks'])} checks")
        yield name, found


def compared(rows, native, wrong):
    """Prints what was measured, and how far losses are from the native ones."""
    columns = ["independent_steps_per_second", "optimal_steps_per_second", "entropic_steps_per_second", "ways_ms", "density_ms", "page_steps_per_second", "page_frames_per_second", "idle_frames_per_second"]
    print("\n" + "\n".join(f"{i + 1}: {column}" for i, column in enumerate(columns)))
    print(f"{'':<24}" + "".join(f"{i + 1:>9}" for i in range(len(columns))) + "  losses differ from native by")
    for name, found in rows:
        cells = "".join(f"{found[column]:>9.1f}" if column in found else f"{'':>9}" for column in columns)
        pairs = list(zip(found.get("losses", []), native["losses"]))
        apart = max((abs(a - b) / abs(b) for a, b in pairs), default=math.nan)
        print(f"{name:<24}{cells}  {apart:.1e} in {len(pairs)} steps")
        if "losses" in found and not apart < 1e-3:
            wrong.append(f"{name}: losses differ from the native ones by {apart}")


def main():
    page, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    parts = sys.argv[3] if len(sys.argv) > 3 else ""
    native = json.loads((folder / "native.json").read_text())
    rows, wrong = [("native", native)], []
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(profile)
        try:
            rows += tested(browser, page.as_uri(), parts, wrong)
            if not parts:
                for phone in [False, True]:
                    wrong += by_hand(browser, page.as_uri(), phone, folder)
            wrong += browser.wrong
            if not parts:
                wrong += without_module(browser, page, folder)
            abroad = [url for url in browser.requests if not url.startswith(("file:", "blob:", "data:"))]
            wrong += [f"asked the network for {url}" for url in abroad]
        finally:
            browser.close()
        if not parts:
            browser = Browser(profile, "--js-flags=--no-enable-sse4-1")
            try:
                wrong += without_vectors(browser, page.as_uri())
            finally:
                browser.close()
    compared(rows, native, wrong)
    (folder / "web.json").write_text(json.dumps(dict(rows), indent=1))
    for line in wrong:
        print("WRONG", line)
    return bool(wrong)


sys.exit(main())
