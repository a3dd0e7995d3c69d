"""Steps of optimisers from their papers' formulas, in Python's own numbers (f64): writes optimisers_python.json beside itself.

SGD and Adam as PyTorch's documentation states them, Lion by algorithm 2 of Chen et al. 2023, Muon by Jordan 2024.
"""

import json
import math
import pathlib

STEPS = 6


def gradients(size, shift):
    return [[round(math.sin(1.7 * k + 0.9 * i + shift), 6) for i in range(size)] for k in range(STEPS)]


def start(size):
    return [round(0.3 * i - 0.5, 6) for i in range(size)]


def sgd(p, gs, lr, wd, momentum=0.0, dampening=0.0, nesterov=False):
    p, buf, out = list(p), None, []
    for g in gs:
        g = [gi + wd * pi for gi, pi in zip(g, p)]
        if momentum != 0:
            if buf is None:
                buf = list(g)
            else:
                buf = [momentum * b + (1 - dampening) * gi for b, gi in zip(buf, g)]
            g = [gi + momentum * b for gi, b in zip(g, buf)] if nesterov else buf
        p = [pi - lr * gi for pi, gi in zip(p, g)]
        out.append(list(p))
    return out


def adam(p, gs, lr, b1, b2, eps, l2=0.0, wd=0.0):
    p, m, v, out = list(p), [0.0] * len(p), [0.0] * len(p), []
    for t, g in enumerate(gs, 1):
        p = [pi * (1 - lr * wd) for pi in p]
        g = [gi + l2 * pi for gi, pi in zip(g, p)]
        m = [b1 * mi + (1 - b1) * gi for mi, gi in zip(m, g)]
        v = [b2 * vi + (1 - b2) * gi * gi for vi, gi in zip(v, g)]
        for i in range(len(p)):
            mh, vh = m[i] / (1 - b1**t), v[i] / (1 - b2**t)
            p[i] -= lr * mh / (math.sqrt(vh) + eps)
        out.append(list(p))
    return out


def lion(p, gs, lr, b1, b2, wd):
    p, m, out = list(p), [0.0] * len(p), []
    for g in gs:
        for i in range(len(p)):
            c = b1 * m[i] + (1 - b1) * g[i]
            p[i] -= lr * ((c > 0) - (c < 0) + wd * p[i])
            m[i] = b2 * m[i] + (1 - b2) * g[i]
        out.append(list(p))
    return out


def product(a, b):
    return [[sum(x * y for x, y in zip(row, column)) for column in zip(*b)] for row in a]


def newton_schulz(g):
    x = g if len(g) <= len(g[0]) else [list(row) for row in zip(*g)]
    norm = math.sqrt(sum(e * e for row in x for e in row)) + 1e-7
    x = [[e / norm for e in row] for row in x]
    for _ in range(5):
        a = product(x, [list(row) for row in zip(*x)])
        aa = product(a, a)
        b = [[-4.7750 * e + 2.0315 * f for e, f in zip(r, s)] for r, s in zip(a, aa)]
        bx = product(b, x)
        x = [[3.4445 * e + f for e, f in zip(r, s)] for r, s in zip(x, bx)]
    return x if len(g) <= len(g[0]) else [list(row) for row in zip(*x)]


def muon(p, gs, rows, lr, mu, wd):
    columns = len(p) // rows
    p, b, out = list(p), [0.0] * len(p), []
    for g in gs:
        b = [mu * bi + (1 - mu) * gi for bi, gi in zip(b, g)]
        u = [mu * bi + (1 - mu) * gi for bi, gi in zip(b, g)]
        o = newton_schulz([u[r * columns : (r + 1) * columns] for r in range(rows)])
        o = [e for row in o for e in row]
        stretch = math.sqrt(max(1, rows / columns))
        p = [pi * (1 - lr * wd) - lr * stretch * oi for pi, oi in zip(p, o)]
        out.append(list(p))
    return out


s, gs = start(6), gradients(6, 0.0)
golden = {
    "start": s,
    "gradients": gs,
    "trajectories": {
        "sgd": sgd(s, gs, 0.1, 0.2),
        "momentum": sgd(s, gs, 0.1, 0.2, 0.9, 0.3),
        "nesterov": sgd(s, gs, 0.1, 0.0, 0.8, 0.0, True),
        "adam": adam(s, gs, 0.01, 0.9, 0.99, 1e-8, l2=0.3),
        "lion": lion(s, gs, 0.01, 0.9, 0.99, 0.5),
        "muon wide": muon(s, gs, 2, 0.02, 0.95, 0.1),
        "muon tall": muon(s, gs, 3, 0.02, 0.95, 0.0),
        "muon vector": adam(s, gs, 0.02 * 0.015, 0.9, 0.95, 1e-10, wd=0.1),
    },
}
path = pathlib.Path(__file__).with_name("optimisers_python.json")
path.write_text(json.dumps(golden, indent=1) + "\n")
