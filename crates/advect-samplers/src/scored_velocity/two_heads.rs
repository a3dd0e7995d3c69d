//! A velocity and a score, or a denoiser, as two heads of one network.

use advect_core::{Field, Jvp, Result, Time, check, shape};
use advect_paths::path::gamma::Gamma;
use advect_paths::schedule::Schedule;
use candle_core::Tensor;

use super::companion::{Companion, with};
use super::{ScoredVelocity, ScoredVelocityJvp, VelocityHead, one_for_each};

/// A model of one field with two heads: values with twice as many channels, along dimension 1, as the state. The first half is the
/// velocity, the second the score s or the expected noise `η = E[z | x]` of a path with noise `γ z`.
///
/// ```
/// use advect_core::field_fn;
/// use advect_paths::path::gamma::Parabola;
/// use advect_samplers::{ScoredVelocity, TwoHeads};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let net = field_fn(|_, x| Ok(Tensor::cat(&[x, &(x * 3.0)?], 1)?));
/// let model = TwoHeads::with_noise(net, Parabola);
/// let x = Tensor::new(&[[1f64, 2.0]], &Device::Cpu)?;
/// assert_eq!(model.drift(0.5, &x, 0.0)?.to_vec2::<f64>()?, [[1.0, 2.0]]);
/// assert_eq!(model.drift(0.5, &x, 1.0)?.to_vec2::<f64>()?, [[-11.0, -22.0]]); // x − 3x/γ
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TwoHeads<F, G> {
    field: F,
    companion: Companion<G>,
}

impl<F: Field, G: Gamma> TwoHeads<F, G> {
    /// Creates a model from a field whose values are a velocity and a score, and the γ of the path.
    pub fn with_score(field: F, gamma: G) -> Self {
        let companion = Companion::score(gamma);
        TwoHeads { field, companion }
    }

    /// Creates a model from a field whose values are a velocity and the expected noise η, and the γ of the path.
    #[doc(alias = "denoiser")]
    pub fn with_noise(field: F, gamma: G) -> Self {
        let companion = Companion::noise(gamma);
        TwoHeads { field, companion }
    }

    /// Returns the field.
    pub fn field(&self) -> &F {
        &self.field
    }

    /// Returns the velocity as a field, which has derivatives if the field has them.
    pub fn velocity(&self) -> VelocityHead<'_, F> {
        VelocityHead(&self.field)
    }

    /// The drift of a value of both heads, or that of its derivative.
    fn drift_of(&self, t: f64, x: &Tensor, c: f64, value: &Tensor) -> Result<Tensor> {
        check::same_kind("field", value, "x", x)?;
        let (velocity, other) = shape::halves("field", value, x)?;
        match self.companion.factor(t, c)? {
            None => Ok(velocity),
            Some(factor) => with(&velocity, factor, &other),
        }
    }
}

impl<F: Field, G: Gamma> ScoredVelocity for TwoHeads<F, G> {
    fn drift(&self, t: f64, x: &Tensor, c: f64) -> Result<Tensor> {
        let value = self.field.at(&Time::Shared(t), x)?;
        self.drift_of(t, x, c, &value)
    }

    fn schedule(&self) -> &dyn Schedule {
        self.companion.schedule()
    }
}

impl<F: Jvp, G: Gamma> ScoredVelocityJvp for TwoHeads<F, G> {
    fn drift_jvp(
        &self,
        t: f64,
        x: &Tensor,
        c: f64,
        dx: &[Tensor],
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let (value, slopes) = self.field.jvp_each(&Time::Shared(t), x, dx)?;
        one_for_each("field", &slopes, dx)?;
        let slopes = slopes.iter().map(|slope| self.drift_of(t, x, c, slope));
        Ok((
            self.drift_of(t, x, c, &value)?,
            slopes.collect::<Result<_>>()?,
        ))
    }
}
