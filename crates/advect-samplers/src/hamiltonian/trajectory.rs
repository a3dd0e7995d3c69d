//! The motion of all chains by the steps of a symplectic method.

use std::cell::RefCell;

use advect_core::{Error, Result, Time, check, field_fn, shape};
use advect_solvers::Interval;
use advect_solvers::stepper::Stepper;
use advect_solvers::symplectic::Separable;
use candle_core::Tensor;

use super::MassMatrix;
use crate::langevin::LogDensity;
use crate::langevin::acceptance::{choose, host};
use crate::langevin::log_density::evaluate;
use crate::langevin::places::Places;

/// The growth of the energy beyond which a trajectory is not followed (as in Stan).
const DIVERGENT: f64 = 1000.0;

fn rows(x: &Tensor) -> Result<Tensor> {
    Ok(x.reshape((x.dims()[0], ()))?)
}

/// The end of a trajectory.
pub(super) struct End {
    pub(super) places: Places,
    /// The growth of the energy of each chain; infinite for one that was not followed to the end.
    pub(super) growth: Vec<f64>,
}

/// `½ |r|² − log p` of each chain.
fn energies(log_density: &Tensor, momentum: &Tensor) -> Result<Vec<f64>> {
    let kinetic = host(&shape::sum_squares_per_sample(momentum)?)?;
    let potential = host(log_density)?;
    let pairs = kinetic.iter().zip(potential);
    Ok(pairs.map(|(k, p)| 0.5 * k - p).collect())
}

/// Moves chains with momenta of N(0, I), rows of `(batch, d)`, by steps of a size. A chain whose energy grows too much is put back where it began, at rest, so that the others
/// can go on.
pub(super) fn follow<I: Stepper<(Tensor, Tensor)>>(
    integrator: &I,
    density: &dyn LogDensity,
    mass: &MassMatrix,
    from: &Places,
    momentum: &Tensor,
    (size, steps): (f64, usize),
) -> Result<End> {
    let (start, score) = (rows(&from.x)?, rows(&from.score)?);
    let first = mass.force(&score)?;
    let latest = RefCell::new((from.log_density.clone(), from.score.clone()));
    let velocity = field_fn(|_: &Time, r: &Tensor| mass.velocity(r));
    let force = field_fn(|_: &Time, q: &Tensor| {
        let q = finite_or(q, &start)?;
        let (log_density, score) = evaluate(density, &q.reshape(from.x.dims())?)?;
        let force = mass.force(&rows(&score)?);
        latest.replace((log_density, score));
        force
    });
    let equations = Separable::new(velocity, force);
    let interval = Interval::Shared {
        start: 0.0,
        end: size,
    };
    let before = energies(&from.log_density, momentum)?;
    let mut growth = vec![0.0f64; before.len()];
    let mut state = (start.clone(), momentum.clone());
    let mut slope = (momentum.clone(), first.clone());
    for _ in 0..steps {
        let step = integrator.step(&equations, &interval, &state, Some(&slope))?;
        state = step.x;
        slope = step.last_slope.ok_or_else(|| {
            let accepted = "a symplectic method, whose last slope is that of the next step";
            Error::range("integrator", "another method", accepted)
        })?;
        let after = energies(&latest.borrow().0, &state.1)?;
        let pairs = after.iter().zip(&before);
        // An energy of −∞, of a density that is infinite, is no end either: nothing would be accepted after it.
        let sound = pairs.map(|(a, b)| a.is_finite() && a - b < DIVERGENT);
        let sound: Vec<bool> = sound.collect();
        for ((growth, sound), (after, before)) in
            growth.iter_mut().zip(&sound).zip(after.iter().zip(&before))
        {
            *growth = match *sound && growth.is_finite() {
                true => after - before,
                false => f64::INFINITY,
            };
        }
        if sound.contains(&false) {
            let rest = momentum.zeros_like()?;
            state = (
                choose(&sound, &state.0, &start)?,
                choose(&sound, &state.1, &rest)?,
            );
            slope.1 = choose(&sound, &slope.1, &first)?;
        }
    }
    let (log_density, score) = latest.into_inner();
    let places = Places {
        x: state.0.reshape(from.x.dims())?,
        log_density,
        score,
    };
    Ok(End { places, growth })
}

/// The rows that are finite, and those of another tensor in the place of others.
fn finite_or(x: &Tensor, other: &Tensor) -> Result<Tensor> {
    if check::is_finite(x)? {
        return Ok(x.clone());
    }
    // 0 for finite numbers, NaN otherwise.
    let zeros = host(&shape::sum_per_sample(&(x * 0.0)?)?)?;
    let finite: Vec<bool> = zeros.iter().map(|z| *z == 0.0).collect();
    choose(&finite, x, other)
}
