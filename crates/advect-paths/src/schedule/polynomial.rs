//! Powers of time (the polynomial schedule of Lipman et al. 2024's flow_matching library; an instance of the nonlinear
//! interpolation of Liu et al. 2023, eq. 7).

use advect_core::{Result, check};

use super::Schedule;

/// The schedule `α = tⁿ`, `σ = 1 − tⁿ`: straight lines at a varying speed.
///
/// ```
/// use advect_paths::schedule::{Polynomial, Schedule};
/// # fn main() -> advect_core::Result<()> {
/// let schedule = Polynomial::new(2.0)?;
/// assert_eq!((schedule.alpha(0.5), schedule.sigma(0.5)), (0.25, 0.75));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Polynomial {
    power: f64,
}

impl Polynomial {
    /// Creates a schedule with a power above 0. If it is below 1, the derivatives at t = 0 are infinite.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless it is finite and above 0.
    pub fn new(power: f64) -> Result<Self> {
        check::positive("power", power)?;
        Ok(Polynomial { power })
    }
}

impl Schedule for Polynomial {
    fn alpha(&self, t: f64) -> f64 {
        t.powf(self.power)
    }
    fn sigma(&self, t: f64) -> f64 {
        // 1 − tⁿ without cancellation near t = 1.
        -(self.power * t.ln()).exp_m1()
    }
    fn d_alpha(&self, t: f64) -> f64 {
        self.power * t.powf(self.power - 1.0)
    }
    fn d_sigma(&self, t: f64) -> f64 {
        -self.d_alpha(t)
    }
    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        (1.0 + (-0.5 * log_snr).exp()).powf(-1.0 / self.power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::contract;

    #[test]
    fn keeps_the_contract() {
        for power in [1.0, 1.5, 2.0, 3.0] {
            contract::check(&Polynomial::new(power).unwrap());
        }
    }

    #[test]
    fn bad_powers_are_refused() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Polynomial::new(bad).is_err());
        }
    }
}
