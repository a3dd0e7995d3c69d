"""Writes inception.safetensors: pytorch-fid's network at each of its stages, with weights that a formula makes.

pip install torch torchvision pytorch-fid torch-fidelity clean-fid; python inception.py
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import pytorch_fid.inception as pytorch_fid
from cleanfid.resize import make_resizer
from safetensors.torch import save_file
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x


def uniform(name, count):
    """Numbers in [-1/2, 1/2) from a hash of name and place; the test in Rust has the same."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 % 2**32
    h = (np.arange(count, dtype=np.uint64) * 2654435761 + seed) % 2**32
    h ^= h >> 15
    h = h * 2246822519 % 2**32
    h ^= h >> 13
    return h.astype(np.float64) / 2**32 - 0.5


def weight(name, shape):
    u = uniform(name, int(np.prod(shape)))
    if name.endswith("conv.weight"):
        u = u * np.sqrt(24 / np.prod(shape[1:]))
    elif name.endswith("bn.weight"):
        u = 1 + 0.2 * u
    elif name.endswith("running_var"):
        u = 1 + 0.5 * u
    else:
        u = 0.2 * u
    return torch.tensor(u.astype(np.float32)).reshape(tuple(shape))


pytorch_fid.load_state_dict_from_url = lambda *_, **__: {}
torch.nn.Module.load_state_dict, load = lambda *_, **__: None, torch.nn.Module.load_state_dict
net = pytorch_fid.fid_inception_v3().eval()
torch.nn.Module.load_state_dict = load
state = {n: weight(n, t.shape) if t.is_floating_point() else t for n, t in net.state_dict().items()}
net.load_state_dict(state)
net = net.double()

out = {}
stages = {}
for name, module in net.named_children():
    if name in ("AuxLogits", "avgpool", "dropout", "fc"):
        continue
    module.register_forward_hook(lambda _, __, y, name=name: stages.__setitem__(name, y))
side = 139
x = torch.tensor(2 * uniform("image", 3 * side * side).astype(np.float32)).reshape(1, 3, side, side).double()
with torch.no_grad():
    y = x
    for name in ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2",
                 "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_7a",
                 "Mixed_7b", "Mixed_7c"):
        y = getattr(net, name)(y)
        flat = y.flatten()
        # Mean, mean square, and 62 numbers from all over.
        places = torch.arange(62) * (len(flat) - 1) // 61
        out["stage." + name] = torch.cat([flat.mean()[None], flat.square().mean()[None], flat[places]]).float()
    features = y.mean((2, 3))
    out["features"] = features.float()
    out["logits"] = net.fc(features).float()

# The whole way of a picture of 20 x 30 pixels with pytorch-fid's wrapper, and the pictures as all three resize them.
pixels = ((uniform("pixels", 3 * 20 * 30) + 0.5) * 256).astype(np.uint8).reshape(3, 20, 30)
bytes_ = torch.tensor(pixels)[None]
large = ((uniform("large", 3 * 310 * 340) + 0.5) * 256).astype(np.uint8).reshape(3, 310, 340)
clean = make_resizer("PIL", False, "bicubic", (299, 299))
places = torch.arange(200) * (3 * 299 * 299 - 1) // 199
for name, image in (("small", pixels), ("large", large)):
    b = torch.tensor(image)[None]
    resized = {
        "pytorch_fid": 2 * F.interpolate(b.float() / 255, size=(299, 299), mode="bilinear", align_corners=False) - 1,
        "torch_fidelity": (interpolate_bilinear_2d_like_tensorflow1x(b.float(), size=(299, 299), align_corners=False) - 128) / 128,
        "clean_fid": (torch.tensor(clean(image.transpose(1, 2, 0)).transpose(2, 0, 1).copy())[None] - 128) / 128,
    }
    for program, value in resized.items():
        out[f"resized.{name}.{program}"] = value.flatten()[places].float()

pytorch_fid.fid_inception_v3 = lambda: net
wrapper = pytorch_fid.InceptionV3([3]).eval().double()
with torch.no_grad():
    out["whole"] = wrapper(bytes_.double() / 255)[0].flatten().float()
# The same picture by torch-fidelity, with the same weights.
with tempfile.NamedTemporaryFile() as file:
    torch.save({n: t for n, t in state.items() if not n.startswith("AuxLogits")}, file.name)
    other = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], file.name, "float64")
    with torch.no_grad():
        features, logits = other(bytes_)
    out["fidelity.features"], out["fidelity.logits"] = features.flatten().float(), logits.flatten().float()
for name, value in out.items():
    print(name, value[:3])
save_file({name: value.contiguous() for name, value in out.items()}, Path(__file__).parent / "inception.safetensors")
