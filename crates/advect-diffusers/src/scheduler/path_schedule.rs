//! The schedules of diffusers' schedulers.

use advect_paths::schedule::{CondOt, DiscreteDiffusion, Schedule};

/// The schedule of a [`Scheduler`](crate::Scheduler): DDPM's steps, or straight lines.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PathSchedule {
    /// Steps of a diffusion.
    Discrete(DiscreteDiffusion),
    /// `α = t`, `σ = 1 − t`, of flow matching.
    Straight(CondOt),
}

impl PathSchedule {
    fn inner(&self) -> &dyn Schedule {
        match self {
            PathSchedule::Discrete(schedule) => schedule,
            PathSchedule::Straight(schedule) => schedule,
        }
    }
}

impl Schedule for PathSchedule {
    fn alpha(&self, t: f64) -> f64 {
        self.inner().alpha(t)
    }
    fn sigma(&self, t: f64) -> f64 {
        self.inner().sigma(t)
    }
    fn d_alpha(&self, t: f64) -> f64 {
        self.inner().d_alpha(t)
    }
    fn d_sigma(&self, t: f64) -> f64 {
        self.inner().d_sigma(t)
    }
    fn sigma_d_sigma(&self, t: f64) -> f64 {
        self.inner().sigma_d_sigma(t)
    }
    fn log_snr(&self, t: f64) -> f64 {
        self.inner().log_snr(t)
    }
    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        self.inner().time_at_log_snr(log_snr)
    }
    fn trained_steps(&self) -> Option<usize> {
        self.inner().trained_steps()
    }
    fn diffusion_squared(&self, t: f64) -> f64 {
        self.inner().diffusion_squared(t)
    }
}
