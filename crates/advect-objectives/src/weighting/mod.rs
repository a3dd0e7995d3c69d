//! Weightings of times in an objective.
//!
//! | weighting | w(t) | loss |
//! | --- | --- | --- |
//! | [`Unweighted`] | 1 | |
//! | [`weighting_fn`] | a closure | |
//! | [`NoiseVariance`] | `σ²` | the score: NCSN, score SDE |
//! | [`Diffusion`] | `g²` | the score: the likelihood |
//! | [`MinSnr`] | `min(SNR, γ)`, in terms of the data | any prediction |
//! | [`AsPrediction`] | the ratio of two predictions' squared errors | any prediction |
//! | [`EdmWeight`] | `(σ² + σ_d²)/(σ σ_d)²` | the data |
//! | [`RemainingTime`] | `1 − t` or `t` | the drift of Brownian bridges |
//! | [`Importance`] | another weighting divided by the density of times | any, at times that are not uniform |

mod as_prediction;
mod diffusion;
mod edm_weight;
mod importance;
mod min_snr;
mod noise_variance;
mod remaining_time;
mod unweighted;

use advect_core::{FromFn, forward_to};

pub use as_prediction::AsPrediction;
pub use diffusion::Diffusion;
pub use edm_weight::EdmWeight;
pub use importance::Importance;
pub use min_snr::MinSnr;
pub use noise_variance::NoiseVariance;
pub use remaining_time::RemainingTime;
pub use unweighted::Unweighted;

/// The weight of a time in an objective.
///
/// ```
/// use advect_objectives::weighting::{Unweighted, Weighting, weighting_fn};
/// assert_eq!(Unweighted.weight(0.3), 1.0);
/// let chosen: Box<dyn Weighting> = Box::new(weighting_fn(|t| t * t));
/// assert_eq!(chosen.weight(0.5), 0.25);
/// ```
pub trait Weighting {
    /// Returns the weight `w(t)`. An objective reports a weight that is negative or not finite as an error.
    fn weight(&self, t: f64) -> f64;
}

forward_to!([] Weighting {
    fn weight(&self, t: f64) -> f64;
});

impl<F: Fn(f64) -> f64> Weighting for FromFn<F> {
    fn weight(&self, t: f64) -> f64 {
        (self.0)(t)
    }
}

/// Creates a [`Weighting`] from a closure on time.
pub fn weighting_fn<F: Fn(f64) -> f64>(f: F) -> FromFn<F> {
    FromFn(f)
}
