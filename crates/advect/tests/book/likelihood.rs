//! The instantaneous change of variables.

use super::{LinearField, accurate, close, mean, two_peaks, values, variance};
use advect::core::normal::log_standard_normal;
use advect::prelude::*;
use advect::solvers::divergence::Probe;

// ANCHOR: exact
/// The log-density of data, along the flow back to the noise.
#[test]
fn the_flow_knows_its_density() -> Result<()> {
    let law = two_peaks()?;
    let (schedule, velocity) = (CondOt::default(), law.velocity(CondOt::default()));
    let likelihood = Likelihood::new(Model::new(&velocity, Prediction::Velocity, schedule));

    let x1 = Tensor::new(&[[-2.0, 0.3], [1.5, 1.0], [0.0, 0.0]], &Device::Cpu)?;
    let found = likelihood.log_density(&accurate()?, &x1)?;
    let exact = velocity.log_density(&Time::Shared(1.0), &x1)?;
    for (found, exact) in values(&found.nats)?.iter().zip(values(&exact)?) {
        close(*found, exact, 1e-5);
    }
    Ok(())
}
// ANCHOR_END: exact

// ANCHOR: hutchinson
/// The same density, by 64 probes instead of the whole Jacobian.
#[test]
fn probes_estimate_the_density() -> Result<()> {
    let velocity = two_peaks()?.velocity(CondOt::default());
    let model = Model::new(&velocity, Prediction::Velocity, CondOt::default());
    let estimate = Likelihood::new(model).hutchinson(Probe::Rademacher, 64, Key::from_seed(0))?;

    let x1 = Tensor::new(&[[1.5, 1.0]], &Device::Cpu)?;
    let found = estimate.log_density(&accurate()?, &x1)?;
    let error = values(&found.standard_error.expect("there are many probes"))?[0];
    let exact = values(&velocity.log_density(&Time::Shared(1.0), &x1)?)?[0];
    close(values(&found.nats)?[0], exact, 4.0 * error + 1e-6);
    assert!(error < 0.1);
    Ok(())
}
// ANCHOR_END: hutchinson

// ANCHOR: exercise_1
/// The variance of one probe: 2 Σ_(i≠j) S_ij² for signs, 2 ‖S‖² for normal numbers, with S = ½ (J + Jᵀ).
#[test]
fn exercise_1_the_variance_of_probes() -> Result<()> {
    let field = LinearField::new(&[[1.0, 2.0], [0.0, 3.0]])?; // S = (1 1; 1 3)
    let x = Tensor::zeros((20_000, 2), DType::F64, &Device::Cpu)?;
    let now = Time::Shared(0.0);
    for (probe, expected) in [(Probe::Rademacher, 4.0), (Probe::Gaussian, 24.0)] {
        let one = Hutchinson::new(probe, 1, &x, &mut Generator::from_seed(0))?;
        let estimates = one.at(&field, &now, &x)?.divergence;
        close(mean(&estimates)?, 4.0, 0.1);
        close(variance(&estimates)? / expected, 1.0, 0.05);
    }
    Ok(())
}
// ANCHOR_END: exercise_1

// ANCHOR: exercise_2
/// `dx/dt = A x` from N(0, I): `log p(x) = log N(e^(−A) x) − tr A`.
#[test]
fn exercise_2_a_linear_flow() -> Result<()> {
    let (a, b) = (0.4, 1.5);
    let flow = Flow::new(LinearField::new(&[[a, b], [0.0, a]])?, Exact);
    let x = Tensor::new(&[[1.0, -0.5]], &Device::Cpu)?;
    let found = flow.log_density(&accurate()?, &x, log_standard_normal)?;

    // e^(−A) = e^(−a) (1 −b; 0 1)
    let [z0, z1] = [1.0 + 0.5 * b, -0.5].map(|z| z * (-a).exp());
    let expected = -0.5 * (z0 * z0 + z1 * z1) - (2.0 * std::f64::consts::PI).ln() - 2.0 * a;
    close(values(&found)?[0], expected, 1e-7);
    Ok(())
}
// ANCHOR_END: exercise_2

// ANCHOR: exercise_3
/// A density that is flat over 16 levels has 4 bits per dimension, wherever the levels lie.
#[test]
fn exercise_3_bits_per_dimension() -> Result<()> {
    for (first, last) in [(0.0, 15.0), (-1.0, 1.0)] {
        let levels = UniformDequantization::of_levels(16, first, last)?;
        let dimensions = 64;
        let nats = -(dimensions as f64) * (16.0 * levels.width()).ln();
        let nats = Tensor::new(&[nats], &Device::Cpu)?;
        let bits = levels.bits_of_densities(&nats, dimensions)?;
        close(bits.mean, 4.0, 1e-12);
    }
    Ok(())
}
// ANCHOR_END: exercise_3
