//! Averages with a power of the step as weight, of any width after training (Karras et al. 2024, "Analyzing and improving the training
//! dynamics of diffusion models", section 3 and appendix C).

use advect_core::{Error, Result, check};
use advect_nn::State;
use candle_core::DType;

use super::Decay;

/// The decay `(1 − 1/n)^(γ + 1)` at step n, counted from 1: the average's weight of step τ is proportional to `τ^γ`, however long the
/// run is. At the first step the average becomes the parameters.
///
/// The width `σ_rel`, the deviation of the averaged steps as a part of the run, tells γ: `σ_rel² = (γ + 1)/((γ + 2)² (γ + 3))`. Usual widths are
/// 0.05 and 0.1.
///
/// Averages of a few widths that are stored during a run give that of any other width and length by [`PowerFunction::combine`].
///
/// ```
/// use advect_train::decay::{Decay, PowerFunction};
/// # fn main() -> advect_core::Result<()> {
/// let decay = PowerFunction::new(0.1)?;
/// assert!((decay.exponent() - 6.94).abs() < 0.01);
/// assert_eq!(decay.at(0), 0.0);
/// assert!((decay.at(999) - 0.999f64.powf(decay.exponent() + 1.0)).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "EDM2")]
#[doc(alias = "post-hoc EMA")]
#[doc(alias = "sigma_rel")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerFunction {
    exponent: f64,
}

impl PowerFunction {
    /// Creates a decay from a relative width.
    ///
    /// # Errors
    /// [`Error::Range`] unless the width is above 0 and below √(1/12), that of equal weights.
    pub fn new(width: f64) -> Result<Self> {
        let accepted = "a relative width above 0 and below √(1/12) = 0.2887";
        let largest = (1.0f64 / 12.0).sqrt();
        if !(width > 0.0 && width < largest) {
            return Err(Error::range("width", width, accepted));
        }
        // The width falls with the exponent.
        let of = |gamma: f64| ((gamma + 1.0) / ((gamma + 2.0).powi(2) * (gamma + 3.0))).sqrt();
        let (mut low, mut high) = (0.0, 1.0 / width + 1.0);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            match of(middle) > width {
                true => low = middle,
                false => high = middle,
            }
        }
        Ok(PowerFunction {
            exponent: 0.5 * (low + high),
        })
    }

    /// Returns the exponent γ.
    pub fn exponent(&self) -> f64 {
        self.exponent
    }

    /// Returns the average of this width over the first `steps` steps as a combination of stored ones, each with its own width, its number of steps
    /// and its state: the one whose weight is nearest in the sense of least squares. It is the better, the more are stored, and best for a number
    /// of steps at which some are.
    ///
    /// ```
    /// use advect_nn::State;
    /// use advect_train::decay::PowerFunction;
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let state = |x: f64| -> advect_core::Result<State> { Ok([("w".to_string(), Tensor::new(&[x], &Device::Cpu)?)].into()) };
    /// let (narrow, wide) = (PowerFunction::new(0.05)?, PowerFunction::new(0.1)?);
    /// let stored = [(narrow, 500, state(1.0)?), (narrow, 1000, state(2.0)?), (wide, 1000, state(1.8)?)];
    /// // One of the stored averages is itself.
    /// let again = wide.combine(1000, &stored)?;
    /// assert!((again["w"].to_vec1::<f64>()?[0] - 1.8).abs() < 1e-9);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`] for no stored averages, 0 steps, states of other names, and averages so much alike that their combination is not
    /// determined; [`Error::Shape`] for tensors of different shapes.
    pub fn combine(&self, steps: usize, stored: &[(PowerFunction, usize, State)]) -> Result<State> {
        check::at_least_one("steps", steps)?;
        let Some((_, _, first)) = stored.first() else {
            return Err(Error::Empty {
                argument: "stored".into(),
            });
        };
        for (_, steps, state) in stored {
            check::at_least_one("stored", *steps)?;
            if state.keys().ne(first.keys()) {
                let accepted = "states of the same names";
                return Err(Error::range(
                    "stored",
                    "states of different names",
                    accepted,
                ));
            }
        }
        let goal = |power: &PowerFunction, n: usize| product((self, steps), (power, n));
        let mut rows: Vec<Vec<f64>> = (stored.iter())
            .map(|(power, n, _)| {
                let with = |(other, m, _): &(PowerFunction, usize, State)| {
                    product((power, *n), (other, *m))
                };
                let mut row: Vec<f64> = stored.iter().map(with).collect();
                row.push(goal(power, *n));
                row
            })
            .collect();
        let weights = solve(&mut rows)?;
        let mut combined = State::new();
        for (name, tensor) in first {
            let mut sum = tensor.detach().to_dtype(DType::F64)?.zeros_like()?;
            for (weight, (_, _, state)) in weights.iter().zip(stored) {
                check::alike("stored", &state[name], "the first one", tensor)?;
                sum = (sum + (state[name].detach().to_dtype(DType::F64)? * *weight)?)?;
            }
            combined.insert(name.clone(), sum.to_dtype(tensor.dtype())?);
        }
        Ok(combined)
    }
}

impl Decay for PowerFunction {
    fn at(&self, step: usize) -> f64 {
        (1.0 - 1.0 / (step as f64 + 1.0)).powf(self.exponent + 1.0)
    }
}

/// `∫ p q dτ` of two weights, each `(γ + 1) τ^γ / n^(γ + 1)` on its own `[0, n]` and 0 beyond.
fn product((a, n): (&PowerFunction, usize), (b, m): (&PowerFunction, usize)) -> f64 {
    let (short, long) = match n <= m {
        true => ((a.exponent, n as f64), (b.exponent, m as f64)),
        false => ((b.exponent, m as f64), (a.exponent, n as f64)),
    };
    let factor = (a.exponent + 1.0) * (b.exponent + 1.0) / (a.exponent + b.exponent + 1.0);
    factor * (short.1 / long.1).powf(long.0) / long.1
}

/// The solution of linear equations, each row with its right side at the end.
fn solve(rows: &mut [Vec<f64>]) -> Result<Vec<f64>> {
    let n = rows.len();
    let size = (0..n).fold(0.0, |size: f64, i| size.max(rows[i][i].abs()));
    for i in 0..n {
        let largest = (i..n).max_by(|a, b| rows[*a][i].abs().total_cmp(&rows[*b][i].abs()));
        rows.swap(i, largest.unwrap_or(i));
        if rows[i][i].abs() <= 1e-13 * size {
            let accepted = "averages of different widths or numbers of steps";
            return Err(Error::range("stored", "averages that are alike", accepted));
        }
        let pivot = rows[i].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(k, _)| *k != i) {
            let factor = row[i] / pivot[i];
            for (value, part) in row.iter_mut().zip(&pivot).skip(i) {
                *value -= factor * part;
            }
        }
    }
    Ok((0..n).map(|i| rows[i][n] / rows[i][i]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Tensor};

    /// Averages of the course `θ(τ) = √τ` at a number of steps.
    fn average(power: PowerFunction, steps: usize) -> f64 {
        (0..steps).fold(0.0, |mean, step| {
            let (decay, value) = (power.at(step), (step as f64 + 1.0).sqrt());
            decay * mean + (1.0 - decay) * value
        })
    }

    /// The weight of a power makes the average `(γ + 1)/(γ + 3/2) √n`.
    #[test]
    fn averages_are_those_of_the_power() {
        let power = PowerFunction::new(0.1).unwrap();
        let expected = (power.exponent + 1.0) / (power.exponent + 1.5) * 4000f64.sqrt();
        assert!((average(power, 4000) / expected - 1.0).abs() < 1e-3);
        for (width, exponent) in [(0.05, 16.97), (0.25, 0.72)] {
            // From the cubic equation of the paper.
            let found = PowerFunction::new(width).unwrap().exponent;
            assert!((found - exponent).abs() < 0.01, "{found} {exponent}");
        }
        for width in [0.0, 0.3, f64::NAN, -0.1] {
            assert!(PowerFunction::new(width).is_err());
        }
    }

    #[test]
    fn products_are_the_integrals() {
        let [a, b] = [0.1, 0.2].map(|width| PowerFunction::new(width).unwrap());
        let density = |power: PowerFunction, n: usize, at: f64| {
            let (gamma, n) = (power.exponent, n as f64);
            let inside = (gamma + 1.0) * (at / n).powf(gamma) / n;
            if at < n { inside } else { 0.0 }
        };
        for (n, m) in [(40, 100), (100, 40), (70, 70)] {
            let places = (0..10_000).map(|i| (f64::from(i) + 0.5) / 100.0);
            let products = places.map(|at| density(a, n, at) * density(b, m, at));
            let integral = 0.01 * products.sum::<f64>();
            let found = product((&a, n), (&b, m));
            assert!((found / integral - 1.0).abs() < 1e-4, "{found} {integral}");
        }
    }

    #[test]
    fn other_widths_are_found_after_training() {
        let widths = [0.05, 0.1].map(|width| PowerFunction::new(width).unwrap());
        let state =
            |x: f64| State::from([("w".to_string(), Tensor::new(&[x], &Device::Cpu).unwrap())]);
        let mut stored = Vec::new();
        for n in (1..=16).map(|k| k * 250) {
            for power in widths {
                stored.push((power, n, state(average(power, n))));
            }
        }
        for (width, steps, within) in [(0.07, 4000, 1e-3), (0.15, 4000, 1e-3), (0.1, 3100, 5e-3)] {
            let power = PowerFunction::new(width).unwrap();
            let found = power.combine(steps, &stored).unwrap()["w"]
                .to_vec1::<f64>()
                .unwrap()[0];
            let truth = average(power, steps);
            assert!(
                (found / truth - 1.0).abs() < within,
                "{width}: {found} {truth}"
            );
        }
        let twice = [stored[0].clone(), stored[0].clone()];
        assert!(widths[0].combine(10, &twice).is_err() && widths[0].combine(10, &[]).is_err());
    }
}
