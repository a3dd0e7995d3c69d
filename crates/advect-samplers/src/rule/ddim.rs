//! Denoising diffusion implicit models (Song, Meng and Ermon 2021, eq. 12 and 16).

use advect_core::{Error, Result, check};
use candle_core::Tensor;

use super::Rule;
use crate::{Run, Transition};

/// DDIM's steps `x' = α' D + √(σ'² − s²) ε + s z` with the expected data D and noise ε, and `s² = η² σ'² (1 − r²)`,
/// `r = α σ' / (α' σ)`.
///
/// s² for η = 1 is the variance of `q(x' | x, x1)`: then this is [`Ancestral`](super::Ancestral) sampling. For η = 0 it is
/// Euler's method on `d(x/α) = ε d(σ/α)`, of order 1: the exact flow of a noise that does not change.
///
/// ```
/// use advect_core::{Generator, Time, field_fn};
/// use advect_paths::{Prediction, schedule::DiscreteDiffusion};
/// use advect_samplers::grid::Respaced;
/// use advect_samplers::rule::{Ddim, Rule};
/// use advect_samplers::{Model, Sampler};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // A network that always sees the same noise: one step is as good as many.
/// let net = field_fn(|_, x| Ok(x.affine(0.0, 0.5)?));
/// let schedule = DiscreteDiffusion::default();
/// let model = Model::new(&net, Prediction::Noise, &schedule);
/// let x = Tensor::new(&[[0.7f64]], &Device::Cpu)?;
/// let mut end = Vec::new();
/// for steps in [1, 50] {
///     let sampler = Ddim::new().on(Respaced::trailing(1000, steps)?);
///     end.push(sampler.sample(&model, &x, &mut Generator::from_seed(0))?.to_vec2::<f64>()?[0][0]);
/// }
/// assert!((end[0] - end[1]).abs() < 1e-10);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "DDIM")]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Ddim {
    eta: f64,
}

impl Ddim {
    /// Creates the rule without noise, η = 0.
    pub fn new() -> Self {
        Ddim::default()
    }

    /// Sets η, from 0 to 1.
    ///
    /// # Errors
    /// [`Error::Range`] otherwise.
    pub fn eta(self, eta: f64) -> Result<Self> {
        Ok(Ddim {
            eta: check::fraction("eta", eta)?,
        })
    }
}

impl Rule for Ddim {
    type Memory = ();

    fn step(
        &self,
        run: &mut Run<'_>,
        _: &mut (),
        transition: &Transition,
        x: &Tensor,
    ) -> Result<Tensor> {
        let to = transition.to;
        let share = self.eta * self.eta * transition.variance_removed();
        let noise = to.sigma * (1.0 - share).sqrt();
        let deviation = to.sigma * share.sqrt();
        let estimate = run.evaluate(transition.from.time, x)?;
        if deviation == 0.0 {
            return estimate.mix(to.alpha, noise, &[]);
        }
        let z = run.normal_like(x)?;
        estimate.mix(to.alpha, noise, &[(deviation, &z)])
    }

    fn invert(&self, run: &mut Run<'_>, transition: &Transition, x: &Tensor) -> Result<Tensor> {
        if self.eta != 0.0 {
            return Err(Error::range(
                "eta",
                self.eta,
                "0, because noise can't be inverted,",
            ));
        }
        let to = transition.to;
        if transition.from.is_clean() {
            // No field is asked without noise: what it sees at the next level, where the data is `α x1`, stands for it.
            let scaled = (x * (to.alpha / transition.from.alpha))?;
            return (run.evaluate(to.time, &scaled)?).mix(0.0, to.sigma, &[(1.0, &scaled)]);
        }
        run.evaluate(transition.from.time, x)?
            .mix(to.alpha, to.sigma, &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_refused() {
        for eta in [-0.1, 1.1, f64::NAN] {
            assert!(Ddim::new().eta(eta).is_err(), "{eta}");
        }
    }
}
