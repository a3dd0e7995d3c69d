//! What all models share: the digits, their training, and what is told of them.

use std::time::Instant;

use advect::prelude::*;

use crate::Args;

/// The levels of ink.
pub(crate) const LEVELS: usize = 17;
/// The pixels of a digit.
pub(crate) const PIXELS: usize = 64;
/// Digits in a training batch.
pub(crate) const BATCH: usize = 128;

/// Digits to learn from and to test on, as rows of levels from −1 (paper) to 1 (ink).
pub(crate) struct Task {
    pub(crate) train: Tensor,
    pub(crate) test: Tensor,
    pub(crate) train_labels: Tensor,
    pub(crate) test_labels: Tensor,
    pub(crate) dequantization: UniformDequantization,
    pub(crate) steps: usize,
    pub(crate) width: usize,
    pub(crate) samples: usize,
    pub(crate) levels: usize,
    pub(crate) key: Key,
}

/// How many bits per dimension digits have that were not trained on.
pub(crate) enum Bits {
    /// The model's own probability.
    Exact(BitsPerDimension),
    /// More than the model's own probability has.
    Bound(BitsPerDimension),
    /// A bound up to an estimate of the normaliser, with its standard error in bits.
    Estimate(BitsPerDimension, f64),
    /// There is no likelihood.
    None,
}

/// What is told of a model.
pub(crate) struct Entry {
    pub(crate) parameters: usize,
    pub(crate) bits: Bits,
    /// Samples on the levels, `(samples, 64)`.
    pub(crate) samples: Tensor,
    /// Seconds.
    pub(crate) training: f64,
    pub(crate) sampling: f64,
}

impl Task {
    pub(crate) fn new(args: &Args) -> Result<Self> {
        let key = Key::from_seed(args.seed);
        let digits = Digits::load(DType::F32, &Device::Cpu)?;
        let kept = check::at_least_one(
            "digits to train on",
            digits.len().saturating_sub(args.held_out),
        )?;
        let mut rng = Generator::from(key.named("split"));
        let order = rng.permutation(digits.len(), &Device::Cpu)?;
        let images = digits.images.flatten_from(1)?.index_select(&order, 0)?;
        let labels = digits.labels.index_select(&order, 0)?;
        Ok(Task {
            train: images.narrow(0, 0, kept)?,
            test: images.narrow(0, kept, args.held_out)?,
            train_labels: labels.narrow(0, 0, kept)?,
            test_labels: labels.narrow(0, kept, args.held_out)?,
            dequantization: UniformDequantization::of_levels(LEVELS, -1.0, 1.0)?,
            steps: args.steps,
            width: args.width,
            samples: args.samples,
            levels: args.levels,
            key,
        })
    }

    /// A store of parameters, seeded by a name.
    pub(crate) fn store(&self, name: &str) -> ParameterStore {
        ParameterStore::new(self.key.named(name), DType::F32, &Device::Cpu)
    }

    pub(crate) fn rng(&self, name: &str) -> Generator {
        Generator::from(self.key.named(name))
    }

    /// The held-out digits with noise in the levels' bins, the same for all models.
    pub(crate) fn noisy_test(&self) -> Result<Tensor> {
        let mut rng = self.rng("dequantization");
        self.dequantization.apply(&self.test, &mut rng)
    }

    /// The batch of a step, on levels.
    pub(crate) fn batch(&self, step: usize) -> Result<Tensor> {
        let batches = Batches::new(self.train.dim(0)?, BATCH, self.key.named("batches"))?;
        let [batch] = batches.at(step, [&self.train])?;
        Ok(batch)
    }

    /// The batch of a step, with noise in the levels' bins.
    pub(crate) fn noisy_batch(&self, step: usize, rng: &mut Generator) -> Result<Tensor> {
        self.dequantization.apply(&self.batch(step)?, rng)
    }

    /// AdamW with an average of the parameters.
    pub(crate) fn trainer(
        &self,
        store: &ParameterStore,
        name: &str,
        rate: f64,
        steps: usize,
    ) -> Result<Trainer<AdamW>> {
        let optimizer = AdamW::from_store(store, AdamWConfig::default())?;
        let rng = self.key.named(name).named("training").into();
        Trainer::new(store, optimizer, rng)
            .learning_rate(WarmupCosine::new(rate, 100.min(steps / 2), steps)?)
            .clip_norm(1.0)?
            .ema(1.0 - 50.0 / steps.max(100) as f64)
    }

    /// Trains for a number of steps, and returns the trainer, which has the averaged parameters, and the seconds it took.
    pub(crate) fn train(
        &self,
        store: &ParameterStore,
        name: &str,
        (rate, steps): (f64, usize),
        loss: impl FnMut(usize, &mut Generator) -> Result<Tensor>,
    ) -> Result<(Trainer<AdamW>, f64)> {
        let started = Instant::now();
        let mut trainer = self.trainer(store, name, rate, steps)?;
        trainer.run(steps, loss, &mut Progress::new(name))?;
        Ok((trainer, started.elapsed().as_secs_f64()))
    }
}
