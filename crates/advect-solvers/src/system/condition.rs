//! Conditions, which choose between two numbers.

use std::ops::{BitAnd, BitOr, Not};

use advect_kernels::program::Operation;

use super::Number;
use super::recording::apply;

/// A condition on [`Number`]s, which chooses between two numbers.
///
/// Both are computed, and the condition chooses. So are their derivatives: one that is infinite or NaN where its number is
/// not chosen can make the gradient NaN. Keep the arguments in the range of the functions, as in the example.
///
/// ```
/// use advect_core::{Field, Time};
/// use advect_solvers::system::system;
/// # fn main() -> advect_core::Result<()> {
/// // √x between 0 and 4; also `|` and `!`.
/// let field = system(|_, [x], []| {
///     let inside = x.ge(0.0) & x.le(4.0);
///     [inside.select(x.max(1e-300).sqrt(), 0.0)]
/// })?
/// .with([])?;
/// let at = |x: f64| field.at(&Time::Shared(0.0), &[x]);
/// assert_eq!((at(-1.0)?, at(4.0)?, at(5.0)?), ([0.0], [2.0], [0.0]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
#[doc(alias = "where")]
#[doc(alias = "if")]
pub struct Condition(pub(super) Number);

impl Condition {
    /// Returns the first number where the condition holds, else the second one.
    pub fn select(self, yes: impl Into<Number>, no: impl Into<Number>) -> Number {
        apply(Operation::Select, [self.0, yes.into(), no.into()])
    }
}

impl BitAnd for Condition {
    type Output = Condition;
    fn bitand(self, other: Condition) -> Condition {
        Condition(self.0.min(other.0))
    }
}

impl BitOr for Condition {
    type Output = Condition;
    fn bitor(self, other: Condition) -> Condition {
        Condition(self.0.max(other.0))
    }
}

impl Not for Condition {
    type Output = Condition;
    fn not(self) -> Condition {
        Condition(1.0 - self.0)
    }
}
