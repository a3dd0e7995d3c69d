//! Networks that are defined by one forward pass.

use std::sync::Arc;

use advect_core::{Error, Result, Time, check};
use advect_ops::{Dual, Value};
use candle_core::{DType, Device, Tensor};

/// A network that is defined by one forward pass of time, state and condition. Its output may have any shape.
///
/// The pass is written once for any [`Value`], so that the network has derivatives along directions as well. Critics,
/// encoders and decoders are used through [`Network::evaluate`]. If the output is shaped like the state,
/// [`network_field!`](crate::network_field) makes the network a [`Field`](advect_core::Field) with all of a field's
/// abilities.
///
/// ```
/// use advect_core::{Field, Jvp, Key, Result, Time};
/// use advect_nn::{Activation, Linear, Network, ParameterStore, TimeEmbedding, network_field};
/// use advect_ops::Value;
/// use candle_core::{DType, Device, Tensor};
///
/// /// `x + W tanh(U [x, t])`.
/// struct Residual {
///     first: Linear,
///     second: Linear,
/// }
///
/// impl Network for Residual {
///     fn forward<V: Value>(&self, t: &V, x: &V, _: Option<&Tensor>) -> Result<V> {
///         let t = TimeEmbedding::Identity.embed(t, x.primal())?; // (1, 1) or (batch, 1)
///         let t = t.map_linear(|t| Ok(t.broadcast_as((x.primal().dims()[0], 1))?))?;
///         let h = V::concatenate(&[x, &t], 1)?;
///         self.second.forward(&self.first.activated(&h, Activation::Tanh)?)?.plus(x)
///     }
/// }
/// network_field!(Residual);
///
/// # fn main() -> Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let builder = store.builder();
/// let net = Residual { first: Linear::new(3, 8, &builder.pp("first"))?, second: Linear::new(8, 2, &builder.pp("second"))? };
/// let x = Tensor::new(&[[0.5f64, -1.0]], &Device::Cpu)?;
/// let (value, along) = net.jvp(&Time::Shared(0.3), &x, 0.0, &x)?;
/// assert_eq!(value.to_vec2::<f64>()?, net.at(&Time::Shared(0.3), &x)?.to_vec2::<f64>()?);
/// assert_eq!(along.dims(), [1, 2]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "nn.Module")]
#[doc(alias = "Module")]
#[doc(alias = "model")]
pub trait Network {
    /// Returns the output at time t and state x, given a condition or none.
    ///
    /// `t` is `(1,)`, for the whole batch, or `(batch,)`, in f64 in the host's memory; an embedding converts it to
    /// features. `x` is `(batch, ...)`, and the condition has one entry for each of its samples. A network that takes
    /// no condition ignores it or refuses it.
    ///
    /// # Errors
    /// Typed errors for states and conditions that do not fit.
    fn forward<V: Value>(&self, t: &V, x: &V, condition: Option<&Tensor>) -> Result<V>;

    /// Returns the condition that means "none", one for each sample of x.
    ///
    /// # Errors
    /// [`Error::Range`] unless the network has one.
    #[doc(alias = "null condition")]
    #[doc(alias = "CFG")]
    fn null_condition(&self, x: &Tensor) -> Result<Tensor> {
        let _ = x;
        let accepted = "a network with conditions";
        Err(Error::range(
            "condition",
            "a network without conditions",
            accepted,
        ))
    }

    /// Returns the output and its derivatives along several directions of the state. Networks that can share the cost
    /// of the output among the directions override this.
    ///
    /// # Errors
    /// As [`Network::forward`].
    fn forward_each(
        &self,
        t: &Tensor,
        x: &Tensor,
        condition: Option<&Tensor>,
        dx: &[Tensor],
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let (time, mut value, mut along) = (Dual::constant(t.clone()), None, Vec::new());
        for dx in dx {
            let x = Dual::new(x.clone(), dx.clone())?;
            let (y, dy) = self.forward(&time, &x, condition)?.into_parts()?;
            value.get_or_insert(y);
            along.push(dy);
        }
        let value = match value {
            Some(value) => value,
            None => self.forward(t, x, condition)?,
        };
        Ok((value, along))
    }

    /// Returns the output at a [`Time`]. Small networks that need no tensor for the time override this.
    ///
    /// # Errors
    /// As [`Network::forward`]; [`Error::Shape`] if there is not one time per sample.
    fn evaluate(&self, t: &Time, x: &Tensor, condition: Option<&Tensor>) -> Result<Tensor> {
        self.forward(&times(t, x)?, x, condition)
    }

    /// Returns the output at a [`Time`] and its derivative along `(dt, dx)`: the Jacobian–vector product.
    ///
    /// # Errors
    /// As [`Network::evaluate`], and [`Error`] naming the tangent if `dx` is not like `x`.
    #[doc(alias = "jvp")]
    fn evaluate_along(
        &self,
        t: &Time,
        x: &Tensor,
        condition: Option<&Tensor>,
        dt: f64,
        dx: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let t = times(t, x)?;
        let change = Tensor::full(dt, t.shape(), t.device())?;
        let (t, x) = (Dual::new(t, change)?, Dual::new(x.clone(), dx.clone())?);
        self.forward(&t, &x, condition)?.into_parts()
    }

    /// Returns the output at a [`Time`] and its derivatives along several directions of the state.
    ///
    /// # Errors
    /// As [`Network::evaluate_along`].
    fn evaluate_each(
        &self,
        t: &Time,
        x: &Tensor,
        condition: Option<&Tensor>,
        dx: &[Tensor],
    ) -> Result<(Tensor, Vec<Tensor>)> {
        self.forward_each(&times(t, x)?, x, condition, dx)
    }
}

/// The times in f64, `(1,)` or `(batch,)`.
pub(crate) fn times(t: &Time, x: &Tensor) -> Result<Tensor> {
    t.fits(check::batch("x", x)?)?;
    match t {
        Time::Shared(t) if !t.is_finite() => Err(Error::range("t", t, "a finite time")),
        Time::Shared(t) => Ok(Tensor::from_vec(vec![*t], 1, &Device::Cpu)?),
        Time::PerSample(t) => Ok(t.to_dtype(DType::F64)?.to_device(&Device::Cpu)?),
    }
}

/// Networks behind pointers.
macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<N: Network + ?Sized> Network for $pointer {
            fn forward<V: Value>(&self, t: &V, x: &V, condition: Option<&Tensor>) -> Result<V> {
                (**self).forward(t, x, condition)
            }

            fn evaluate(&self, t: &Time, x: &Tensor, condition: Option<&Tensor>) -> Result<Tensor> {
                (**self).evaluate(t, x, condition)
            }

            fn null_condition(&self, x: &Tensor) -> Result<Tensor> {
                (**self).null_condition(x)
            }

            fn forward_each(
                &self,
                t: &Tensor,
                x: &Tensor,
                condition: Option<&Tensor>,
                dx: &[Tensor],
            ) -> Result<(Tensor, Vec<Tensor>)> {
                (**self).forward_each(t, x, condition, dx)
            }
        }
    )*};
}
forward!(&N, Box<N>, Arc<N>);

/// Implements [`Field`](advect_core::Field), [`Jvp`](advect_core::Jvp), [`Conditional`](advect_core::Conditional) and
/// [`ConditionalJvp`](advect_core::ConditionalJvp) for a [`Network`].
///
/// `network_field!(Net)` is for a type of its own, `network_field!([F: Bound] Net<F>)` for a generic one.
#[macro_export]
macro_rules! network_field {
    ([$($generics:tt)*] $network:ty) => {
        impl<$($generics)*> $crate::macros::Field for $network {
            fn at(
                &self,
                t: &$crate::macros::Time,
                x: &$crate::macros::Tensor,
            ) -> $crate::macros::Result<$crate::macros::Tensor> {
                $crate::Network::evaluate(self, t, x, None)
            }
        }

        impl<$($generics)*> $crate::macros::Jvp for $network {
            fn jvp(
                &self,
                t: &$crate::macros::Time,
                x: &$crate::macros::Tensor,
                dt: f64,
                dx: &$crate::macros::Tensor,
            ) -> $crate::macros::Result<($crate::macros::Tensor, $crate::macros::Tensor)> {
                $crate::Network::evaluate_along(self, t, x, None, dt, dx)
            }

            fn jvp_each(
                &self,
                t: &$crate::macros::Time,
                x: &$crate::macros::Tensor,
                dx: &[$crate::macros::Tensor],
            ) -> $crate::macros::Result<($crate::macros::Tensor, Vec<$crate::macros::Tensor>)> {
                $crate::Network::evaluate_each(self, t, x, None, dx)
            }
        }

        impl<$($generics)*> $crate::macros::Conditional for $network {
            fn at_given(
                &self,
                t: &$crate::macros::Time,
                x: &$crate::macros::Tensor,
                condition: &$crate::macros::Tensor,
            ) -> $crate::macros::Result<$crate::macros::Tensor> {
                $crate::Network::evaluate(self, t, x, Some(condition))
            }

            fn no_condition(
                &self,
                x: &$crate::macros::Tensor,
            ) -> $crate::macros::Result<$crate::macros::Tensor> {
                $crate::Network::null_condition(self, x)
            }
        }

        impl<$($generics)*> $crate::macros::ConditionalJvp for $network {
            fn jvp_given(
                &self,
                t: &$crate::macros::Time,
                x: &$crate::macros::Tensor,
                condition: &$crate::macros::Tensor,
                dt: f64,
                dx: &$crate::macros::Tensor,
            ) -> $crate::macros::Result<($crate::macros::Tensor, $crate::macros::Tensor)> {
                $crate::Network::evaluate_along(self, t, x, Some(condition), dt, dx)
            }

            fn jvp_each_given(
                &self,
                t: &$crate::macros::Time,
                x: &$crate::macros::Tensor,
                condition: &$crate::macros::Tensor,
                dx: &[$crate::macros::Tensor],
            ) -> $crate::macros::Result<($crate::macros::Tensor, Vec<$crate::macros::Tensor>)> {
                $crate::Network::evaluate_each(self, t, x, Some(condition), dx)
            }
        }
    };
    ($network:ty) => {
        $crate::network_field!([] $network);
    };
}
