//! The exact marginal fields of a joint law on a stochastic interpolant.

use advect_core::{Field, Jvp, Result, Time};
use candle_core::Tensor;

use super::JointLaw;
use super::rows::{Rows, Values, directions, no_time};
use super::slice::{Factors, Seen, Slice};
use crate::Prediction;
use crate::path::Interpolant;
use crate::path::gamma::Gamma;
use crate::prediction::unit;
use crate::schedule::Schedule;

/// The field that an ideal network would learn on a stochastic interpolant `x_t = α x1 + σ x0 + γ z`: the mean, given `x_t = x`, of a
/// [`Prediction`]'s value. The methods of [`JointLaw`] make it.
///
/// | prediction | value at (t, x) |
/// | --- | --- |
/// | velocity | `b = E[α' x1 + σ' x0 + γ' z ∣ x]` |
/// | score | `∇ log p_t(x)` |
/// | noise | `η = E[z ∣ x]` |
/// | data | `E[x1 ∣ x]` |
/// | v | `α E[x0 ∣ x] − σ E[x1 ∣ x]` |
///
/// Values are computed in f64 on the host, and are constants for automatic differentiation. Derivatives along directions of the state
/// ([`Jvp`]) and the divergence are exact too; there is none along time.
///
/// Where γ = 0, as at both ends of most interpolants, values are limits: the velocity of a law with width is finite if `γ γ'` is, though
/// γ' may be infinite, and its score is that of the law. At points without width, a mean is that of the pairs whose points are nearest;
/// there is no score, and no velocity where γ' is infinite: [`Error::Range`](advect_core::Error::Range), which names t.
///
/// ```
/// use advect_core::{Field, Time};
/// use advect_paths::closed_form::{FiniteData, JointLaw};
/// use advect_paths::path::{Interpolant, gamma::{BrownianBridge, Parabola}};
/// use advect_paths::schedule::CondOt;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let points = |x: [f64; 2]| FiniteData::new(&Tensor::new(&x, &Device::Cpu)?.unsqueeze(1)?);
/// let law = JointLaw::independent(&points([0.0, 1.0])?, &points([4.0, 6.0])?)?;
/// let (start, x) = (Time::Shared(0.0), Tensor::new(&[[1.0f64]], &Device::Cpu)?);
/// // From 1, to 4 or 6.
/// let velocity = law.velocity(Interpolant::new(CondOt::default(), Parabola)).at(&start, &x)?;
/// assert_eq!(velocity.to_vec2::<f64>()?, [[4.0]]);
/// // A Brownian bridge has no velocity at its ends.
/// let error = law.velocity(Interpolant::new(CondOt::default(), BrownianBridge::new(1.0)?)).at(&start, &x);
/// assert!(error.unwrap_err().to_string().starts_with("t: got 0 "));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct InterpolantField<S, G> {
    law: JointLaw,
    path: Interpolant<S, G>,
    prediction: Prediction,
}

impl<S, G> InterpolantField<S, G> {
    pub(super) fn new(law: JointLaw, path: Interpolant<S, G>, prediction: Prediction) -> Self {
        InterpolantField {
            law,
            path,
            prediction,
        }
    }
}

impl<S: Schedule, G: Gamma> InterpolantField<S, G> {
    /// Returns the divergence `∇·f(t, x)` of the field, `(batch,)`.
    ///
    /// # Errors
    /// As [`Field::at`].
    pub fn divergence(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.each(t, x, (1, 3), |seen, _, x, out| out[0] = seen.divergence(x))?
            .finish(t, x, &[x.dims()[0]])
    }

    /// Returns the log-density of the marginal, `log p_t(x)`, `(batch,)`.
    ///
    /// # Errors
    /// As [`Field::at`]; [`Error::Range`](advect_core::Error::Range) where the density is 0 or infinite: without noise, at points.
    pub fn log_density(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.each(t, x, (1, 1), |seen, _, x, out| out[0] = seen.log_density(x))?
            .finish(t, x, &[x.dims()[0]])
    }

    fn at_time(&self, t: f64) -> Result<Factors> {
        let t = unit(t)?;
        let (s, g) = (self.path.schedule(), self.path.gamma());
        let (alpha, sigma, gamma) = (s.alpha(t), s.sigma(t), g.gamma(t));
        let none = (0.0, 0.0);
        let (target, source, noise) = match self.prediction {
            Prediction::Velocity => {
                let d_alpha = s.d_alpha(t);
                let source = (s.d_sigma(t), s.sigma_d_sigma(t));
                ((d_alpha, d_alpha * alpha), source, g.gamma_d_gamma(t))
            }
            Prediction::Score => (none, none, -1.0),
            Prediction::Noise => (none, none, gamma),
            Prediction::Data => ((1.0, alpha), none, 0.0),
            Prediction::V => ((-sigma, -sigma * alpha), (alpha, alpha * sigma), 0.0),
        };
        Ok(Factors {
            alpha,
            sigma,
            gamma,
            target,
            source,
            noise,
        })
    }

    /// Calls `f` on each sample and its number, to fill some numbers; `f` costs about as much as some evaluations.
    fn each(
        &self,
        t: &Time,
        x: &Tensor,
        (width, evaluations): (usize, usize),
        f: impl Fn(&mut Seen<'_>, usize, &[f64], &mut [f64]) + Sync,
    ) -> Result<Values> {
        let law = &self.law;
        let rows = Rows::new(t, x, law.dim())?;
        let at: Result<Vec<Factors>> = t.values()?.into_iter().map(|t| self.at_time(t)).collect();
        let at = at?;
        let time = law.pairs().len() * (law.dim() + 8) * (evaluations + 1);
        // One time for all has one slice; a batch of slices might not fit the memory.
        let slice = match at.as_slice() {
            [one] => Some(Slice::new(law, one)),
            _ => None,
        };
        let worker = || slice.as_ref().map(Seen::new);
        let values = rows.map((width, time), worker, |shared, i, x, out| match shared {
            Some(seen) => f(seen, i, x, out),
            None => f(&mut Seen::new(&Slice::new(law, &at[i])), i, x, out),
        });
        Ok(values)
    }
}

impl<S: Schedule, G: Gamma> Field for InterpolantField<S, G> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.each(t, x, (self.law.dim(), 1), |seen, _, x, out| {
            seen.mean(x, out)
        })?
        .finish(t, x, x.dims())
    }
}

impl<S: Schedule, G: Gamma> Jvp for InterpolantField<S, G> {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        no_time(dt)?;
        let (value, mut along) = self.jvp_each(t, x, std::slice::from_ref(dx))?;
        Ok((value, along.remove(0)))
    }

    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        let directions = directions(dx, x)?;
        let (d, count) = (self.law.dim(), 1 + dx.len());
        let values = self.each(t, x, (d * count, 3 * count), |seen, i, x, out| {
            let (value, slopes) = out.split_at_mut(d);
            seen.mean(x, value);
            for (slope, dx) in slopes.chunks_exact_mut(d).zip(&directions) {
                seen.along(x, &dx[i * d..(i + 1) * d], slope);
            }
        })?;
        let mut parts = values.parts(t, x, count)?;
        let slopes = parts.split_off(1);
        Ok((parts.remove(0), slopes))
    }
}
