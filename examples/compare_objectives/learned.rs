//! A trained network with what it means: the velocity of its probability-flow equation.

use advect::paths::preconditioner::{EdmPreconditioner, Preconditioned};
use advect::prelude::*;

/// What a network predicts, on which schedule.
pub(crate) enum Meaning {
    /// The velocity itself, on whatever path.
    Velocity,
    /// Another prediction on an affine path.
    Prediction(Prediction, Box<dyn Schedule>),
    /// The noise at DDPM's steps, moved to a schedule that is smooth in time.
    Discrete(DiscreteDiffusion, VariancePreserving),
    /// The denoiser of a preconditioned network.
    Denoiser(EdmPreconditioner, EdmSchedule),
}

/// A network, its meaning, and where its way begins and ends.
pub(crate) struct Learned {
    pub(crate) net: Mlp,
    pub(crate) meaning: Meaning,
    /// The standard deviation of the source.
    pub(crate) source: f64,
    /// The time at which samples are taken: before 1 where the velocity is infinite there.
    pub(crate) end: f64,
}

impl Learned {
    /// A network of the velocity, from N(0, I) at 0 to the data at 1.
    pub(crate) fn velocity(net: Mlp) -> Self {
        Learned {
            net,
            meaning: Meaning::Velocity,
            source: 1.0,
            end: 1.0,
        }
    }

    /// A network of another prediction, from the noise of its schedule to shortly before the data.
    pub(crate) fn prediction(
        net: Mlp,
        prediction: Prediction,
        schedule: impl Schedule + 'static,
    ) -> Self {
        Learned {
            net,
            source: schedule.sigma(0.0),
            meaning: Meaning::Prediction(prediction, Box::new(schedule)),
            end: 0.999,
        }
    }

    /// Calls `f` with the velocity.
    fn with<T>(&self, f: impl Fn(&dyn Jvp) -> Result<T>) -> Result<T> {
        let velocity = Prediction::Velocity;
        match &self.meaning {
            Meaning::Velocity => f(&self.net),
            Meaning::Prediction(from, schedule) => f(&from.field(&self.net, velocity, &**schedule)),
            Meaning::Discrete(steps, smooth) => {
                let noise = Prediction::Noise.reschedule(&self.net, steps, smooth);
                f(&Prediction::Noise.field(&noise, velocity, smooth))
            }
            Meaning::Denoiser(preconditioner, levels) => {
                let denoiser = Preconditioned::new(&self.net, preconditioner, levels);
                f(&Prediction::Data.field(&denoiser, velocity, levels))
            }
        }
    }
}

impl Field for Learned {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.with(|velocity| velocity.at(t, x))
    }
}

impl Jvp for Learned {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        self.with(|velocity| velocity.jvp(t, x, dt, dx))
    }

    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        self.with(|velocity| velocity.jvp_each(t, x, dx))
    }
}
