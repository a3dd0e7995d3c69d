//! The methods that are compared.

use advect::paths::coupling::{EntropicOt, Independent};
use advect::paths::path::{ConstantSigma, SchrodingerBridge};
use advect::prelude::*;
use advect::solvers::energy::GradientField;
use advect::trajectories::objective::{ActionMatching, FlowMatching};
use advect::trajectories::path::{Chain, NaturalCubic, SnapshotPath, Spline};
use advect::trajectories::{Snapshot, Snapshots};

/// Their names, in the order of the table.
pub(crate) const METHODS: [&str; 5] = ["I-CFM", "OT-CFM", "SB-CFM", "splines", "action matching"];

/// Samples of each snapshot in a batch.
const BATCH: usize = 64;
/// The noise of the bridges of SB-CFM, and that around the lines of the others.
const SIGMA: [f64; 2] = [0.5, 0.1];

fn network(dim: usize, outputs: usize, store: &ParameterStore) -> Result<Mlp> {
    let net = Mlp::config(dim).outputs(outputs).hidden(&[64; 3]);
    net.activation(Activation::Silu).build(&store.builder())
}

/// Trains a network, and returns its velocity.
pub(crate) fn train(
    method: &str,
    snapshots: &Snapshots,
    steps: usize,
    seed: u64,
) -> Result<Box<dyn Field>> {
    let key = Key::from_seed(seed);
    let store = ParameterStore::new(key.named("net"), DType::F32, &Device::Cpu);
    let dim = snapshots.at(0).samples().dim(1)?;
    let lines = ConstantSigma::new(SIGMA[1])?;
    let trainer = |loss: &dyn Fn(&mut Generator) -> Result<Tensor>| -> Result<()> {
        let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
        let rng = Generator::from(key.named("train"));
        Trainer::new(&store, optimizer, rng).run(steps, |_, rng| loss(rng), &mut ())?;
        Ok(())
    };
    if method == "action matching" {
        let potential = Potential(network(dim, 1, &store)?);
        let velocity = GradientField::new(potential, &store.tensors())?;
        let objective = ActionMatching::new(Chain::new(ExactOt, lines, BATCH)?);
        trainer(&|rng| objective.loss(&velocity, snapshots, rng))?;
        return Ok(Box::new(velocity));
    }
    let path: Box<dyn SnapshotPath> = match method {
        "I-CFM" => Box::new(Chain::new(Independent, lines, BATCH)?),
        "OT-CFM" => Box::new(Chain::new(ExactOt, lines, BATCH)?),
        "SB-CFM" => {
            let bridge = SchrodingerBridge::new(SIGMA[0])?;
            Box::new(Chain::new(
                EntropicOt::new(bridge.entropy())?,
                bridge,
                BATCH,
            )?)
        }
        _ => Box::new(Spline::new(ExactOt, NaturalCubic, 2 * BATCH)?.noise(SIGMA[1])?),
    };
    let net = network(dim, dim, &store)?;
    let objective = FlowMatching::new(path);
    trainer(&|rng| objective.loss(&net, snapshots, rng))?;
    Ok(Box::new(net.on(&store.frozen())?))
}

/// Carries the samples of a snapshot along a velocity to another time.
pub(crate) fn carry(velocity: &dyn Field, from: &Snapshot, time: f64) -> Result<Tensor> {
    let velocity = field_fn(|t, x| Ok(velocity.at(t, x)?.detach()));
    let solver = Solver::new(Dopri5, Adaptive::new(1e-5, 1e-5)?);
    solver
        .solve(&velocity, from.samples(), from.time(), time)?
        .end()
}
