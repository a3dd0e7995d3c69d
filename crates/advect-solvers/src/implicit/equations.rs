//! The equations of one step of an implicit method.

use advect_core::{Field, Result, Time};

use super::Coordinates;
use crate::Interval;
use crate::controller::{Norm, Tolerances};

/// The part of the tolerance that is left to the iteration.
const KAPPA: f64 = 1e-2;
/// The same where stages are solved for together: what is left over goes into each of them, and a step is long for its error
/// estimate.
const KAPPA_TOGETHER: f64 = 1e-3;
/// The number of steps in which a field changes with time: accuracy makes steps so much shorter.
const CHANGES: f64 = 32.0;
/// The elements of tolerances that stand for those that an integration does not have.
const TYPICAL: f64 = 1e-6;

/// A step that is to be made, with all numbers of the state on the host.
pub(super) struct Equations<'a, X> {
    pub(super) field: &'a dyn Field<X>,
    pub(super) interval: &'a Interval,
    pub(super) x: &'a X,
    /// f(t, x).
    pub(super) slope: &'a X,
    /// The number of samples.
    pub(super) samples: usize,
    /// The number of elements of each.
    pub(super) width: usize,
    /// Where the step of each sample starts.
    pub(super) starts: Vec<f64>,
    /// The size of the step of each sample.
    pub(super) sizes: Vec<f64>,
    pub(super) x_numbers: Vec<f64>,
    pub(super) slope_numbers: Vec<f64>,
    /// The tolerance of each element.
    pub(super) tolerances: Vec<f64>,
    /// Whether there are any; otherwise the tolerance is the largest element of the sample.
    pub(super) tolerant: bool,
    pub(super) norm: Norm,
    /// The size of the rounding of x against the tolerance, for each sample.
    pub(super) roundings: Vec<f64>,
}

impl<'a, X: Coordinates> Equations<'a, X> {
    pub(super) fn new(
        field: &'a dyn Field<X>,
        interval: &'a Interval,
        (x, slope): (&'a X, &'a X),
        tolerances: Option<Tolerances>,
    ) -> Result<Self> {
        let (samples, width) = x.extent()?;
        let (starts, sizes) = match interval {
            Interval::Shared { start, end } => (vec![*start; samples], vec![end - start; samples]),
            Interval::PerSample { start, end } => (
                start.clone(),
                end.iter()
                    .zip(start)
                    .map(|(end, start)| end - start)
                    .collect(),
            ),
        };
        let mut equations = Equations {
            field,
            interval,
            x,
            slope,
            samples,
            width,
            starts,
            sizes,
            x_numbers: x.to_numbers()?,
            slope_numbers: slope.to_numbers()?,
            tolerances: Vec::with_capacity(samples * width),
            tolerant: tolerances.is_some(),
            norm: tolerances.map_or(Norm::Rms, |allowed| allowed.norm),
            roundings: Vec::with_capacity(samples),
        };
        for i in 0..samples {
            let (x, change) = (equations.of(&equations.x_numbers, i), equations.change(i));
            let largest = x
                .iter()
                .chain(&change)
                .fold(f64::MIN_POSITIVE, |a, x| a.max(x.abs()));
            let roundoff = equations.x.unit_roundoff();
            let tolerance = |x: &f64| match tolerances {
                // Of an element at zero, without an absolute tolerance, at least the rounding of the others.
                Some(Tolerances { rtol, atol, .. }) => {
                    (atol + rtol * x.abs()).max(rtol * roundoff * largest)
                }
                // At rest at zero there is no size to compare with.
                None if largest == f64::MIN_POSITIVE => 1.0,
                None => largest,
            };
            let of_sample: Vec<f64> = x.iter().map(tolerance).collect();
            let rounding = match equations.norm.of_ratios(ratios(x, &of_sample)) {
                0.0 if tolerances.is_none() => roundoff,
                size => roundoff * size,
            };
            equations.roundings.push(rounding);
            equations.tolerances.extend(of_sample);
        }
        Ok(equations)
    }

    /// The size of a change, against the tolerances, to which the iteration solves the equations of some stages of a sample.
    pub(super) fn goal(&self, sample: usize, stages: usize) -> f64 {
        let kappa = match stages {
            _ if !self.tolerant => 0.0,
            1 => KAPPA,
            _ => KAPPA_TOGETHER,
        };
        let measured = match self.norm {
            Norm::Rms => self.x.measured_part(),
            Norm::Max => 1.0,
        };
        (kappa * measured).max(10.0 * self.roundings[sample])
    }

    /// Where the step of each sample ends.
    pub(super) fn ends(&self) -> Vec<f64> {
        match self.interval {
            Interval::Shared { end, .. } => vec![*end; self.samples],
            Interval::PerSample { end, .. } => end.clone(),
        }
    }

    /// ∂f/∂t at the start of the step, by a difference within it.
    ///
    /// Over a time δ the difference errs by `δ f_tt/2` and by the rounding of f's values over δ. Where f changes in a time τ, that is
    /// by about `(δ/τ + (u + u₆₄ |t|/τ) τ/δ) f_t`, with the roundoff u of values and that of times, which are in f64. So δ is
    /// `τ √(u + u₆₄ |t|/τ)`, the whole step at most.
    pub(super) fn by_time(&self) -> Result<Vec<f64>> {
        let roundoff = self.x.unit_roundoff();
        let moved = |(t, h): (&f64, &f64)| {
            let tau = CHANGES * h.abs();
            let size = tau * (roundoff + 0.5 * f64::EPSILON * t.abs() / tau).sqrt();
            t + size.min(h.abs()).copysign(*h)
        };
        let moved: Vec<f64> = self.starts.iter().zip(&self.sizes).map(moved).collect();
        let t = match self.interval {
            Interval::Shared { .. } => Time::Shared(moved[0]),
            Interval::PerSample { .. } => Time::per_sample(&moved)?,
        };
        let there = self.field.at(&t, &self.x.detach())?;
        there.alike("field", "x", self.x)?;
        let pairs = there.to_numbers()?.into_iter().zip(&self.slope_numbers);
        let change = |e: usize| moved[e / self.width] - self.starts[e / self.width];
        Ok(pairs
            .enumerate()
            .map(|(e, (there, slope))| (there - slope) / change(e))
            .collect())
    }

    /// The numbers of a sample.
    pub(super) fn of<'b>(&self, numbers: &'b [f64], sample: usize) -> &'b [f64] {
        &numbers[sample * self.width..(sample + 1) * self.width]
    }

    /// The change of a sample in the step, along the slope at its start.
    fn change(&self, sample: usize) -> Vec<f64> {
        let slope = self.of(&self.slope_numbers, sample);
        slope.iter().map(|k| self.sizes[sample] * k).collect()
    }

    /// The magnitude of each element, for differences: its own, that of its change, or its tolerance, or more where the
    /// rounding of a field that changes quickly would hide the difference (as in CVODE, Hindmarsh et al., SUNDIALS, ACM
    /// Trans. Math. Softw. 31, 2005).
    pub(super) fn magnitudes(&self) -> Vec<f64> {
        let fraction = self.x.unit_roundoff().sqrt();
        let mut all = Vec::with_capacity(self.x_numbers.len());
        for i in 0..self.samples {
            let (x, change) = (self.of(&self.x_numbers, i), self.change(i));
            let tolerances = self.of(&self.tolerances, i);
            let least = match self.tolerant {
                true => 1.0,
                false => TYPICAL,
            };
            let least =
                least.max(1e3 * fraction * self.norm.of_ratios(ratios(&change, tolerances)));
            let each = x.iter().zip(&change).zip(tolerances);
            let magnitude = |((x, change), tolerance): ((&f64, &f64), &f64)| {
                let magnitude = x.abs().max(change.abs()).max(least * tolerance);
                if magnitude.is_finite() {
                    magnitude
                } else {
                    1.0
                }
            };
            all.extend(each.map(magnitude));
        }
        all
    }
}

/// Numbers against their tolerances.
pub(super) fn ratios(numbers: &[f64], tolerances: &[f64]) -> impl ExactSizeIterator<Item = f64> {
    numbers.iter().zip(tolerances).map(|(x, s)| x / s)
}
