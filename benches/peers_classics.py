"""Training steps of flows, Boltzmann machines and models of sequences, as other libraries take them; `peers.py` times them."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

DIM, WIDTH, BATCH = 16, 128, 512


def stepper(net, loss):
    opt = torch.optim.AdamW(net.parameters(), lr=1e-3)

    def step():
        value = loss()
        opt.zero_grad()
        value.backward()
        opt.step()

    return step


def of_nflows(transforms):
    from nflows.distributions.normal import StandardNormal
    from nflows.flows.base import Flow
    from nflows.transforms.base import CompositeTransform

    flow = Flow(CompositeTransform(transforms), StandardNormal([DIM]))
    x = torch.randn(BATCH, DIM)
    return stepper(flow, lambda: -flow.log_prob(x).mean())


def of_zuko(flow):
    x = torch.randn(BATCH, DIM)
    return stepper(flow, lambda: -flow().log_prob(x).mean())


def couplings(count, kind, **settings):
    from nflows.nn.nets.mlp import MLP

    def net(inputs, outputs):
        mlp = MLP([inputs], [outputs], [WIDTH, WIDTH], F.relu)
        forward = mlp.forward
        mlp.forward = lambda x, context=None: forward(x)
        return mlp

    masks = [torch.tensor([1 - 2 * ((i + k) % 2) for i in range(DIM)]) for k in range(count)]
    return of_nflows([kind(mask, net, **settings) for mask in masks])


def realnvp_nflows():
    from nflows.transforms.coupling import AffineCouplingTransform

    return couplings(6, AffineCouplingTransform)


def realnvp_zuko():
    import zuko

    return of_zuko(zuko.flows.RealNVP(DIM, transforms=6, hidden_features=(WIDTH, WIDTH)))


def spline_nflows():
    from nflows.transforms.coupling import PiecewiseRationalQuadraticCouplingTransform as Spline

    return couplings(4, Spline, num_bins=8, tails="linear", tail_bound=5.0)


def spline_zuko():
    import zuko

    return of_zuko(zuko.flows.NSF(DIM, bins=8, transforms=4, passes=2, hidden_features=(WIDTH, WIDTH)))


def maf_nflows():
    from nflows.transforms.autoregressive import MaskedAffineAutoregressiveTransform as Layer
    from nflows.transforms.permutations import ReversePermutation

    layers = []
    for _ in range(5):
        # A first layer and a block of one: two hidden layers.
        layers += [Layer(DIM, WIDTH, num_blocks=1, use_residual_blocks=False), ReversePermutation(DIM)]
    return of_nflows(layers)


def maf_zuko():
    import zuko

    return of_zuko(zuko.flows.MAF(DIM, transforms=5, hidden_features=(WIDTH, WIDTH)))


def rbm_sklearn():
    """Its chains are persistent, of half a step less; the work is otherwise the same."""
    from sklearn.neural_network import BernoulliRBM

    x = (torch.randn(128, 784) > 1).float().numpy()
    machine = BernoulliRBM(256, learning_rate=0.01, batch_size=128, random_state=0)
    machine.partial_fit(x)
    return lambda: machine.partial_fit(x)


def rbm_torch():
    w, b, c = torch.randn(256, 784) * 0.01, torch.zeros(784), torch.zeros(256)
    x = (torch.randn(128, 784) > 1).float()

    def step():
        with torch.no_grad():
            p = torch.sigmoid(F.linear(x, w, c))
            v = torch.bernoulli(torch.sigmoid(torch.bernoulli(p) @ w + b))
            q = torch.sigmoid(F.linear(v, w, c))
            w.add_(p.T @ x - q.T @ v, alpha=0.01 / 128)
            b.add_((x - v).mean(0), alpha=0.01)
            c.add_((p - q).mean(0), alpha=0.01)

    return step


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(65, WIDTH)
        self.gru = nn.GRU(WIDTH, WIDTH, 1, batch_first=True)
        self.head = nn.Linear(WIDTH, 64)

    def forward(self, before):
        return self.head(self.gru(self.embedding(before))[0])


class Transformer(nn.Module):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.c_attn, self.c_proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.c_fc, self.out = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

        def forward(self, x):
            b, n, w = x.shape
            q, k, v = self.c_attn(self.ln_1(x)).view(b, n, 3, 4, w // 4).permute(2, 0, 3, 1, 4)
            seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.c_proj(seen.transpose(1, 2).reshape(b, n, w))
            return x + self.out(F.gelu(self.c_fc(self.ln_2(x))))

    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(65, WIDTH), nn.Parameter(torch.randn(64, WIDTH) * 0.02)
        self.blocks = nn.Sequential(*(Transformer.Block() for _ in range(4)))
        self.ln_f, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 64)

    def forward(self, before):
        return self.head(self.ln_f(self.blocks(self.wte(before) + self.wpe)))


def sequences(net):
    tokens = torch.from_numpy(np.random.randint(0, 64, (32, 64)))
    before = torch.cat([torch.full((32, 1), 64), tokens[:, :-1]], 1)
    return stepper(net, lambda: F.cross_entropy(net(before).flatten(0, 1), tokens.flatten()))


def register(case):
    for name, library, make in [
        ("realnvp_step/d16_w128_c6_b512", "nflows", realnvp_nflows),
        ("realnvp_step/d16_w128_c6_b512", "zuko", realnvp_zuko),
        ("spline_step/d16_w128_c4_k8_b512", "nflows", spline_nflows),
        ("spline_step/d16_w128_c4_k8_b512", "zuko", spline_zuko),
        ("maf_step/d16_w128_l5_b512", "nflows", maf_nflows),
        ("maf_step/d16_w128_l5_b512", "zuko", maf_zuko),
        ("rbm_cd1_step/v784_h256_b128", "scikit-learn", rbm_sklearn),
        ("rbm_cd1_step/v784_h256_b128", "torch", rbm_torch),
        ("gru_step/v64_w128_n64_b32", "torch", lambda: sequences(Recurrent())),
        ("transformer_step/v64_w128_h4_l4_n64_b32", "torch", lambda: sequences(Transformer())),
    ]:
        case(f"classics/{name}", library)(make)
