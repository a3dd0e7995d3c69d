#!/usr/bin/env python3
"""Write golden vectors of EDM's two U-Nets, restated in PyTorch from the paper's tables and the names of published state dicts.

Usage: make_edm.py VECTORS OUT
VECTORS holds song_ddpmpp and song_ncsnpp (.safetensors, .json), which NVlabs' own code answered: the restatement must answer the same
before anything is written. OUT gets edm_dhariwal.safetensors (ADM with classes and augmentation labels) and edm_skip.safetensors (Song's,
skips on both sides, with the same): weights "w.", inputs "in.", outputs "out.y", gradients of mean(y^2) by all parameters "grad.".
"""
import json
import math
import sys
import torch
from torch import nn
from torch.nn import functional as F
from safetensors.torch import load_file, save_file


class Conv(nn.Module):
    """Perhaps a resampling, perhaps a convolution; `first` puts the convolution first."""

    def __init__(self, cin, cout, k, change=None, taps=(1, 1), first=False):
        super().__init__()
        self.change, self.first = change, first
        if k:
            self.weight = nn.Parameter(torch.empty(cout, cin, k, k))
            self.bias = nn.Parameter(torch.empty(cout))
        if change:
            taps = torch.tensor(taps, dtype=torch.float32)
            self.register_buffer("resample_filter", torch.outer(taps, taps)[None, None] / taps.sum() ** 2)

    def resample(self, x, pad):
        f = self.resample_filter.to(x.dtype).repeat(x.shape[1], 1, 1, 1)
        if self.change == "down":
            return F.conv2d(x, f, stride=2, padding=pad, groups=x.shape[1])
        return F.conv_transpose2d(x, 4 * f, stride=2, padding=pad, groups=x.shape[1])

    def forward(self, x):
        pad = (self.resample_filter.shape[-1] - 1) // 2 if self.change else 0
        if self.first:
            x = F.conv2d(x, self.weight, padding=self.weight.shape[-1] // 2 + pad)
            return self.resample(x, 0) + self.bias[:, None, None]
        if self.change:
            x = self.resample(x, pad)
        if hasattr(self, "weight"):
            x = F.conv2d(x, self.weight, self.bias, padding=self.weight.shape[-1] // 2)
        return x


def group_norm(c, eps):
    return nn.GroupNorm(min(32, c // 4), c, eps=eps)


class Block(nn.Module):
    def __init__(self, cin, cout, cemb, heads, song, change=None, taps=(1, 1)):
        super().__init__()
        eps = 1e-6 if song else 1e-5
        self.cin, self.heads, self.adaptive, self.gain = cin, heads, not song, math.sqrt(0.5) if song else 1.0
        self.norm0, self.conv0 = group_norm(cin, eps), Conv(cin, cout, 3, change, taps)
        self.affine = nn.Linear(cemb, cout if song else 2 * cout)
        self.norm1, self.conv1 = group_norm(cout, eps), Conv(cout, cout, 3)
        if cin != cout or change:
            self.skip = Conv(cin, cout, 1 if song or cin != cout else 0, change, taps)
        if heads:
            self.norm2, self.qkv, self.proj = group_norm(cout, eps), Conv(cout, 3 * cout, 1), Conv(cout, cout, 1)

    def forward(self, x, e):
        h = self.conv0(F.silu(self.norm0(x)))
        e = self.affine(e)[:, :, None, None]
        if self.adaptive:
            s, b = e.chunk(2, 1)
            h = F.silu(self.norm1(h) * (1 + s) + b)
        else:
            h = F.silu(self.norm1(h + e))
        x = self.gain * (self.conv1(h) + (self.skip(x) if hasattr(self, "skip") else x))
        if not self.heads:
            return x
        n, c, height, width = x.shape
        q, k, v = self.qkv(self.norm2(x)).view(n, self.heads, c // self.heads, 3, -1).permute(3, 0, 1, 4, 2)
        a = F.scaled_dot_product_attention(q, k, v).transpose(-1, -2).reshape(n, c, height, width)
        return self.gain * (x + self.proj(a))


class Net(nn.Module):
    def __init__(self, song, res, cimg, width, mults, blocks, attn, labels=0, augment=0, embedding="positional", encoder="standard",
                 decoder="standard", noise=1, taps=(1, 1), head=64):
        super().__init__()
        self.song, cnoise, cemb = song, width * noise, 4 * width
        if embedding == "fourier":
            self.map_noise = nn.Module()
            self.map_noise.register_buffer("freqs", torch.randn(cnoise // 2) * 16)
        else:
            half = cnoise // 2
            self.freqs = 10000.0 ** (-torch.arange(half) / (half - 1 if song else half))
        if labels:
            self.map_label = nn.Linear(labels, cnoise if song else cemb, bias=song)
        if augment:
            self.map_augment = nn.Linear(augment, cnoise, bias=False)
        self.map_layer0, self.map_layer1 = nn.Linear(cnoise, cemb), nn.Linear(cemb, cemb)
        heads = lambda c: 1 if song else c // head
        block = lambda i, o, a, change=None: Block(i, o, cemb, heads(o) if a else 0, song, change, taps)
        self.enc, self.dec = nn.ModuleDict(), nn.ModuleDict()
        aux, c, skips = cimg, width if song else width * mults[0], []
        for level, m in enumerate(mults):
            r = res >> level
            if level:
                self.enc[f"{r}x{r}_down"] = block(c, c, False, "down")
            else:
                self.enc[f"{r}x{r}_conv"] = Conv(cimg, c, 3)
            if level and encoder == "skip":
                self.enc[f"{r}x{r}_aux_down"], self.enc[f"{r}x{r}_aux_skip"] = Conv(aux, aux, 0, "down", taps), Conv(aux, c, 1)
            if level and encoder == "residual":
                self.enc[f"{r}x{r}_aux_residual"] = Conv(aux, c, 3, "down", taps, first=True)
                aux = c
            skips.append(c)
            for i in range(blocks):
                self.enc[f"{r}x{r}_block{i}"] = block(c, width * m, r in attn)
                c = width * m
                skips.append(c)
        for level, m in reversed(list(enumerate(mults))):
            r = res >> level
            if level == len(mults) - 1:
                self.dec[f"{r}x{r}_in0"], self.dec[f"{r}x{r}_in1"] = block(c, c, True), block(c, c, False)
            else:
                self.dec[f"{r}x{r}_up"] = block(c, c, False, "up")
            for i in range(blocks + 1):
                self.dec[f"{r}x{r}_block{i}"] = block(c + skips.pop(), width * m, r in attn and (not song or i == blocks))
                c = width * m
            if song and (decoder == "skip" or level == 0):
                if decoder == "skip" and level < len(mults) - 1:
                    self.dec[f"{r}x{r}_aux_up"] = Conv(cimg, cimg, 0, "up", taps)
                self.dec[f"{r}x{r}_aux_norm"], self.dec[f"{r}x{r}_aux_conv"] = group_norm(c, 1e-6), Conv(c, cimg, 3)
        if not song:
            self.out_norm, self.out_conv = group_norm(c, 1e-5), Conv(c, cimg, 3)

    def forward(self, x, noise, labels=None, augment=None):
        freqs = 2 * math.pi * self.map_noise.freqs if hasattr(self, "map_noise") else self.freqs
        phase = torch.outer(noise, freqs.to(noise.dtype))
        e = torch.cat([phase.sin(), phase.cos()] if self.song else [phase.cos(), phase.sin()], 1)
        if augment is not None:
            e = e + self.map_augment(augment)
        if self.song and labels is not None:
            e = e + self.map_label(labels * math.sqrt(labels.shape[1]))
        e = self.map_layer1(F.silu(self.map_layer0(e)))
        if not self.song and labels is not None:
            e = e + self.map_label(labels)
        e, aux, skips = F.silu(e), x, []
        for name, layer in self.enc.items():
            if "aux_down" in name:
                aux = layer(aux)
            elif "aux_skip" in name:
                skips[-1] = x = x + layer(aux)
            elif "aux_residual" in name:
                skips[-1] = x = aux = (x + layer(aux)) / math.sqrt(2)
            else:
                x = layer(x, e) if isinstance(layer, Block) else layer(x)
                skips.append(x)
        out = 0
        for name, layer in self.dec.items():
            if "aux_up" in name:
                out = layer(out)
            elif "aux_norm" in name:
                normal = layer(x)
            elif "aux_conv" in name:
                out = out + layer(F.silu(normal))
            else:
                x = layer(x if x.shape[1] == layer.cin else torch.cat([x, skips.pop()], 1), e)
        return out if self.song else self.out_conv(F.silu(self.out_norm(x)))


def check(vectors):
    for name in ["song_ddpmpp", "song_ncsnpp"]:
        c, t = json.load(open(f"{vectors}/{name}.json"))["config"], load_file(f"{vectors}/{name}.safetensors")
        net = Net(True, c["img_resolution"], c["in_channels"], c["model_channels"], c["channel_mult"], c["num_blocks"], c["attn_resolutions"],
                  embedding=c["embedding_type"], encoder=c["encoder_type"], decoder=c["decoder_type"], noise=c["channel_mult_noise"],
                  taps=c["resample_filter"])
        net.load_state_dict({k[2:]: v for k, v in t.items() if k.startswith("w.")})
        with torch.no_grad():
            error = (net(t["in.x"], t["in.noise_labels"]) - t["out.y"]).abs().max() / t["out.y"].abs().max()
        print(f"{name}: {error:.1e} from NVlabs' answer")
        assert error < 1e-5


def write(path, net, x, noise, labels, augment):
    with torch.no_grad():
        for name, p in net.named_parameters():
            nn.init.normal_(p, mean=float(p.dim() == 1 and name.endswith("weight")), std=0.1)
    t = {"w." + k: v.detach().clone() for k, v in net.state_dict().items()}
    x.requires_grad_()
    net, double = net.double(), lambda v: v.double()
    one_hot = torch.eye(5).double()[labels.clamp(max=4)] * (labels < 5)[:, None]
    y = net(x.double(), noise.double(), one_hot, augment.double())
    (y ** 2).mean().backward()
    t |= {"in.x": x.detach(), "in.noise_labels": noise, "in.labels": labels, "in.augment": augment, "out.y": y.detach().float(), "grad.x": x.grad}
    t |= {"grad." + k: p.grad.float() for k, p in net.named_parameters()}
    save_file({k: v.contiguous().clone() for k, v in t.items()}, path)
    print(path, sum(p.numel() for p in net.parameters()), "parameters")


if __name__ == "__main__":
    vectors, out = sys.argv[1:]
    check(vectors)
    torch.manual_seed(0)
    inputs = lambda: (torch.randn(3, 3, 8, 8), torch.tensor([-0.4, 0.1, 1.1]), torch.tensor([4, 5, 0]), torch.randn(3, 2))
    common = dict(res=8, cimg=3, width=8, mults=[1, 2], blocks=1, attn=[4], labels=5, augment=2)
    write(f"{out}/edm_dhariwal.safetensors", Net(False, **common, head=8), *inputs())
    write(f"{out}/edm_skip.safetensors", Net(True, **common, encoder="skip", decoder="skip", taps=[1, 3, 3, 1]), *inputs())
    with torch.device("meta"):
        count = lambda *args, **rest: sum(p.numel() for p in Net(*args, **rest).parameters())
        print("DDPM++", count(True, 32, 3, 128, [2, 2, 2], 4, [16], augment=9))
        print("NCSN++", count(True, 32, 3, 128, [2, 2, 2], 4, [16], augment=9, embedding="fourier", encoder="residual", noise=2, taps=[1, 3, 3, 1]))
        print("ADM", count(False, 64, 3, 192, [1, 2, 3, 4], 3, [32, 16, 8], labels=1000))
