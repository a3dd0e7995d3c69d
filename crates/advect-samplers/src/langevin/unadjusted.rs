//! The unadjusted Langevin algorithm (Roberts and Tweedie, Exponential convergence of Langevin distributions and their
//! discrete approximations, 1996).

use advect_core::{Field, Generator, Result, Time, check};
use advect_ops::combine;
use candle_core::Tensor;

/// The unadjusted Langevin algorithm, `x ← x + ½ h s(x) + √h z` with the score s and standard normal z. For N(0, I)
/// the variance of the chain is `1 / (1 − h/4)` instead of 1.
///
/// ```
/// use advect_core::{Generator, Time, field_fn};
/// use advect_samplers::langevin::Unadjusted;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let score = field_fn(|_, x| Ok(x.neg()?)); // of N(0, 1)
/// let mut rng = Generator::from_seed(0);
/// let x = Tensor::zeros(4000, DType::F64, &Device::Cpu)?;
/// let x = Unadjusted::new(0.4)?.run(&score, &Time::Shared(1.0), &x, 30, &mut rng)?;
/// let variance = x.sqr()?.mean_all()?.to_scalar::<f64>()?;
/// assert!((variance - 1.0 / 0.9).abs() < 0.08);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ULA")]
#[doc(alias = "MCMC")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unadjusted {
    step: f64,
}

impl Unadjusted {
    /// Creates the algorithm with a step size h.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless h is above 0.
    pub fn new(step: f64) -> Result<Self> {
        Ok(Unadjusted {
            step: check::positive("step", step)?,
        })
    }

    /// Makes `count` steps of each sample of a batch, with the score at a time.
    ///
    /// # Errors
    /// Typed errors for a state that is empty, no float or not finite; the errors of the score; `NonFinite` if the
    /// chain diverges.
    pub fn run(
        &self,
        score: &dyn Field,
        t: &Time,
        x: &Tensor,
        count: usize,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        check::batch("x", x)?;
        check::float("x", x)?;
        check::finite("x", x)?;
        let mut x = x.detach();
        for _ in 0..count {
            let slope = score.at(t, &x)?.detach();
            check::alike("field", &slope, "x", &x)?;
            let z = rng.normal_like(&x)?;
            let terms = [
                (1.0.into(), &x),
                ((0.5 * self.step).into(), &slope),
                (self.step.sqrt().into(), &z),
            ];
            x = combine(&terms)?;
            check::finite("the state after a step", &x)?;
        }
        Ok(x)
    }
}
