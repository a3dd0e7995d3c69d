//! Exponentials of numbers on the host.

use crate::cpu::THREADS;

/// Replaces each number by `e^x`, vectorised, to one unit in the last place.
///
/// ```
/// let mut x = [0.0, 1.0, f64::NEG_INFINITY];
/// advect_ops::exponentiate(&mut x);
/// assert_eq!((x[0], x[2]), (1.0, 0.0));
/// assert!((x[1] - 1f64.exp()).abs() < 1e-15);
/// ```
#[doc(alias = "exp")]
pub fn exponentiate(x: &mut [f64]) {
    advect_kernels::exponential::exponentiate(THREADS, x);
}
