//! The field that complements a velocity: a score or an expected noise.

use advect_core::{Error, Result};
use advect_ops::combine;
use advect_paths::path::gamma::{Gamma, GammaSchedule};
use advect_paths::schedule::Schedule;
use candle_core::Tensor;

/// A score or an expected noise, on a path with a γ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Companion<G> {
    kind: Kind,
    gamma: GammaSchedule<G>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Score,
    Noise,
}

impl<G: Gamma> Companion<G> {
    pub(super) fn score(gamma: G) -> Self {
        Companion {
            kind: Kind::Score,
            gamma: GammaSchedule::new(gamma),
        }
    }

    pub(super) fn noise(gamma: G) -> Self {
        Companion {
            kind: Kind::Noise,
            gamma: GammaSchedule::new(gamma),
        }
    }

    pub(super) fn schedule(&self) -> &dyn Schedule {
        &self.gamma
    }

    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Score => "score",
            Kind::Noise => "noise",
        }
    }

    /// The factor of the field's value in `c s`, if that is not 0.
    pub(super) fn factor(&self, t: f64, c: f64) -> Result<Option<f64>> {
        let factor = match self.kind {
            _ if c == 0.0 => return Ok(None),
            Kind::Score => c,
            Kind::Noise => -c / self.gamma.sigma(t),
        };
        match factor.is_finite() {
            true => Ok(Some(factor)),
            false => {
                let accepted = "a time at which γ is not 0, as the score is −η/γ";
                Err(Error::range("t", t, accepted))
            }
        }
    }
}

/// A velocity, or its derivative, with a multiple of what its companion has.
pub(super) fn with(velocity: &Tensor, factor: f64, other: &Tensor) -> Result<Tensor> {
    combine(&[(1.0.into(), velocity), (factor.into(), other)])
}
