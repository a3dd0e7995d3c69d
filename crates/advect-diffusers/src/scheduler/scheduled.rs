//! Networks in the form that a scheduler uses.

use advect_core::{Error, Field, Jvp, Result, Time, check};
use advect_paths::Prediction;
use advect_paths::time_map::{TimeMap, TimeMapped};
use advect_samplers::threshold::Threshold;
use candle_core::Tensor;

use super::clip::Clip;
use super::{NetworkTimes, PathSchedule, Scheduler};

/// A network of a [`Scheduler`], with its own time, a direction towards the data, and bounded expected data.
///
/// [`Scheduler::model`] makes it. It has derivatives along directions, as likelihoods take them, where nothing is bounded.
#[derive(Debug, Clone)]
pub struct Scheduled<F> {
    network: F,
    times: NetworkTimes,
    schedule: PathSchedule,
    prediction: Prediction,
    backwards: bool,
    clip: Option<Clip>,
    variances: bool,
}

impl<F: Field> Scheduled<F> {
    pub(super) fn new(network: F, scheduler: &Scheduler, variances: bool) -> Self {
        Scheduled {
            network,
            times: scheduler.times.clone(),
            schedule: scheduler.schedule.clone(),
            prediction: scheduler.prediction,
            backwards: scheduler.backwards,
            clip: scheduler.clip,
            variances,
        }
    }

    /// Returns the network.
    pub fn network(&self) -> &F {
        &self.network
    }
}

impl<F: Field> Field for Scheduled<F> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let value = self.network.at(&self.times.apply(t)?, x)?;
        let value = if self.backwards { value.neg()? } else { value };
        let Some(clip) = &self.clip else {
            return Ok(value);
        };
        let channels = match self.variances {
            true => x.dim(1)?,
            false => value.dim(1)?,
        };
        let data = value.narrow(1, 0, channels)?;
        let data = self
            .prediction
            .convert(Prediction::Data, &self.schedule, t, x, &data)?;
        // A bound would hide what is not finite.
        check::finite("field", &data)?;
        let data = clip.apply(&data)?;
        match value.dim(1)? - channels {
            0 => Ok(data),
            more => Ok(Tensor::cat(&[&data, &value.narrow(1, channels, more)?], 1)?),
        }
    }

    fn condition(&self) -> Option<&Tensor> {
        self.network.condition()
    }
}

impl<F: Jvp> Jvp for Scheduled<F> {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        if self.clip.is_some() {
            let accepted =
                "one without clip_sample and thresholding: derivatives of bounds are not supported";
            return Err(Error::range(
                "scheduler",
                "one that bounds the data",
                accepted,
            ));
        }
        let (value, along) = TimeMapped::new(&self.network, &self.times).jvp(t, x, dt, dx)?;
        match self.backwards {
            true => Ok((value.neg()?, along.neg()?)),
            false => Ok((value, along)),
        }
    }
}
