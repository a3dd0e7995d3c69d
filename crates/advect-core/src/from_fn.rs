//! Closures as instances of Advect's traits.

use std::fmt;

use crate::{Field, Result, Time};

/// A closure that implements one of Advect's traits.
///
/// Each trait that a closure can implement has a function that creates one: [`field_fn`] for a [`Field`], and so on.
/// The name at the call leaves room for `&F`, `Box<F>` and `Arc<F>` to be fields as well, as a reference to a closure
/// is a closure too.
///
/// ```
/// use advect_core::{Field, Time, field_fn};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = field_fn(|_, x| Ok(x.neg()?));
/// let shared: std::sync::Arc<dyn Field> = std::sync::Arc::new(decay);
/// let x = Tensor::new(&[2f64], &Device::Cpu)?;
/// assert_eq!(shared.at(&Time::Shared(0.0), &x)?.to_vec1::<f64>()?, [-2.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct FromFn<F>(pub F);

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromFn")
    }
}

/// Creates a [`Field`] from a closure on a time and a tensor.
///
/// Like [`std::iter::from_fn`], it gives the closure the trait's name. [`system_fn`] does the same for states of several tensors.
///
/// ```
/// use advect_core::{Field, Time, field_fn};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let growth = field_fn(|t, x| t.coefficient(|t| 1.0 + t)?.times(x));
/// let x = Tensor::new(&[2f64], &Device::Cpu)?;
/// assert_eq!(growth.at(&Time::Shared(0.5), &x)?.to_vec1::<f64>()?, [3.0]);
/// # Ok(())
/// # }
/// ```
pub fn field_fn<F: Fn(&Time, &candle_core::Tensor) -> Result<candle_core::Tensor>>(
    f: F,
) -> FromFn<F> {
    FromFn(f)
}

/// Creates a [`Field`] from a closure on a time and a state of any type, such as a pair of tensors.
///
/// ```
/// use advect_core::{Field, Time, system_fn};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let rotation = system_fn(|_, (x, y): &(Tensor, Tensor)| Ok((y.neg()?, x.clone())));
/// let state = (Tensor::new(&[1f64], &Device::Cpu)?, Tensor::new(&[2f64], &Device::Cpu)?);
/// assert_eq!(rotation.at(&Time::Shared(0.0), &state)?.0.to_vec1::<f64>()?, [-2.0]);
/// # Ok(())
/// # }
/// ```
pub fn system_fn<X, F: Fn(&Time, &X) -> Result<X>>(f: F) -> FromFn<F> {
    FromFn(f)
}

impl<X, F: Fn(&Time, &X) -> Result<X>> Field<X> for FromFn<F> {
    fn at(&self, t: &Time, x: &X) -> Result<X> {
        (self.0)(t, x)
    }
}
