//! EDM's preconditioner (Karras et al. 2022, table 1 and appendix B.6).

use advect_core::{Result, check};

use super::Preconditioner;

/// EDM's preconditioner, with inputs and training targets of unit variance and the smallest `c_out`, for data of
/// standard deviation `σ_data`.
///
/// ```
/// use advect_paths::preconditioner::{EdmPreconditioner, Preconditioner};
/// let edm = EdmPreconditioner::default(); // σ_data = 0.5
/// assert!((edm.skip(0.5) - 0.5).abs() < 1e-15);
/// assert_eq!(edm.skip(0.0), 1.0);
/// ```
#[doc(alias = "Karras")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EdmPreconditioner {
    sigma_data: f64,
}

impl Default for EdmPreconditioner {
    /// Returns the preconditioner for `σ_data = 0.5`.
    fn default() -> Self {
        EdmPreconditioner { sigma_data: 0.5 }
    }
}

impl EdmPreconditioner {
    /// Creates the preconditioner for data of this standard deviation.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless it is finite and above 0.
    pub fn new(sigma_data: f64) -> Result<Self> {
        let sigma_data = check::positive("sigma_data", sigma_data)?;
        Ok(EdmPreconditioner { sigma_data })
    }
}

impl Preconditioner for EdmPreconditioner {
    fn skip(&self, noise: f64) -> f64 {
        (self.sigma_data / noise.hypot(self.sigma_data)).powi(2)
    }
    fn output(&self, noise: f64) -> f64 {
        noise * self.sigma_data / noise.hypot(self.sigma_data)
    }
    fn input(&self, noise: f64) -> f64 {
        1.0 / noise.hypot(self.sigma_data)
    }
    fn label(&self, _: f64, noise: f64) -> f64 {
        0.25 * noise.ln()
    }
}
