"""A GRU and a causal transformer of PyTorch, with parameters by a formula.

`python sequences_torch.py > sequences_torch.json`
"""

import json

import torch
from torch import nn

torch.set_default_dtype(torch.float64)


def formula(number, shape):
    """Numbers of the parameter with this number among the sorted names."""
    i = torch.arange(torch.Size(shape).numel())
    return (0.5 * torch.sin(0.7 * i * (1 + 0.1 * number) + number)).reshape(shape)


def numbers(tensor):
    return [round(x, 14) for x in tensor.detach().flatten().tolist()]


gru = nn.GRU(3, 4, 2, batch_first=True)
with torch.no_grad():
    for k, (_, p) in enumerate(sorted(gru.named_parameters())):
        p.copy_(formula(k, p.shape))
    x, state = formula(20, (2, 5, 3)), formula(21, (2, 2, 4))
    outputs, last = gru(x, state)

# Ours by its names, and what they are called in PyTorch.
width, heads, vocabulary, context = 8, 2, 5, 7
layer = dict(
    [
        ("ln_1", "norm1"),
        ("attn.c_attn", "self_attn.in_proj_"),
        ("attn.c_proj", "self_attn.out_proj"),
        ("ln_2", "norm2"),
        ("mlp.c_fc", "linear1"),
        ("mlp.c_proj", "linear2"),
    ]
)
shapes = {"wte.weight": (vocabulary + 1, width), "wpe.weight": (context, width)}
shapes |= {"ln_f.weight": (width,), "ln_f.bias": (width,), "lm_head.weight": (vocabulary, width), "lm_head.bias": (vocabulary,)}
blocks = [nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True) for _ in range(2)]
for k, block in enumerate(blocks):
    state_dict = block.state_dict()
    for ours, theirs in layer.items():
        for kind in ["weight", "bias"]:
            name = theirs + kind if theirs.endswith("_") else f"{theirs}.{kind}"
            shapes[f"h.{k}.{ours}.{kind}"] = tuple(state_dict[name].shape)
values = {name: formula(k, shapes[name]) for k, name in enumerate(sorted(shapes))}
for k, block in enumerate(blocks):
    block.load_state_dict(
        {
            (theirs + kind if theirs.endswith("_") else f"{theirs}.{kind}"): values[f"h.{k}.{ours}.{kind}"]
            for ours, theirs in layer.items()
            for kind in ["weight", "bias"]
        }
    )
    block.train()  # the plain code, not the fused one

tokens = torch.tensor([[1, 0, 4, 2, 3, 3], [2, 2, 1, 0, 4, 1]])
before = torch.cat([torch.full((2, 1), vocabulary), tokens[:, :-1]], 1)
h = values["wte.weight"][before] + values["wpe.weight"][: tokens.shape[1]]
mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
for block in blocks:
    h = block(h, src_mask=mask, is_causal=True)
h = nn.functional.layer_norm(h, (width,), values["ln_f.weight"], values["ln_f.bias"])
logits = h @ values["lm_head.weight"].T + values["lm_head.bias"]

print(
    json.dumps(
        {
            "gru": {"outputs": numbers(outputs), "state": numbers(last)},
            "transformer": {"logits": numbers(logits)},
        }
    )
)
