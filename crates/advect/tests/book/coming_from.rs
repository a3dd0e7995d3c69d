//! What users of other libraries write, here.

use std::sync::Arc;

use super::{close, mean, normal, number};
use advect::candle::Var;
use advect::paths::preconditioner::EdmPreconditioner;
use advect::prelude::*;
use advect::solvers::divergence::Probe;

/// A small network, in the place of the reader's.
fn network(store: &ParameterStore) -> Result<Mlp> {
    Mlp::config(2).hidden(&[16]).build(&store.builder())
}

fn store() -> ParameterStore {
    ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu)
}

fn batch(rng: &mut Generator) -> Result<(Tensor, Tensor)> {
    Ok((normal(32, 2, rng)?, normal(32, 2, rng)?))
}

// ANCHOR: torchcfm
#[test]
fn from_torchcfm() -> Result<()> {
    let (store, mut rng) = (store(), Generator::from_seed(0));
    let net = network(&store)?;
    let (x0, x1) = batch(&mut rng)?;

    let objective = Coupled::new(ExactOt, flow_matching(ConstantSigma::new(0.1)?));
    let loss = objective.loss(&net, &x0, &x1, &mut rng)?;

    let solver = Solver::new(Dopri5, Adaptive::new(1e-4, 1e-4)?);
    let trajectory = solver
        .integration(&net, &x0, 0.0, 1.0)
        .save(Save::At(equal_times(0.0, 1.0, 99)?))
        .run()?;
    assert_eq!((loss.rank(), trajectory.states.len()), (0, 100));
    Ok(())
}
// ANCHOR_END: torchcfm

// ANCHOR: flow_matching
#[test]
fn from_flow_matching() -> Result<()> {
    let (store, mut rng) = (store(), Generator::from_seed(0));
    let net = network(&store)?;
    let (x0, x1) = batch(&mut rng)?;

    let objective = flow_matching(Affine::new(CondOt::default()));
    let loss = objective.loss(&net, &x0, &x1, &mut rng)?;

    let solver = Solver::new(Midpoint, Fixed::size(0.05)?);
    let samples = solver.solve(&net, &x0, 0.0, 1.0)?.end()?;
    let model = Model::new(&net, Prediction::Velocity, CondOt::default());
    let likelihood = Likelihood::new(model).hutchinson(Probe::Rademacher, 1, rng.split())?;
    let log_p = likelihood.log_density(&solver, &samples)?.nats;
    assert_eq!((loss.rank(), log_p.dims()), (0, &[32][..]));
    Ok(())
}
// ANCHOR_END: flow_matching

// ANCHOR: diffusers
#[test]
fn from_diffusers() -> Result<()> {
    let (store, mut rng) = (store(), Generator::from_seed(0));
    let net = network(&store)?;
    let (noise, images) = batch(&mut rng)?;

    // A network that is told steps 0 … 999.
    let net = TimeMapped::new(&net, DiscreteTimes::steps(1000)?);
    let schedule = DiscreteDiffusion::default();
    let loss = ddpm(schedule.clone()).loss(&net, &noise, &images, &mut rng)?;

    let model = Model::new(&net, Prediction::Noise, &schedule);
    let sampler = DpmSolver::order(2)?.on(Respaced::trailing(1000, 20)?);
    let samples = sampler.sample(&model, &noise, &mut rng)?;
    assert_eq!((loss.rank(), samples.dims()), (0, noise.dims()));
    // Their step i is our time 1 − (i + 1)/1000.
    close(
        schedule.alpha(1.0 - 0.5).powi(2),
        schedule.alpha_bar(500),
        1e-12,
    );
    Ok(())
}
// ANCHOR_END: diffusers

// ANCHOR: straight_diffusers
/// A flow of diffusers: its σ falls from 1 to 0, and its output is noise minus data.
#[test]
fn from_diffusers_flows() -> Result<()> {
    let (noise, data) = (1.5, -0.5);
    let theirs = field_fn(move |_, x: &Tensor| Ok(x.affine(0.0, noise - data)?));
    let ours = field_fn(|t, x| Ok(theirs.at(t, x)?.neg()?)); // the velocity in rising t
    let x0 = Tensor::full(noise, (1, 1), &Device::Cpu)?;
    let end = Solver::new(Euler, Fixed::steps(4)?)
        .solve(&ours, &x0, 0.0, 1.0)?
        .end()?;
    close(number(&end)?, data, 1e-12);
    Ok(())
}
// ANCHOR_END: straight_diffusers

// ANCHOR: torchdiffeq
#[test]
fn from_torchdiffeq() -> Result<()> {
    let rate = Var::new(&[0.5], &Device::Cpu)?;
    let parameters = [rate.as_tensor().clone()];
    let field = {
        let rate = rate.as_tensor().clone();
        Arc::new(field_fn(move |_, x: &Tensor| Ok(x.broadcast_mul(&rate)?)))
    };
    let x0 = Tensor::new(&[[1.0]], &Device::Cpu)?;

    let adjoint = Backsolve::new(Solver::new(Dopri5, Adaptive::new(1e-7, 1e-9)?)).measure_all();
    let solution = adjoint.solve(&field, &parameters, &x0, &[0.0, 0.5, 1.0])?;
    let gradients = solution.end()?.sum_all()?.backward()?;
    let by_rate = gradients.get(&rate).expect("the solution depends on it");
    close(number(by_rate)?, 0.5f64.exp(), 1e-5);
    Ok(())
}
// ANCHOR_END: torchdiffeq

// ANCHOR: diffrax
#[test]
fn from_diffrax() -> Result<()> {
    let field = field_fn(|_, x: &Tensor| Ok(x.neg()?));
    let x0 = Tensor::new(&[[1.0]], &Device::Cpu)?;
    let solution = Solver::new(Tsit5, Adaptive::new(1e-3, 1e-6)?)
        .integration(&field, &x0, 0.0, 1.0)
        .save(Save::At(vec![0.5, 1.0]))
        .run()?;
    assert_eq!(solution.status, Status::Reached);
    close(number(&solution.states[0])?, (-0.5f64).exp(), 1e-3);
    println!("{} steps", solution.statistics.accepted);
    Ok(())
}
// ANCHOR_END: diffrax

// ANCHOR: edm
#[test]
fn from_edm() -> Result<()> {
    let (store, mut rng) = (store(), Generator::from_seed(0));
    let net = network(&store)?;
    let (noise, images) = batch(&mut rng)?;

    let schedule = EdmSchedule::default(); // σ from 0.002 to 80
    let denoiser = Preconditioned::new(&net, EdmPreconditioner::default(), schedule);
    let loss = edm(schedule, 0.5)?.loss(&denoiser, &noise, &images, &mut rng)?;

    let model = Model::new(&denoiser, Prediction::Data, schedule);
    let sampler = Edm::heun().on(Karras::new(18)?);
    let samples = sampler.sample(&model, &noise, &mut rng)?; // noise of deviation 1: it is scaled
    assert_eq!((loss.rank(), samples.dims()), (0, noise.dims()));
    assert!(mean(&samples.abs()?)? < 5.0);
    Ok(())
}
// ANCHOR_END: edm
