#!/usr/bin/env python3
"""What torchdiffeq's dopri5 does on the problems of DETEST, by class: evaluations, and the largest error at the end over the tolerance.

`pip install torch torchdiffeq numpy`, then run from anywhere in the repository; the exact states are those of
crates/advect-solvers/tests/golden/detest_scipy.json.
"""
import json
import math
import pathlib
import sys

import torch
from torchdiffeq import odeint

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "crates/advect-solvers/tests/golden"
sys.path.insert(0, str(GOLDEN))
import detest  # noqa: E402


class Torch:
    stack = staticmethod(lambda rows: torch.stack(list(rows)))
    concatenate = staticmethod(torch.cat)
    asarray = staticmethod(lambda x: torch.as_tensor(x, dtype=torch.float64))
    sin, cos = staticmethod(torch.sin), staticmethod(torch.cos)


torch.set_num_threads(1)
ends = json.loads((GOLDEN / "detest_scipy.json").read_text())["ends"]
for digits in (3, 6, 9):
    tolerance, calls, errors = 10.0**-digits, {}, {}
    for name, (start, slope) in detest.problems(Torch).items():
        count = [0]

        def counted(t, y):
            count[0] += 1
            return slope(t, y)

        y0 = torch.tensor(start, dtype=torch.float64)
        times = torch.tensor([0.0, detest.END], dtype=torch.float64)
        end = odeint(counted, y0, times, method="dopri5", rtol=tolerance, atol=tolerance)[-1].tolist()
        squares = [((x - exact) / (1 + abs(exact))) ** 2 for x, exact in zip(end, ends[name])]
        error = math.sqrt(sum(squares) / len(squares)) / tolerance
        for of in (name[0], "all"):
            calls[of] = calls.get(of, 0) + count[0]
            errors[of] = max(errors.get(of, 0.0), error)
    print(digits, calls, {of: f"{error:.2f}" for of, error in errors.items()}, flush=True)
