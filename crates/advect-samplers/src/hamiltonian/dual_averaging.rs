//! The step size of a sampler by stochastic optimisation (Hoffman and Gelman, The No-U-Turn Sampler, 2014, section 3.2).

use advect_core::{Error, Result, check};

/// Nesterov's dual averaging for the logarithm of a step size ε, so that the mean acceptance α approaches a target δ (Hoffman and Gelman 2014, eq. 6):
///
/// `H̄ ← (1 − 1/(m + t₀)) H̄ + (δ − α)/(m + t₀)`, `ln ε = μ − √m/γ H̄`, `ln ε̄ ← m^(−κ) ln ε + (1 − m^(−κ)) ln ε̄`
///
/// at the m-th update, with γ = 0.05, t₀ = 10, κ = 0.75 and `μ = ln(10 ε₀)`.
///
/// ```
/// use advect_samplers::hamiltonian::DualAveraging;
/// # fn main() -> advect_core::Result<()> {
/// // A sampler that accepts e^(−ε): 80 % at ε = 0.223.
/// let mut averaging = DualAveraging::new(1.0, 0.8)?;
/// for _ in 0..2000 {
///     averaging.update((-averaging.step_size()).exp())?;
/// }
/// assert!((averaging.averaged_step_size() + 0.8f64.ln()).abs() < 0.01);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DualAveraging {
    target: f64,
    center: f64,
    updates: f64,
    error: f64,
    log_step: f64,
    log_average: f64,
}

const GAMMA: f64 = 0.05;
const OFFSET: f64 = 10.0;
const KAPPA: f64 = 0.75;

impl DualAveraging {
    /// Creates the average with a first step size ε₀ and a target of the acceptance.
    ///
    /// # Errors
    /// [`Error::Range`] unless the step size is above 0 and the target between 0 and 1, both excluded.
    pub fn new(step_size: f64, target: f64) -> Result<Self> {
        let step = check::positive("step_size", step_size)?;
        if !(target > 0.0 && target < 1.0) {
            return Err(Error::range("target", target, "a number between 0 and 1"));
        }
        Ok(DualAveraging {
            target,
            center: (10.0 * step).ln(),
            updates: 0.0,
            error: 0.0,
            log_step: step.ln(),
            log_average: step.ln(),
        })
    }

    /// Updates the step size by the acceptance of a proposal, or the mean acceptance of several, made with
    /// [`DualAveraging::step_size`].
    ///
    /// # Errors
    /// [`Error::Range`] unless the acceptance is in [0, 1].
    pub fn update(&mut self, acceptance: f64) -> Result<()> {
        let acceptance = check::fraction("acceptance", acceptance)?;
        self.updates += 1.0;
        let m = self.updates;
        let share = 1.0 / (m + OFFSET);
        self.error += share * (self.target - acceptance - self.error);
        self.log_step = self.center - m.sqrt() / GAMMA * self.error;
        let weight = m.powf(-KAPPA);
        self.log_average += weight * (self.log_step - self.log_average);
        Ok(())
    }

    /// Returns the step size ε for the next proposal.
    pub fn step_size(&self) -> f64 {
        self.log_step.exp()
    }

    /// Returns the average ε̄ of the step sizes, for use after the adaptation.
    pub fn averaged_step_size(&self) -> f64 {
        self.log_average.exp()
    }
}
