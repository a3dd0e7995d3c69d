"""Writes a folder of a tiny pipeline by diffusers itself, and where its schedulers' own loops take the same noise.

python pipelines.py OUT, with diffusers 0.42.1. OUT/pipeline is the folder; OUT/pipelines.safetensors has the noise, and a state at the end
for each row of OUT/pipelines.json: a class, what its configuration says besides the defaults, a number of steps, and mu if it has one.
OUT/defaults.jsonl has two lines for each class that is read: the least that a file has to say, and the same with all defaults.
"""
import inspect
import json
import sys

import diffusers
import torch
from safetensors.torch import save_file

out = sys.argv[1]
torch.manual_seed(7)
net = diffusers.UNet2DModel(
    sample_size=8, in_channels=2, out_channels=2, block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=2, attention_head_dim=4,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
).eval()
with torch.no_grad():
    for parameter in net.parameters():
        parameter.add_(0.08 * torch.randn_like(parameter))
diffusers.DDPMPipeline(net, diffusers.DDIMScheduler()).save_pretrained(f"{out}/pipeline")

rows = [
    ("DDIMScheduler", {"clip_sample": False}, 10),
    ("DDIMScheduler", {"prediction_type": "v_prediction", "clip_sample_range": 1.2}, 8),
    ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}, 10),
    ("DDIMScheduler", {"clip_sample": False, "timestep_spacing": "trailing", "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}, 5),
    ("DDIMScheduler", {"thresholding": True, "dynamic_thresholding_ratio": 0.9, "sample_max_value": 1.5, "prediction_type": "sample", "beta_schedule": "squaredcos_cap_v2"}, 5),
    ("PNDMScheduler", {"skip_prk_steps": True}, 10),
    ("PNDMScheduler", {"skip_prk_steps": True, "steps_offset": 1, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}, 10),
    ("EulerDiscreteScheduler", {}, 10),
    ("EulerDiscreteScheduler", {"timestep_spacing": "leading", "steps_offset": 1, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "prediction_type": "v_prediction"}, 10),
    ("EulerDiscreteScheduler", {"use_karras_sigmas": True, "timestep_spacing": "trailing"}, 8),
    ("EulerDiscreteScheduler", {"use_exponential_sigmas": True, "sigma_min": 0.02, "sigma_max": 50.0, "final_sigmas_type": "sigma_min"}, 8),
    ("EulerDiscreteScheduler", {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "prediction_type": "v_prediction"}, 8),
    ("DPMSolverMultistepScheduler", {}, 10),
    ("DPMSolverMultistepScheduler", {"solver_order": 3, "timestep_spacing": "leading"}, 10),
    ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}, 10),
    ("DPMSolverMultistepScheduler", {"lambda_min_clipped": -5.1, "beta_schedule": "squaredcos_cap_v2", "thresholding": True, "timestep_spacing": "trailing", "prediction_type": "v_prediction"}, 10),
    ("DPMSolverMultistepScheduler", {"final_sigmas_type": "sigma_min", "lower_order_final": False, "prediction_type": "sample"}, 10),
    ("UniPCMultistepScheduler", {}, 10),
    ("UniPCMultistepScheduler", {"solver_order": 3, "use_karras_sigmas": True, "prediction_type": "v_prediction"}, 8),
    ("FlowMatchEulerDiscreteScheduler", {}, 8),
    ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0, "shift_terminal": 0.1}, 8),
    ("FlowMatchEulerDiscreteScheduler", {"shift": 0.5, "use_karras_sigmas": True}, 8),
    ("EulerDiscreteScheduler", {"use_beta_sigmas": True}, 10),
    ("EulerDiscreteScheduler", {"use_beta_sigmas": True, "sigma_min": 0.01, "sigma_max": 80.0, "timestep_spacing": "trailing", "prediction_type": "v_prediction"}, 8),
    ("DPMSolverMultistepScheduler", {"use_exponential_sigmas": True}, 10),
    ("DPMSolverMultistepScheduler", {"use_beta_sigmas": True}, 10),
    ("DPMSolverMultistepScheduler", {"use_lu_lambdas": True, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}, 10),
    ("DPMSolverMultistepScheduler", {"solver_type": "heun"}, 10),
    ("DPMSolverMultistepScheduler", {"solver_type": "heun", "solver_order": 3, "prediction_type": "v_prediction"}, 8),
    # With "zero", its last step is not a number.
    ("UniPCMultistepScheduler", {"solver_type": "bh1", "final_sigmas_type": "sigma_min"}, 10),
    ("UniPCMultistepScheduler", {"solver_type": "bh1", "final_sigmas_type": "sigma_min", "solver_order": 3, "timestep_spacing": "leading", "lower_order_final": False}, 8),
    ("UniPCMultistepScheduler", {"solver_type": "bh1", "final_sigmas_type": "sigma_min", "solver_order": 1, "prediction_type": "v_prediction"}, 8),
    ("UniPCMultistepScheduler", {"final_sigmas_type": "sigma_min", "solver_order": 3}, 8),
    ("UniPCMultistepScheduler", {"use_exponential_sigmas": True, "sigma_min": 0.02, "sigma_max": 100.0}, 8),
    ("UniPCMultistepScheduler", {"use_beta_sigmas": True, "solver_order": 1}, 8),
    ("FlowMatchEulerDiscreteScheduler", {"use_exponential_sigmas": True}, 8),
    ("FlowMatchEulerDiscreteScheduler", {"shift": 2.0, "use_beta_sigmas": True}, 8),
    ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0, "use_dynamic_shifting": True}, 8, 0.8),
    ("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True, "time_shift_type": "linear", "shift_terminal": 0.1}, 8, 1.7),
    # Their last step is from the least level to itself.
    ("UniPCMultistepScheduler", {"final_sigmas_type": "sigma_min", "use_karras_sigmas": True, "solver_order": 3, "prediction_type": "v_prediction"}, 8),
    ("UniPCMultistepScheduler", {"final_sigmas_type": "sigma_min", "use_exponential_sigmas": True, "sigma_min": 0.02, "lower_order_final": False}, 8),
    ("UniPCMultistepScheduler", {"final_sigmas_type": "sigma_min", "use_beta_sigmas": True, "solver_type": "bh1"}, 8),
    ("UniPCMultistepScheduler", {"final_sigmas_type": "sigma_min", "timestep_spacing": "trailing", "num_train_timesteps": 12, "beta_end": 0.5}, 12),
    ("UniPCMultistepScheduler", {"final_sigmas_type": "sigma_min", "timestep_spacing": "trailing", "num_train_timesteps": 12, "beta_end": 0.5, "solver_order": 3, "solver_type": "bh1"}, 12),
]
noise = torch.randn(2, 2, 8, 8)
tensors = {"noise": noise}
table = []
for i, (name, settings, steps, *mu) in enumerate(rows):
    scheduler = getattr(diffusers, name)(**settings)
    scheduler.set_timesteps(steps, **({"mu": mu[0]} if mu else {}))
    x = noise * getattr(scheduler, "init_noise_sigma", 1.0)
    with torch.no_grad():
        for t in scheduler.timesteps:
            seen = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
            x = scheduler.step(net(seen, t).sample, t, x).prev_sample
    tensors[f"end.{i}"] = x
    # As the class writes it, defaults included.
    table.append({"config": json.loads(scheduler.to_json_string()), "steps": steps} | ({"mu": mu[0]} if mu else {}))
    print(i, name, settings, f"{x.abs().max():.3f}")
save_file({key: value.contiguous() for key, value in tensors.items()}, f"{out}/pipelines.safetensors")
# Python writes −Infinity where JSON has no number.
json.dump(table, open(f"{out}/pipelines.json", "w"), indent=None, separators=(",", ":"))

# What a file of each class has to say, if anything, to be read by Advect; and the same with all of the class's defaults.
required = {
    "UNet2DModel": {},
    "UNet1DModel": {
        "down_block_types": ["DownResnetBlock1D"] * 3, "up_block_types": ["UpResnetBlock1D"] * 2, "mid_block_type": "MidResTemporalBlock1D",
        "out_block_type": "OutConv1DBlock", "act_fn": "mish", "time_embedding_type": "positional", "use_timestep_embedding": True,
    },
    "DiTTransformer2DModel": {},
    "AutoencoderKL": {},
    "DDPMScheduler": {},
    "DDIMScheduler": {},
    "PNDMScheduler": {"skip_prk_steps": True},
    "EulerDiscreteScheduler": {},
    "DPMSolverMultistepScheduler": {},
    "UniPCMultistepScheduler": {},
    "FlowMatchEulerDiscreteScheduler": {},
}
with open(f"{out}/defaults.jsonl", "w") as file:
    for name, settings in required.items():
        parameters = inspect.signature(getattr(diffusers, name)).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        for config in (settings, defaults | settings):
            print(json.dumps({"_class_name": name} | config, separators=(",", ":")), file=file)
