"""Goes through the interactive page in headless Chromium, by the pipe of its debugger. See web-check.sh.

python3 scripts/web_check.py PAGE FOLDER
"""

import base64
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time

OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe", "about:blank",
]
# Of a self-test, on a slow machine.
LIMIT = 900


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


def by_hand(browser, address, phone, folder):
    """Draws, trains and looks, as a reader does. Returns what is wrong."""
    browser.screen(*((375, 740) if phone else (1280, 900)), phone)
    browser.open(address)
    browser.until("!document.getElementById('flow-train').disabled && FlowPage.state.points.length > 0")
    browser.value("document.getElementById('flow-clear').click(); document.getElementById('flow-coupling').value = 'optimal'")
    browser.value("document.getElementById('flow-plane').scrollIntoView({ block: 'start', behavior: 'instant' }), scrollBy({ top: -60, behavior: 'instant' })")
    time.sleep(0.3)
    box = browser.value("(({ x, y, width, height }) => ({ x, y, width, height }))(document.getElementById('flow-plane').getBoundingClientRect())")
    places = list(heart(box))
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
    drawn = browser.value("FlowPage.state.points.length / 2")
    browser.value("document.getElementById('flow-train').click()")
    browser.until("FlowPage.state.step >= 2000")
    browser.value("document.getElementById('flow-train').click()")
    browser.until("!FlowPage.state.busy")
    wide = browser.value("[document.documentElement.scrollWidth, innerWidth]")
    for name, t in [("begin", 0.15), ("middle", 0.6), ("end", 1.0)]:
        browser.value(f"const e = document.getElementById('flow-t'); e.value = {t}; e.dispatchEvent(new Event('input'))".replace("const e", "var e"))
        time.sleep(0.4)
        browser.picture(folder / f"{'phone' if phone else 'desktop'}_{name}.png")
    wrong = []
    if drawn < 30:
        wrong.append(f"a stroke left {drawn} points")
    if wide[0] > wide[1]:
        wrong.append(f"the page is {wide[0]} wide on a screen of {wide[1]}")
    return wrong


def without_vectors(browser, address):
    """Trains where the processor is said to have no vectors, so that a module with one is invalid. Returns what is wrong."""
    browser.open(address)
    browser.until("!document.getElementById('flow-train').disabled && FlowPage.state.points.length > 0")
    browser.value("document.getElementById('flow-train').click()")
    browser.until("FlowPage.state.step >= 20 && FlowPage.state.losses.every(Number.isFinite)")
    print("without vectors: it trains")
    return ["vectors where there are none"] if browser.value("FlowPage.state.engine.vectors") else []


def main():
    page, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    native = json.loads((folder / "native.json").read_text())
    rows, wrong = [("native", native)], []
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(profile)
        try:
            for asked in ["", "&simd=off", "&worker=off", "&worker=off&simd=off"]:
                browser.screen(1280, 900, False)
                browser.open(f"{page.as_uri()}?selftest{asked}")
                found = json.loads(browser.until("document.getElementById('flow-result')?.textContent"))
                name = ", ".join(["worker" if found.get("worker") else "no worker", "SIMD" if found.get("simd") else "no SIMD"])
                if (found.get("worker"), found.get("simd")) != ("worker=off" not in asked, "simd=off" not in asked):
                    wrong.append(f"?{asked} gave {name}")
                wrong += [f"{name}: {error}" for error in found["errors"]]
                wrong += [f"{name}: {check}: {seen}" for check, seen in found["checks"].items() if not seen["holds"]]
                rows.append((name, found))
                print(f"{name}: {len(found['checks'])} checks")
            for phone in [False, True]:
                wrong += by_hand(browser, page.as_uri(), phone, folder)
            abroad = [url for url in browser.requests if not url.startswith(("file:", "blob:", "data:"))]
            wrong += [f"asked the network for {url}" for url in abroad] + browser.wrong
        finally:
            browser.close()
        browser = Browser(profile, "--js-flags=--no-enable-sse4-1")
        try:
            wrong += without_vectors(browser, page.as_uri())
        finally:
            browser.close()
    columns = ["independent_steps_per_second", "optimal_steps_per_second", "entropic_steps_per_second", "ways_ms", "density_ms", "page_steps_per_second", "page_frames_per_second", "idle_frames_per_second"]
    print("\n" + "\n".join(f"{i + 1}: {column}" for i, column in enumerate(columns)))
    print(f"{'':<24}" + "".join(f"{i + 1:>9}" for i in range(len(columns))) + "  losses differ from native by")
    for name, found in rows:
        cells = "".join(f"{found[column]:>9.1f}" if column in found else f"{'':>9}" for column in columns)
        pairs = list(zip(found.get("losses", []), native["losses"]))
        apart = max((abs(a - b) / abs(b) for a, b in pairs), default=math.nan)
        print(f"{name:<24}{cells}  {apart:.1e} in {len(pairs)} steps")
        if not apart < 1e-3:
            wrong.append(f"{name}: losses differ from the native ones by {apart}")
    (folder / "web.json").write_text(json.dumps(dict(rows), indent=1))
    for line in wrong:
        print("WRONG", line)
    return bool(wrong)


sys.exit(main())
