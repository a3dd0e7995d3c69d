//! The continuity equation.

use super::{accurate, close, mean, normal, number, two_peaks, values};
use advect::metrics::energy_distance;
use advect::prelude::*;

// ANCHOR: transport
/// A velocity field carries noise to data.
#[test]
fn the_flow_carries_noise_to_the_peaks() -> Result<()> {
    let law = two_peaks()?;
    let velocity = law.velocity(CondOt::default());
    let mut rng = Generator::from_seed(0);
    let noise = normal(1000, 2, &mut rng)?;
    let solver = Solver::new(Dopri5, Adaptive::new(1e-5, 1e-5)?);
    let carried = solver.solve(&velocity, &noise, 0.0, 1.0)?.end()?;
    let drawn = law.sample(1000, DType::F64, &Device::Cpu, &mut rng)?;
    assert!(energy_distance(&carried, &drawn)? < 0.02);
    assert!(energy_distance(&noise, &drawn)? > 0.4);
    Ok(())
}
// ANCHOR_END: transport

// ANCHOR: continuity
/// `∂_t log p + u·∇log p + ∇·u = 0`, at a point.
#[test]
fn densities_obey_the_continuity_equation() -> Result<()> {
    let law = two_peaks()?;
    let (velocity, score) = (
        law.velocity(CondOt::default()),
        law.score(CondOt::default()),
    );
    let x = Tensor::new(&[[0.3, -0.2]], &Device::Cpu)?;
    let log_density = |t: f64| number(&velocity.log_density(&Time::Shared(t), &x)?);
    let (t, h) = (0.6, 1e-4);
    let now = Time::Shared(t);

    let change = (log_density(t + h)? - log_density(t - h)?) / (2.0 * h);
    let carried = number(&(velocity.at(&now, &x)? * score.at(&now, &x)?)?)?;
    let spread = number(&velocity.divergence(&now, &x)?)?;
    close(change, -carried - spread, 1e-5);
    assert!(change.abs() > 0.1 && spread.abs() > 0.1);
    Ok(())
}
// ANCHOR_END: continuity

// ANCHOR: exercise_1
/// `dx/dt = a x` for a unit of time multiplies the deviation by e^a.
#[test]
fn exercise_1_stretching() -> Result<()> {
    let a = 0.7;
    let stretch = field_fn(|_, x| Ok((x * a)?));
    let x0 = normal(1000, 1, &mut Generator::from_seed(0))?;
    let x1 = accurate()?.solve(&stretch, &x0, 0.0, 1.0)?.end()?;
    let ratio = mean(&x1.sqr()?)? / mean(&x0.sqr()?)?;
    close(ratio, (2.0 * a).exp(), 1e-6);
    Ok(())
}
// ANCHOR_END: exercise_1

// ANCHOR: exercise_2
/// A rotation, added to a radial flow, changes the ways of all points and the law of none.
#[test]
fn exercise_2_the_velocity_is_not_unique() -> Result<()> {
    let origin = Tensor::zeros(2, DType::F64, &Device::Cpu)?;
    let law = Gaussian::new(&origin, Covariance::isotropic(4.0)?)?;
    let radial = law.velocity(CondOt::default());
    let quarter = Tensor::new(&[[0.0, 1.0], [-1.0, 0.0]], &Device::Cpu)?;
    let turning = field_fn(|t, x| Ok((radial.at(t, x)? + (x.matmul(&quarter)? * 3.0)?)?));

    let x0 = Tensor::new(&[[1.0, 0.0]], &Device::Cpu)?;
    let straight = values(&accurate()?.solve(&radial, &x0, 0.0, 1.0)?.end()?)?;
    let turned = values(&accurate()?.solve(&turning, &x0, 0.0, 1.0)?.end()?)?;
    close(straight[0], 2.0, 1e-6);
    close(turned[0], 2.0 * 3f64.cos(), 1e-6);
    close(turned[1], 2.0 * 3f64.sin(), 1e-6); // as far from the origin as without the rotation
    Ok(())
}
// ANCHOR_END: exercise_2

// ANCHOR: exercise_3
/// `d/dt E|x|² = 2 E[x·u]`, with the marginal velocity and with the velocities of the pairs.
#[test]
fn exercise_3_the_weak_form() -> Result<()> {
    let law = two_peaks()?;
    let mut rng = Generator::from_seed(0);
    let x0 = normal(20_000, 2, &mut rng)?;
    let x1 = law.sample(20_000, DType::F64, &Device::Cpu, &mut rng)?;
    let now = Time::Shared(0.5);
    let point = Affine::new(CondOt::default()).sample(&now, &x0, &x1, &mut rng)?;
    let marginal = law.velocity(CondOt::default()).at(&now, &point.x)?;

    // E|x_t|² = t² E|x1|² + (1 − t)² d, with E|x1|² = 0.3·4 + 0.7·5 + 2·0.25 = 5.2.
    let expected = 2.0 * 0.5 * 5.2 - 2.0 * 0.5 * 2.0;
    close(4.0 * mean(&(&point.x * &marginal)?)?, expected, 0.15);
    close(
        4.0 * mean(&(&point.x * point.velocity()?)?)?,
        expected,
        0.15,
    );
    Ok(())
}
// ANCHOR_END: exercise_3
