#!/usr/bin/env python3
"""Time in PyTorch, in eager mode on a GPU, what `device.rs` times in Advect.

Usage: benches/device_peers.py [CASE-SUBSTRING ...]
Prints one JSON object a line: {"case", "peer", "ms" (median), "min_ms", "runs"}; each case with TF32 off and on.
Each run ends with a synchronisation. Needs torch, torchcfm and torchdiffeq (requirements.txt).
"""
import json, statistics, sys, time
import torch
import torch.nn as nn
import torch.nn.functional as F
from torchcfm.models.models import MLP
from torchcfm.models.unet import UNetModel
from sit import SiT

WANT = sys.argv[1:]
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
CIFAR = (128, 3, 32, 32)
LATENTS = (128, 4, 32, 32)


def synchronize():
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def case(name, make):
    if WANT and not any(word in name for word in WANT):
        return
    for tf32 in (False, True):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        torch.manual_seed(0)
        run = make()

        def once():
            start = time.perf_counter()
            run()
            synchronize()
            return (time.perf_counter() - start) * 1e3

        for _ in range(5):
            once()
        ms, start = [], time.perf_counter()
        while len(ms) < 5 or (time.perf_counter() - start < 1.5 and len(ms) < 200):
            ms.append(once())
        peer = "torch, TF32" if tf32 else "torch, f32"
        print(json.dumps({"case": name, "peer": peer, "ms": round(statistics.median(ms), 4),
                          "min_ms": round(min(ms), 4), "runs": len(ms)}), flush=True)
        del run
        torch.cuda.empty_cache()


def normal(*shape):
    return torch.randn(*shape, device=DEVICE)


def cifar():
    """torchcfm's network for CIFAR-10, without dropout."""
    return UNetModel(dim=CIFAR[1:], num_channels=128, num_res_blocks=2, channel_mult=(1, 2, 2, 2),
                     attention_resolutions="16", dropout=0.0, num_heads=4, num_head_channels=64).to(DEVICE)


def flow_step(net, data, rate, autocast=False):
    """A step of conditional flow matching; `net` takes the times and the states, in bf16 where it can with `autocast`."""
    parameters = list(net.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=rate)

    def step():
        noise, t = torch.randn_like(data), torch.rand(data.shape[0], device=DEVICE)
        column = t.reshape(-1, *[1] * (data.dim() - 1))
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=autocast):
            loss = F.mse_loss(net(t, column * data + (1 - column) * noise), data - noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return step


class Field(nn.Module):
    """torchcfm's perceptron as a function of the time and the state."""
    def __init__(self, dim, width):
        super().__init__()
        self.net = MLP(dim=dim, w=width, time_varying=True).to(DEVICE)

    def forward(self, t, x):
        return self.net(torch.cat([x, t.to(x.dtype).expand(x.shape[0])[:, None]], 1))


for width, batch, dim in [(64, 256, 2), (512, 4096, 2)]:
    case(f"train/cfm_mlp/w{width}_b{batch}_d{dim}",
         lambda w=width, b=batch, d=dim: flow_step(Field(d, w), normal(b, d), 1e-3))
class Unconditional(nn.Module):
    """SiT-S/2 without labels: the last of its classes."""
    def __init__(self):
        super().__init__()
        self.net = SiT().to(DEVICE)

    def forward(self, t, x):
        return self.net(t, x, torch.full((x.shape[0],), 1000, device=DEVICE))


for end, autocast in [("", False), ("_bf16", True)]:
    case("train/cfm_unet/cifar_c128_b128" + end, lambda a=autocast: flow_step(cifar(), normal(*CIFAR), 2e-4, a))
    case("train/sit/s2_32x32x4_b128" + end, lambda a=autocast: flow_step(Unconditional(), normal(*LATENTS), 1e-4, a))


def forward(net, shape):
    net, x, t = net.eval(), normal(*shape), torch.rand(shape[0], device=DEVICE)

    @torch.no_grad()
    def run():
        net(t, x)
    return run


case("forward/unet/cifar_c128_b128", lambda: forward(cifar(), CIFAR))
case("forward/sit/s2_32x32x4_b128", lambda: forward(Unconditional(), LATENTS))


def dopri5(batch, width, dim):
    from torchdiffeq import odeint
    f, x, t = Field(dim, width).eval(), normal(batch, dim), torch.tensor([0.0, 1.0], device=DEVICE)

    @torch.no_grad()
    def run():
        odeint(f, x, t, method="dopri5", rtol=1e-5, atol=1e-5)
    return run


for batch, width, dim in [(1024, 64, 2), (1024, 512, 64)]:
    case(f"sample/dopri5_1e-5_mlp{width}/b{batch}_d{dim}", lambda b=batch, w=width, d=dim: dopri5(b, w, d))


def ddim(net, x, steps):
    """Noise is predicted on the cosine schedule, α = sin(π t / 2), σ = cos(π t / 2)."""
    times = torch.linspace(0.02, 0.98, steps + 1, device=DEVICE) * (torch.pi / 2)
    alpha, sigma = times.sin(), times.cos()

    @torch.no_grad()
    def run():
        y = x * sigma[0]
        for i in range(steps):
            noise = net((times[i] / (torch.pi / 2)).expand(x.shape[0]), y)
            data = (y - sigma[i] * noise) / alpha[i]
            y = alpha[i + 1] * data + sigma[i + 1] * noise
        return y
    return run


case("sample/ddim50_mlp512/b1024_d64", lambda: ddim(Field(64, 512).eval(), normal(1024, 64), 50))
case("sample/ddim10_unet/cifar_c128_b128", lambda: ddim(cifar().eval(), normal(*CIFAR), 10))


def convolution(backward):
    x, w = normal(128, 128, 32, 32), normal(128, 128, 3, 3)
    if not backward:
        return torch.no_grad()(lambda: F.conv2d(x, w, padding=1))
    x.requires_grad_(), w.requires_grad_()
    return lambda: torch.autograd.grad(F.conv2d(x, w, padding=1).sum(), (x, w))


def groupnorm(backward):
    x, norm = normal(128, 128, 32, 32), nn.GroupNorm(32, 128).to(DEVICE)
    if not backward:
        return torch.no_grad()(lambda: F.silu(norm(x)))
    x.requires_grad_()
    return lambda: torch.autograd.grad(F.silu(norm(x)).sum(), (x, norm.weight, norm.bias))


for backward in (False, True):
    name = "fwd_bwd" if backward else "fwd"
    case(f"op/conv3x3_{name}/b128_c128_s32", lambda b=backward: convolution(b))
    case(f"op/groupnorm_silu_{name}/b128_c128_s32", lambda b=backward: groupnorm(b))


def attention():
    q, k, v = (normal(128, 4, 256, 64) for _ in range(3))
    return torch.no_grad()(lambda: F.scaled_dot_product_attention(q, k, v))


case("op/attention_fwd/b128_h4_n256_d64", attention)


def adamw():
    net = cifar()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-4)

    def run():
        optimizer.zero_grad()
        sum(p.sum() for p in net.parameters()).backward()
        optimizer.step()
    return run


case("op/adamw/cifar_c128", adamw)
case("op/normal/b128_c3_s32", lambda: lambda: normal(*CIFAR))
