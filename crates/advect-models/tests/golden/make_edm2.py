#!/usr/bin/env python3
"""Write golden vectors of EDM2's network, restated in PyTorch from the formulas of Karras et al. (2024, eqs. 47 to 103) and the names of published state dicts.

Usage: make_edm2.py OUT [FOLDER]
OUT gets edm2.safetensors: weights "w.", inputs "in.", the network's output "out.y", the denoiser's "out.denoised" and u(sigma) "out.logvar" at the levels
"in.sigma", all in f64 but the weights, and gradients of mean(y^2) by all of the network's parameters "grad.".
FOLDER holds a copy of NVlabs' networks_edm2.py (which is not distributed here): then its answers are compared, in f32.
"""
import math
import sys
import types
import torch
from torch import nn
from torch.nn import functional as F
from safetensors.torch import save_file

CONFIG = dict(res=8, cimg=2, labels=5, width=4, mults=[1, 2], blocks=1, attn=[4], head=4, label=0.3, skip=0.6, branches=(0.4, 0.25, 1.2))


def unit(x, dims):
    return x / (1e-4 + x.square().mean(dims, keepdim=True).sqrt())


def silu(x):
    return F.silu(x) / 0.596


def mix(a, b, t):
    return ((1 - t) * a + t * b) / math.hypot(1 - t, t)


class Layer(nn.Module):
    def __init__(self, cin, cout, k=0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(cout, cin, k, k) if k else torch.randn(cout, cin))

    def forward(self, x, gain=1.0):
        dims = tuple(range(1, self.weight.dim()))
        w = unit(self.weight, dims) * gain / math.sqrt(self.weight[0].numel())
        return F.conv2d(x, w, padding=w.shape[-1] // 2) if w.dim() == 4 else F.linear(x, w)


class Waves(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.register_buffer("freqs", 2 * math.pi * torch.randn(n))
        self.register_buffer("phases", 2 * math.pi * torch.rand(n))

    def forward(self, c):
        return math.sqrt(2) * torch.cos(c[:, None] * self.freqs + self.phases)


class Block(nn.Module):
    def __init__(self, cin, cout, cemb, encodes, heads, branches, change=None):
        super().__init__()
        self.encodes, self.heads, self.change = encodes, heads, change
        self.residual, self.attention, self.clip = branches
        self.emb_gain = nn.Parameter(torch.zeros([]))
        self.conv_res0 = Layer(cout if encodes else cin, cout, 3)
        self.emb_linear = Layer(cemb, cout)
        self.conv_res1 = Layer(cout, cout, 3)
        if cin != cout:
            self.conv_skip = Layer(cin, cout, 1)
        if heads:
            self.attn_qkv, self.attn_proj = Layer(cout, 3 * cout, 1), Layer(cout, cout, 1)

    def forward(self, x, e):
        if self.change == "down":
            x = F.avg_pool2d(x, 2)
        if self.change == "up":
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        project = self.conv_skip if hasattr(self, "conv_skip") else (lambda v: v)
        if self.encodes:
            x = unit(project(x), 1)
        y = self.conv_res0(silu(x)) * (1 + self.emb_linear(e, self.emb_gain))[:, :, None, None]
        y = self.conv_res1(silu(y))
        x = mix(x if self.encodes else project(x), y, self.residual)
        if self.heads:
            n, c, h, w = x.shape
            qkv = unit(self.attn_qkv(x).view(n, self.heads, c // self.heads, 3, h * w), 2)
            q, k, v = qkv.permute(3, 0, 1, 4, 2)
            y = F.scaled_dot_product_attention(q, k, v).transpose(-1, -2).reshape(n, c, h, w)
            x = mix(x, self.attn_proj(y), self.attention)
        return x.clamp(-self.clip, self.clip)


class Net(nn.Module):
    def __init__(self, res, cimg, labels, width, mults, blocks, attn, head, label, skip, branches):
        super().__init__()
        self.label, self.skip, cemb = label, skip, width * max(mults)
        block = lambda i, o, encodes, attends, change=None: Block(i, o, cemb, encodes, o // head if attends else 0, branches, change)
        self.emb_fourier, self.emb_noise = Waves(width * mults[0]), Layer(width * mults[0], cemb)
        self.emb_label = Layer(labels, cemb)
        self.enc, self.dec = nn.ModuleDict(), nn.ModuleDict()
        c, skips = width * mults[0], []
        for level, m in enumerate(mults):
            r = res >> level
            if level == 0:
                self.enc[f"{r}x{r}_conv"] = Layer(cimg + 1, c, 3)
            else:
                self.enc[f"{r}x{r}_down"] = block(c, c, True, False, "down")
            skips.append(c)
            for i in range(blocks):
                self.enc[f"{r}x{r}_block{i}"] = block(c, width * m, True, r in attn)
                c = width * m
                skips.append(c)
        for level, m in reversed(list(enumerate(mults))):
            r = res >> level
            if level == len(mults) - 1:
                self.dec[f"{r}x{r}_in0"], self.dec[f"{r}x{r}_in1"] = block(c, c, False, True), block(c, c, False, False)
            else:
                self.dec[f"{r}x{r}_up"] = block(c, c, False, False, "up")
            for i in range(blocks + 1):
                self.dec[f"{r}x{r}_block{i}"] = block(c + skips.pop(), width * m, False, r in attn)
                c = width * m
        self.out_conv, self.out_gain = Layer(c, cimg, 3), nn.Parameter(torch.zeros([]))

    def forward(self, x, noise, classes):
        e = self.emb_noise(self.emb_fourier(noise))
        e = silu(mix(e, self.emb_label(classes * math.sqrt(classes.shape[1])), self.label))
        x, skips = torch.cat([x, torch.ones_like(x[:, :1])], 1), []
        for layer in self.enc.values():
            x = layer(x, e) if isinstance(layer, Block) else layer(x)
            skips.append(x)
        for name, layer in self.dec.items():
            if "block" in name:
                s = skips.pop()
                n, m = x.shape[1], s.shape[1]
                x = torch.cat([x * (1 - self.skip) / math.sqrt(n), s * self.skip / math.sqrt(m)], 1) * math.sqrt(n + m) / math.hypot(1 - self.skip, self.skip)
            x = layer(x, e)
        return self.out_conv(x, self.out_gain)


class Denoiser(nn.Module):
    def __init__(self, features=6, data=0.5, **config):
        super().__init__()
        self.data, self.unet = data, Net(**config)
        self.logvar_fourier, self.logvar_linear = Waves(features), Layer(features, 1)

    def forward(self, x, sigma, classes):
        s, total = sigma[:, None, None, None], (sigma ** 2 + self.data ** 2)[:, None, None, None]
        label = sigma.log() / 4
        y = self.unet(x / total.sqrt(), label, classes)
        return self.data ** 2 / total * x + s * self.data / total.sqrt() * y, self.logvar_linear(self.logvar_fourier(label))[:, 0]


def compare(folder, denoiser, x, sigma, classes):
    """Runs NVlabs' code, with stand-ins for what it imports, on the same weights."""
    utils = types.ModuleType("torch_utils")
    utils.persistence = types.SimpleNamespace(persistent_class=lambda c: c)
    utils.misc = types.SimpleNamespace(const_like=lambda like, v: torch.as_tensor(v, dtype=like.dtype, device=like.device))
    sys.modules["torch_utils"] = utils
    sys.path.insert(0, folder)
    import networks_edm2
    c = CONFIG
    theirs = networks_edm2.Precond(c["res"], c["cimg"], c["labels"], use_fp16=False, logvar_channels=6, model_channels=c["width"], channel_mult=c["mults"],
                                   num_blocks=c["blocks"], attn_resolutions=c["attn"], channels_per_head=c["head"],
                                   label_balance=c["label"], concat_balance=c["skip"], res_balance=c["branches"][0], attn_balance=c["branches"][1],
                                   clip_act=c["branches"][2]).eval()
    theirs.load_state_dict(denoiser.state_dict())
    gradients = []
    for net in [theirs, denoiser]:
        net.zero_grad()
        y, u = net(x, sigma, classes, return_logvar=True) if net is theirs else net(x, sigma, classes)
        ((y ** 2).mean() + (u ** 2).mean()).backward()
        gradients.append({"y": y.detach(), "u": u.detach().flatten()} | {k: p.grad.clone() for k, p in net.named_parameters()})
    worst = max((gradients[1][k] - v).abs().max() / v.abs().max() for k, v in gradients[0].items())
    print(f"{worst:.1e} from NVlabs' answers and gradients")
    assert worst < 1e-4
    for size, width in dict(XS=128, S=192, M=256, L=320, XL=384, XXL=448).items():
        with torch.device("meta"):
            net = networks_edm2.Precond(64, 4, 1000, model_channels=width)
        print(size, sum(p.numel() for p in net.unet.parameters()), "parameters")


def main(out, folder=None):
    torch.manual_seed(0)
    denoiser = Denoiser(**CONFIG)
    with torch.no_grad():
        for name, p in denoiser.named_parameters():
            p.copy_(torch.randn_like(p) if p.dim() else 0.5 + torch.rand([]))
    x, sigma = torch.randn(3, 2, 8, 8), torch.tensor([0.1, 0.7, 5.0])
    labels = torch.tensor([4, 5, 0])
    classes = torch.eye(5)[labels.clamp(max=4)] * (labels < 5)[:, None]
    if folder:
        compare(folder, denoiser, x, sigma, classes)
    t = {"w." + k: v.detach().clone() for k, v in denoiser.state_dict().items()}
    net, noise = denoiser.double().unet, (sigma.double().log() / 4)
    x, classes = x.double().requires_grad_(), classes.double()
    net.zero_grad()
    y = net(x, noise, classes)
    (y ** 2).mean().backward()
    t |= {"in.x": x.detach(), "in.noise_labels": noise, "in.sigma": sigma.double(), "in.labels": labels, "out.y": y.detach(), "grad.x": x.grad}
    t |= {"grad." + k: p.grad for k, p in net.named_parameters()}
    with torch.no_grad():
        t["out.denoised"], t["out.logvar"] = denoiser(x, sigma.double(), classes)
    save_file({k: v.detach().contiguous().clone() for k, v in t.items()}, f"{out}/edm2.safetensors")
    print(sum(p.numel() for p in net.parameters()), "parameters")


if __name__ == "__main__":
    main(*sys.argv[1:])
