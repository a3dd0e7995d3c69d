//! The same noise at all times.

use advect_core::{Result, check};

use super::Gamma;

/// The constant noise `γ = σ`, which blurs the ends, too.
///
/// ```
/// use advect_paths::path::gamma::{Constant, Gamma};
/// # fn main() -> advect_core::Result<()> {
/// assert_eq!(Constant::new(0.1)?.gamma(0.7), 0.1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Constant {
    sigma: f64,
}

impl Constant {
    /// Creates a γ of standard deviation `sigma` ≥ 0.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for a negative or infinite `sigma`.
    pub fn new(sigma: f64) -> Result<Self> {
        let sigma = check::non_negative("sigma", sigma)?;
        Ok(Constant { sigma })
    }
}

impl Gamma for Constant {
    fn gamma(&self, _: f64) -> f64 {
        self.sigma
    }
    fn d_gamma(&self, _: f64) -> f64 {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::gamma::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&Constant::new(0.2).unwrap());
        assert!(Constant::new(-0.1).is_err());
    }
}
