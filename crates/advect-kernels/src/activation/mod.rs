//! Activation functions, with their first and second derivatives.

mod elu;
mod gelu;
mod gelu_tanh;
mod identity;
mod kernels;
mod relu;
mod selu;
mod sigmoid;
mod silu;
mod softplus;
mod tanh;

use pulp::Simd;

use crate::Float;
pub use kernels::{Activations, Order};

/// The functions that there are; `advect-ops` documents each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Function {
    Identity,
    Relu,
    Silu,
    Gelu,
    GeluTanh,
    Elu,
    Selu,
    Tanh,
    Sigmoid,
    Softplus,
}

/// A function of one number with two derivatives. NaN stays NaN.
trait Pointwise: Copy + Send + Sync + 'static {
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
}

/// Runs an expression with `$A` as the function's type.
macro_rules! by_function {
    ($function:expr, $A:ident => $body:expr) => {
        by_function!($function, $A => $body; Identity identity, Relu relu, Silu silu, Gelu gelu, GeluTanh gelu_tanh,
            Elu elu, Selu selu, Tanh tanh, Sigmoid sigmoid, Softplus softplus)
    };
    ($function:expr, $A:ident => $body:expr; $($name:ident $module:ident),*) => {
        match $function {
            $(Function::$name => {
                type $A = $crate::activation::$module::$name;
                $body
            })*
        }
    };
}
use by_function;

impl Function {
    /// Whether the slope is a function of the value alone.
    pub fn slope_follows_from_value(self) -> bool {
        by_function!(self, A => A::SLOPE_FOLLOWS)
    }
}
