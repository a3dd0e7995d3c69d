//! A velocity and a score, or a denoiser, that were learned apart (Albergo, Boffi and Vanden-Eijnden, Stochastic
//! interpolants, 2023; [SF]²M, Tong et al. 2024b).

use advect_core::{Field, Jvp, Result, Time, check};
use advect_paths::path::gamma::Gamma;
use advect_paths::schedule::Schedule;
use candle_core::Tensor;

use super::companion::{Companion, with};
use super::{ScoredVelocity, ScoredVelocityJvp, one_for_each};

/// A model of two fields on a path with noise `γ z`: a velocity, and either the score s or the expected noise `η = E[z | x]`, of which
/// the score is `−η/γ`.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::closed_form::{Covariance, Gaussian, JointLaw};
/// use advect_paths::path::{Interpolant, gamma::BrownianBridge};
/// use advect_paths::schedule::CondOt;
/// use advect_samplers::diffusion::NoiseLevel;
/// use advect_samplers::{PathSde, TwoFields, equal_times};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // Fields that are known; in practice two networks.
/// let gaussian = |mean: f64, variance| Gaussian::new(&Tensor::new(&[mean], &Device::Cpu)?, Covariance::isotropic(variance)?);
/// let law = JointLaw::independent(&gaussian(-1.0, 1.0)?, &gaussian(2.0, 0.25)?)?;
/// let gamma = BrownianBridge::new(1.0)?;
/// let path = Interpolant::new(CondOt::default(), gamma);
/// let model = TwoFields::with_noise(law.velocity(path), law.noise(path), gamma);
///
/// // From the source to the target along an SDE.
/// let mut rng = Generator::from_seed(0);
/// let (x0, _) = law.sample(2000, DType::F64, &Device::Cpu, &mut rng)?;
/// let sde = PathSde::new(NoiseLevel::new(1.0)?);
/// let x1 = sde.sample(&model, &x0, &equal_times(0.0, 1.0, 50)?, &mut rng)?;
/// assert!((x1.mean_all()?.to_scalar::<f64>()? - 2.0).abs() < 0.05);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "stochastic interpolant")]
#[doc(alias = "[SF]²M")]
#[doc(alias = "SF2M")]
#[derive(Debug, Clone, Copy)]
pub struct TwoFields<U, V, G> {
    velocity: U,
    other: V,
    companion: Companion<G>,
}

impl<U: Field, V: Field, G: Gamma> TwoFields<U, V, G> {
    /// Creates a model from a velocity, a score, and the γ of the path.
    pub fn with_score(velocity: U, score: V, gamma: G) -> Self {
        TwoFields {
            velocity,
            other: score,
            companion: Companion::score(gamma),
        }
    }

    /// Creates a model from a velocity, the expected noise η, and the γ of the path.
    #[doc(alias = "denoiser")]
    pub fn with_noise(velocity: U, noise: V, gamma: G) -> Self {
        TwoFields {
            velocity,
            other: noise,
            companion: Companion::noise(gamma),
        }
    }

    /// Returns the velocity.
    pub fn velocity(&self) -> &U {
        &self.velocity
    }
}

impl<U: Field, V: Field, G: Gamma> ScoredVelocity for TwoFields<U, V, G> {
    fn drift(&self, t: f64, x: &Tensor, c: f64) -> Result<Tensor> {
        let velocity = self.velocity.at(&Time::Shared(t), x)?;
        check::alike("velocity", &velocity, "x", x)?;
        let Some(factor) = self.companion.factor(t, c)? else {
            return Ok(velocity);
        };
        let other = self.other.at(&Time::Shared(t), x)?;
        check::alike(self.companion.name(), &other, "x", x)?;
        with(&velocity, factor, &other)
    }

    fn schedule(&self) -> &dyn Schedule {
        self.companion.schedule()
    }
}

impl<U: Jvp, V: Jvp, G: Gamma> ScoredVelocityJvp for TwoFields<U, V, G> {
    fn drift_jvp(
        &self,
        t: f64,
        x: &Tensor,
        c: f64,
        dx: &[Tensor],
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let (velocity, slopes) = self.velocity.jvp_each(&Time::Shared(t), x, dx)?;
        check::alike("velocity", &velocity, "x", x)?;
        one_for_each("velocity", &slopes, dx)?;
        let Some(factor) = self.companion.factor(t, c)? else {
            return Ok((velocity, slopes));
        };
        let (other, other_slopes) = self.other.jvp_each(&Time::Shared(t), x, dx)?;
        check::alike(self.companion.name(), &other, "x", x)?;
        one_for_each(self.companion.name(), &other_slopes, dx)?;
        let slopes = slopes.iter().zip(&other_slopes);
        let slopes = slopes.map(|(velocity, other)| with(velocity, factor, other));
        Ok((
            with(&velocity, factor, &other)?,
            slopes.collect::<Result<_>>()?,
        ))
    }
}
