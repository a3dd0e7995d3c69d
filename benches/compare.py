#!/usr/bin/env python3
"""Time Advect and the libraries that users would otherwise pick, in turn, case by case, on this machine.

Usage: benches/compare.py --peers PYTHON [CASE ...] [--json FILE]

PYTHON is an interpreter that has the peers: `python3 -m venv V && V/bin/pip install -r benches/requirements.txt`
(about 7 GB) makes V/bin/python. A CASE is a part of a case's name; without any, all cases of Advect are run.

For each case this prints the medians in ms, the ratio to the fastest peer, the ratio to the floor (floating-point
operations at the peak of matrix products, or bytes at the memory's bandwidth, both measured in this run; "-" where
none is defined), and the peak resident memory in MB. With --json it writes rows {"case", "ours_ms", "peers":
{name: ms}, "ratio_fastest", "ratio_floor"}.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
ENV = dict(os.environ, OMP_NUM_THREADS="2", RAYON_NUM_THREADS="2", CARGO_TERM_COLOR="never")


def run(command):
    """The output of a process and its peak resident memory in MB."""
    child = subprocess.Popen(command, cwd=ROOT, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output = child.stdout.read()
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{output}{errors}")
    return output, usage.ru_maxrss / 1024


def benches():
    """The path of each benchmark's executable, built."""
    output, _ = run(["cargo", "bench", "--locked", "-p", "advect-benches", "--no-run", "--message-format=json"])
    messages = (json.loads(line) for line in output.splitlines() if line.startswith("{"))
    return [m["executable"] for m in messages if m.get("executable") and "bench" in m["target"]["kind"]]


def cases(executable):
    output, _ = run([executable, "--bench", "--list"])
    return re.findall(r"^(.+): benchmark$", output, re.M)


def ours(executable, case):
    home = ROOT / "target" / "criterion"
    _, memory = run([executable, "--bench", "--exact", case, "--warm-up-time", "1", "--measurement-time", "4"])
    for path in home.glob("**/new/benchmark.json"):
        if json.loads(path.read_text())["full_id"] == case:
            estimates = json.loads((path.parent / "estimates.json").read_text())
            return estimates["median"]["point_estimate"] * 1e-6, memory
    sys.exit(f"{case}: no result of criterion")


def peers(python, case):
    output, memory = run([python, HERE / "peers.py", case])
    rows = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    for row in rows:
        if row["case"] == case and "error" in row:
            print(f"{case}: {row['peer']}: {row['error']}", file=sys.stderr)
    return {row["peer"]: row["ms"] for row in rows if row["case"] == case and "ms" in row}, memory


def machine(python):
    """Floating-point operations and bytes a second, as PyTorch reaches them."""
    code = """
import time, torch
torch.set_num_threads(2)
def best(f):
    f(); times = []
    for _ in range(20):
        t = time.perf_counter(); f(); times.append(time.perf_counter() - t)
    return min(times)
a = torch.randn(1024, 1024); b = torch.randn(1024, 1024); c = torch.empty(1024, 1024)
x = torch.randn(1 << 25); y = torch.empty_like(x)
print(2 * 1024**3 / best(lambda: torch.mm(a, b, out=c)), 8 * (1 << 25) / best(lambda: y.copy_(x)))
"""
    output, _ = run([python, "-c", code])
    return tuple(map(float, output.split()))


def floor(case, flops, bandwidth):
    """The least time in ms, where one is defined."""
    def mlp(width, dim):
        return (dim + 1) * width + 2 * width * width + width * dim

    if m := re.match(r"train/cfm_mlp/w(\d+)_b(\d+)_d(\d+)$", case):
        width, batch, dim = map(int, m.groups())
        return 6 * batch * mlp(width, dim) / flops * 1e3
    if m := re.match(r"sample/euler100_mlp64/b(\d+)$", case):
        return 100 * 2 * int(m[1]) * mlp(64, 2) / flops * 1e3
    if m := re.match(r"op/groupnorm_silu_fwd_bwd/b(\d+)_c(\d+)_s(\d+)$", case):
        batch, channels, side = map(int, m.groups())
        # x read and y written forwards; x and the gradient read and x's gradient written backwards.
        return 5 * 4 * batch * channels * side * side / bandwidth * 1e3
    if m := re.match(r"op/attention_fwd/b(\d+)_h(\d+)_n(\d+)_d(\d+)$", case):
        batch, heads, n, dim = map(int, m.groups())
        return 4 * batch * heads * n * n * dim / flops * 1e3
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", required=True, metavar="PYTHON", help="an interpreter that has the peers")
    parser.add_argument("--json", metavar="FILE", help="where to write the rows")
    parser.add_argument("case", nargs="*", help="parts of names of cases")
    arguments = parser.parse_args()

    wanted = [
        (executable, case)
        for executable in benches()
        for case in cases(executable)
        if not arguments.case or any(part in case for part in arguments.case)
    ]
    if not wanted:
        sys.exit("no case of that name")
    flops, bandwidth = machine(arguments.peers)
    print(f"matrix products {flops * 1e-9:.0f} GFLOP/s, copies {bandwidth * 1e-9:.1f} GB/s\n")
    print("| case | ours | peers | ours / fastest | ours / floor | memory: ours, peers |")
    print("| --- | --- | --- | --- | --- | --- |")
    rows = []
    for executable, case in wanted:
        ms, memory = ours(executable, case)
        others, others_memory = peers(arguments.peers, case)
        least = floor(case, flops, bandwidth)
        fastest = ms / min(others.values()) if others else None
        row = {
            "case": case,
            "ours_ms": round(ms, 5),
            "peers": others,
            "ratio_fastest": fastest and round(fastest, 3),
            "ratio_floor": least and round(ms / least, 2),
        }
        rows.append(row)
        ordered = sorted(others.items(), key=lambda item: item[1])
        texts = [
            case,
            f"{ms:.4g}",
            ", ".join(f"{name} {time:.4g}" for name, time in ordered) or "-",
            str(row["ratio_fastest"] or "-"),
            str(row["ratio_floor"] or "-"),
            f"{memory:.0f}, {others_memory:.0f}",
        ]
        print("| " + " | ".join(texts) + " |", flush=True)
        if arguments.json:
            pathlib.Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
