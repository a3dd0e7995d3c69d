//! Densities up to a factor, with their scores.

use advect_core::{Error, Field, Result, Time, check};
use advect_ops::backward;
use advect_paths::closed_form::{Law, MarginalField};
use advect_paths::schedule::Schedule;
use candle_core::{Tensor, Var};

/// A log-density up to a constant, with its gradient.
pub trait LogDensity {
    /// Returns `log p(x) + c`, `(batch,)`, and `∇ log p(x)`, shaped like x `(batch, ...)`.
    ///
    /// # Errors
    /// The errors of the density.
    fn with_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)>;
}

/// The density and the score, checked, part of no graph.
pub(crate) fn evaluate(density: &dyn LogDensity, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let (value, score) = density.with_score(x)?;
    check::alike("score", &score, "x", x)?;
    if value.dims() != [x.dims()[0]] {
        let accepted = format!("({},), one number per sample", x.dims()[0]);
        return Err(Error::shape("log_density", value.dims(), accepted));
    }
    Ok((value.detach(), score.detach()))
}

/// A log-density `(batch, ...) → (batch,)` of operations that candle differentiates, such as an energy-based network.
///
/// ```
/// use advect_samplers::langevin::{Differentiated, LogDensity};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let normal = Differentiated(|x: &Tensor| Ok((x.sqr()?.sum(1)? * -0.5)?));
/// let (log_density, score) = normal.with_score(&Tensor::new(&[[1f64, 2.0]], &Device::Cpu)?)?;
/// assert_eq!(log_density.to_vec1::<f64>()?, [-2.5]);
/// assert_eq!(score.to_vec2::<f64>()?, [[-1.0, -2.0]]);
/// # Ok(())
/// # }
/// ```
///
/// A density whose value no graph connects with x is an [`Error::Detached`].
#[doc(alias = "EBM")]
#[derive(Debug, Clone, Copy)]
pub struct Differentiated<F>(pub F);

impl<F: Fn(&Tensor) -> Result<Tensor>> LogDensity for Differentiated<F> {
    fn with_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let batch = check::batch("x", x)?;
        let x = Var::from_tensor(&x.detach())?;
        let value = (self.0)(x.as_tensor())?;
        if value.dims() != [batch] {
            let accepted = format!("({batch},), one number per sample");
            return Err(Error::shape("log_density", value.dims(), accepted));
        }
        let mut gradients = backward(&value.sum_all()?)?;
        let score = gradients.remove(x.as_tensor()).ok_or_else(|| {
            Error::detached(
                "log_density",
                "no graph connects its value with x, so that its score would be 0; compute it from x by tracked operations",
            )
        })?;
        Ok((value.detach(), score.detach()))
    }
}

/// The marginal of a [`Law`] on a schedule, at a time.
#[derive(Debug, Clone)]
pub struct MarginalAt<S> {
    score: MarginalField<S>,
    time: f64,
}

impl<S: Schedule> MarginalAt<S> {
    /// Creates the marginal `p_t` of a law.
    pub fn new(law: &impl Law, schedule: S, time: f64) -> Self {
        MarginalAt {
            score: law.score(schedule),
            time,
        }
    }
}

impl<S: Schedule> LogDensity for MarginalAt<S> {
    fn with_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let t = Time::Shared(self.time);
        Ok((self.score.log_density(&t, x)?, self.score.at(&t, x)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn densities_without_a_graph_are_told() {
        let detached = Differentiated(|x: &Tensor| Ok(x.detach().sqr()?.sum(1)?));
        let x = Tensor::ones((2, 3), candle_core::DType::F64, &Device::Cpu).unwrap();
        let error = detached.with_score(&x).unwrap_err();
        assert!(matches!(error, Error::Detached { .. }), "{error}");
    }
}
