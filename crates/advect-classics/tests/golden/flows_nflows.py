"""A rational-quadratic spline and a masked autoregressive layer of nflows, in both directions.

`python flows_nflows.py > flows_nflows.json`
"""

import json

import torch
from nflows.transforms.autoregressive import AutoregressiveTransform
from nflows.transforms.made import MADE
from nflows.transforms.splines.rational_quadratic import unconstrained_rational_quadratic_spline

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)


def numbers(tensor):
    return [round(x, 14) for x in tensor.detach().flatten().tolist()]


# A spline of 4 bins on [-3, 3] for 6 numbers; parameters are widths, heights, slopes, one row for each number.
bins, bound = 4, 3.0
x = torch.tensor([-4.0, -2.9, -0.3, 0.7, 2.2, 3.5])
parameters = (torch.randn(6, 3 * bins - 1) * 1.5).round(decimals=3)
parts = dict(
    unnormalized_widths=parameters[:, :bins],
    unnormalized_heights=parameters[:, bins : 2 * bins],
    unnormalized_derivatives=parameters[:, 2 * bins :],
    tails="linear",
    tail_bound=bound,
)
y, log_slope = unconstrained_rational_quadratic_spline(x, **parts)
back, log_slope_back = unconstrained_rational_quadratic_spline(x, inverse=True, **parts)


# An affine autoregressive layer as in the paper, u = (x - m) e^(-s): nflows has another scale.
class Affine(AutoregressiveTransform):
    def _output_dim_multiplier(self):
        return 2

    def _elementwise_forward(self, inputs, parameters):
        shift, scale = self.parts(inputs, parameters)
        return (inputs - shift) * torch.exp(-scale), -scale.sum(-1)

    def _elementwise_inverse(self, inputs, parameters):
        shift, scale = self.parts(inputs, parameters)
        return inputs * torch.exp(scale) + shift, scale.sum(-1)

    def parts(self, inputs, parameters):
        parameters = parameters.view(-1, inputs.shape[1], 2)
        return parameters[..., 0], parameters[..., 1]


dim, hidden = 3, 8
made = MADE(
    features=dim,
    hidden_features=hidden,
    num_blocks=1,
    output_multiplier=2,
    use_residual_blocks=False,
    random_mask=False,
    activation=torch.relu,
)
linears = [made.initial_layer, made.blocks[0].linear, made.final_layer]
with torch.no_grad():
    for linear in linears:
        linear.weight.copy_((torch.randn_like(linear.weight) * 0.5).round(decimals=3))
        linear.bias.copy_((torch.randn_like(linear.bias) * 0.3).round(decimals=3))
# Here each hidden layer has an activation.
made.initial_layer = torch.nn.Sequential(made.initial_layer, torch.nn.ReLU())
layer = Affine(made)
data = torch.randn(4, dim).round(decimals=3)
noise, log_determinant = layer.forward(data)
samples, log_determinant_back = layer.inverse(data)
# Outputs of an element lie side by side there; here all shifts come before all scales.
order = torch.arange(2 * dim).view(dim, 2).t().flatten()
weights = [linear.weight for linear in linears]
biases = [linear.bias for linear in linears]
weights[-1], biases[-1] = weights[-1][order], biases[-1][order]

print(
    json.dumps(
        {
            "nflows": "0.14",
            "spline": {
                "x": numbers(x),
                "parameters": numbers(parameters),
                "y": numbers(y),
                "log_slope": numbers(log_slope),
                "back": numbers(back),
                "log_slope_back": numbers(log_slope_back),
            },
            "autoregressive": {
                "weights": [numbers(w) for w in weights],
                "biases": [numbers(b) for b in biases],
                "data": numbers(data),
                "noise": numbers(noise),
                "log_determinant": numbers(log_determinant),
                "samples": numbers(samples),
                "log_determinant_back": numbers(log_determinant_back),
            },
        }
    )
)
