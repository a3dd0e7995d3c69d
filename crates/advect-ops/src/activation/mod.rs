//! Activation functions, with their first and second derivatives.

mod elu;
mod gelu;
mod gelu_tanh;
mod identity;
mod relu;
mod selu;
mod sigmoid;
mod silu;
mod softplus;
mod tanh;

use advect_core::Result;
use candle_core::Tensor;
use pulp::{Simd, WithSimd};

use crate::Value;
use crate::cpu::elementwise::{Function, map};
use crate::cpu::{Float, by_dtype, host, tensor};
use crate::operation::{Operation, Output, Tangent};

/// An elementwise nonlinearity.
///
/// | name | formula | source |
/// | --- | --- | --- |
/// | `Identity` | `x` | |
/// | `Relu` | `max(x, 0)` | |
/// | `Silu` | `x / (1 + e^(−x))` | Elfwing et al. 2018 |
/// | `Gelu` | `x Φ(x)`, exact | Hendrycks and Gimpel 2016 |
/// | `GeluTanh` | `x σ(2u)`, `u = √(2/π) (x + 0.044715 x³)` | the same, section 2 |
/// | `Elu` | `x` for x > 0, `e^x − 1` otherwise | Clevert et al. 2016 |
/// | `Selu` | `1.0507 · (x` for x > 0, `1.6733 (e^x − 1)` otherwise`)` | Klambauer et al. 2017 |
/// | `Tanh` | `tanh x` | |
/// | `Sigmoid` | `σ(x) = 1 / (1 + e^(−x))` | |
/// | `Softplus` | `ln(1 + e^x)` | |
///
/// ```
/// use advect_ops::Activation;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[-1000.0f64, 0.0, 1000.0], &Device::Cpu)?;
/// let y = Activation::Softplus.apply(&x)?.to_vec1::<f64>()?;
/// assert_eq!((y[0], y[2]), (0.0, 1000.0));
/// assert!((y[1] - 2f64.ln()).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Activation {
    /// `x`.
    Identity,
    /// `max(x, 0)`.
    Relu,
    /// `x / (1 + e^(−x))`, also called swish.
    #[default]
    Silu,
    /// `x Φ(x)` with the exact normal distribution function.
    Gelu,
    /// GELU by the logistic function in place of the normal one.
    GeluTanh,
    /// `x` above 0, `e^x − 1` below.
    Elu,
    /// The self-normalising ELU.
    Selu,
    /// `tanh x`.
    Tanh,
    /// `1 / (1 + e^(−x))`.
    Sigmoid,
    /// `ln(1 + e^x)`.
    Softplus,
}

/// A function of one number with two derivatives. NaN stays NaN.
pub(crate) trait Pointwise: Copy + Send + Sync + 'static {
    /// About how many tenths of a nanosecond a value takes.
    const COST: usize;
    /// Whether the slope is a function of the value.
    const SLOPE_FOLLOWS: bool;

    fn value<S: Simd, T: Float>(x: T) -> T;
    fn slope<S: Simd, T: Float>(x: T) -> T;
    /// The second derivative.
    fn curvature<S: Simd, T: Float>(x: T) -> T;
    /// The slope where the value is y; called only if [`Pointwise::SLOPE_FOLLOWS`].
    fn slope_at_value<S: Simd, T: Float>(y: T) -> T;
    /// The value by candle's operations.
    fn compose(x: &Tensor) -> Result<Tensor>;
    /// The slope by candle's operations, differentiable.
    fn compose_slope(x: &Tensor) -> Result<Tensor>;
}

/// Runs an expression with `$A` as the function's type.
macro_rules! by_activation {
    ($activation:expr, $A:ident => $body:expr) => {
        by_activation!($activation, $A => $body; Identity identity, Relu relu, Silu silu, Gelu gelu, GeluTanh gelu_tanh,
            Elu elu, Selu selu, Tanh tanh, Sigmoid sigmoid, Softplus softplus)
    };
    ($activation:expr, $A:ident => $body:expr; $($name:ident $module:ident),*) => {
        match $activation {
            $(Activation::$name => {
                type $A = $module::$name;
                $body
            })*
        }
    };
}

impl Activation {
    /// All of them.
    pub const ALL: [Activation; 10] = [
        Activation::Identity,
        Activation::Relu,
        Activation::Silu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Elu,
        Activation::Selu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Softplus,
    ];

    /// Applies the function elementwise; differentiable.
    ///
    /// # Errors
    /// Those of candle.
    pub fn apply<V: Value>(self, x: &V) -> Result<V> {
        V::apply(Apply(self), &[x], &[])
    }

    /// The derivative at `x` along `dx`; differentiable.
    pub(crate) fn along(self, x: &Tensor, dx: &Tensor) -> Result<Tensor> {
        crate::operation::apply(Along(self), &[x, dx])
    }

    /// Whether the slope is a function of the value alone.
    pub(crate) fn slope_follows_from_value(self) -> bool {
        by_activation!(self, A => A::SLOPE_FOLLOWS)
    }

    /// Replaces each element by its value.
    #[inline(always)]
    pub(crate) fn values<S: Simd, T: Float>(self, simd: S, x: &mut [T]) {
        simd.vectorize(ToValues(self, x));
    }

    /// Replaces each element by the slope at it.
    #[inline(always)]
    pub(crate) fn slopes<S: Simd, T: Float>(self, simd: S, x: &mut [T]) {
        simd.vectorize(ToSlopes(self, x));
    }

    /// Multiplies by the slope where the value is `y`.
    #[inline(always)]
    pub(crate) fn scale_by_slope_at_value<S: Simd, T: Float>(
        self,
        simd: S,
        delta: &mut [T],
        y: &[T],
    ) {
        simd.vectorize(TimesSlope(self, delta, y));
    }
}

// Functions of their own for each instruction set, so that they are compiled once, not wherever they are called.
struct ToValues<'a, T>(Activation, &'a mut [T]);
struct ToSlopes<'a, T>(Activation, &'a mut [T]);
struct TimesSlope<'a, T>(Activation, &'a mut [T], &'a [T]);

impl<T: Float> WithSimd for ToValues<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        by_activation!(self.0, A => {
            for x in self.1 {
                *x = A::value::<S, T>(*x);
            }
        });
    }
}

impl<T: Float> WithSimd for ToSlopes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        by_activation!(self.0, A => {
            for x in self.1 {
                *x = A::slope::<S, T>(*x);
            }
        });
    }
}

impl<T: Float> WithSimd for TimesSlope<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        by_activation!(self.0, A => {
            for (d, y) in self.1.iter_mut().zip(self.2) {
                *d *= A::slope_at_value::<S, T>(*y);
            }
        });
    }
}

/// `f(x)`.
struct Apply(Activation);

#[derive(Clone, Copy)]
struct Values<A>(std::marker::PhantomData<A>);

impl<A: Pointwise, T: Float> Function<T, 1> for Values<A> {
    const COST: usize = A::COST;

    #[inline(always)]
    fn call<S: Simd>(self, [x]: [T; 1]) -> T {
        A::value::<S, T>(x)
    }
}

impl Operation for Apply {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        by_activation!(self.0, A => A::compose(inputs[0]))
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let x = inputs[0];
        by_dtype!(x, T => {
            let values = by_activation!(self.0, A => map(Values::<A>(std::marker::PhantomData), [&*host::<T>(x)?]));
            Ok((Output::new(values, x.shape()), ()))
        })
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        (): &(),
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(
            along(self.0, inputs[0], gradient)?.into_tensor()?,
        )])
    }
}

impl Tangent for Apply {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let x = inputs[0];
        let value = self.0.apply(x)?;
        let tangent = match tangents[0] {
            Some(tangent) => self.0.along(x, tangent)?,
            None => x.zeros_like()?,
        };
        Ok((value, tangent))
    }
}

/// `f'(x) v`: the derivative along v, itself differentiable.
struct Along(Activation);

#[derive(Clone, Copy)]
struct Slopes<A>(std::marker::PhantomData<A>);

impl<A: Pointwise, T: Float> Function<T, 2> for Slopes<A> {
    const COST: usize = 2 * A::COST;

    #[inline(always)]
    fn call<S: Simd>(self, [x, v]: [T; 2]) -> T {
        A::slope::<S, T>(x) * v
    }
}

#[derive(Clone, Copy)]
struct Curvatures<A>(std::marker::PhantomData<A>);

impl<A: Pointwise, T: Float> Function<T, 3> for Curvatures<A> {
    const COST: usize = 2 * A::COST;

    #[inline(always)]
    fn call<S: Simd>(self, [x, v, g]: [T; 3]) -> T {
        A::curvature::<S, T>(x) * v * g
    }
}

fn along(activation: Activation, x: &Tensor, v: &Tensor) -> Result<Output> {
    by_dtype!(x, T => {
        let (x_values, v) = (host::<T>(x)?, host::<T>(v)?);
        let values = by_activation!(activation, A => map(Slopes::<A>(std::marker::PhantomData), [&*x_values, &*v]));
        Ok(Output::new(values, x.shape()))
    })
}

impl Operation for Along {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let slope = by_activation!(self.0, A => A::compose_slope(inputs[0]))?;
        Ok(slope.mul(inputs[1])?)
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        Ok((along(self.0, inputs[0], inputs[1])?, ()))
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        (): &(),
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let (x, v) = (inputs[0], inputs[1]);
        by_dtype!(x, T => {
            let in_x = || -> Result<Tensor> {
                let (x_values, v, g) = (host::<T>(x)?, host::<T>(v)?, host::<T>(gradient)?);
                let values = by_activation!(self.0, A => map(Curvatures::<A>(std::marker::PhantomData), [&*x_values, &*v, &*g]));
                tensor(values, x.shape())
            };
            let in_v = || along(self.0, x, gradient)?.into_tensor();
            Ok(vec![
                wanted[0].then(in_x).transpose()?,
                wanted[1].then(in_v).transpose()?,
            ])
        })
    }
}
