//! The one trait that everything turns on: a time-dependent field.

use candle_core::Tensor;

use crate::{Result, Time};

/// A time-dependent field: `(t, x) -> a tensor shaped like x`.
///
/// Velocity, score, noise prediction and denoiser are all fields; what a field *means* is said
/// beside it. Networks are fields, and so is every closure of the right type:
///
/// ```
/// use advect_core::{Field, Time};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = |_: &Time, x: &Tensor| Ok(x.neg()?);
/// let x = Tensor::new(&[[1.0f64], [2.0]], &Device::Cpu)?;
/// assert_eq!(decay.at(&Time::Shared(0.0), &x)?.to_vec2::<f64>()?, [[-1.0], [-2.0]]);
/// # Ok(())
/// # }
/// ```
///
/// Wrappers such as [`Given`](crate::Given) borrow the fields they wrap; a closure that calls
/// [`Field::at`] owns what it captures.
///
/// A state is a tensor unless said otherwise. Differential equations of several tensors at once, such as a sample and
/// its log-density, are fields of another `X`, a pair for instance.
pub trait Field<X = Tensor> {
    /// The value at time `t` and state `x` of shape `(batch, ...)`: a tensor with the shape, dtype
    /// and device of `x`.
    ///
    /// # Errors
    /// Whatever the field reports; fields of Advect check `t` and `x`.
    fn at(&self, t: &Time, x: &X) -> Result<X>;

    /// The condition that the field was given, one for each sample of a batch, if it was given one.
    ///
    /// Whoever pairs up or rearranges a batch asks for it, so that samples are exchanged within a class only. A wrapper
    /// passes on the condition of the field that it wraps. A closure has none, even if it captures labels: write
    /// [`net.given(&labels)`](crate::Conditional::given) instead of such a closure.
    fn condition(&self) -> Option<&Tensor> {
        None
    }
}

impl<F, X> Field<X> for F
where
    F: Fn(&Time, &X) -> Result<X> + ?Sized,
{
    fn at(&self, t: &Time, x: &X) -> Result<X> {
        self(t, x)
    }
}

/// For fields chosen at run time.
impl<X> Field<X> for Box<dyn Field<X> + '_> {
    fn at(&self, t: &Time, x: &X) -> Result<X> {
        (**self).at(t, x)
    }

    fn condition(&self) -> Option<&Tensor> {
        (**self).condition()
    }
}
