//! Objectives: from a field and a batch of pairs to one loss per sample.
//!
//! | objective | loss of a sample |
//! | --- | --- |
//! | [`FlowMatching`] | `w(t) |v(t, x_t) − u_t|² / d`, u the path's conditional velocity |

mod flow_matching;

use advect_core::{Error, Field, Generator, Result, check};
use candle_core::Tensor;

pub use flow_matching::FlowMatching;

/// A training objective on pairs of source and target samples.
///
/// An objective of one's own is one impl; [`Objective::loss`] comes with it:
///
/// ```
/// use advect_core::{Field, Generator, Result, Time, shape};
/// use advect_objectives::objective::Objective;
/// use candle_core::{DType, Device, Tensor};
///
/// /// The displacement from the start, learned at t = 0 only: a one-step map.
/// struct OneStep;
///
/// impl Objective for OneStep {
///     fn losses(&self, field: &dyn Field, x0: &Tensor, x1: &Tensor, _: &mut Generator) -> Result<Tensor> {
///         let predicted = field.at(&Time::Shared(0.0), x0)?;
///         shape::mean_per_sample(&(predicted - (x1 - x0)?)?.abs()?)
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let x = Tensor::ones((3, 2), DType::F32, &Device::Cpu)?;
/// let still = |_: &Time, x: &Tensor| Ok(x.zeros_like()?);
/// let loss = OneStep.loss(&still, &x, &(&x * 5.0)?, &mut Generator::from_seed(0))?;
/// assert_eq!(loss.to_scalar::<f32>()?, 4.0);
/// # Ok(())
/// # }
/// ```
pub trait Objective {
    /// One loss per sample, `(batch,)`, f64 for states of f64 and f32 for others, differentiable with respect to the field's parameters.
    ///
    /// `x0` (source) and `x1` (target) are batches `(batch, ...)`, already coupled; conditions are
    /// bound to the field beforehand.
    ///
    /// # Errors
    /// Typed errors for batches that do not fit each other or hold NaN; those of the field.
    fn losses(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor>;

    /// The mean of [`Objective::losses`]: a scalar to call `backward` on.
    ///
    /// # Errors
    /// As [`Objective::losses`].
    fn loss(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        Ok(self.losses(field, x0, x1, rng)?.mean_all()?)
    }
}

/// Checks a batch of pairs. Returns its size.
pub(crate) fn check_pairs(x0: &Tensor, x1: &Tensor) -> Result<usize> {
    let batch = check::batch("x0", x0)?;
    check::float("x0", x0)?;
    check::alike("x1", x1, "x0", x0)?;
    check::finite("x0", x0)?;
    check::finite("x1", x1)?;
    Ok(batch)
}

/// Checks the times that a sampler drew.
pub(crate) fn check_times(times: &[f64], batch: usize) -> Result<()> {
    if times.len() != batch {
        let accepted = format!("({batch},), one time per sample,");
        return Err(Error::shape("times", &[times.len()], accepted));
    }
    Ok(())
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: Objective + ?Sized> Objective for $pointer {
            fn losses(
                &self,
                field: &dyn Field,
                x0: &Tensor,
                x1: &Tensor,
                rng: &mut Generator,
            ) -> Result<Tensor> {
                (**self).losses(field, x0, x1, rng)
            }
        }
    )*};
}
forward!(&T, Box<T>);
