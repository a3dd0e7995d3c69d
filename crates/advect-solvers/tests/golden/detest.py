#!/usr/bin/env python3
"""The 25 nonstiff problems of DETEST (Hull et al. 1972), and their states at t = 20 by SciPy's DOP853 at tolerances of 1e-13.

Usage: detest.py > detest_scipy.json
"""
import json

import numpy as np

END = 20.0
MASSES = np.array([0.000954786104043, 0.000285583733151, 0.0000437273164546, 0.0000517759138449, 0.00000277777777778])
PLANETS = [3.42947415189, 3.35386959711, 1.35494901715, 6.6414554255, 5.97156957878, 2.18231499728, 11.2630437207,
           14.6952576794, 6.27960525067, -30.1552268759, 1.65699966404, 1.43785752721, -21.123835338, 28.4465098142,
           15.3882659679, -0.557160570446, 0.505696783289, 0.230578543901, -0.415570776342, 0.365682722812,
           0.169143213293, -0.325325669158, 0.189706021964, 0.087726532278, -0.024047625417, -0.287659532608,
           -0.117219543175, -0.176860753121, -0.216393453025, -0.014864789309]


def problems(xp=np):
    """Names, initial states and slopes f(t, y); `xp` is numpy or something like it."""
    def stack(*rows):
        return xp.stack(rows)

    def linear(matrix):
        matrix = xp.asarray(matrix)
        return lambda t, y: matrix @ y

    def chain(rates):
        n = len(rates) + 1
        matrix = np.zeros((n, n))
        for i, rate in enumerate(rates):
            matrix[i, i], matrix[i + 1, i] = -rate, rate
        return linear(matrix)

    def diffusion(n):
        return linear(-2 * np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1))

    def b4(t, y):
        r = (y[0] ** 2 + y[1] ** 2) ** 0.5
        return stack(-y[1] - y[0] * y[2] / r, y[0] - y[1] * y[2] / r, y[0] / r)

    def kepler(t, y):
        r3 = (y[0] ** 2 + y[1] ** 2) ** 1.5
        return stack(y[2], y[3], -y[0] / r3, -y[1] / r3)

    def planets(t, y):
        r = y[:15].reshape(5, 3)
        rows = [y[15:]]
        for j in range(5):
            pull = -(1.00000597682 + float(MASSES[j])) * r[j] / (r[j] ** 2).sum() ** 1.5
            for k in range(5):
                if k != j:
                    apart = r[k] - r[j]
                    pull = pull + float(MASSES[k]) * (apart / (apart ** 2).sum() ** 1.5 - r[k] / (r[k] ** 2).sum() ** 1.5)
            rows.append(2.95912208286 * pull)
        return xp.concatenate(rows)

    def unit(n):
        return [1.0] + [0.0] * (n - 1)

    def orbit(e):
        return [1 - e, 0.0, 0.0, ((1 + e) / (1 - e)) ** 0.5]

    def sin(t):
        return xp.sin(xp.asarray(t))

    return {
        "A1": ([1.0], lambda t, y: -y),
        "A2": ([1.0], lambda t, y: -0.5 * y ** 3),
        "A3": ([1.0], lambda t, y: y * xp.cos(xp.asarray(t))),
        "A4": ([1.0], lambda t, y: 0.25 * y * (1 - y / 20)),
        "A5": ([4.0], lambda t, y: (y - t) / (y + t)),
        "B1": ([1.0, 3.0], lambda t, y: stack(2 * (y[0] - y[0] * y[1]), -(y[1] - y[0] * y[1]))),
        "B2": ([2.0, 0.0, 1.0], linear([[-1.0, 1.0, 0.0], [1.0, -2.0, 1.0], [0.0, 1.0, -1.0]])),
        "B3": ([1.0, 0.0, 0.0], lambda t, y: stack(-y[0], y[0] - y[1] ** 2, y[1] ** 2)),
        "B4": ([3.0, 0.0, 0.0], b4),
        "B5": ([0.0, 1.0, 1.0], lambda t, y: stack(y[1] * y[2], -y[0] * y[2], -0.51 * y[0] * y[1])),
        "C1": (unit(10), chain([1.0] * 9)),
        "C2": (unit(10), chain([float(i) for i in range(1, 10)])),
        "C3": (unit(10), diffusion(10)),
        "C4": (unit(51), diffusion(51)),
        "C5": (PLANETS, planets),
        "D1": (orbit(0.1), kepler),
        "D2": (orbit(0.3), kepler),
        "D3": (orbit(0.5), kepler),
        "D4": (orbit(0.7), kepler),
        "D5": (orbit(0.9), kepler),
        "E1": ([0.671396707141803, 0.09540051444747446],
               lambda t, y: stack(y[1], -(y[1] / (t + 1) + (1 - 0.25 / (t + 1) ** 2) * y[0]))),
        "E2": ([2.0, 0.0], lambda t, y: stack(y[1], (1 - y[0] ** 2) * y[1] - y[0])),
        "E3": ([0.0, 0.0], lambda t, y: stack(y[1], y[0] ** 3 / 6 - y[0] + 2 * sin(2.78535 * t))),
        "E4": ([30.0, 0.0], lambda t, y: stack(y[1], 0.032 - 0.4 * y[1] ** 2)),
        "E5": ([0.0, 0.0], lambda t, y: stack(y[1], (1 + y[1] ** 2) ** 0.5 / (25 - t))),
    }


if __name__ == "__main__":
    import scipy
    from scipy.integrate import solve_ivp

    ends = {}
    for name, (start, slope) in problems().items():
        solution = solve_ivp(slope, (0, END), np.array(start), method="DOP853", rtol=1e-13, atol=1e-14)
        ends[name] = solution.y[:, -1].tolist()
    print(json.dumps({"source": f"scipy {scipy.__version__}, DOP853, rtol 1e-13, atol 1e-14", "ends": ends}, indent=1))
