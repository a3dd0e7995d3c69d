"""Numbers of PyTorch, diffusers and transformers for optimisers, learning rates and averages: writes pytorch.json beside itself.

Made with torch 2.15.0, diffusers 0.42.1 and transformers 5.24.0, in f64 but for Muon, whose iteration is in bfloat16.
"""

import json
import math
import pathlib

import diffusers
import torch
import transformers
from diffusers.optimization import get_cosine_schedule_with_warmup, get_constant_schedule_with_warmup
from diffusers.training_utils import EMAModel
from torch.optim import lr_scheduler
from transformers import get_inverse_sqrt_schedule

torch.set_default_dtype(torch.float64)
STEPS = 8


def gradient(k, shape):
    count = math.prod(shape)
    return torch.tensor([round(math.sin(1.3 * k + 0.7 * i), 6) for i in range(count)]).reshape(shape)


def start(shape):
    return torch.tensor([round(0.3 * i - 0.5, 6) for i in range(math.prod(shape))]).reshape(shape)


def trajectory(make, shape=(6,)):
    p = torch.nn.Parameter(start(shape))
    optimizer, out = make([p]), []
    for k in range(STEPS):
        p.grad = gradient(k, shape)
        optimizer.step()
        out.append(p.detach().flatten().tolist())
    return out


optim = torch.optim
optimisers = {
    "sgd": trajectory(lambda p: optim.SGD(p, 0.1, weight_decay=0.2)),
    "momentum": trajectory(lambda p: optim.SGD(p, 0.1, momentum=0.9, dampening=0.3, weight_decay=0.2)),
    "nesterov": trajectory(lambda p: optim.SGD(p, 0.1, momentum=0.8, nesterov=True)),
    "adam": trajectory(lambda p: optim.Adam(p, 0.01, betas=(0.9, 0.99), weight_decay=0.3)),
    "adamw": trajectory(lambda p: optim.AdamW(p, 0.01, betas=(0.9, 0.99), weight_decay=0.3)),
    "muon": trajectory(
        lambda p: optim.Muon(p, 0.02, momentum=0.95, weight_decay=0.1, adjust_lr_fn="original"), (3, 2)
    ),
}


def rates(make, steps=40):
    optimizer = optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)
    scheduler, out = make(optimizer), []
    for _ in range(steps):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return out


learning_rates = {
    "cosine": rates(lambda o: lr_scheduler.CosineAnnealingLR(o, 40)),
    "restarts": rates(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5, 2, 0.1)),
    "pieces": rates(lambda o: lr_scheduler.MultiStepLR(o, [7, 20], 0.1)),
    "sequence": rates(
        lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.ConstantLR(o, 1.0), lr_scheduler.CosineAnnealingWarmRestarts(o, 6)], [9]
        )
    ),
    # These begin their warm-up at 0.
    "diffusers cosine": rates(lambda o: get_cosine_schedule_with_warmup(o, 8, 40)),
    "transformers inverse root": rates(lambda o: get_inverse_sqrt_schedule(o, 8)),
    "diffusers constant": rates(lambda o: get_constant_schedule_with_warmup(o, 8)),
}


def average(decay):
    p = torch.nn.Parameter(start((4,)))
    model, decays, values = EMAModel([p], decay=decay), [], []
    for k in range(30):
        p.data = gradient(k, (4,))
        model.step([p])
        decays.append(model.cur_decay_value)
        values.append(model.shadow_params[0].tolist())
    return {"decays": decays, "values": values}


def constant(decay):
    average_fn = torch.optim.swa_utils.get_ema_avg_fn(decay)
    value, values = start((4,)), []
    for k in range(STEPS):
        value = average_fn(value, gradient(k, (4,)), k)
        values.append(value.tolist())
    return values


def half_life(images, ramp, batch, steps=60):
    """EDM's average (Karras et al. 2022, appendix F.1), which counts images; the values by PyTorch's lerp."""
    value, decays, values = start((4,)), [], []
    for k in range(steps):
        at_most = images if ramp is None else min(images, k * batch * ramp)
        decays.append(0.5 ** (batch / max(at_most, 1e-8)))
        value = gradient(k, (4,)).lerp(value, decays[-1])
        values.append(value.tolist())
    return {"decays": decays, "values": values}


golden = {
    "source": f"torch {torch.__version__}, diffusers {diffusers.__version__}, transformers {transformers.__version__}",
    "steps": STEPS,
    "optimisers": optimisers,
    "learning_rates": learning_rates,
    "averages": {"warm-up": average(0.7), "constant": constant(0.9)},
    "half_lives": {"plain": half_life(1280, None, 64), "ramp": half_life(1280, 0.5, 64)},
}
path = pathlib.Path(__file__).with_name("pytorch.json")
path.write_text(json.dumps(golden) + "\n")
