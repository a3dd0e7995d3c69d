//! The straightness of a flow (Liu, Gong and Liu 2023, section 2.2: `S(Z)`), which is the curvature of Lee, Kim and Ye (2023,
//! section 3).
//!
//! In units of a step h, with its way `w = x_{k+1} − x_k` and `c = (h/T)(x_N − x_0)`, the cubic with the velocities v at both ends
//! has the speed, relative to the mean one, `(w − c)/h + (v_{k+1} − v_k)(θ − ½) − (w/h − (v_k + v_{k+1})/2) P(θ)`, `0 ≤ θ ≤ 1`,
//! where `P = 6θ² − 6θ + 1`. The three parts are orthogonal, with squares of means 1, 1/12 and 1/5.

use advect_core::{Error, Field, Result, Time, check};
use candle_core::Tensor;

use crate::scaled::unit;
use crate::trajectories::{self, elements, ways};
use crate::{SampleMean, finite};

/// Returns the straightness `S = E ∫ |dX/dt − (X_T − X_0)/T|² dt` of trajectories through `states` at `times`, taken as straight
/// between them, with its standard error over the samples. It is 0 for lines of constant speed, which one step of Euler's method
/// follows exactly, and the larger the more a flow bends.
///
/// This is `S(Z)` of rectified flow (Liu, Gong and Liu 2023) and the average curvature of Lee, Kim and Ye (2023), whose code
/// divides it by the dimension. It is the part of the [`path_energy`](crate::path_energy) that the ends don't need:
/// `E ∫ |dX/dt|² dt = E |X_T − X_0|² / T + S`. Divide by the first term for a number without a unit.
///
/// For Euler's steps, it is the straightness of the steps. Of a curve, it lacks what bends between two times, a part that is in
/// proportion to the square of their distance; [`field_straightness`] knows more.
///
/// ```
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // Two samples: one straight on, one around a corner.
/// let states = [[0.0, 0.0], [1.0, 2.0], [2.0, 0.0]].map(|x| Tensor::new(&x, &Device::Cpu).unwrap());
/// let straightness = advect_metrics::straightness(&[0.0, 0.5, 1.0], &states)?;
/// assert_eq!((straightness.mean, straightness.standard_error), (8.0, Some(8.0)));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`path_energy`](crate::path_energy).
#[doc(alias = "curvature")]
#[doc(alias = "trajectory curvature")]
#[doc(alias = "rectified flow")]
pub fn straightness(times: &[f64], states: &[Tensor]) -> Result<SampleMean> {
    trajectories::check(times, states)?;
    integrate(times, states, |_| Ok(None))
}

/// Returns the [`straightness`] `S = E ∫ |v(t, X_t) − (X_T − X_0)/T|² dt` of a field's trajectories through `states` at `times`. The
/// curve between two times is the cubic with the field's velocities at its ends.
///
/// The states are those of a solution that is more exact than the result should be. The error is then in proportion to the fourth
/// power of the distance between times. A state costs one evaluation of the field, without a graph.
///
/// ```
/// use advect_core::{Time, field_fn};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // x = t³: the cubic is exact.
/// let field = field_fn(|t, x| t.coefficient(|t| 3.0 * t * t)?.times(&x.ones_like()?));
/// let times = [0.0, 0.5, 1.0];
/// let states = times.map(|t: f64| Tensor::new(&[[t.powi(3)]], &Device::Cpu).unwrap());
/// let straightness = advect_metrics::field_straightness(&field, &times, &states)?;
/// assert!((straightness.mean - 0.8).abs() < 1e-15); // ∫ (3t² − 1)² dt
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`straightness`]; the errors of the field; [`Error::Shape`], [`Error::DType`] and [`Error::NonFinite`] for
/// values that are not finite tensors like the states.
#[doc(alias = "curvature")]
pub fn field_straightness(
    field: &impl Field,
    times: &[f64],
    states: &[Tensor],
) -> Result<SampleMean> {
    trajectories::check(times, states)?;
    integrate(times, states, |k| {
        let value = field.at(&Time::Shared(times[k]), &states[k])?;
        check::alike("field", &value, "the state", &states[k])?;
        check::finite("field", &value)?;
        elements(&value).map(Some)
    })
}

/// The integral for each sample, averaged. `velocity` tells the velocities at a state, if they are known.
fn integrate(
    times: &[f64],
    states: &[Tensor],
    velocity: impl Fn(usize) -> Result<Option<Vec<f64>>>,
) -> Result<SampleMean> {
    let steps = times.len() - 1;
    let (duration, batch) = (times[steps] - times[0], states[0].dims()[0]);
    let all_the_way = ways(&states[0], &states[steps])?;
    let size = all_the_way.len() / batch;
    let mut sums = vec![0.0; batch];
    let mut start = velocity(0)?;
    for k in 0..steps {
        let h = times[k + 1] - times[k];
        let (way, end) = (ways(&states[k], &states[k + 1])?, velocity(k + 1)?);
        // By how far a step deviates: from its part of the way, and over it.
        let mut deviations = vec![0.0; way.len()];
        for ((deviation, w), whole) in deviations.iter_mut().zip(&way).zip(&all_the_way) {
            *deviation = w - h / duration * whole;
        }
        add_squares(&mut sums, &deviations, size, 1.0 / h);
        if let (Some(v), Some(next)) = (&start, &end) {
            let speeds = || v.iter().zip(next);
            let turned: Vec<f64> = speeds().map(|(v, next)| h * (next - v)).collect();
            add_squares(&mut sums, &turned, size, 1.0 / (12.0 * h));
            let means = speeds().map(|(v, next)| h * (0.5 * v + 0.5 * next));
            let bent: Vec<f64> = way.iter().zip(means).map(|(w, mean)| w - mean).collect();
            add_squares(&mut sums, &bent, size, 1.0 / (5.0 * h));
        }
        start = end;
    }
    for sum in &sums {
        finite("states", *sum)?;
    }
    SampleMean::of(&sums).map_err(|_| overflow())
}

/// Adds `weight · |x|²` to the sum of each sample, in a unit in which the squares neither over- nor underflow.
fn add_squares(sums: &mut [f64], x: &[f64], size: usize, weight: f64) {
    let unit = unit(x.iter().fold(0.0, |largest, x| x.abs().max(largest)));
    for (sum, x) in sums.iter_mut().zip(x.chunks_exact(size)) {
        let squares: f64 = x.iter().map(|x| (x / unit) * (x / unit)).sum();
        *sum += squares * weight * unit * unit;
    }
}

fn overflow() -> Error {
    let accepted = "an argument for which the result is finite";
    Error::range("states", "a result that overflows", accepted)
}
