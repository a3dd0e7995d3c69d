//! The methods that are trained through the solver.

use std::sync::Arc;

use advect::candle_nn::Init;
use advect::core::normal::log_standard_normal;
use advect::core::shape;
use advect::prelude::*;
use advect::solvers::adjoint::{Adjoint, Unrolled};
use advect::solvers::divergence::Probe;
use advect::solvers::sde::{BrownianPath, Diagonal, EulerMaruyama};
use advect::trajectories::Snapshots;
use advect::trajectories::objective::{Action, PopulationFit, SnapshotLikelihood, lagrangian_fn};
use advect::transport::Sinkhorn;

use super::methods::{BATCH, Process, network};

/// The weight of the regularisers: the kinetic energy of a flow and the size of its Jacobian, or the action of a process.
const WEIGHT: f64 = 0.05;

/// A continuous flow from a normal law before the first time, of greatest likelihood at all times: TrajectoryNet, or without its
/// regularisers a plain one.
pub(crate) fn flow(
    snapshots: &Snapshots,
    regularized: bool,
    steps: usize,
    key: Key,
) -> Result<Process> {
    let store = ParameterStore::new(key.named("net"), DType::F32, &Device::Cpu);
    let net = Arc::new(network(snapshots, 0, &store)?);
    let weight = if regularized { WEIGHT } else { 0.0 };
    let likelihood = MaximumLikelihood::new(Unrolled::new(Solver::new(Rk4, Fixed::size(0.5)?)))
        .hutchinson(Probe::Rademacher)
        .kinetic(weight)?
        .jacobian(weight)?;
    let before = snapshots.at(0).time() - 1.0;
    let objective = SnapshotLikelihood::new(likelihood, before, BATCH)?;
    let parameters = store.tensors();
    let loss = |_: usize, rng: &mut Generator| {
        objective.loss(&net, &parameters, snapshots, log_standard_normal, rng)
    };
    train(&store, loss, steps, key)?;
    Ok(Process::flow(Box::new(net.on(&store.frozen())?)))
}

/// A stochastic process whose law at each time is near that of the snapshots: a neural Lagrangian Schrödinger bridge, or without its
/// action a plain neural SDE.
pub(crate) fn sde(
    snapshots: &Snapshots,
    regularized: bool,
    steps: usize,
    key: Key,
) -> Result<Process> {
    let store = ParameterStore::new(key.named("net"), DType::F32, &Device::Cpu);
    let net = Arc::new(network(snapshots, 0, &store)?);
    let start = Init::Const(0.2f64.ln());
    let builder = store.builder().pp("noise");
    let log_sigma = builder.get_with_hints(1, "log_sigma", start)?;
    let fit = PopulationFit::new(Sinkhorn::new(0.05)?.tolerance(1e-3)?.into());
    let action = Action::new(lagrangian_fn(|_, _, v| {
        Ok((shape::sum_squares_per_sample(v)? * 0.5)?)
    }));
    let (times, parameters) = (snapshots.times(), store.tensors());
    let (first, last) = (times[0], times[times.len() - 1]);
    let loss = |_: usize, rng: &mut Generator| -> Result<Tensor> {
        let start = snapshots.at(0).draw(BATCH, rng)?;
        let sigma = log_sigma.exp()?;
        let noise = Diagonal(field_fn(move |_, x: &Tensor| {
            Ok(x.ones_like()?.broadcast_mul(&sigma)?)
        }));
        let path = BrownianPath::new(rng.split(), &start, first, last)?;
        let solver = Solver::new(EulerMaruyama::new(noise, path), Fixed::size(0.125)?);
        let way = Unrolled::new(solver).solve(&net, &parameters, &start, &times)?;
        let apart = fit.loss(&way.states, snapshots)?;
        if !regularized {
            return Ok(apart);
        }
        let weight = WEIGHT / (last - first);
        Ok((apart + (action.value(&*net, &times, &way.states)? * weight)?)?)
    };
    train(&store, loss, steps, key)?;
    let sigma = log_sigma.exp()?.to_dtype(DType::F64)?.to_vec1::<f64>()?[0];
    let drift = Box::new(net.on(&store.frozen())?);
    Ok(Process { drift, sigma })
}

fn train(
    store: &ParameterStore,
    loss: impl FnMut(usize, &mut Generator) -> Result<Tensor>,
    steps: usize,
    key: Key,
) -> Result<()> {
    let config = AdamWConfig {
        learning_rate: 5e-3,
        ..AdamWConfig::default()
    };
    let optimizer = AdamW::from_store(store, config)?;
    let rng = Generator::from(key.named("train"));
    Trainer::new(store, optimizer, rng).run(steps, loss, &mut ())?;
    Ok(())
}
