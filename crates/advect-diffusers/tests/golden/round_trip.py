"""Reads by diffusers what Advect saved, and compares what both networks answer.

python round_trip.py FOLDER, where the test `what_is_saved_is_read_by_diffusers` wrote FOLDER with ADVECT_ROUND_TRIP=FOLDER: config.json
and diffusion_pytorch_model.safetensors of a UNet2DModel, and answers.safetensors with x, t and y.
"""
import sys

import diffusers
import torch
from safetensors.torch import load_file

folder = sys.argv[1]
net = diffusers.UNet2DModel.from_pretrained(folder, use_safetensors=True).eval()
answers = load_file(f"{folder}/answers.safetensors")
with torch.no_grad():
    y = net(answers["x"], answers["t"]).sample
error = ((y - answers["y"]).abs().max() / y.abs().max()).item()
print(f"from_pretrained read {sum(p.numel() for p in net.parameters())} numbers; largest difference {error:.1e} of the largest value")
state = load_file(f"{folder}/diffusion_pytorch_model.safetensors")
missing, unexpected = net.load_state_dict(state, strict=False)
assert not missing and not unexpected and error < 1e-5, (missing, unexpected, error)
