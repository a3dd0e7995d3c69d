//! The levels of noise of solvers in `ln (α/σ)`, which `DPMSolverMultistepScheduler` and `UniPCMultistepScheduler` share.

use advect_core::{Error, Result};
use advect_paths::schedule::Schedule;
use advect_paths::time_map::TimeMap;
use advect_samplers::grid::{GivenSigmas, Grid, Respaced};

use super::betas::{Diffusion, prediction};
use super::clip::Clip;
use super::euler::LEAST;
use super::network_times::Whole;
use super::sigmas::{Curve, End};
use super::spacing::Spacing;
use super::{NetworkTimes, Scheduler, Steps};
use crate::Config;

/// Levels, and the timesteps that the network is told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Levels {
    diffusion: Diffusion,
    cosine: bool,
    curve: Option<Curve>,
    /// What is done to timesteps of levels on a curve.
    whole: Whole,
    range: [Option<f64>; 2],
    pub(super) end: End,
    /// Whether the last step, which is left out, would be from the least level to itself.
    pub(super) stays: bool,
    /// The number of steps of training that are used.
    last: usize,
}

impl Levels {
    /// Reads the keys that both classes have.
    pub(super) fn read(c: &mut Config) -> Result<Self> {
        let cosine = c.is("beta_schedule", "squaredcos_cap_v2");
        let diffusion = Diffusion::read(c, "linspace", Some(LEAST))?;
        c.only("use_flow_sigmas", false, "the path")?;
        c.only("use_dynamic_shifting", false, "the levels of noise")?;
        c.ignore(&["flow_shift", "time_shift_type"]);
        Ok(Levels {
            cosine,
            curve: Curve::read(c)?,
            whole: Whole::Nearest,
            range: [None, None],
            end: End::read(c)?,
            stays: false,
            last: diffusion.trained(),
            diffusion,
        })
    }

    /// The levels of n steps.
    pub(super) fn grid(&self, count: usize) -> Result<Box<dyn Grid + Send + Sync>> {
        let trained = self.diffusion.trained();
        let times = self.diffusion.timesteps(self.last, count, true)?;
        if let Some(curve) = self.curve {
            return Ok(Box::new(GivenSigmas::new(&self.sigmas(curve, count)?)?));
        }
        let mut steps = Spacing::steps(&times);
        match self.end {
            End::Clean => steps.push(0),
            End::Least if steps.last() != Some(&1) => steps.push(1),
            End::Least => {}
        }
        if steps.windows(2).any(|pair| pair[0] == pair[1]) {
            let accepted = "fewer steps: two of them would have the same timestep";
            return Err(Error::range("steps", count, accepted));
        }
        Ok(Box::new(Respaced::given(trained, &steps)?))
    }

    /// The number of steps that are made where n are asked for: fewer by some spacings, if those with the most noise are left out.
    pub(super) fn made(&self, count: usize) -> Result<usize> {
        match self.curve {
            Some(_) => Ok(count),
            None => Ok(self.diffusion.timesteps(self.last, count, true)?.len()),
        }
    }

    /// The ratios `σ/α` of n steps on a curve.
    fn sigmas(&self, curve: Curve, count: usize) -> Result<Vec<f64>> {
        let ratios = self.diffusion.ratios();
        let [most, least] = [
            self.range[0].unwrap_or(ratios[ratios.len() - 1]),
            self.range[1].unwrap_or(ratios[0]),
        ];
        if !self.stays {
            self.end.check(least, ratios[0])?;
        }
        let mut sigmas = curve.levels(most, least, count);
        let (schedule, times) = (&self.diffusion.schedule, self.times()?);
        let told = |sigma: f64| times.at(schedule.time_at_log_snr(-2.0 * sigma.ln()));
        if count > 1 && told(sigmas[0]) == told(sigmas[1]) {
            let accepted = "fewer steps: the first two would have the same timestep, and diffusers begins at the second of them";
            return Err(Error::range("steps", count, accepted));
        }
        match self.end {
            End::Clean => sigmas.push(0.0),
            End::Least if least > ratios[0] && !self.stays => sigmas.push(ratios[0]),
            End::Least => {}
        }
        Ok(sigmas)
    }

    /// The same levels, where the last of n steps to the least noise may be from the last level to itself.
    pub(super) fn staying(&self, count: usize) -> Result<Self> {
        let times = self.diffusion.timesteps(self.last, count, true)?;
        let stays = self.end == End::Least
            && (self.curve.is_some() || times.last().is_some_and(|&last| last == 0.0));
        if stays && count < 2 {
            let accepted = "2 or more: the only step would be from a level to itself";
            return Err(Error::range("steps", count, accepted));
        }
        Ok(Levels {
            stays,
            ..self.clone()
        })
    }

    /// The network's time.
    fn times(&self) -> Result<NetworkTimes> {
        let diffusion = &self.diffusion;
        Ok(match self.curve {
            None => diffusion.indices()?,
            Some(_) => {
                NetworkTimes::by_logarithm(&diffusion.schedule, &diffusion.ratios(), self.whole)
            }
        })
    }

    /// The scheduler of a class with these levels.
    pub(super) fn scheduler(&self, c: &mut Config, steps: Steps) -> Result<Scheduler> {
        Ok(Scheduler {
            schedule: self.diffusion.path(),
            prediction: prediction(c)?,
            times: self.times()?,
            backwards: false,
            clip: Clip::read(c, false)?,
            steps,
        })
    }

    /// Sets the curve, and what is done to its timesteps.
    pub(super) fn along(self, c: &Config, curve: Option<Curve>, whole: Whole) -> Result<Self> {
        if self.cosine && curve.is_some() && whole == Whole::Below {
            let accepted = "another one beside use_exponential_sigmas, use_beta_sigmas and use_lu_lambdas: where there is most noise, the \
                 network would be told the same timestep several times";
            return Err(c.wrong("beta_schedule", "\"squaredcos_cap_v2\"", accepted));
        }
        Ok(Levels {
            curve,
            whole,
            ..self
        })
    }

    /// Sets the largest and the least level.
    pub(super) fn within(self, range: [Option<f64>; 2]) -> Self {
        Levels { range, ..self }
    }

    pub(super) fn curve(&self) -> Option<Curve> {
        self.curve
    }

    pub(super) fn is_cosine(&self) -> bool {
        self.cosine
    }

    /// Leaves out the steps with the most noise, where `ln (α/σ)` is below a number.
    pub(super) fn above(self, least: f64) -> Self {
        let ratios = self.diffusion.ratios();
        let last = ratios.iter().filter(|ratio| -ratio.ln() >= least).count();
        Levels { last, ..self }
    }
}
