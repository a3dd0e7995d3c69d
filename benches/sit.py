"""SiT in PyTorch, with the attention and the fused operations that PyTorch has."""
import math
import torch
import torch.nn as nn
import torch.nn.functional as F


class SiT(nn.Module):
    """SiT-S for latents: blocks with adaLN-Zero on patches of 2, labels as an embedding."""
    class Block(nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.heads = heads
            self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))
            self.modulation = nn.Linear(width, 6 * width)
        def forward(self, x, c):
            b, n, w = x.shape
            m = self.modulation(c).view(b, 6, 1, w).unbind(1)
            h = F.layer_norm(x, (w,), eps=1e-6) * (1 + m[1]) + m[0]
            q, k, v = self.qkv(h).view(b, n, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
            h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, w)
            x = x + m[2] * self.proj(h)
            return x + m[5] * self.mlp(F.layer_norm(x, (w,), eps=1e-6) * (1 + m[4]) + m[3])
    def __init__(self, width=384, depth=12, heads=6, channels=4, side=16, classes=1000):
        super().__init__()
        self.patch = nn.Conv2d(channels, width, 2, 2)
        self.time = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.classes = nn.Embedding(classes + 1, width)
        self.register_buffer("positions", torch.randn(1, side * side, width))
        self.blocks = nn.ModuleList(SiT.Block(width, heads) for _ in range(depth))
        self.modulation, self.last = nn.Linear(width, 2 * width), nn.Linear(width, 4 * channels)
        self.register_buffer("frequencies", torch.exp(-math.log(1e4) * torch.arange(128) / 128).float())
    def forward(self, t, x, y):
        phase = t[:, None] * self.frequencies
        c = F.silu(self.time(torch.cat([phase.cos(), phase.sin()], 1)) + self.classes(y))
        h = self.patch(x).flatten(2).transpose(1, 2) + self.positions
        for block in self.blocks:
            h = block(h, c)
        shift, scale = self.modulation(c)[:, None].chunk(2, 2)
        h = self.last(F.layer_norm(h, h.shape[-1:], eps=1e-6) * (1 + scale) + shift)
        b, ch, s, _ = x.shape
        return h.view(b, s // 2, s // 2, 2, 2, ch).permute(0, 5, 1, 3, 2, 4).reshape(x.shape)
