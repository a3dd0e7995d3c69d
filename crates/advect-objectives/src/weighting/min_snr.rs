//! Min-SNR weighting (Hang et al. 2023, section 3.4).

use advect_core::{Result, check};
use advect_paths::Prediction;
use advect_paths::schedule::Schedule;

use super::{AsPrediction, Weighting};

/// Min-SNR weighting, `w(t) = min(SNR(t), γ)` for the data. For another prediction it is the weight of the same loss:
/// `min(SNR, γ)/SNR` for the noise, `min(SNR, γ)/(SNR + 1)` for v where `α² + σ² = 1`.
///
/// ```
/// use advect_objectives::weighting::{MinSnr, Weighting};
/// use advect_paths::{Prediction, schedule::Cosine};
/// # fn main() -> advect_core::Result<()> {
/// let snr = (std::f64::consts::FRAC_PI_2 * 0.8).tan().powi(2); // 9.5
/// let of = |p| Ok::<f64, advect_core::Error>(MinSnr::new(Cosine, 5.0, p)?.weight(0.8));
/// assert!((of(Prediction::Data)? - 5.0).abs() < 1e-12);
/// assert!((of(Prediction::Noise)? - 5.0 / snr).abs() < 1e-12);
/// assert!((of(Prediction::V)? - 5.0 / (snr + 1.0)).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "min-SNR")]
#[doc(alias = "min-SNR-γ")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MinSnr<S> {
    as_data: AsPrediction<S>,
    gamma: f64,
}

impl<S: Schedule> MinSnr<S> {
    /// Creates the weighting with the limit γ (5 in the paper), for a field of some prediction.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless γ is finite and above 0.
    pub fn new(schedule: S, gamma: f64, prediction: Prediction) -> Result<Self> {
        let gamma = check::positive("gamma", gamma)?;
        let as_data = AsPrediction::new(schedule, prediction, Prediction::Data);
        Ok(MinSnr { as_data, gamma })
    }
}

impl<S: Schedule> Weighting for MinSnr<S> {
    fn weight(&self, t: f64) -> f64 {
        let schedule = self.as_data.schedule();
        let snr = (schedule.alpha(t) / schedule.sigma(t)).powi(2);
        match self.as_data.weight(t) {
            // Where there is no signal, errors of the noise say nothing of the data: SNR/SNR.
            infinite if infinite.is_infinite() => {
                let near = f64::EPSILON;
                let snr = (schedule.alpha(near) / schedule.sigma(near)).powi(2);
                snr.min(self.gamma) * self.as_data.weight(near)
            }
            weight => snr.min(self.gamma) * weight,
        }
    }
}
