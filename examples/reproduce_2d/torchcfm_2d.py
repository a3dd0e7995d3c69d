#!/usr/bin/env python3
"""What torchcfm has on the data and by the protocol of reproduce_2d, as rows of JSON.

`pip install torch torchcfm pot`, then `torchcfm_2d.py --method i_cfm --seeds 5`; one thread.
"""
import argparse
import json
import math
import time
import warnings
from functools import partial

warnings.filterwarnings("ignore")

import numpy as np
import ot
import torch
from torchcfm.conditional_flow_matching import ConditionalFlowMatcher, ExactOptimalTransportConditionalFlowMatcher
from torchcfm.models.models import MLP

POINTS, BATCH, TEST, EULER = 10_000, 512, 1_000, 100


def normal(count, rng):
    return rng.normal(size=(count, 2))


def eight_gaussians(radius, std, count, rng):
    angle = np.arange(count) % 8 * math.pi / 4
    return radius * np.stack([np.cos(angle), np.sin(angle)], 1) + rng.normal(size=(count, 2)) * std


def moons(noise, count, rng):
    upper, angle = np.arange(count) % 2 == 0, rng.uniform(0, math.pi, count)
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    return np.stack([x, y], 1) + rng.normal(size=(count, 2)) * noise


def small_moons(count, rng):
    return moons(0.05, count, rng) * 2 - np.array([1, 0])


def large_moons(count, rng):
    # The mean and the variance of both coordinates together.
    mean, second = 0.375, 0.5 - 4 / math.pi**2 + (2 / math.pi - 0.25) ** 2
    variance = (0.75 + second) / 2 + 0.125**2 + 0.1**2
    return (moons(0.1, count, rng) - mean) / math.sqrt(variance) * 7


def s_curve(count, rng):
    angle = 3 * math.pi * (rng.uniform(size=count) - 0.5)
    points = np.stack([np.sin(angle), np.sign(angle) * (np.cos(angle) - 1)], 1)
    return 1.5 * (points + rng.normal(size=(count, 2)) * 0.05)


PROBLEMS = {
    "8gaussians-moons": (partial(eight_gaussians, 12, 1.5), large_moons),
    "normal-8gaussians": (normal, partial(eight_gaussians, 5, 1)),
    "normal-moons": (normal, small_moons),
    "normal-scurve": (normal, s_curve),
}
METHODS = {"i_cfm": ConditionalFlowMatcher, "ot_cfm": ExactOptimalTransportConditionalFlowMatcher}


def w2(a, b):
    return math.sqrt(ot.emd2(ot.unif(len(a)), ot.unif(len(b)), ot.dist(a, b), numItermax=10_000_000))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", choices=METHODS, default="i_cfm")
    parser.add_argument("--problem", choices=PROBLEMS, action="append")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20_000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for problem in args.problem or PROBLEMS:
        source, target = PROBLEMS[problem]
        for seed in range(args.seeds):
            rng = np.random.default_rng(100 + seed)
            torch.manual_seed(seed)
            np.random.seed(seed)
            x0_all, x1_all = (torch.tensor(draw(POINTS, rng), dtype=torch.float32) for draw in (source, target))
            net = MLP(2, w=64, time_varying=True)
            optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-5)
            matcher = METHODS[args.method](sigma=0.1)
            started = time.time()
            for _ in range(args.steps):
                x0, x1 = (all_[torch.randint(0, POINTS, (BATCH,))] for all_ in (x0_all, x1_all))
                t, x_t, u_t = matcher.sample_location_and_conditional_flow(x0, x1)
                loss = ((net(torch.cat([x_t, t[:, None]], 1)) - u_t) ** 2).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            seconds = time.time() - started
            start, end = source(TEST, rng), target(TEST, rng)
            x, energy = torch.tensor(start, dtype=torch.float32), 0.0
            with torch.no_grad():
                for k in range(EULER):
                    v = net(torch.cat([x, torch.full((TEST, 1), k / EULER)], 1))
                    energy += float((v**2).sum(1).mean()) / EULER
                    x = x + v / EULER
            best = w2(start, end) ** 2
            row = dict(problem=problem, method=args.method, seed=seed, steps=args.steps)
            row.update(w2=w2(x.numpy().astype(float), end), npe=abs(energy - best) / best, seconds=seconds)
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
