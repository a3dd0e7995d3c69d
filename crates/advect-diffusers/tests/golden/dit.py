"""Writes a folder of a tiny latent diffusion by diffusers itself, and what its transformer and its pipeline compute.

python dit.py OUT, with diffusers 0.42.1. OUT/dit is the folder; OUT/dit.safetensors has values and gradients of the transformer for a batch of
states, times and labels, and the latents and images that the pipeline makes of noise with guidance 4 in 5 steps.
"""
import sys

import diffusers
import torch
from diffusers.pipelines.dit import pipeline_dit
from safetensors.torch import save_file

out = sys.argv[1]
torch.manual_seed(3)
net = diffusers.DiTTransformer2DModel(
    num_attention_heads=2, attention_head_dim=6, in_channels=4, out_channels=8, num_layers=2, sample_size=4, patch_size=2,
    num_embeds_ada_norm=1000, norm_eps=1e-3,
).eval()
vae = diffusers.AutoencoderKL(
    block_out_channels=(8, 8), norm_num_groups=4, latent_channels=4, sample_size=8, scaling_factor=0.5, layers_per_block=1,
    down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
).eval()
with torch.no_grad():
    for parameter in [*net.parameters(), *vae.parameters()]:
        parameter.add_(0.05 * torch.randn_like(parameter))
pipeline = diffusers.DiTPipeline(net, vae, diffusers.DDIMScheduler(clip_sample=False))
pipeline.save_pretrained(f"{out}/dit")

x = torch.randn(3, 4, 4, 4, requires_grad=True)
t = torch.tensor([0, 300, 999])
labels = torch.tensor([5, 1000, 998])
y = net(x, t, labels).sample
cotangent = torch.randn_like(y)
(y * cotangent).sum().backward()
tensors = {"x": x, "t": t.double(), "labels": labels, "y": y, "cotangent": cotangent, "grad.x": x.grad}
for name, parameter in net.named_parameters():
    # The tables of classes are large, and mostly zeros.
    if "embedding_table" not in name:
        tensors[f"grad.{name}"] = parameter.grad

noise = torch.randn(2, 4, 4, 4)
seen = {}
pipeline_dit.randn_tensor = lambda *_, **__: noise
decode = vae.decode
vae.decode = lambda z, *a, **k: (seen.setdefault("latents", z), decode(z, *a, **k))[1]
images = pipeline([7, 700], guidance_scale=4.0, num_inference_steps=5, output_type="pt").images
tensors |= {"noise": noise, "latents": seen["latents"], "images": images}
save_file({key: value.detach().contiguous() for key, value in tensors.items()}, f"{out}/dit.safetensors")
