//! A decay by its half-life (Karras et al. 2022, "Elucidating the design space of diffusion-based generative models", appendix F.1).

use advect_core::{Result, check};

use super::Decay;

/// The decay `2^(−1/h)` for a half-life of h steps, after which a value counts half as much. With a ramp r, h is at most `r n` at step
/// n, so that the beginning is soon forgotten.
///
/// EDM counts images in place of steps: half-lives of 0.5 million with a ramp of 0.05, at a batch of 512, are 977 steps here.
///
/// ```
/// use advect_train::decay::{Decay, HalfLife};
/// # fn main() -> advect_core::Result<()> {
/// let decay = HalfLife::new(100.0)?;
/// assert!((decay.at(0).powi(100) - 0.5).abs() < 1e-13);
/// let ramped = decay.ramp(0.05)?;
/// assert!((ramped.at(1000).powi(50) - 0.5).abs() < 1e-13);
/// assert_eq!((ramped.at(0), ramped.at(5000)), (0.0, decay.at(5000)));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ema_halflife")]
#[doc(alias = "EDM")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HalfLife {
    steps: f64,
    ramp: f64,
}

impl HalfLife {
    /// Creates a decay from a half-life in steps, without a ramp.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless it is finite and above 0.
    pub fn new(steps: f64) -> Result<Self> {
        Ok(HalfLife {
            steps: check::positive("steps", steps)?,
            ramp: f64::INFINITY,
        })
    }

    /// Sets the ramp r, the largest half-life as a part of the steps that have been made.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless it is finite and above 0.
    #[doc(alias = "ema_rampup_ratio")]
    pub fn ramp(self, ramp: f64) -> Result<Self> {
        let ramp = check::positive("ramp", ramp)?;
        Ok(HalfLife { ramp, ..self })
    }
}

impl Decay for HalfLife {
    fn at(&self, step: usize) -> f64 {
        let most = match self.ramp.is_finite() {
            true => self.ramp * step as f64,
            false => f64::INFINITY,
        };
        match self.steps.min(most) {
            0.0 => 0.0,
            steps => (-steps.recip()).exp2(),
        }
    }
}
