"""The first training steps of torchcfm 1.0.7's recipe for CIFAR-10.

    python first_steps.py > first_steps.txt
    python first_steps.py --published FOLDER

The first command trains a small network in f64, with the weights of `unet_torchcfm_plain.safetensors` of advect-models, for ten steps. The second trains the published network in f32 at the
published rate for 200 steps, without dropout, and leaves its first weights and its losses in the folder (143 MB). Pairs and times are formulas, so that no file is needed for them: a line
`loss` for each step with the loss before it, and a line `average` with the averaged network's mean square at the last step's points.
"""

import argparse
import copy
import os
import sys

import torch
import torchcfm.models.unet.unet as unet
from safetensors.torch import load_file, save_file
from torchcfm.conditional_flow_matching import ConditionalFlowMatcher

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--published", metavar="FOLDER")
folder = parser.parse_args().published
torch.manual_seed(0)
if folder:
    STEPS, BATCH, CHANNELS, SIDE = 200, 2, 3, 32
    RATE, WARM_UP, CLIP, DECAY = 2e-4, 5000, 1.0, 0.9999
    net = unet.UNetModelWrapper(
        dim=(3, 32, 32),
        num_channels=128,
        num_res_blocks=2,
        channel_mult=[1, 2, 2, 2],
        attention_resolutions="16",
        num_heads=4,
        num_head_channels=64,
    )
    # Its last convolutions begin at zero: noise in their place lets every gradient count from the first step.
    for parameter in net.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    os.makedirs(folder, exist_ok=True)
    save_file(net.state_dict(), os.path.join(folder, "weights.safetensors"))
    out = open(os.path.join(folder, "first_steps.txt"), "w")
else:
    STEPS, BATCH, CHANNELS, SIDE = 10, 4, 1, 12
    RATE, WARM_UP, CLIP, DECAY = 2e-3, 8, 1.0, 0.9
    torch.set_default_dtype(torch.float64)
    here = os.path.dirname(os.path.abspath(__file__))
    golden = load_file(os.path.join(here, "../../../../crates/advect-models/tests/golden/unet_torchcfm_plain.safetensors"))
    net = unet.UNetModelWrapper(dim=(1, SIDE, SIDE), num_channels=32, num_res_blocks=1, channel_mult=(1, 2), attention_resolutions="6", num_heads=2)
    net.load_state_dict({name[2:]: tensor.double() for name, tensor in golden.items() if name.startswith("w.")})
    # torchcfm computes features of time, normalisations and attention in f32, whatever the dtype.
    torch.float32, torch.Tensor.float = torch.float64, torch.Tensor.double
    net.dtype = torch.float64
    out = sys.stdout
average = copy.deepcopy(net)
optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda=lambda step: min(step, WARM_UP) / WARM_UP)
matcher = ConditionalFlowMatcher(sigma=0.0)


def batch(step):
    """Noise, data and times of a step."""
    place = torch.arange(CHANNELS * SIDE * SIDE, dtype=torch.float64).reshape(1, CHANNELS, SIDE, SIDE)
    sample = torch.arange(BATCH, dtype=torch.float64).reshape(-1, 1, 1, 1)
    data = torch.sin(0.3 + 1.7 * sample + 0.13 * place + 0.9 * step)
    noise = 1.4 * torch.cos(0.7 + 2.3 * sample + 1.9 * place * (1 + sample) + 0.4 * step)
    times = torch.remainder(0.37 + 0.61803398875 * (torch.arange(BATCH, dtype=torch.float64) + BATCH * step), 1.0)
    return [x.to(torch.get_default_dtype()) for x in (noise, data, times)]


for step in range(STEPS):
    x0, x1, t = batch(step)
    t, xt, ut = matcher.sample_location_and_conditional_flow(x0, x1, t=t)
    optimizer.zero_grad()
    loss = torch.mean((net(t, xt) - ut) ** 2)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)
    optimizer.step()
    schedule.step()
    with torch.no_grad():
        for mean, value in zip(average.parameters(), net.parameters()):
            mean.copy_(mean * DECAY + value * (1 - DECAY))
    print(f"loss {loss.item():.15e}", file=out, flush=True)
with torch.no_grad():
    print(f"average {average(t, xt).square().mean().item():.15e}", file=out)
