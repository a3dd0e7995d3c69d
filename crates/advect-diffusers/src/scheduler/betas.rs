//! The steps of a diffusion from a configuration.

use advect_core::{Error, Result};
use advect_paths::Prediction;
use advect_paths::schedule::{DiscreteDiffusion, Schedule};

use super::spacing::Spacing;
use super::{NetworkTimes, PathSchedule};
use crate::Config;

/// What all schedulers of diffusions have.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Diffusion {
    pub(super) schedule: DiscreteDiffusion,
    pub(super) spacing: Spacing,
    /// The first step that is not as diffusers has it, because its noise falls from there to the last one; that one if there is none.
    altered: usize,
}

impl Diffusion {
    /// Reads the rates and the spacing. The last argument is the least ᾱ of the classes that can't begin with pure noise.
    pub(super) fn read(c: &mut Config, spacing: &str, least: Option<f64>) -> Result<Self> {
        let schedule = rates(c)?;
        let (schedule, altered) = match c.optional("rescale_betas_zero_snr", Some(false))? {
            Some(true) => rescaled(&schedule, least)?,
            _ => {
                let steps = schedule.steps();
                (schedule, steps)
            }
        };
        let spacing = Spacing::read(c, spacing)?;
        Ok(Diffusion {
            schedule,
            spacing,
            altered,
        })
    }

    /// The number of steps of training.
    pub(super) fn trained(&self) -> usize {
        self.schedule.steps()
    }

    /// n of the timesteps: see [`Spacing::timesteps`].
    pub(super) fn timesteps(&self, last: usize, steps: usize, beyond: bool) -> Result<Vec<f64>> {
        let trained = self.trained();
        let times = self.spacing.timesteps(trained, last, steps, beyond)?;
        // Timestep T − 1 is step T.
        let altered = self.altered as f64 - 2.0..(trained - 1) as f64;
        let within = |t: &f64| *t > altered.start && *t < altered.end;
        match self.altered < self.trained() && times.iter().any(within) {
            true => {
                let accepted = "a smaller number: it would use steps of training that have more noise than the last one, after rescale_betas_zero_snr";
                Err(Error::range("steps", steps, accepted))
            }
            false => Ok(times),
        }
    }

    /// `σ/α` at the timesteps 0 … T − 1, from the least noise to the most.
    pub(super) fn ratios(&self) -> Vec<f64> {
        let ratio = |k: usize| (-0.5 * self.schedule.log_snr(self.schedule.time(k))).exp();
        (1..=self.trained()).map(ratio).collect()
    }

    pub(super) fn path(&self) -> PathSchedule {
        PathSchedule::Discrete(self.schedule.clone())
    }

    /// The indices of steps as network times.
    pub(super) fn indices(&self) -> Result<NetworkTimes> {
        NetworkTimes::steps(self.trained())
    }
}

/// Reads the prediction of a diffusion.
pub(super) fn prediction(c: &mut Config) -> Result<Prediction> {
    let kinds = [
        ("epsilon", Prediction::Noise),
        ("sample", Prediction::Data),
        ("v_prediction", Prediction::V),
    ];
    c.choice("prediction_type", &kinds)
}

#[derive(Clone, Copy)]
enum Curve {
    Linear,
    Scaled,
    Cosine,
    Sigmoid,
}

fn rates(c: &mut Config) -> Result<DiscreteDiffusion> {
    let steps: usize = c.optional("num_train_timesteps", 1000)?;
    let start: f64 = c.optional("beta_start", 1e-4)?;
    let end: f64 = c.optional("beta_end", 0.02)?;
    let given: Option<Vec<f64>> = c.optional("trained_betas", None)?;
    let curves = [
        ("linear", Curve::Linear),
        ("scaled_linear", Curve::Scaled),
        ("squaredcos_cap_v2", Curve::Cosine),
        ("sigmoid", Curve::Sigmoid),
    ];
    let curve = c.choice("beta_schedule", &curves)?;
    // The curves are checked with the number of steps before tables are made.
    let plain = DiscreteDiffusion::linear(steps, start, end);
    let part = |k: usize| k as f64 / (steps.max(2) - 1) as f64;
    let made = match (given, curve) {
        (Some(given), _) => DiscreteDiffusion::from_betas(&given),
        (None, Curve::Cosine) => DiscreteDiffusion::cosine(steps),
        (None, Curve::Linear) => plain,
        (None, Curve::Scaled) => plain.and_then(|_| {
            let root = |k| start.sqrt() + (end.sqrt() - start.sqrt()) * part(k);
            DiscreteDiffusion::from_betas(&(0..steps).map(|k| root(k).powi(2)).collect::<Vec<_>>())
        }),
        (None, Curve::Sigmoid) => plain.and_then(|_| {
            let beta = |k| start + (end - start) / (1.0 + (6.0 - 12.0 * part(k)).exp());
            DiscreteDiffusion::from_betas(&(0..steps).map(beta).collect::<Vec<_>>())
        }),
    };
    made.map_err(|e| Error::file(c.path(), e))
}

/// Rates with pure noise at the last step, or with as little data as is allowed there; and the first step at which there would be less, and
/// between which and the last one the noise is made to grow.
fn rescaled(
    schedule: &DiscreteDiffusion,
    least: Option<f64>,
) -> Result<(DiscreteDiffusion, usize)> {
    let rescaled = schedule.zero_terminal_snr()?;
    let steps = rescaled.steps();
    let Some(least) = least else {
        return Ok((rescaled, steps));
    };
    let first = (1..=steps).find(|&k| rescaled.alpha_bar(k) <= least);
    let first = first.unwrap_or(steps);
    let mut betas: Vec<f64> = (1..first).map(|k| rescaled.beta(k)).collect();
    let share = 1.0 / (steps + 1 - first) as f64;
    let beta = 1.0 - (least / rescaled.alpha_bar(first - 1)).powf(share);
    betas.resize(steps, beta);
    Ok((DiscreteDiffusion::from_betas(&betas)?, first))
}
