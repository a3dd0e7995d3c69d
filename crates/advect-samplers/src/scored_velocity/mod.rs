//! Velocities with scores, which determine the SDEs along a path.
//!
//! | model | of |
//! | --- | --- |
//! | [`Model`](crate::Model) | one prediction on an affine path |
//! | [`TwoFields`] | a velocity, and a score or the expected noise |
//! | [`TwoHeads`] | one field with values of both |

mod companion;
mod scored_velocity_jvp;
mod two_fields;
mod two_heads;
mod velocity_head;

use advect_core::{Error, Result, forward_to};
use advect_paths::schedule::Schedule;
use candle_core::Tensor;

pub use scored_velocity_jvp::ScoredVelocityJvp;
pub use two_fields::TwoFields;
pub use two_heads::TwoHeads;
pub use velocity_head::VelocityHead;

/// The velocity u of a path with the score s of its marginals, `∇ log p_t`.
///
/// A [`Model`](crate::Model) of an affine path has both from one prediction. Between two laws they are learned apart, by two networks
/// ([`TwoFields`](crate::TwoFields)) or two heads of one ([`TwoHeads`](crate::TwoHeads)). [`PathSde`](crate::PathSde) and
/// [`ProbabilityFlow::transport`](crate::ProbabilityFlow::transport) sample by any of them.
///
/// Your own model is one impl:
///
/// ```
/// use advect_core::Result;
/// use advect_paths::schedule::{CondOt, Schedule};
/// use advect_samplers::ScoredVelocity;
/// use candle_core::{Device, Tensor};
///
/// /// N(0, 1) at all times, which rests.
/// struct Rest(CondOt);
///
/// impl ScoredVelocity for Rest {
///     fn drift(&self, _: f64, x: &Tensor, c: f64) -> Result<Tensor> {
///         Ok((x * -c)?)
///     }
///     fn schedule(&self) -> &dyn Schedule {
///         &self.0
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let x = Tensor::new(&[2f64], &Device::Cpu)?;
/// assert_eq!(Rest(CondOt::default()).drift(0.5, &x, 0.25)?.to_vec1::<f64>()?, [-0.5]);
/// # Ok(())
/// # }
/// ```
pub trait ScoredVelocity {
    /// Returns `u(t, x) + c s(t, x)`, shaped like x. For c = 0 it is the velocity alone, at times without a score too.
    ///
    /// # Errors
    /// The errors of the fields; [`Error::Range`](advect_core::Error::Range) that names t where c is not 0 and there is no score.
    fn drift(&self, t: f64, x: &Tensor, c: f64) -> Result<Tensor>;

    /// Returns the factors of the state: that of the noise, σ, and that of all else, α. They are those of an affine path, and γ and 1 of a
    /// stochastic interpolant ([`GammaSchedule`](advect_paths::path::gamma::GammaSchedule)). Where σ = 0 there need be no score.
    fn schedule(&self) -> &dyn Schedule;
}

forward_to!([] ScoredVelocity {
    fn drift(&self, t: f64, x: &Tensor, c: f64) -> Result<Tensor>;
    fn schedule(&self) -> &dyn Schedule;
});

/// Accepts as many derivatives as directions.
pub(crate) fn one_for_each(argument: &'static str, slopes: &[Tensor], dx: &[Tensor]) -> Result<()> {
    match slopes.len() == dx.len() {
        true => Ok(()),
        false => {
            let given = format!("{} derivatives", slopes.len());
            Err(Error::range(argument, given, "one for each direction"))
        }
    }
}
