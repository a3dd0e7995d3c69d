#!/usr/bin/env python3
"""Draw the evaluations that methods need against the errors that they achieve, beside torchdiffeq's.

Usage: benches/work_precision.py --peers PYTHON --out FILE.png

PYTHON is an interpreter that has the peers of benches/requirements.txt. The problems are the 25 of DETEST, from t = 0 to
20; the exact states at the end are those of crates/advect-solvers/tests/golden/detest_scipy.json. Each point is one
tolerance, relative and absolute: the geometric mean over the problems of evaluations and of errors, where an error is the
root mean square of (x - exact) / (1 + |exact|).
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "crates" / "advect-solvers" / "tests" / "golden"


def peer_rows():
    """Rows of torchdiffeq; run by the peers' interpreter."""
    import torch
    from torchdiffeq import odeint

    sys.path.insert(0, str(GOLDEN))
    import detest

    class Torch:
        stack = staticmethod(lambda rows: torch.stack(list(rows)))
        concatenate = staticmethod(torch.cat)
        asarray = staticmethod(lambda x: torch.as_tensor(x, dtype=torch.float64))
        sin, cos = staticmethod(torch.sin), staticmethod(torch.cos)

    torch.set_num_threads(1)
    for method, most in (("bosh3", 6), ("dopri5", 10), ("dopri8", 10)):
        for digits in range(3, most + 1):
            for name, (start, slope) in detest.problems(Torch).items():
                count = [0]

                def counted(t, y):
                    count[0] += 1
                    return slope(t, y)

                y0 = torch.tensor(start, dtype=torch.float64)
                ts = torch.tensor([0.0, detest.END], dtype=torch.float64)
                end = odeint(counted, y0, ts, method=method, rtol=10.0**-digits, atol=10.0**-digits)[-1]
                row = {"library": "torchdiffeq", "method": method, "tolerance": 10.0**-digits, "problem": name,
                       "evaluations": count[0], "end": end.tolist()}
                print(json.dumps(row), flush=True)


def draw(path):
    """Points and their names come as JSON on standard input; run by the peers' interpreter."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    curves = json.load(sys.stdin)
    figure, axes = plt.subplots(figsize=(8, 5.5))
    for curve in curves:
        ours = curve["library"] == "advect"
        axes.loglog(curve["evaluations"], curve["errors"], "o-" if ours else "s--", markersize=4,
                    label=f"{curve['method']} ({curve['library']})")
    axes.set_xlabel("evaluations, geometric mean over the 25 problems of DETEST")
    axes.set_ylabel("error at the end, geometric mean")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def curves(rows):
    exact = json.loads((GOLDEN / "detest_scipy.json").read_text())["ends"]
    points = {}
    for row in rows:
        scaled = [((a - b) / (1 + abs(b))) ** 2 for a, b in zip(row["end"], exact[row["problem"]])]
        error = max(math.sqrt(sum(scaled) / len(scaled)), 1e-16)
        key = (row["library"], row["method"], row["tolerance"])
        points.setdefault(key, []).append((row["evaluations"], error))
    found = {}
    for (library, method, _), values in sorted(points.items(), key=lambda item: -item[0][2]):
        curve = found.setdefault((library, method), {"library": library, "method": method, "evaluations": [], "errors": []})
        mean = [math.exp(sum(map(math.log, column)) / len(column)) for column in zip(*values)]
        curve["evaluations"].append(mean[0])
        curve["errors"].append(mean[1])
    return [found[key] for key in sorted(found)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter that has the peers")
    parser.add_argument("--out", metavar="FILE", help="the picture")
    parser.add_argument("--only", choices=["peers", "draw"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only == "peers":
        return peer_rows()
    if arguments.only == "draw":
        return draw(arguments.out)
    if not (arguments.peers and arguments.out):
        parser.error("--peers and --out are needed")

    def run(command, **more):
        return subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE, **more).stdout

    ours = run(["cargo", "run", "--release", "--locked", "--example", "work_precision"])
    theirs = run([arguments.peers, __file__, "--only", "peers"])
    rows = [json.loads(line) for line in (ours + theirs).splitlines() if line.startswith("{")]
    found = curves(rows)
    for curve in found:
        print(curve["library"], curve["method"])
        for evaluations, error in zip(curve["evaluations"], curve["errors"]):
            print(f"  {evaluations:10.0f} {error:.2e}")
    path = str(pathlib.Path(arguments.out).resolve())
    run([arguments.peers, __file__, "--only", "draw", "--out", path], input=json.dumps(found))


main()
