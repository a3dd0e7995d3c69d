//! The preconditioner that NCSN++ amounts to (Karras et al. 2022, table 1, column "VE").

use super::Preconditioner;

/// The state itself as input, and the network's output times the noise: a network that predicts `−x0`.
///
/// ```
/// use advect_paths::preconditioner::{Preconditioner, VePreconditioner};
/// assert_eq!((VePreconditioner.skip(3.0), VePreconditioner.output(3.0)), (1.0, 3.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VePreconditioner;

impl Preconditioner for VePreconditioner {
    fn skip(&self, _: f64) -> f64 {
        1.0
    }
    fn output(&self, noise: f64) -> f64 {
        noise
    }
    fn input(&self, _: f64) -> f64 {
        1.0
    }
    fn label(&self, _: f64, noise: f64) -> f64 {
        (0.5 * noise).ln()
    }
}
