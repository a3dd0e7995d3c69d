"""Writes features.safetensors and statistics.npz: metrics of features by other implementations.

pip install torch scipy scikit-learn pytorch-fid torch-fidelity clean-fid prdc; python features.py
"""

import contextlib
import io
from pathlib import Path

import numpy as np
import torch
from cleanfid import fid as clean_fid
from prdc import compute_prdc
from pytorch_fid import fid_score
from safetensors.torch import save_file
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

here = Path(__file__).parent
rng = np.random.default_rng(0)
n, d = 60, 8
mix = rng.normal(size=(d, d))
x = np.abs(rng.normal(size=(n, d)) @ mix).astype(np.float32)
y = np.abs(rng.normal(size=(n, d)) @ mix * 1.2 + 0.3).astype(np.float32)
logits = rng.normal(size=(40, 5)) * 2

moments = lambda f: (f.mean(0), np.cov(f, rowvar=False))
x64, y64 = x.astype(np.float64), y.astype(np.float64)
pytorch_fid = fid_score.calculate_frechet_distance(*moments(x64), *moments(y64))
cleanfid = clean_fid.frechet_distance(*moments(x64), *moments(y64))
statistics = [fid_features_to_statistics(torch.tensor(f)) for f in (x64, y64)]
fidelity = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
kid = kid_features_to_metric(torch.tensor(x64), torch.tensor(y64), kid_subsets=1, kid_subset_size=n, verbose=False)
clean_kid = clean_fid.kernel_distance(x64, y64, num_subsets=1, max_subset_size=n)
score = isc_features_to_metric(torch.tensor(logits), splits=4, shuffle=False)
prc = prc_features_to_metric(torch.tensor(y64), torch.tensor(x64), prc_neighborhood=3, prc_batch_size=100, save_cpu_ram=False, verbose=False)
with contextlib.redirect_stdout(io.StringIO()):
    prdc = compute_prdc(x64, y64, 5)

# Fewer samples than dimensions: the trace of the root is the nuclear norm of the product of the centred features.
few = [rng.normal(size=(m, 16)) * rng.uniform(0.1, 2, size=16) for m in (10, 7)]
centred = [(f - f.mean(0)) / np.sqrt(len(f) - 1) for f in few]
root = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
apart = few[0].mean(0) - few[1].mean(0)
deficient = apart @ apart + sum((c**2).sum() for c in centred) - 2 * root

# Without scipy's rounding, for comparison.
factors = [np.linalg.cholesky(moments(f)[1]) for f in (x64, y64)]
exact = ((x64.mean(0) - y64.mean(0)) ** 2).sum() + sum(np.trace(moments(f)[1]) for f in (x64, y64))
exact -= 2 * np.linalg.svd(factors[0].T @ factors[1], compute_uv=False).sum()
print(pytorch_fid, cleanfid, fidelity, exact, kid, clean_kid, score, prc, prdc, deficient)

scalar = lambda v: torch.tensor([float(v)], dtype=torch.float64)
save_file(
    {
        "x": torch.tensor(x),
        "y": torch.tensor(y),
        "logits": torch.tensor(logits),
        "few_x": torch.tensor(few[0]),
        "few_y": torch.tensor(few[1]),
        "few_distance": scalar(deficient),
        "frechet": torch.tensor([pytorch_fid, fidelity, cleanfid], dtype=torch.float64),
        "kernel": torch.tensor([kid["kernel_inception_distance_mean"], clean_kid], dtype=torch.float64),
        "inception_score": torch.tensor([score["inception_score_mean"], score["inception_score_std"]], dtype=torch.float64),
        "precision_recall": torch.tensor([prc["precision"], prc["recall"]], dtype=torch.float64),
        "prdc": torch.tensor([prdc[k] for k in ("precision", "recall", "density", "coverage")], dtype=torch.float64),
    },
    here / "features.safetensors",
)
# As pytorch-fid's --save-stats does.
mu, sigma = moments(x64)
np.savez_compressed(here / "statistics.npz", mu=mu, sigma=sigma)
