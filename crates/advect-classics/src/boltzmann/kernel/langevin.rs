//! Langevin steps down an energy (Du and Mordatch 2019, "Implicit generation and modeling with energy-based models", eq. 1; Nijkamp et al. 2020, "On the
//! anatomy of MCMC-based maximum likelihood learning of energy-based models", eq. 5).

use std::cmp::Ordering;

use advect_core::{Energy, Error, Generator, Result, Time, check};
use advect_ops::{backward, with_graph};
use candle_core::{Tensor, Var};

use super::MarkovKernel;

/// Unadjusted Langevin dynamics, `x ← x − ½ h ∇E(x) + √h z` with standard normal z. The energy is taken at time 0.
///
/// In practice energies of images are learned with less noise than this ([`noise`](Langevin::noise)), and gradients and states are kept within limits; the
/// negatives are then samples of another law than the model's.
///
/// Give it an energy on frozen parameters where that is at hand: gradients of parameters would be computed, too, and thrown away.
///
/// ```
/// use advect_classics::boltzmann::{GaussianUnits, Langevin, MarkovKernel, RestrictedBoltzmannMachine};
/// use advect_core::Generator;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // N(2, 1), as the only hidden unit sees nothing.
/// let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F64, &Device::Cpu);
/// let units = GaussianUnits::new((zeros(&[1])? + 2.0)?, zeros(&[1])?)?;
/// let model = RestrictedBoltzmannMachine::new(units, zeros(&[1, 1])?, zeros(&[1])?)?;
/// let x = Langevin::new(0.4)?.steps(&model, &zeros(&[4000, 1])?, 30, &mut Generator::from_seed(0))?;
/// assert!((x.mean_all()?.to_scalar::<f64>()? - 2.0).abs() < 0.06);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "SGLD")]
#[doc(alias = "ULA")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Langevin {
    step: f64,
    noise: f64,
    slope: f64,
    bounds: (f64, f64),
}

impl Langevin {
    /// Creates the kernel of a step size h.
    ///
    /// # Errors
    /// [`Error::Range`] unless h is above 0.
    pub fn new(step: f64) -> Result<Self> {
        Ok(Langevin {
            step: check::positive("step", step)?,
            noise: step.sqrt(),
            slope: f64::INFINITY,
            bounds: (f64::NEG_INFINITY, f64::INFINITY),
        })
    }

    /// Sets the standard deviation of the noise, √h by default.
    ///
    /// # Errors
    /// [`Error::Range`] for a negative number.
    pub fn noise(self, noise: f64) -> Result<Self> {
        let noise = check::non_negative("noise", noise)?;
        Ok(Langevin { noise, ..self })
    }

    /// Limits the size of each element of the gradient.
    ///
    /// # Errors
    /// [`Error::Range`] unless the limit is above 0.
    #[doc(alias = "clip")]
    pub fn slope_limit(self, limit: f64) -> Result<Self> {
        let slope = check::positive("limit", limit)?;
        Ok(Langevin { slope, ..self })
    }

    /// Keeps states between two numbers, such as the levels of black and white.
    ///
    /// # Errors
    /// [`Error::Range`] unless the first is below the second.
    #[doc(alias = "clamp")]
    pub fn within(self, low: f64, high: f64) -> Result<Self> {
        if low.partial_cmp(&high) != Some(Ordering::Less) {
            let given = format!("{low} to {high}");
            return Err(Error::range("bounds", given, "a low and a higher number"));
        }
        let bounds = (low, high);
        Ok(Langevin { bounds, ..self })
    }
}

/// The gradient of an energy by the states.
fn slope(energy: &impl Energy, x: &Tensor) -> Result<Tensor> {
    let x = Var::from_tensor(&x.detach())?;
    let value = with_graph(|| energy.at(&Time::Shared(0.0), &x))?;
    let gradients = backward(&value.sum_all()?)?;
    match gradients.get(&x) {
        Some(slope) => Ok(slope.detach()),
        None => {
            let reason =
                "its value is in no graph; compute it from x by operations that are tracked";
            Err(Error::detached("energy", reason))
        }
    }
}

impl<M: Energy> MarkovKernel<M> for Langevin {
    fn step(&self, model: &M, x: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        check::batch("x", x)?;
        check::float("x", x)?;
        let mut slope = slope(model, x)?;
        if self.slope.is_finite() {
            // On a GPU, NaN becomes a bound.
            let all = slope.flatten_all()?;
            if all.ne(&all)?.max(0)?.to_scalar::<u8>()? != 0 {
                check::finite("the energy's gradient", &slope)?;
            }
            slope = slope.clamp(-self.slope, self.slope)?;
        }
        let noise = (rng.normal_like(x)? * self.noise)?;
        let moved = ((x.detach() - (slope * (0.5 * self.step))?)? + noise)?;
        check::finite("the state after a step", &moved)?;
        match self.bounds {
            (f64::NEG_INFINITY, f64::INFINITY) => Ok(moved),
            (low, high) => Ok(moved.clamp(low, high)?),
        }
    }
}
