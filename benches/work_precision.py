#!/usr/bin/env python3
"""Draw the evaluations that methods need against the errors that they achieve, beside those of other libraries.

Usage: benches/work_precision.py [--stiff [--times]] --peers PYTHON --out FILE.png

PYTHON is an interpreter that has the peers of benches/requirements.txt. The problems are the 25 of DETEST, from t = 0 to
20; the exact states at the end are those of crates/advect-solvers/tests/golden/detest_scipy.json. Each point is one
tolerance, relative and absolute: the geometric mean over the problems of evaluations and of errors, where an error is the
root mean square of (x - exact) / (1 + |exact|).

With --stiff, the problems are those of crates/advect-solvers/tests/golden/stiff.py, beside SciPy and diffrax. Errors are the largest
relative ones. Evaluations are all that a method asks for: those of Jacobians by differences too, and n for a
Jacobian of n columns by forward mode. --times draws the median of three wall times beside them, for a machine that does nothing else.
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys

STIFF_DIGITS = (3, 4, 5, 6, 7, 8)
ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "crates" / "advect-solvers" / "tests" / "golden"


def peer_rows():
    """Rows of torchdiffeq; run by the peers' interpreter."""
    import torch
    from torchdiffeq import odeint

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


def scipy_rows():
    """Rows of SciPy on the stiff problems."""
    import time

    import numpy as np
    from scipy.integrate import solve_ivp

    import stiff

    for method in ("Radau", "BDF", "LSODA"):
        for digits in STIFF_DIGITS:
            for name, (slope, start, end, _, absolute) in stiff.problems(np).items():
                times = []
                for _ in range(3):
                    count = [0]

                    def counted(t, y):
                        count[0] += 1
                        return slope(t, y)

                    begun = time.perf_counter()
                    rtol = 10.0**-digits
                    solution = solve_ivp(counted, (0.0, end), start, method=method, rtol=rtol, atol=rtol * absolute)
                    times.append(time.perf_counter() - begun)
                row = {"library": "SciPy", "method": method, "tolerance": rtol, "problem": name, "evaluations": count[0],
                       "seconds": sorted(times)[1], "end": solution.y[:, -1].tolist()}
                print(json.dumps(row), flush=True)


def diffrax_rows():
    """Rows of diffrax on the stiff problems; a callback counts, in a run that is not timed."""
    import time

    import jax

    jax.config.update("jax_enable_x64", True)
    import diffrax
    import jax.numpy as jnp

    import stiff

    for name, (slope, start, end, _, absolute) in stiff.problems(jnp).items():
        for method in ("Kvaerno5", "Kvaerno3"):
            count = [0]

            def add():
                count[0] += 1

            def counted(t, y, _):
                jax.debug.callback(add)
                return slope(t, y)

            def solver(field):
                def solve(rtol):
                    controller = diffrax.PIDController(rtol=rtol, atol=rtol * absolute)
                    solution = diffrax.diffeqsolve(
                        diffrax.ODETerm(field), getattr(diffrax, method)(), 0.0, end, None, jnp.array(start),
                        stepsize_controller=controller, max_steps=None, throw=False)
                    return solution.ys[-1]
                return jax.jit(solve)

            timed, counting = solver(lambda t, y, _: slope(t, y)), solver(counted)
            for digits in STIFF_DIGITS if method == "Kvaerno5" else STIFF_DIGITS[:3]:
                rtol = 10.0**-digits
                timed(rtol).block_until_ready()
                times = []
                for _ in range(3):
                    begun = time.perf_counter()
                    state = timed(rtol).block_until_ready()
                    times.append(time.perf_counter() - begun)
                count[0] = 0
                counting(rtol).block_until_ready()
                jax.effects_barrier()
                row = {"library": "diffrax", "method": method, "tolerance": rtol, "problem": name, "evaluations": count[0],
                       "seconds": sorted(times)[1], "end": state.tolist()}
                print(json.dumps(row), flush=True)


def draw(path):
    """Points and their names come as JSON on standard input; run by the peers' interpreter."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    curves = json.load(sys.stdin)
    costs = ["evaluations", "seconds"] if curves[0]["times"] else ["evaluations"]
    figure, all_axes = plt.subplots(1, len(costs), figsize=(8 * len(costs), 5.5), squeeze=False)
    for axes, cost in zip(all_axes[0], costs):
        for curve in curves:
            ours = curve["library"] == "advect"
            axes.loglog(curve[cost], curve["errors"], "o-" if ours else "s--", markersize=4,
                        label=f"{curve['method']} ({curve['library']})")
        axes.set_xlabel(f"{cost}, geometric mean over {curves[0]['problems']}")
        axes.set_ylabel("error at the end, geometric mean")
        axes.grid(True, which="major", alpha=0.3)
    all_axes[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def detest_error(row, exact):
    scaled = [((a - b) / (1 + abs(b))) ** 2 for a, b in zip(row["end"], exact)]
    return math.sqrt(sum(scaled) / len(scaled))


def stiff_error(row, exact):
    return max(abs(a - b) / abs(b) for a, b in zip(row["end"], exact))


def curves(rows, exact, of):
    points = {}
    for row in rows:
        error = max(of(row, exact[row["problem"]]), 1e-16)
        key = (row["library"], row["method"], row["tolerance"])
        points.setdefault(key, []).append((row["evaluations"], error, row.get("seconds", 1.0)))
    found = {}
    for (library, method, _), values in sorted(points.items(), key=lambda item: -item[0][2]):
        curve = found.setdefault((library, method), {"library": library, "method": method, "evaluations": [], "errors": [], "seconds": []})
        mean = [math.exp(sum(map(math.log, column)) / len(column)) for column in zip(*values)]
        for name, value in zip(("evaluations", "errors", "seconds"), mean):
            curve[name].append(value)
    return [found[key] for key in sorted(found)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter that has the peers")
    parser.add_argument("--out", metavar="FILE", help="the picture")
    parser.add_argument("--stiff", action="store_true", help="the stiff problems")
    parser.add_argument("--times", action="store_true", help="wall times too")
    parser.add_argument("--only", choices=["peers", "scipy", "diffrax", "draw"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path.insert(0, str(GOLDEN))
    rows_of = {"peers": peer_rows, "scipy": scipy_rows, "diffrax": diffrax_rows}
    if arguments.only in rows_of:
        return rows_of[arguments.only]()
    if arguments.only == "draw":
        return draw(arguments.out)
    if not (arguments.peers and arguments.out):
        parser.error("--peers and --out are needed")

    def run(command, **more):
        return subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE, **more).stdout

    if arguments.stiff:
        test = ["cargo", "test", "--release", "--locked", "-p", "advect-solvers", "--test", "all", "--"]
        ours = run([*test, "--ignored", "--nocapture", "work_precision"])
        theirs = "".join(run([arguments.peers, __file__, "--only", only]) for only in ("scipy", "diffrax"))
        import stiff

        exact, error = {name: problem[3] for name, problem in stiff.problems(None).items()}, stiff_error
        problems = f"{len(exact)} stiff problems"
    else:
        ours = run(["cargo", "run", "--release", "--locked", "--example", "work_precision"])
        theirs = run([arguments.peers, __file__, "--only", "peers"])
        exact, error = json.loads((GOLDEN / "detest_scipy.json").read_text())["ends"], detest_error
        problems = "the 25 problems of DETEST"
    rows = [json.loads(line) for line in (ours + theirs).splitlines() if line.startswith("{")]
    found = curves(rows, exact, error)
    for curve in found:
        curve["problems"], curve["times"] = problems, arguments.times and arguments.stiff
    for curve in found:
        print(curve["library"], curve["method"])
        for evaluations, error in zip(curve["evaluations"], curve["errors"]):
            print(f"  {evaluations:10.0f} {error:.2e}")
    path = str(pathlib.Path(arguments.out).resolve())
    run([arguments.peers, __file__, "--only", "draw", "--out", path], input=json.dumps(found))


main()
