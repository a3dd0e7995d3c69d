//! Growth by maximum likelihood: of a mixture of which one component grows, and of a Gaussian that spreads as it grows.

use std::f64::consts::PI;
use std::sync::Arc;

use advect_core::normal::log_standard_normal;
use advect_core::testing::device;
use advect_core::{Energy, Field, Generator, Jvp, Result, Time, field_fn};
use advect_objectives::objective::MaximumLikelihood;
use advect_paths::path::Affine;
use advect_paths::schedule::CondOt;
use advect_solvers::Solver;
use advect_solvers::adjoint::{Checkpointed, Unrolled};
use advect_solvers::controller::Fixed;
use advect_solvers::energy::GradientField;
use advect_solvers::stepper::Rk4;
use advect_trajectories::Snapshots;
use advect_trajectories::objective::{ActionMatching, FlowMatching, SnapshotLikelihood};
use advect_trajectories::path::UnbalancedChain;
use advect_transport::Sinkhorn;
use candle_core::{DType, Tensor, Var};

/// Nothing moves; what is right of 0 grows at a rate.
struct RightGrows(Tensor);

impl Field for RightGrows {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        let right = x.ge(0.0)?.to_dtype(DType::F64)?;
        Ok(Tensor::cat(
            &[x.zeros_like()?, right.broadcast_mul(&self.0)?],
            1,
        )?)
    }
}

impl Jvp for RightGrows {
    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let value = self.at(t, x)?;
        let slope = Tensor::cat(&[dx, dx], 1)?.zeros_like()?;
        Ok((value, slope))
    }
}

/// `v = c x`, `g = r`.
struct Spreads {
    c: f64,
    r: f64,
}

impl Field for Spreads {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        Ok(Tensor::cat(&[(x * self.c)?, x.affine(0.0, self.r)?], 1)?)
    }
}

impl Jvp for Spreads {
    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let slope = Tensor::cat(&[(dx * self.c)?, dx.zeros_like()?], 1)?;
        Ok((self.at(t, x)?, slope))
    }
}

/// `ln` of the mixture ½ N(−3, ¼) + ½ N(3, ¼).
fn two_modes(x: &Tensor) -> Result<Tensor> {
    let mode = |mean: f64| {
        ((x - mean)?.sqr()? * -2.0)?
            .exp()?
            .affine(0.5 / (0.5 * PI).sqrt(), 0.0)
    };
    Ok((mode(-3.0)? + mode(3.0)?)?.log()?.squeeze(1)?)
}

fn number(x: &Tensor) -> f64 {
    x.to_scalar::<f64>().unwrap()
}

fn column(x: &[f64]) -> Tensor {
    Tensor::new(x, device()).unwrap().unsqueeze(1).unwrap()
}

#[test]
fn the_growth_of_a_component_is_found() {
    // At rate 0.8 the right half has grown to ½ e^(0.8 t), which the masses and the shares of samples tell.
    let (truth, times, count) = (0.8f64, [1.0, 2.0], 4000);
    let grown = times.map(|t: f64| 0.5 * (truth * t).exp());
    let mut rng = Generator::from_seed(0);
    let mut modes = |right: usize, count: usize| {
        let z = rng.normal((count, 1), DType::F64, device()).unwrap();
        let centre: Vec<f64> = (0..count)
            .map(|i| if i < right { 3.0 } else { -3.0 })
            .collect();
        ((z * 0.5).unwrap() + column(&centre)).unwrap()
    };
    let samples = grown.map(|g| modes((g / (0.5 + g) * count as f64) as usize, count));
    let start = modes(1000, 2000);
    let snapshots = Snapshots::new(&times, &samples).unwrap();
    let snapshots = snapshots.masses(&grown.map(|g| 0.5 + g)).unwrap();
    let solver = Solver::new(Rk4, Fixed::steps(2).unwrap());
    let likelihood = MaximumLikelihood::new(Checkpointed::new(solver, 2).unwrap());
    let objective = SnapshotLikelihood::new(likelihood, 0.0, count).unwrap();
    let rate = Var::new(&[0f64], device()).unwrap();
    let field = Arc::new(RightGrows(rate.as_tensor().clone()));
    let parameters = [rate.as_tensor().clone()];
    let mut found = 0.0;
    // Newton's method with the second derivative, the mean of ½ t² e^(κ t).
    for _ in 0..6 {
        let loss = objective.loss_with_growth(
            &field,
            &parameters,
            &snapshots,
            two_modes,
            &start,
            &mut rng,
        );
        let gradients = loss.unwrap().backward().unwrap();
        let slope = gradients.get(&rate).unwrap().to_vec1::<f64>().unwrap()[0];
        // −m_k · share · t + ½ t e^(κ t), from as many samples as were drawn.
        let expected = times
            .iter()
            .zip(grown)
            .map(|(t, g)| t * (0.5 * (found * t).exp() - g) / 2.0);
        let expected: f64 = expected.sum();
        assert!((slope - expected).abs() < 0.08, "{slope} {expected}");
        let curvature = times.map(|t| 0.25 * t * t * (found * t).exp());
        found -= slope / curvature.iter().sum::<f64>();
        rate.set(&Tensor::new(&[found], device()).unwrap()).unwrap();
    }
    assert!((found - truth).abs() < 0.02, "{found}");
}

/// The same number everywhere.
struct Level(f64);

impl Energy for Level {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        x.affine(0.0, self.0)?.squeeze(1).map_err(Into::into)
    }

    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.at(t, x)?, dx.zeros_like()?.squeeze(1)?))
    }
}

/// The curves of an unbalanced chain have the law of the population by their masses alone.
#[test]
fn masses_of_curves_weigh_in_every_objective() {
    // One of two sites becomes nine times as large.
    let sites = column(&[0.0, 9.0]);
    let snapshots = Snapshots::new(&[0.0, 1.0], &[sites.clone(), sites]).unwrap();
    let snapshots = snapshots.weighted(1, &[1.0, 9.0]).unwrap();
    let snapshots = snapshots.masses(&[2.0, 10.0]).unwrap();
    let plans = Sinkhorn::new(0.1).unwrap().unbalanced(1.0).unwrap();
    let chain = UnbalancedChain::new(plans, Affine::new(CondOt::default()), 4000).unwrap();
    let rng = || Generator::from_seed(0);
    let (still, growing) = (1.0, 8.0 / 9f64.ln());
    let near = |found: f64, expected: f64| {
        assert!((found / expected - 1.0).abs() < 0.02, "{found} {expected}");
    };
    // A velocity that errs by 2 there.
    let field = field_fn(|_, x: &Tensor| Ok((x.gt(5.0)?.to_dtype(DType::F64)? * 2.0)?));
    let loss = FlowMatching::new(chain).loss(&field, &snapshots, &mut rng());
    near(number(&loss.unwrap()), 4.0 * growing / (still + growing));
    // The potential 2: 2 (m₀ − m₁) + ½ 2²/γ ∫ m dt.
    let potential = GradientField::new(Level(2.0), &[]).unwrap();
    let plain = ActionMatching::new(chain);
    let error = plain.loss(&potential, &snapshots, &mut rng()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("path: got curves whose masses change")
    );
    let grown = plain.growth(1.5).unwrap();
    let loss = grown.loss(&potential, &snapshots, &mut rng()).unwrap();
    near(number(&loss), -16.0 + 2.0 / 1.5 * (still + growing));
}

#[test]
fn losses_are_those_of_closed_forms() {
    let at = |x: f64| column(&[x]);
    let solver = Solver::new(Rk4, Fixed::steps(20).unwrap());
    let likelihood = MaximumLikelihood::new(Unrolled::new(solver));
    let loss = |likelihood: MaximumLikelihood<_>| {
        let snapshots = Snapshots::new(&[1.0, 2.0], &[at(0.5), at(0.5)]).unwrap();
        let snapshots = snapshots.masses(&[1.5, 3.0]).unwrap();
        let objective = SnapshotLikelihood::new(likelihood, 0.0, 4).unwrap();
        let field = Arc::new(Spreads { c: 0.3, r: 0.4 });
        let loss = objective.loss_with_growth(
            &field,
            &[],
            &snapshots,
            log_standard_normal,
            &at(0.7),
            &mut Generator::from_seed(0),
        );
        number(&loss.unwrap())
    };
    // ρ(t) = e^(0.4 t) N(0, e^(0.6 t)).
    let terms = [(1.0, 1.5), (2.0, 3.0)].map(|(t, mass): (f64, f64)| {
        let variance = (0.6 * t).exp();
        let log_density = 0.4 * t - 0.125 / variance - 0.5 * (2.0 * PI * variance).ln();
        (-mass * log_density, (0.4 * t).exp(), mass, t, variance)
    });
    let expected = terms
        .iter()
        .map(|term| (term.0 + term.1) / 2.0)
        .sum::<f64>();
    let plain = loss(likelihood.clone());
    assert!((plain - expected).abs() < 1e-6, "{plain} {expected}");
    // The energy is ∫ v² + g² dt, the first with x at time t from where it was at the start.
    let energy = terms.iter().map(|(_, _, mass, t, variance)| {
        let moved = 0.3 * 0.25 * (1.0 - 1.0 / variance) / 2.0;
        mass * (moved + 0.16 * t) / 2.0
    });
    let energetic = loss(likelihood.kinetic(0.5).unwrap());
    let expected = expected + 0.5 * energy.sum::<f64>();
    assert!(
        (energetic - expected).abs() < 1e-6,
        "{energetic} {expected}"
    );
}

#[test]
fn bad_arguments_are_told() {
    let solver = Solver::new(Rk4, Fixed::steps(2).unwrap());
    let likelihood = MaximumLikelihood::new(Unrolled::new(solver));
    let snapshots = Snapshots::new(&[1.0, 2.0], &[column(&[0.5]), column(&[0.5])]).unwrap();
    let message = |base_time: f64, start: &Tensor| {
        let objective = SnapshotLikelihood::new(likelihood.clone(), base_time, 4).unwrap();
        let field = Arc::new(Spreads { c: 0.3, r: 0.4 });
        let loss = objective.loss_with_growth(
            &field,
            &[],
            &snapshots,
            log_standard_normal,
            start,
            &mut Generator::from_seed(0),
        );
        loss.unwrap_err().to_string()
    };
    let start = column(&[0.7]);
    assert!(message(1.0, &start).starts_with("base_time: got 1"));
    assert!(message(0.0, &start.narrow(0, 0, 0).unwrap()).starts_with("start: "));
    assert!(message(0.0, &start.to_dtype(DType::F32).unwrap()).starts_with("start: "));
    assert!(message(0.0, &start.squeeze(1).unwrap()).starts_with("start: "));
}
