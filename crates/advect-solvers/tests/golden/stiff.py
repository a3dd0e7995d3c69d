"""The stiff problems of tests/stiff_problems for the peers: f(t, y), its start and end, the published state at the end, and the
absolute tolerance that goes with a relative one of 1."""
import numpy as np


def problems(xp=np):
    """Names and problems; `xp` is numpy or something like it."""
    def van_der_pol(t, y):
        return xp.stack([y[1], 1e3 * (1 - y[0] * y[0]) * y[1] - y[0]])

    def robertson(t, y):
        a, b, c = 0.04 * y[0], 3e7 * y[1] * y[1], 1e4 * y[1] * y[2]
        return xp.stack([c - a, a - b - c, b])

    def hires(t, y):
        joined = 280 * y[5] * y[7] - 1.81 * y[6]
        return xp.stack([
            -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007,
            1.71 * y[0] - 8.75 * y[1],
            -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4],
            8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3],
            -1.745 * y[4] + 0.43 * (y[5] + y[6]),
            -280 * y[5] * y[7] + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6],
            joined,
            -joined,
        ])

    def orego(t, y):
        return xp.stack([
            77.27 * (y[1] + y[0] * (1 - 8.375e-6 * y[0] - y[1])),
            (y[2] - (1 + y[0]) * y[1]) / 77.27,
            0.161 * (y[0] - y[2]),
        ])

    return {
        "Van der Pol, 1e3": (van_der_pol, [2.0, 0.0], 2000.0, [1.70616773217047, -0.0008928097010248], 1.0),
        "Robertson": (robertson, [1.0, 0.0, 0.0], 1e4, [0.107300428538, 4.80016697257e-7, 0.892699091445], 1e-6),
        "HIRES": (hires, [1.0] + [0.0] * 6 + [0.0057], 321.8122, [
            0.7371312573325668e-3, 0.1442485726316185e-3, 0.5888729740967575e-4, 0.1175651343283149e-2,
            0.2386356198831331e-2, 0.6238968252742796e-2, 0.2849998395185769e-2, 0.2850001604814231e-2], 1e-3),
        "OREGO": (orego, [1.0, 2.0, 3.0], 360.0, [0.1000814870318523e1, 0.1228178521549917e4, 0.1320554942846706e3], 1.0),
    }
