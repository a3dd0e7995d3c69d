//! The trait of features of time.

use std::fmt::Debug;
use std::sync::Arc;

use advect_core::{Result, Time, check};
use advect_ops::{Dual, Value};
use candle_core::Tensor;

use crate::network::times;

/// Features of time that a network receives in addition to its state: a kind of
/// [`TimeEmbedding`](crate::TimeEmbedding), or your own type.
///
/// ```
/// use advect_core::Result;
/// use advect_nn::TimeFeatures;
/// use advect_ops::{Dual, Value};
/// use candle_core::{Device, Tensor};
///
/// /// t and t².
/// #[derive(Debug)]
/// struct Powers;
///
/// impl Powers {
///     fn powers<V: Value>(t: &V) -> Result<V> {
///         let t = t.map_linear(|t| Ok(t.unsqueeze(1)?))?;
///         V::concatenate(&[&t, &t.times(&t)?], 1)
///     }
/// }
///
/// impl TimeFeatures for Powers {
///     fn dim(&self) -> usize {
///         2
///     }
///     fn of(&self, t: &Tensor) -> Result<Tensor> {
///         Self::powers(t)
///     }
///     fn of_dual(&self, t: &Dual) -> Result<Dual> {
///         Self::powers(t)
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let t = Tensor::new(&[0.5f64], &Device::Cpu)?;
/// assert_eq!(Powers.of(&t)?.to_vec2::<f64>()?, [[0.5, 0.25]]);
/// let (_, slope) = Powers.of_dual(&Dual::new(t.clone(), t.ones_like()?)?)?.into_parts()?;
/// assert_eq!(slope.to_vec2::<f64>()?, [[1.0, 1.0]]);
/// # Ok(())
/// # }
/// ```
pub trait TimeFeatures: Debug + Send + Sync {
    /// Returns the number of features.
    fn dim(&self) -> usize;

    /// Checks the settings. This is called before a network is built with them.
    ///
    /// # Errors
    /// A typed error that names the setting.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Returns the features of times `(n,)` in f64: `(n, dim)` in f64.
    ///
    /// # Errors
    /// Errors of candle.
    fn of(&self, t: &Tensor) -> Result<Tensor>;

    /// Returns the features of times `(n,)` in f64: `(n, dim)` with the dtype and device of `x`. By default, these are
    /// those of [`of`](TimeFeatures::of), converted; features that need no conversion override it.
    ///
    /// # Errors
    /// Errors of candle.
    fn of_like(&self, t: &Tensor, x: &Tensor) -> Result<Tensor> {
        like(self.of(t)?, x)
    }

    /// Returns the features at a [`Time`] of states `x`: `(1, dim)` for a time that all samples share, or `(batch, dim)`, with the
    /// dtype and device of `x`. By default, these are those of [`of_like`](TimeFeatures::of_like).
    ///
    /// # Errors
    /// [`Error::Shape`](advect_core::Error::Shape) if there is not one time per sample,
    /// [`Error::Range`](advect_core::Error::Range) for a shared time that is not finite; errors of the features.
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        by_tensor(self, t, x)
    }

    /// Returns the features with their derivative along the tangent of the times. One function that is generic over
    /// [`Value`] serves for both.
    ///
    /// # Errors
    /// Errors of candle.
    fn of_dual(&self, t: &Dual) -> Result<Dual>;

    /// Returns the features of times `(1,)` or `(batch,)`, as a [`Network`](crate::Network) gets them, with the dtype
    /// and device of `x`.
    ///
    /// # Errors
    /// [`Error::DType`](advect_core::Error::DType) unless `x` is a float; errors of the features.
    fn embed<V: Value>(&self, t: &V, x: &Tensor) -> Result<V>
    where
        Self: Sized,
    {
        embed(self, t, x)
    }
}

/// The features at a time as a tensor.
pub(super) fn by_tensor<F: TimeFeatures + ?Sized>(
    features: &F,
    t: &Time,
    x: &Tensor,
) -> Result<Tensor> {
    check::float("x", x)?;
    features.of_like(&times(t, x)?, x)
}

pub(super) fn embed<V: Value>(features: &dyn TimeFeatures, t: &V, x: &Tensor) -> Result<V> {
    check::float("x", x)?;
    let Some(change) = t.tangent() else {
        return Ok(V::constant(features.of_like(t.primal(), x)?));
    };
    let t = Dual::new(t.primal().clone(), change.clone())?;
    let (features, slopes) = features.of_dual(&t)?.into_parts()?;
    Ok(V::from_parts(like(features, x)?, Some(like(slopes, x)?)))
}

/// A tensor with the dtype and device of `x`.
pub(super) fn like(y: Tensor, x: &Tensor) -> Result<Tensor> {
    Ok(y.to_dtype(x.dtype())?.to_device(x.device())?)
}

/// Features behind pointers.
macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<F: TimeFeatures + ?Sized> TimeFeatures for $pointer {
            fn dim(&self) -> usize {
                (**self).dim()
            }

            fn check(&self) -> Result<()> {
                (**self).check()
            }

            fn of(&self, t: &Tensor) -> Result<Tensor> {
                (**self).of(t)
            }

            fn of_like(&self, t: &Tensor, x: &Tensor) -> Result<Tensor> {
                (**self).of_like(t, x)
            }

            fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
                (**self).at(t, x)
            }

            fn of_dual(&self, t: &Dual) -> Result<Dual> {
                (**self).of_dual(t)
            }
        }
    )*};
}
forward!(&F, Box<F>, Arc<F>);
