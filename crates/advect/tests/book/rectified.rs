//! Rectified flow and α-blending.

use super::{accurate, close, gaussian, mean, normal, number, two_peaks, values};
use advect::metrics::{transport_cost, wasserstein2};
use advect::paths::closed_form::blend;
use advect::prelude::*;

// ANCHOR: reflow
/// The pairs that a flow makes cost less than those it was trained on, by every convex function.
#[test]
fn costs_fall() -> Result<()> {
    let law = two_peaks()?;
    let mut rng = Generator::from_seed(0);
    let z0 = normal(2000, 2, &mut rng)?;
    let data = law.sample(2000, DType::F64, &Device::Cpu, &mut rng)?;
    let solver = Solver::new(Dopri5, Adaptive::new(1e-5, 1e-5)?);
    let (z0, z1) = reflow(&law.velocity(CondOt::default()), &solver, &z0, 500)?;

    for power in [1.0, 2.0, 4.0] {
        let cost = |way: &[f64]| way.iter().map(|w| w * w).sum::<f64>().sqrt().powf(power);
        let [before, after] = [
            transport_cost(&z0, &data, cost)?,
            transport_cost(&z0, &z1, cost)?,
        ];
        assert!(
            after.mean < 0.8 * before.mean,
            "{power}: {after:?} {before:?}"
        );
    }
    Ok(())
}
// ANCHOR_END: reflow

// ANCHOR: blending
/// N steps between random pairs end within about N^(−½) of the flow's ends.
#[test]
fn random_pairs_become_a_map() -> Result<()> {
    let law = two_peaks()?;
    let mut rng = Generator::from_seed(0);
    let noise = normal(500, 2, &mut rng)?;
    let flow = iadb(400)?; // Euler's method for the mean of the pairs
    let velocity = law.velocity(CondOt::default());
    let model = Model::new(&velocity, Prediction::Velocity, CondOt::default());
    let ends = flow.sample(&model, &noise, &mut rng)?;

    let mut distance = |steps| {
        let blended = blend(&law, &noise, &equal_times(0.0, 1.0, steps)?, &mut rng)?;
        mean(&(blended - &ends)?.sqr()?.sum(1)?.sqrt()?)
    };
    let (coarse, fine) = (distance(16)?, distance(256)?);
    assert!(
        coarse / fine > 2.5 && coarse / fine < 6.0,
        "{coarse} {fine}"
    );
    Ok(())
}
// ANCHOR_END: blending

// ANCHOR: exercise_1
/// In one dimension the flow keeps the order of points, and is the optimal transport.
#[test]
fn exercise_1_on_the_line() -> Result<()> {
    let means = Tensor::new(&[[-2.0], [1.0]], &Device::Cpu)?;
    let law = GaussianMixture::new(&[0.5, 0.5], &means, vec![Covariance::isotropic(0.1)?; 2])?;
    let z0 = normal(300, 1, &mut Generator::from_seed(0))?;
    let (z0, z1) = reflow(&law.velocity(CondOt::default()), &accurate()?, &z0, 300)?;
    let cost = transport_cost(&z0, &z1, |way| way[0] * way[0])?;
    close(cost.mean, wasserstein2(&z0, &z1)?.powi(2), 1e-9);
    Ok(())
}
// ANCHOR_END: exercise_1

// ANCHOR: exercise_2
/// From N(0, 1) to N(2, ¼), one step: of independent pairs it gives the mean, of straight ones the sample.
#[test]
fn exercise_2_one_step() -> Result<()> {
    let one_step = Solver::new(Euler, Fixed::steps(1)?);
    let z0 = Tensor::new(&[[-1.0], [0.0], [3.0]], &Device::Cpu)?;
    let first = gaussian(2.0, 0.25)?.velocity(CondOt::default());
    let ends = one_step.solve(&first, &z0, 0.0, 1.0)?.end()?;
    for end in values(&ends)? {
        close(end, 2.0, 1e-9);
    }

    // The flow makes z1 = 2 + ½ z0. On the line between, x_t = (1 − ½ t) z0 + 2 t, and z1 − z0 = 2 − ½ z0.
    let second = field_fn(|t, x: &Tensor| {
        let slope = t.coefficient(|t| -0.5 / (1.0 - 0.5 * t))?;
        let offset = t.coefficient(|t| 2.0 + t / (1.0 - 0.5 * t))?;
        Ok((slope.times(x)? + offset.times(&x.ones_like()?)?)?)
    });
    let ends = one_step.solve(&second, &z0, 0.0, 1.0)?.end()?;
    for (end, z) in values(&ends)?.iter().zip(values(&z0)?) {
        close(*end, 2.0 + 0.5 * z, 1e-12);
    }
    Ok(())
}
// ANCHOR_END: exercise_2

// ANCHOR: exercise_3
/// α-blending's loss is that of rectified flow, and its sampler DDIM on straight lines.
#[test]
fn exercise_3_one_method_by_three_names() -> Result<()> {
    let law = two_peaks()?;
    let velocity = law.velocity(CondOt::default());
    let model = Model::new(&velocity, Prediction::Velocity, CondOt::default());
    let mut rng = Generator::from_seed(0);
    let noise = normal(10, 2, &mut rng)?;
    let deblended = iadb(8)?.sample(&model, &noise, &mut rng)?;
    let euler = Solver::new(Euler, Fixed::steps(8)?)
        .solve(&velocity, &noise, 0.0, 1.0)?
        .end()?;
    let ddim = Ddim::new()
        .on(UniformTime::new(8)?)
        .sample(&model, &noise, &mut rng)?;
    assert!(number(&(&deblended - euler)?.abs()?)? < 1e-9);
    assert!(number(&(deblended - ddim)?.abs()?)? < 1e-6);
    assert_eq!(
        rectified_flow(),
        flow_matching(Affine::new(CondOt::default()))
    );
    Ok(())
}
// ANCHOR_END: exercise_3
