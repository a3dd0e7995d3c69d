//! torchcfm's recipe for CIFAR-10 (Tong et al. 2024; `examples/images/cifar10` of torchcfm 1.0.7).

use advect::models::UNetConfig;
use advect::prelude::*;

/// The options of torchcfm's published training on CIFAR-10, of which the defaults are the values.
///
/// | option there | here |
/// | --- | --- |
/// | `num_channel` 128, two blocks, multipliers 1, 2, 2, 2, attention at 16, 64 channels a head | [`Cifar10Recipe::network`] |
/// | `dropout` 0.1 | [`Cifar10Recipe::dropout`] |
/// | `model` otcfm, σ = 0 | [`Cifar10Recipe::objective`] |
/// | Adam, `lr` 2e-4, `warmup` 5000, `grad_clip` 1, `ema_decay` 0.9999 | [`Cifar10Recipe::trainer`] |
/// | `total_steps` 400001, `batch_size` 128 | [`Cifar10Recipe::steps`], [`Cifar10Recipe::batch`] |
///
/// Images are mirrored with probability ½. There the pairs of a batch are drawn from the optimal plan, with repetition; here each occurs once.
#[derive(Debug, Clone, PartialEq)]
pub struct Cifar10Recipe {
    /// The width of the network.
    pub channels: usize,
    /// The probability with which features are dropped in training.
    pub dropout: f64,
    /// Training steps.
    pub steps: usize,
    /// Images in a training batch.
    pub batch: usize,
    /// The learning rate after the warm-up.
    pub rate: f64,
    /// Steps of the warm-up, of which the first has the rate 0.
    pub warm_up: usize,
    /// The largest norm of the gradients.
    pub clip: f64,
    /// The decay of the parameters' average.
    pub decay: f64,
    /// Images for the Fréchet distance.
    pub samples: usize,
    /// The tolerance of the solver that draws them, Dopri5.
    pub tolerance: f64,
}

impl Default for Cifar10Recipe {
    fn default() -> Self {
        Cifar10Recipe {
            channels: 128,
            dropout: 0.1,
            steps: 400_001,
            batch: 128,
            rate: 2e-4,
            warm_up: 5000,
            clip: 1.0,
            decay: 0.9999,
            samples: 50_000,
            tolerance: 1e-5,
        }
    }
}

impl Cifar10Recipe {
    /// Returns the network for images of 3 × 32 × 32 pixels.
    pub fn network(&self) -> UNetConfig {
        UNet::config(&[3, 32, 32])
            .channels(self.channels)
            .blocks(2)
            .multipliers(&[1.0, 2.0, 2.0, 2.0])
            .attention(&[16])
            .head_channels(self.channels.min(64))
            .dropout(self.dropout)
    }

    /// Returns the objective: straight lines between optimally paired noise and images.
    pub fn objective(&self) -> impl Objective + use<> {
        Coupled::new(ExactOt, rectified_flow())
    }

    /// Returns the trainer of a network's parameters.
    ///
    /// # Errors
    /// [`Error::Range`] for options out of their ranges.
    pub fn trainer(&self, store: &ParameterStore, rng: Generator) -> Result<Trainer<Adam>> {
        let warm_up = check::at_least_one("warm_up", self.warm_up)?;
        let rate = check::positive("rate", self.rate)?;
        let rate = learning_rate_fn(move |step| rate * step.min(warm_up) as f64 / warm_up as f64);
        let optimizer = Adam::from_store(store, AdamConfig::default())?;
        Trainer::new(store, optimizer, rng)
            .learning_rate(rate)
            .clip_norm(self.clip)?
            .ema(self.decay)
    }
}
