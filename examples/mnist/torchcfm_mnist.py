#!/usr/bin/env python3
"""Trains torchcfm's network on MNIST as the example `mnist` does, by torchcfm and PyTorch.

`pip install torch torchcfm`, then `torchcfm_mnist.py --data FOLDER --out FILE`; `mnist --weights FILE` measures the averaged weights.

Network, batch, steps, rate, clipping, average and noise within the levels are those of the example. Pairs are torchcfm's: it draws as many of the optimal plan as there are, with
replacement, where the example takes each one once.
"""
import argparse
import copy
import math
import pathlib
import resource
import time
import warnings

warnings.filterwarnings("ignore")

import numpy as np
import torch
from torchcfm.conditional_flow_matching import ExactOptimalTransportConditionalFlowMatcher
from torchcfm.models.unet import UNetModel


def read(path):
    """An array of bytes from a file in the format IDX."""
    data = path.read_bytes()
    rank = data[3]
    dims = np.frombuffer(data, ">i4", rank, 4)
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(dims).copy())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    images, labels = read(args.data / "train-images-idx3-ubyte"), read(args.data / "train-labels-idx1-ubyte").long()

    net = UNetModel(dim=(1, 28, 28), num_channels=32, num_res_blocks=1, num_classes=10, class_cond=True)
    averaged = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=0.01)
    warmup = min(100, args.steps // 2)

    def rate(step):
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (args.steps - warmup)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    decay = 1 - 20 / max(args.steps, 100)
    matcher = ExactOptimalTransportConditionalFlowMatcher(sigma=0.0)
    order = torch.empty(0, dtype=torch.long)
    started, processor = time.time(), time.process_time()
    for _ in range(args.steps):
        if len(order) < args.batch:
            order = torch.randperm(len(images))
        chosen, order = order[: args.batch], order[args.batch :]
        # Bytes with uniform noise in their bins, whose middles go from -1 to 1.
        x1 = (images[chosen, None].float() + torch.rand(args.batch, 1, 28, 28) - 0.5) / 127.5 - 1
        t, x, u, _, y = matcher.guided_sample_location_and_conditional_flow(torch.randn_like(x1), x1, y1=labels[chosen])
        loss = ((net(t, x, y) - u) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for mean, now in zip(averaged.parameters(), net.parameters()):
                mean.lerp_(now, 1 - decay)
    seconds, processor = time.time() - started, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"training     {seconds:.1f} s, {processor:.1f} s of processors, {args.steps} steps, last loss {loss.item():.4f}, {peak} MB")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(averaged.state_dict(), args.out)


if __name__ == "__main__":
    main()
