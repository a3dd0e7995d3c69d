"""The first training steps of torchcfm 1.0.7's recipe for CIFAR-10, on a small network.

    python first_steps.py > first_steps.txt

The weights are those of `unet_torchcfm_plain.safetensors` of advect-models. Pairs and times are formulas, so that no file is needed for them. Numbers are in f64:
a line `loss` for each step with the loss before it, and a line `average` with the averaged network's mean square at the last step's points.
"""

import copy
import os

import torch
import torchcfm.models.unet.unet as unet
from safetensors.torch import load_file
from torchcfm.conditional_flow_matching import ConditionalFlowMatcher

STEPS, BATCH, SIDE = 10, 4, 12
RATE, WARM_UP, CLIP, DECAY = 2e-3, 8, 1.0, 0.9

torch.set_default_dtype(torch.float64)
here = os.path.dirname(os.path.abspath(__file__))
golden = load_file(os.path.join(here, "../../../crates/advect-models/tests/golden/unet_torchcfm_plain.safetensors"))
net = unet.UNetModelWrapper(dim=(1, SIDE, SIDE), num_channels=32, num_res_blocks=1, channel_mult=(1, 2), attention_resolutions="6", num_heads=2)
net.load_state_dict({name[2:]: tensor.double() for name, tensor in golden.items() if name.startswith("w.")})
# torchcfm computes features of time, normalisations and attention in f32, whatever the dtype.
torch.float32, torch.Tensor.float = torch.float64, torch.Tensor.double
net.dtype = torch.float64
average = copy.deepcopy(net)
optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda=lambda step: min(step, WARM_UP) / WARM_UP)
matcher = ConditionalFlowMatcher(sigma=0.0)


def batch(step):
    """Noise, data and times of a step."""
    place = torch.arange(SIDE * SIDE, dtype=torch.float64).reshape(1, 1, SIDE, SIDE)
    sample = torch.arange(BATCH, dtype=torch.float64).reshape(-1, 1, 1, 1)
    data = torch.sin(0.3 + 1.7 * sample + 0.13 * place + 0.9 * step)
    noise = 1.4 * torch.cos(0.7 + 2.3 * sample + 1.9 * place * (1 + sample) + 0.4 * step)
    times = torch.remainder(0.37 + 0.61803398875 * (torch.arange(BATCH, dtype=torch.float64) + BATCH * step), 1.0)
    return noise, data, times


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
    print(f"loss {loss.item():.15e}")
with torch.no_grad():
    print(f"average {average(t, xt).square().mean().item():.15e}")
