//! The methods: each trains a velocity on samples of both ends.

use advect::prelude::*;
use clap::ValueEnum;

const BATCH: usize = 512;
/// The diffusion of \[SF\]²M's bridge.
const SIGMA: f64 = 1.0;

/// A way to learn a velocity.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Method {
    /// Conditional flow matching on independent pairs, σ = 0.1.
    ICfm,
    /// The same on pairs of exact optimal transport between batches.
    OtCfm,
    /// Rectified flow, trained once more on the pairs of its first flow.
    Rectified,
    /// Velocity and score of a Schrödinger bridge, on pairs of exact optimal transport.
    Sf2m,
}

impl Method {
    /// The name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Method::ICfm => "I-CFM",
            Method::OtCfm => "OT-CFM",
            Method::Rectified => "rectified flow",
            Method::Sf2m => "[SF]²M exact",
        }
    }

    /// The velocity after so many steps on samples of both ends.
    pub(crate) fn train(self, [x0, x1]: [&Tensor; 2], steps: usize, key: &Key) -> Result<Mlp> {
        let matching = |coupling: &dyn Coupling| {
            let objective = flow_matching(ConstantSigma::new(0.1)?);
            fit::<1>(
                &Rows::apart(x0, x1, key)?,
                steps,
                key,
                |[net], x0, x1, rng| {
                    let pairs = coupling.pair(x0, x1, rng)?;
                    objective.loss(net, &pairs.source(x0)?, &pairs.target(x1)?, rng)
                },
            )
        };
        match self {
            Method::ICfm => matching(&Independent),
            Method::OtCfm => matching(&ExactOt),
            Method::Rectified => {
                let objective = rectified_flow();
                let loss = |[net]: &[Mlp; 1], x0: &Tensor, x1: &Tensor, rng: &mut Generator| {
                    objective.loss(net, x0, x1, rng)
                };
                let first = fit(&Rows::apart(x0, x1, key)?, steps, &key.named("first"), loss)?;
                let solver = Solver::new(Euler, Fixed::steps(100)?);
                let [z0, z1]: [Tensor; 2] = reflow(&first, &solver, x0, 2000)?.into();
                fit(&Rows::together(&z0, &z1, key)?, steps, key, loss)
            }
            Method::Sf2m => {
                let bridge = SchrodingerBridge::new(SIGMA)?;
                let objective = ScoreAndFlow::new(bridge);
                let objective = objective.times(UniformWithin::new(1e-3, 1.0 - 1e-3)?);
                fit::<2>(
                    &Rows::apart(x0, x1, key)?,
                    steps,
                    key,
                    |[velocity, score], x0, x1, rng| {
                        let pairs = ExactOt.pair(x0, x1, rng)?;
                        let (x0, x1) = (pairs.source(x0)?, pairs.target(x1)?);
                        objective.losses(velocity, score, &x0, &x1, rng)?.total()
                    },
                )
            }
        }
    }
}

/// Batches of rows of both ends.
struct Rows {
    ends: [Tensor; 2],
    batches: [Batches; 2],
}

impl Rows {
    /// Each end in an order of its own.
    fn apart(x0: &Tensor, x1: &Tensor, key: &Key) -> Result<Self> {
        let batches = |x: &Tensor, name| Batches::new(x.dim(0)?, BATCH, key.named(name));
        Ok(Rows {
            ends: [x0.clone(), x1.clone()],
            batches: [batches(x0, "sources")?, batches(x1, "targets")?],
        })
    }

    /// Both ends in one order: they are pairs.
    fn together(x0: &Tensor, x1: &Tensor, key: &Key) -> Result<Self> {
        let batches = || Batches::new(x0.dim(0)?, BATCH, key.named("pairs"));
        Ok(Rows {
            ends: [x0.clone(), x1.clone()],
            batches: [batches()?, batches()?],
        })
    }

    fn at(&self, step: usize) -> Result<[Tensor; 2]> {
        let [x0] = self.batches[0].at(step, [&self.ends[0]])?;
        let [x1] = self.batches[1].at(step, [&self.ends[1]])?;
        Ok([x0, x1])
    }
}

/// Trains networks of 3 × 64 with SELU by AdamW at 1e-3, and returns the first one with its last weights.
fn fit<const N: usize>(
    rows: &Rows,
    steps: usize,
    key: &Key,
    loss: impl Fn(&[Mlp; N], &Tensor, &Tensor, &mut Generator) -> Result<Tensor>,
) -> Result<Mlp> {
    let store = ParameterStore::new(key.named("parameters"), DType::F32, &Device::Cpu);
    let config = Mlp::config(2).hidden(&[64; 3]).activation(Activation::Selu);
    let nets = (0..N).map(|i| config.build(&store.builder().pp(i)));
    let nets: Vec<Mlp> = nets.collect::<Result<_>>()?;
    let Ok(nets) = <[Mlp; N]>::try_from(nets) else {
        return Err(Error::range("nets", N, "as many as were built"));
    };
    let config = AdamWConfig {
        weight_decay: 1e-5,
        ..AdamWConfig::default()
    };
    let optimizer = AdamW::from_store(&store, config)?;
    let mut trainer = Trainer::new(&store, optimizer, key.named("training").into());
    let loss = |step: usize, rng: &mut Generator| {
        let [x0, x1] = rows.at(step)?;
        loss(&nets, &x0, &x1, rng)
    };
    trainer.run(steps, loss, &mut ())?;
    nets[0].on(&store.frozen().pp(0))
}
