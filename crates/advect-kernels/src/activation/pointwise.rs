//! The trait of activation functions.

use pulp::Simd;

use crate::Float;

/// A function of one number with two derivatives. NaN stays NaN.
pub(super) trait Pointwise: Copy + Send + Sync + 'static {
    /// The approximate time that a value takes, in tenths of a nanosecond.
    const COST: usize;
    /// Whether the slope is a function of the value.
    const SLOPE_FOLLOWS: bool;

    fn value<S: Simd, T: Float>(x: T) -> T;
    fn slope<S: Simd, T: Float>(x: T) -> T;
    /// Returns the second derivative.
    fn curvature<S: Simd, T: Float>(x: T) -> T;
    /// Returns the slope where the value is y; called only if [`Pointwise::SLOPE_FOLLOWS`].
    fn slope_at_value<S: Simd, T: Float>(y: T) -> T;
}
