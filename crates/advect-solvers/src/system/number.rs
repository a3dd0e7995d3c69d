//! Numbers whose operations are recorded.

use std::iter::{Product, Sum};
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use advect_kernels::program::Operation;

use super::Condition;
use super::recording::{apply, on_tape};

/// A number in the closure of a [`system`](super::system), whose operations are recorded.
///
/// It stands for a number that is not known yet: a time, an element of a state, a parameter. It has the operators of
/// [`f64`], with an `f64` on either side, and its common functions. It has no comparison operators, as the closure is called once for all values. For
/// an `if` write a [`Condition`], which chooses between two numbers: `x.lt(0.0).select(-x, x)`.
///
/// ```
/// use advect_core::{Field, Time};
/// use advect_solvers::system::system;
/// # fn main() -> advect_core::Result<()> {
/// let field = system(|t, [x, y], []| {
///     let mut sum = 2.0 * x.powi(2);
///     sum += (y - t).exp();
///     [sum.sqrt(), x.lt(y).select(1.0, x.max(0.5))]
/// })?
/// .with([])?;
/// assert_eq!(field.at(&Time::Shared(2.0), &[2.0, 2.0])?, [3.0, 2.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Number(pub(super) Kind);

/// The ways to know a number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Constant(f64),
    Recorded {
        recording: u64,
        value: u32,
    },
    /// The result of an operation outside of the recording of its arguments.
    Astray,
}

impl From<f64> for Number {
    fn from(x: f64) -> Self {
        Number(Kind::Constant(x))
    }
}

impl Default for Number {
    fn default() -> Self {
        0.0.into()
    }
}

macro_rules! binary {
    ($($trait:ident $method:ident $assign_trait:ident $assign:ident;)*) => {$(
        impl $trait for Number {
            type Output = Number;
            fn $method(self, other: Number) -> Number {
                apply(operation::$trait, [self, other])
            }
        }
        impl $trait<f64> for Number {
            type Output = Number;
            fn $method(self, other: f64) -> Number {
                self.$method(Number::from(other))
            }
        }
        impl $trait<Number> for f64 {
            type Output = Number;
            fn $method(self, other: Number) -> Number {
                Number::from(self).$method(other)
            }
        }
        impl $assign_trait for Number {
            fn $assign(&mut self, other: Number) {
                *self = self.$method(other);
            }
        }
        impl $assign_trait<f64> for Number {
            fn $assign(&mut self, other: f64) {
                *self = self.$method(other);
            }
        }
    )*};
}

/// The operations of the operators' traits.
#[allow(non_upper_case_globals)]
mod operation {
    use advect_kernels::program::Operation;

    pub(super) const Add: Operation = Operation::Add;
    pub(super) const Sub: Operation = Operation::Subtract;
    pub(super) const Mul: Operation = Operation::Multiply;
    pub(super) const Div: Operation = Operation::Divide;
}

binary! {
    Add add AddAssign add_assign;
    Sub sub SubAssign sub_assign;
    Mul mul MulAssign mul_assign;
    Div div DivAssign div_assign;
}

impl Neg for Number {
    type Output = Number;
    fn neg(self) -> Number {
        apply(Operation::Negate, [self])
    }
}

impl Sum for Number {
    fn sum<I: Iterator<Item = Number>>(numbers: I) -> Number {
        numbers.fold(0.0.into(), Add::add)
    }
}

impl<'a> Sum<&'a Number> for Number {
    fn sum<I: Iterator<Item = &'a Number>>(numbers: I) -> Number {
        numbers.copied().sum()
    }
}

impl Product for Number {
    fn product<I: Iterator<Item = Number>>(numbers: I) -> Number {
        numbers.fold(1.0.into(), Mul::mul)
    }
}

impl<'a> Product<&'a Number> for Number {
    fn product<I: Iterator<Item = &'a Number>>(numbers: I) -> Number {
        numbers.copied().product()
    }
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident $operation:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(self) -> Self {
            apply(Operation::$operation, [self])
        }
    )*};
}

impl Number {
    functions! {
        /// Returns `|x|`, with the derivative 1 at 0.
        abs Abs;
        /// Returns `√x`.
        sqrt Sqrt;
        /// Returns `e^x`.
        exp Exp;
        /// Returns `e^x − 1`, exact near 0.
        exp_m1 ExpM1;
        /// Returns the natural logarithm.
        ln Ln;
        /// Returns `ln(1 + x)`, exact near 0.
        ln_1p Ln1p;
        /// Returns the sine.
        sin Sin;
        /// Returns the cosine.
        cos Cos;
        /// Returns the tangent.
        tan Tan;
        /// Returns the arcsine.
        asin Asin;
        /// Returns the arccosine.
        acos Acos;
        /// Returns the arctangent.
        atan Atan;
        /// Returns the hyperbolic sine.
        sinh Sinh;
        /// Returns the hyperbolic cosine.
        cosh Cosh;
        /// Returns the hyperbolic tangent.
        tanh Tanh;
    }

    /// Returns `1 / x`.
    pub fn recip(self) -> Self {
        1.0 / self
    }

    /// Returns `x^n`, by squares.
    pub fn powi(self, n: i32) -> Self {
        match self.0 {
            Kind::Constant(x) => x.powi(n).into(),
            _ => on_tape([self], |tape, [x]| tape.whole_power(x, n)),
        }
    }

    /// Returns `x^exponent`.
    pub fn powf(self, exponent: impl Into<Number>) -> Self {
        apply(Operation::Power, [self, exponent.into()])
    }

    /// Returns the smaller one of two numbers, or NaN if either is. The derivative at equal numbers is that of `self`.
    pub fn min(self, other: impl Into<Number>) -> Self {
        apply(Operation::Minimum, [self, other.into()])
    }

    /// Returns the larger one of two numbers, or NaN if either is. The derivative at equal numbers is that of `self`.
    pub fn max(self, other: impl Into<Number>) -> Self {
        apply(Operation::Maximum, [self, other.into()])
    }

    /// Returns the nearest number in `[lowest, highest]`, or NaN if any of the three is.
    pub fn clamp(self, lowest: impl Into<Number>, highest: impl Into<Number>) -> Self {
        self.max(lowest).min(highest)
    }

    /// Returns the sine and the cosine.
    pub fn sin_cos(self) -> (Self, Self) {
        (self.sin(), self.cos())
    }

    /// Returns whether this number is below another one.
    pub fn lt(self, other: impl Into<Number>) -> Condition {
        Condition(apply(Operation::Less, [self, other.into()]))
    }

    /// Returns whether this number is below another one or equal to it.
    pub fn le(self, other: impl Into<Number>) -> Condition {
        Condition(apply(Operation::LessOrEqual, [self, other.into()]))
    }

    /// Returns whether this number is above another one.
    pub fn gt(self, other: impl Into<Number>) -> Condition {
        other.into().lt(self)
    }

    /// Returns whether this number is above another one or equal to it.
    pub fn ge(self, other: impl Into<Number>) -> Condition {
        other.into().le(self)
    }
}
