//! Activation functions, with their first and second derivatives.

mod elu;
mod gelu;
mod gelu_tanh;
mod identity;
mod kernels;
mod pointwise;
mod relu;
mod selu;
mod sigmoid;
mod silu;
mod softplus;
mod tanh;

pub use kernels::{Activations, Order};
use pointwise::Pointwise;

/// An activation function; `advect-ops` documents each.
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
    /// Returns whether the slope is a function of the value alone.
    pub fn slope_follows_from_value(self) -> bool {
        by_function!(self, A => A::SLOPE_FOLLOWS)
    }
}
