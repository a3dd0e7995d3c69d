//! Preconditioners, which turn a network whose inputs and outputs have unit size at every level of noise into a
//! denoiser (Karras et al. 2022, section 5 and table 1).
//!
//! On any affine path, `y = x_t / α` is the data with noise of `ρ = σ/α`, and the denoiser is
//! `D = c_skip(ρ) y + c_out(ρ) F(c_noise(ρ), c_in(ρ) y)`.
//!
//! | preconditioner | c_skip | c_out | c_in | c_noise |
//! | --- | --- | --- | --- | --- |
//! | [`EdmPreconditioner`] | `σ_d²/(ρ² + σ_d²)` | `ρ σ_d/√(ρ² + σ_d²)` | `1/√(ρ² + σ_d²)` | `¼ ln ρ` |
//! | [`VpPreconditioner`] | 1 | `−ρ` | `1/√(ρ² + 1)` | `(M − 1) s(ρ)` |
//! | [`VePreconditioner`] | 1 | `ρ` | 1 | `ln(ρ/2)` |
//! | [`WithTimes`] | another one's | another one's | another one's | a map of t |

mod edm;
mod variance_exploding;
mod variance_preserving;
mod with_times;

use advect_core::{Field, Jvp, Result, Time, forward_to};
use candle_core::Tensor;

use crate::prediction::{finite, unit};
use crate::reparametrized::{Factors, Reparametrized, factors, times};
use crate::schedule::Schedule;
use crate::time_map::TimeMap;

pub use edm::EdmPreconditioner;
pub use variance_exploding::VePreconditioner;
pub use variance_preserving::VpPreconditioner;
pub use with_times::WithTimes;

/// The coefficients of a preconditioned denoiser, at a level of noise: its standard deviation `noise` where the
/// factor of the data is 1.
pub trait Preconditioner {
    /// Returns the factor of the state in the answer, `c_skip`.
    #[doc(alias = "c_skip")]
    fn skip(&self, noise: f64) -> f64;
    /// Returns the factor of the network's output, `c_out`.
    #[doc(alias = "c_out")]
    fn output(&self, noise: f64) -> f64;
    /// Returns the factor of the network's input, `c_in`.
    #[doc(alias = "c_in")]
    fn input(&self, noise: f64) -> f64;
    /// Returns the network's time, `c_noise`, at time t of the path, which has this noise.
    #[doc(alias = "c_noise")]
    fn label(&self, t: f64, noise: f64) -> f64;

    /// Returns the same preconditioner with a [`TimeMap`] of the path's time in place of `c_noise`.
    fn with_times<M: TimeMap>(self, map: M) -> WithTimes<Self, M>
    where
        Self: Sized,
    {
        WithTimes::new(self, map)
    }
}

forward_to!([] Preconditioner {
    fn skip(&self, noise: f64) -> f64;
    fn output(&self, noise: f64) -> f64;
    fn input(&self, noise: f64) -> f64;
    fn label(&self, t: f64, noise: f64) -> f64;
});

/// A network with a [`Preconditioner`]: the denoiser `E[x1 | x_t]` of an affine path, a field of
/// [`Prediction::Data`](crate::Prediction::Data).
///
/// Where the network has derivatives along directions of the state, so has this; not along time.
///
/// ```
/// use advect_core::{Field, Time, field_fn};
/// use advect_paths::preconditioner::{EdmPreconditioner, Preconditioned};
/// use advect_paths::schedule::EdmSchedule;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // A network that knows nothing: what is left is the best linear denoiser of data of this size.
/// let network = field_fn(|_, x| Ok(x.zeros_like()?));
/// let (schedule, preconditioner) = (EdmSchedule::default(), EdmPreconditioner::new(0.5)?);
/// let denoiser = Preconditioned::new(&network, &preconditioner, &schedule);
/// let x = Tensor::new(&[3f64], &Device::Cpu)?;
/// let at = denoiser.at(&Time::Shared(0.0), &x)?.to_vec1::<f64>()?; // σ = 80
/// assert!((at[0] - 3.0 * 0.25 / (6400.0 + 0.25)).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preconditioned<F, P, S> {
    network: F,
    preconditioner: P,
    schedule: S,
}

impl<F: Field, P: Preconditioner, S: Schedule> Preconditioned<F, P, S> {
    /// Creates a denoiser from a network, a preconditioner and a schedule. The preconditioner turns the path's time
    /// into the network's.
    pub fn new(network: F, preconditioner: P, schedule: S) -> Self {
        Preconditioned {
            network,
            preconditioner,
            schedule,
        }
    }
}

impl<F: Field, P: Preconditioner, S: Schedule> Reparametrized for Preconditioned<F, P, S> {
    type Field = F;

    fn inner(&self) -> &F {
        &self.network
    }

    fn factors(&self, t: &Time) -> Result<Factors> {
        let [label, input, of_x, of_value] = factors(t, |t| {
            let t = unit(t)?;
            let (alpha, sigma) = (self.schedule.alpha(t), self.schedule.sigma(t));
            let (p, noise) = (&self.preconditioner, sigma / alpha);
            let factors = [
                p.label(t, noise),
                p.input(noise) / alpha,
                p.skip(noise) / alpha,
                p.output(noise),
            ];
            finite(factors, t, || {
                "a time with some signal and some noise".to_string()
            })
        })?;
        Ok(Factors {
            time: times(&label)?,
            input,
            of_x,
            of_value,
        })
    }
}

impl<F: Field, P: Preconditioner, S: Schedule> Field for Preconditioned<F, P, S> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.value(t, x)
    }

    fn condition(&self) -> Option<&Tensor> {
        self.network.condition()
    }
}

impl<F: Jvp, P: Preconditioner, S: Schedule> Jvp for Preconditioned<F, P, S> {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        self.tangent(t, x, dt, dx)
    }

    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        self.tangents(t, x, dx)
    }
}
