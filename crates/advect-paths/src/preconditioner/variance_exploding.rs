//! The preconditioner of NCSN++ (Karras et al. 2022, table 1, column "VE").

use super::Preconditioner;

/// The preconditioner for a network that predicts `−x0`: its input is the state itself, and its output is multiplied by the noise.
///
/// ```
/// use advect_paths::preconditioner::{Preconditioner, VePreconditioner};
/// assert_eq!((VePreconditioner.skip(3.0), VePreconditioner.output(3.0)), (1.0, 3.0));
/// ```
#[doc(alias = "NCSN++")]
#[doc(alias = "VE")]
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
