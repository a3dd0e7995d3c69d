#!/usr/bin/env python3
"""Errors and evaluations of SciPy's Adams methods, VODE's and LSODA's, on the problems of DETEST.

Usage: multistep.py > detest_multistep.json
"""
import json
import pathlib
import warnings

import numpy as np
import scipy
from detest import END, problems
from scipy.integrate import ode

TOLERANCES = [10.0**-k for k in range(3, 11)]
METHODS = {"vode": {"method": "adams"}, "lsoda": {"max_order_s": 0}}


def run(slope, start, method, tolerance):
    count = 0

    def counted(t, y):
        nonlocal count
        count += 1
        return slope(t, y)

    solver = ode(counted).set_integrator(method, rtol=tolerance, atol=tolerance, nsteps=10**7, **METHODS[method])
    solver.set_initial_value(np.array(start), 0.0)
    return solver.integrate(END), count


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    golden = json.loads((pathlib.Path(__file__).parent / "detest_scipy.json").read_text())["ends"]
    rows = {}
    for method in METHODS:
        rows[method] = {}
        for name, (start, slope) in problems().items():
            rows[method][name] = []
            for tolerance in TOLERANCES:
                y, count = run(slope, start, method, tolerance)
                exact = np.array(golden[name])
                # The root mean square, of which elements above 1 are relative.
                error = np.sqrt(np.mean(((y - exact) / (1 + abs(exact))) ** 2))
                rows[method][name].append([float(f"{error:.3e}"), count])
    lines = [f'"source": "scipy {scipy.__version__}, scipy.integrate.ode, rtol = atol = 1e-3 to 1e-10: errors at the end, evaluations"']
    for method in METHODS:
        inner = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in rows[method].items())
        lines.append(f'"{method}": {{\n{inner}\n }}')
    print("{\n " + ",\n ".join(lines) + "\n}")
