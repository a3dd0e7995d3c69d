//! Activation functions, with their first and second derivatives.

mod elu;
mod gelu;
mod gelu_tanh;
mod identity;
pub(crate) mod operations;
mod relu;
mod selu;
mod sigmoid;
mod silu;
mod softplus;
mod tanh;

use advect_core::{Result, check};
use advect_kernels::activation::Function;
use candle_core::Tensor;

use crate::Value;
use operations::{Along, Apply};

/// An elementwise activation function.
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
#[doc(alias = "nonlinearity")]
#[doc(alias = "swish")]
#[doc(alias = "GELU")]
#[doc(alias = "sigmoid")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Activation {
    /// The identity, `x`.
    Identity,
    /// The rectified linear unit, `max(x, 0)`.
    Relu,
    /// The sigmoid linear unit, `x / (1 + e^(−x))`, also called swish.
    #[default]
    Silu,
    /// The Gaussian error linear unit, `x Φ(x)` with the exact normal distribution function.
    Gelu,
    /// The GELU with the logistic function in place of the normal one.
    #[doc(alias = "gelu_approximate")]
    GeluTanh,
    /// The exponential linear unit: `x` above 0, `e^x − 1` below.
    Elu,
    /// The self-normalising ELU.
    Selu,
    /// The hyperbolic tangent, `tanh x`.
    Tanh,
    /// The logistic function, `1 / (1 + e^(−x))`.
    #[doc(alias = "logistic")]
    Sigmoid,
    /// The softplus, `ln(1 + e^x)`.
    Softplus,
}

/// A function by candle's operations.
trait Composed {
    /// Its kernel.
    const FUNCTION: Function;

    /// Returns the value.
    fn compose(x: &Tensor) -> Result<Tensor>;
    /// Returns the slope, differentiable.
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
                type $A = $crate::activation::$module::$name;
                $body
            })*
        }
    };
}
use by_activation;

impl Activation {
    /// All activation functions.
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

    /// Applies the function elementwise. The result is differentiable.
    ///
    /// # Errors
    /// [`Error::DType`](advect_core::Error::DType) unless x is a float.
    pub fn apply<V: Value>(self, x: &V) -> Result<V> {
        check::float("x", x.primal())?;
        V::apply(Apply(self), &[x], &[])
    }

    /// The derivative at `x` along `dx`; differentiable.
    pub(crate) fn along(self, x: &Tensor, dx: &Tensor) -> Result<Tensor> {
        crate::operation::apply(Along(self), &[x, dx])
    }

    /// Its name among the kernels.
    pub(crate) fn function(self) -> Function {
        by_activation!(self, A => A::FUNCTION)
    }
}
