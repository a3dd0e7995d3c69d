//! A flow that learns a drawing.

use advect::prelude::*;

use crate::drawing;
use crate::settings::Settings;

/// Samples in a batch.
const BATCH: usize = 256;

/// The standard deviation of the blob that each point stands for, in the coordinates of the network. A density of points alone
/// would be infinite.
const BLUR: f64 = 0.04;

/// A drawing, and a flow that is trained on it. The same drawing, settings and calls give the same bits.
///
/// ```
/// use advect_web::{Playground, Settings};
/// # fn main() -> advect::core::Result<()> {
/// let mut playground = Playground::new(&[-0.5, 0.0, 0.5, 0.0], Settings::default())?;
/// let losses = playground.train(20)?;
/// assert_eq!((losses.len(), playground.step()), (20, 20));
/// # Ok(())
/// # }
/// ```
pub struct Playground {
    pub(crate) settings: Settings,
    pub(crate) key: Key,
    pub(crate) data: Tensor,
    net: Mlp,
    trainer: Trainer<AdamW>,
    objective: Box<dyn Objective>,
    batches: Batches,
    repeated: Tensor,
}

impl Playground {
    /// Creates an untrained flow for the points `x, y, x, y, …` of a drawing.
    ///
    /// # Errors
    /// [`Error::Range`] for fewer than two points, for more than [`MOST_POINTS`](crate::MOST_POINTS), for points outside the drawing area, and
    /// for names that the settings do not know.
    pub fn new(coordinates: &[f32], settings: Settings) -> Result<Self> {
        let data = drawing::points(coordinates)?;
        let objective = settings.objective()?;
        let key = Key::from_seed(settings.seed);
        let store = ParameterStore::new(key.named("parameters"), DType::F32, &Device::Cpu);
        let net = Mlp::config(2)
            .hidden(&[64; 3])
            .time(TimeEmbedding::Fourier { frequencies: 3 })
            .build(&store.builder())?;
        let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
        let trainer = Trainer::new(&store, optimizer, key.named("training").into())
            .learning_rate(WarmupCosine::new(4e-3, 50, 20_000)?)
            .clip_norm(1.0)?
            .ema(0.99)?;
        // A small drawing several times, so that it fills a batch.
        let times = BATCH.div_ceil(data.dim(0)?);
        let repeated = data.repeat((times, 1))?;
        let batches = Batches::new(repeated.dim(0)?, BATCH, key.named("batches"))?;
        Ok(Playground {
            settings,
            key,
            data,
            net,
            trainer,
            objective,
            batches,
            repeated,
        })
    }

    /// Trains for some steps, and returns their losses.
    ///
    /// # Errors
    /// [`Error::NonFinite`] if the loss diverges.
    pub fn train(&mut self, steps: usize) -> Result<Vec<f64>> {
        let mut losses = Vec::with_capacity(steps);
        let (net, batches, repeated) = (&self.net, &self.batches, &self.repeated);
        let objective = &self.objective;
        let loss = |step: usize, rng: &mut Generator| {
            let [data] = batches.at(step, [repeated])?;
            let blurred = (&data + (rng.normal_like(&data)? * BLUR)?)?;
            let noise = rng.normal_like(&data)?;
            objective.loss(net, &noise, &blurred, rng)
        };
        let mut keep = observer_fn(|trainer: &Trainer<AdamW>| {
            losses.push(trainer.report().loss);
            Ok(std::ops::ControlFlow::Continue(()))
        });
        let until = self.trainer.step().saturating_add(steps);
        self.trainer.run(until, loss, &mut keep)?;
        Ok(losses)
    }

    /// Returns the number of steps made.
    pub fn step(&self) -> usize {
        self.trainer.step()
    }

    /// The network with the average of its weights, untracked.
    pub(crate) fn averaged(&self) -> Result<Mlp> {
        self.net.on(&self.trainer.averaged().frozen())
    }

    /// Returns the energy distance between `count` samples and as many points of the drawing, in the coordinates of the network. It is
    /// 0 for equal laws.
    ///
    /// # Errors
    /// As [`Playground::trajectories`].
    pub fn energy_distance(&self, sampler: &str, steps: usize, count: usize) -> Result<f64> {
        let samples = self.end(sampler, steps, count)?;
        let mut rng = Generator::from(self.key.named("test"));
        let rows = rng.integers(0..self.data.dim(0)? as u32, count, &Device::Cpu)?;
        advect::metrics::energy_distance(&samples, &self.data.index_select(&rows, 0)?)
    }
}
