"""Writes sinkhorn_unbalanced_pot.json: plans of ot.unbalanced.sinkhorn_unbalanced (POT 0.9.7)."""
import json
import os

import numpy as np
import ot

rng = np.random.default_rng(7)
rows = []
for n, m, reg, reg_m in [(5, 7, 0.5, 1.0), (6, 4, 0.1, 3.0)]:
    x, y = rng.normal(size=(n, 2)), rng.normal(size=(m, 2)) + 0.5
    a = rng.uniform(0.5, 1.5, size=n)
    b = rng.uniform(0.5, 1.5, size=m)
    a, b = a / a.sum(), b / b.sum()
    plan = ot.unbalanced.sinkhorn_unbalanced(
        a, b, ot.dist(x, y), reg, reg_m, reg_type="entropy", numItermax=100000, stopThr=1e-14
    )
    rows.append(dict(x=x.tolist(), y=y.tolist(), a=a.tolist(), b=b.tolist(), reg=reg, reg_m=reg_m, plan=plan.tolist()))
path = os.path.join(os.path.dirname(__file__), "sinkhorn_unbalanced_pot.json")
with open(path, "w") as file:
    json.dump(dict(source="POT " + ot.__version__, rows=rows), file)
