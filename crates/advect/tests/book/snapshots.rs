//! Populations at a few times.

use super::{close, mean, normal, number};
use advect::prelude::*;
use advect::solvers::energy::GradientField;
use advect::trajectories::Snapshots;
use advect::trajectories::objective::{ActionMatching, FlowMatching};
use advect::trajectories::path::{Chain, Interpolation, NaturalCubic, PiecewiseLinear};

// ANCHOR: slope
/// The potential `s(x) = a·x`, whose velocity is a.
pub(super) struct Slope(pub(super) f64);

impl Energy for Slope {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        Ok((x * self.0)?.squeeze(1)?)
    }
    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.at(t, x)?, self.at(t, dx)?))
    }
}

/// A population that moves from 0 to 3.
pub(super) fn moved() -> Result<Snapshots> {
    let rest = normal(200, 1, &mut Generator::from_seed(0))?;
    Snapshots::new(&[0.0, 1.0], &[rest.clone(), (rest + 3.0)?])
}

/// Action matching never sees a velocity, and is least at the right one; an error e costs ½ e².
#[test]
fn action_matching() -> Result<()> {
    let objective = ActionMatching::new(Chain::new(ExactOt, Affine::new(CondOt::default()), 200)?);
    let loss = |a: f64| {
        let velocity = GradientField::new(Slope(a), &[])?;
        number(&objective.loss(&velocity, &moved()?, &mut Generator::from_seed(1))?)
    };
    let least = loss(3.0)?;
    for error in [-1.0, 0.5, 2.0] {
        close(loss(3.0 + error)? - least, 0.5 * error * error, 0.3);
        assert!(loss(3.0 + error)? > least);
    }
    Ok(())
}
// ANCHOR_END: slope

// ANCHOR: flow
/// One regression for all intervals, on pairs of neighbouring times.
#[test]
fn flow_matching_through_snapshots() -> Result<()> {
    let at = |x: f64| Tensor::new(&[[x], [x]], &Device::Cpu);
    let snapshots = Snapshots::new(&[0.0, 1.0, 3.0], &[at(0.0)?, at(2.0)?, at(3.0)?])?;
    let objective = FlowMatching::new(Chain::new(ExactOt, Affine::new(CondOt::default()), 64)?);
    let right = field_fn(|t, x: &Tensor| {
        t.coefficient(|t| if t < 1.0 { 2.0 } else { 0.5 })?
            .times(&x.ones_like()?)
    });
    let loss = objective.loss(&right, &snapshots, &mut Generator::from_seed(0))?;
    close(number(&loss)?, 0.0, 1e-12);
    Ok(())
}
// ANCHOR_END: flow

// ANCHOR: exercise_1
/// Seen at 0, 1 and 4: halfway to the first, lines say ½, the natural cubic 0.3125, the parabola t² says ¼.
#[test]
fn exercise_1_lines_and_curves() -> Result<()> {
    let (times, seen) = ([0.0, 1.0, 2.0], [0.0, 1.0, 4.0]);
    let between = |curve: &dyn Interpolation| -> f64 {
        let (weights, _) = curve.weights(&times, 0.5);
        weights.iter().zip(seen).map(|(w, x)| w * x).sum()
    };
    close(between(&PiecewiseLinear), 0.5, 1e-12);
    close(between(&NaturalCubic), 0.3125, 1e-12);
    Ok(())
}
// ANCHOR_END: exercise_1

// ANCHOR: exercise_2
/// A rotation added to a gradient field costs energy, and changes no density here.
#[test]
fn exercise_2_the_least_energy() -> Result<()> {
    let x = normal(40_000, 2, &mut Generator::from_seed(0))?;
    let turn = Tensor::new(&[[0.0, 1.0], [-1.0, 0.0]], &Device::Cpu)?;
    let (gradient, rotation) = ((&x * 0.5)?, x.matmul(&turn)?);
    let energy = |u: &Tensor| mean(&u.sqr()?.sum(1)?);
    let both = energy(&(&gradient + &rotation)?)?;
    close(both, energy(&gradient)? + energy(&rotation)?, 1e-9);
    Ok(())
}
// ANCHOR_END: exercise_2

// ANCHOR: exercise_3
/// A prediction that is as good as a second sample of the population has its distance.
#[test]
fn exercise_3_the_floor() -> Result<()> {
    let mut rng = Generator::from_seed(0);
    let seen = Snapshots::new(
        &[0.0, 1.0],
        &[normal(100, 2, &mut rng)?, normal(100, 2, &mut rng)?],
    )?;
    let perfect = normal(100, 2, &mut rng)?;
    let found = advect::trajectories::Comparison::new(&perfect, seen.at(1), &mut rng)?;
    assert!(found.predicted.wasserstein1 > 0.1);
    assert!(found.predicted.wasserstein1 < 1.5 * found.floor.wasserstein1);
    Ok(())
}
// ANCHOR_END: exercise_3
