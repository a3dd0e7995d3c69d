//! `EulerDiscreteScheduler`.

use advect_core::Result;
use advect_samplers::grid::GivenSigmas;
use advect_samplers::rule::Ddim;

use super::betas::{Diffusion, prediction};
use super::network_times::Whole;
use super::sigmas::{Curve, End, ROUNDING};
use super::spacing::Kind;
use super::{NetworkTimes, Scheduler, SchedulerSampler, Steps};
use crate::Config;

/// The least ᾱ of rescaled rates.
pub(super) const LEAST: f64 = 1.0 / (1u64 << 24) as f64;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Euler {
    diffusion: Diffusion,
    curve: Option<Curve>,
    range: [Option<f64>; 2],
    end: End,
}

pub(super) fn read(c: &mut Config) -> Result<Scheduler> {
    let diffusion = Diffusion::read(c, "linspace", Some(LEAST))?;
    let prediction = prediction(c)?;
    c.only("interpolation_type", "linear", "the levels of noise")?;
    c.only(
        "timestep_type",
        "discrete",
        "the time that the network is told",
    )?;
    let euler = Euler {
        curve: Curve::read(c)?,
        range: Curve::range(c)?,
        end: End::read(c)?,
        diffusion,
    };
    let ratios = euler.diffusion.ratios();
    let times = match euler.curve {
        None => NetworkTimes::by_ratio(&euler.diffusion.schedule, &ratios),
        Some(_) => NetworkTimes::by_logarithm(&euler.diffusion.schedule, &ratios, Whole::No),
    };
    Ok(Scheduler {
        schedule: euler.diffusion.path(),
        prediction,
        times,
        backwards: false,
        clip: None,
        steps: Steps::Euler(euler),
    })
}

impl Euler {
    pub(super) fn sampler(&self, count: usize) -> Result<SchedulerSampler> {
        let (trained, ratios) = (self.diffusion.trained(), self.diffusion.ratios());
        let times = self.diffusion.timesteps(trained, count, false)?;
        let mut sigmas: Vec<f64> = times.iter().map(|&t| interpolated(&ratios, t)).collect();
        if let Some(curve) = self.curve {
            let most = self.range[0].unwrap_or(sigmas[0]);
            let least = self.range[1].unwrap_or(sigmas[sigmas.len() - 1]);
            sigmas = curve.levels(most, least, count);
        }
        let last = match self.end {
            End::Clean => 0.0,
            End::Least => ratios[0],
        };
        let least = sigmas[sigmas.len() - 1];
        self.end.check(least, last)?;
        // A step to where it begins is none.
        if least > last * (1.0 + ROUNDING) {
            sigmas.push(last);
        }
        // States are in units of the data's factor, `1/√(1 + σ²)`.
        let sampler = SchedulerSampler::new(Ddim::new(), GivenSigmas::new(&sigmas)?)
            .times((1.0 + last * last).sqrt());
        Ok(match self.diffusion.spacing.kind {
            Kind::Leading => sampler,
            Kind::Linspace | Kind::Trailing => sampler.scaled(),
        })
    }
}

/// A place in a table, between its entries.
fn interpolated(table: &[f64], place: f64) -> f64 {
    let last = table.len() - 1;
    let place = place.clamp(0.0, last as f64);
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    table[below] + (place - below as f64) * (table[above] - table[below])
}
