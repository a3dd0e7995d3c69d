//! Langevin dynamics and score matching.

use super::{LinearField, close, gaussian, mean, normal, variance};
use advect::prelude::*;
use advect::samplers::langevin::{MarginalAt, MetropolisAdjusted, Unadjusted};
use advect::solvers::divergence::Probe;

// ANCHOR: langevin
/// Chains that know nothing but the score of a law come to have that law.
#[test]
fn chains_find_the_law_of_a_score() -> Result<()> {
    let law = gaussian(3.0, 0.25)?;
    let score = law.score(CondOt::default()); // at t = 1 the score of the law itself
    let mut rng = Generator::from_seed(0);
    let start = normal(4000, 1, &mut rng)?;
    let chain = Unadjusted::new(0.02)?;
    let ends = chain.run(&score, &Time::Shared(1.0), &start, 300, &mut rng)?;
    close(mean(&ends)?, 3.0, 0.05);
    close(variance(&ends)?, 0.25, 0.03);
    Ok(())
}
// ANCHOR_END: langevin

// ANCHOR: implicit
/// For the score −a x and data of variance v, the implicit loss is ½ a² v − a, least at a = 1/v.
#[test]
fn the_implicit_loss_needs_samples_only() -> Result<()> {
    let x = (normal(4000, 1, &mut Generator::from_seed(0))? * 2.0)?;
    let v = mean(&x.sqr()?)?;
    let loss = |a: f64| {
        let score = LinearField::new(&[[-a]])?;
        let losses = ImplicitScoreMatching::new(Exact).losses(&score, &Time::Shared(1.0), &x)?;
        mean(&losses)
    };
    for a in [0.1, 0.25, 1.0] {
        close(loss(a)?, 0.5 * a * a * v - a, 1e-9);
    }
    assert!(loss(1.0 / v)? < loss(0.9 / v)?.min(loss(1.1 / v)?));
    Ok(())
}
// ANCHOR_END: implicit

// ANCHOR: denoising
/// Half of the denoising loss and the implicit loss of the noised data differ by a constant.
#[test]
fn denoising_is_implicit_matching_of_noised_data() -> Result<()> {
    let mut rng = Generator::from_seed(0);
    let data = (normal(40_000, 1, &mut rng)? * 0.5)?;
    let noise = normal(40_000, 1, &mut rng)?;
    let path = Affine::new(VarianceExploding::new(0.01, 50.0)?);
    let t = path.schedule().time_at_log_snr(0.0); // where σ = 1
    let point = path.sample(&Time::Shared(t), &noise, &data, &mut rng)?;

    let mut gaps = Vec::new();
    for a in [0.2, 0.8, 1.5] {
        let score = LinearField::new(&[[-a]])?;
        let denoising = Regression::new(path, Prediction::Score);
        let denoising = denoising.losses_at(&score, &noise, &data, &[t; 40_000], &mut rng)?;
        let implicit = ImplicitScoreMatching::new(Exact);
        let implicit = implicit.losses(&score, &Time::Shared(t), &point.x)?;
        gaps.push(0.5 * mean(&denoising)? - mean(&implicit)?);
    }
    close(gaps[1], gaps[0], 0.02);
    close(gaps[2], gaps[0], 0.03);
    Ok(())
}
// ANCHOR_END: denoising

// ANCHOR: exercise_1
/// Steps of size h give N(0, 1) the variance 1/(1 − h/4); with a test of acceptance it is 1 for every h.
#[test]
fn exercise_1_the_bias_of_steps() -> Result<()> {
    let law = gaussian(0.0, 1.0)?;
    let (h, schedule) = (1.0, CondOt::default());
    let mut rng = Generator::from_seed(0);
    let start = normal(10_000, 1, &mut rng)?;
    let score = law.score(schedule);
    let plain = Unadjusted::new(h)?.run(&score, &Time::Shared(1.0), &start, 40, &mut rng)?;
    close(variance(&plain)?, 4.0 / 3.0, 0.06);

    let density = MarginalAt::new(&law, schedule, 1.0);
    let adjusted = MetropolisAdjusted::new(h)?.run(&density, &start, 40, &mut rng)?;
    close(variance(&adjusted.x)?, 1.0, 0.05);
    Ok(())
}
// ANCHOR_END: exercise_1

// ANCHOR: exercise_2
/// Of scores −a x, implicit matching chooses a = 1/v, denoising at level σ chooses 1/(v + σ²).
#[test]
fn exercise_2_which_score_is_learned() -> Result<()> {
    let (v, sigma) = (0.25, 0.5);
    // A parabola in a: its least value is where three points of it say.
    let least = |loss: &dyn Fn(f64) -> Result<f64>| -> Result<f64> {
        let [f0, f1, f2] = [loss(0.0)?, loss(1.0)?, loss(2.0)?];
        Ok(0.5 * (3.0 * f0 - 4.0 * f1 + f2) / (f0 - 2.0 * f1 + f2))
    };
    let x = (normal(100_000, 1, &mut Generator::from_seed(0))? * f64::sqrt(v))?;
    let now = Time::Shared(1.0);
    let score = |a: f64| LinearField::new(&[[-a]]);
    let implicit =
        least(&|a| mean(&ImplicitScoreMatching::new(Exact).losses(&score(a)?, &now, &x)?))?;
    close(implicit, 1.0 / v, 0.06);

    // Denoising: the score of x + σ ε given x is −ε/σ.
    let noise = normal(100_000, 1, &mut Generator::from_seed(1))?;
    let noised = (&x + (&noise * sigma)?)?;
    let denoising = least(&|a| {
        let error = (score(a)?.at(&now, &noised)? + (&noise / sigma)?)?;
        mean(&error.sqr()?)
    })?;
    close(denoising, 1.0 / (v + sigma * sigma), 0.04);
    Ok(())
}
// ANCHOR_END: exercise_2

// ANCHOR: exercise_3
/// Along random directions, the loss is the implicit one in the mean.
#[test]
fn exercise_3_slices() -> Result<()> {
    let score = LinearField::new(&[[-1.0, 0.5], [0.5, -2.0]])?;
    let x = Tensor::new(&[[0.5, -1.0]], &Device::Cpu)?.repeat((40_000, 1))?;
    let now = Time::Shared(1.0);
    let implicit = ImplicitScoreMatching::new(Exact).losses(&score, &now, &x)?;
    let mut rng = Generator::from_seed(0);
    let sliced = SlicedScoreMatching::new(Probe::Gaussian, 1)?;
    let sliced = sliced.losses(&score, &now, &x, &mut rng)?;
    close(mean(&sliced)?, mean(&implicit)?, 0.1);
    assert!(variance(&sliced)? > 1.0 && variance(&implicit)? < 1e-12);
    Ok(())
}
// ANCHOR_END: exercise_3
