//! The central trait: a time-dependent field.

use candle_core::Tensor;

use crate::{Result, Time, forward_to};

/// A time-dependent field: a function `(t, x)` whose value is a tensor shaped like `x`.
///
/// Velocity, score, noise prediction and denoiser are all fields; what a field *means* is said
/// beside it. Networks are fields, and a closure becomes one by [`field_fn`](crate::field_fn):
///
/// ```
/// use advect_core::{Field, Time, field_fn};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = field_fn(|_, x| Ok(x.neg()?));
/// let x = Tensor::new(&[[1.0f64], [2.0]], &Device::Cpu)?;
/// assert_eq!(decay.at(&Time::Shared(0.0), &x)?.to_vec2::<f64>()?, [[-1.0], [-2.0]]);
/// # Ok(())
/// # }
/// ```
///
/// References, boxes, `Rc`s and `Arc`s of fields are fields. So wrappers such as [`Given`](crate::Given) hold what they wrap by value:
/// give them a reference where the field is needed elsewhere too, or the field itself to keep both in a struct.
///
/// A state is a tensor unless said otherwise. Differential equations of several tensors at once, such as a sample and
/// its log-density, are fields of another `X`, a pair for instance.
#[doc(alias = "vector field")]
#[doc(alias = "velocity")]
#[doc(alias = "drift")]
#[doc(alias = "ODEFunc")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a field",
    label = "not a field",
    note = "a closure becomes a field by `field_fn(|t, x| …)`, or by `system_fn` for states of several tensors",
    note = "a conditional network becomes a field by `net.given(&condition)`"
)]
pub trait Field<X = Tensor> {
    /// Returns the value at time `t` and state `x` of shape `(batch, ...)`: a tensor with the shape, dtype and device
    /// of `x`.
    ///
    /// # Errors
    /// Whatever the field reports; fields of Advect check `t` and `x`.
    fn at(&self, t: &Time, x: &X) -> Result<X>;

    /// Returns the condition that the field was given, one for each sample of a batch, if there is one.
    ///
    /// Couplings and other functions that rearrange a batch ask for it, so that samples are exchanged within a class
    /// only. A wrapper passes on the condition of the field that it wraps. A closure has none, even if it captures
    /// labels: write [`net.given(&labels)`](crate::Conditional::given) instead of such a closure.
    fn condition(&self) -> Option<&Tensor> {
        None
    }
}

forward_to!([X] Field<X> {
    fn at(&self, t: &Time, x: &X) -> Result<X>;
    fn condition(&self) -> Option<&Tensor>;
});
