//! The uncertainty of a denoiser at each level of noise (Karras et al. 2024, eq. 21).

use advect_core::{Result, Time, check};
use advect_nn::Cost;
use candle_core::{Device, Tensor};
use candle_nn::VarBuilder;

use super::WeightNormalization;
use super::fourier::Fourier;
use super::layer::Layer;
use crate::limits::{self, CHANNELS};

/// A learned function `u(c)` of the noise label, whose exponential is the loss that is to be expected there. The objective `Uncertain` of
/// `advect-objectives` divides losses by it, so that all levels of noise count the same throughout training. Sampling does without it.
///
/// Its label is that of an [`Edm2UNet`](crate::Edm2UNet). In NVlabs' state dicts it is beside the network: its parameter
/// `logvar_linear.weight` and its buffers `logvar_fourier.freqs` and `logvar_fourier.phases` are next to the network's
/// `unet.…`.
///
/// ```
/// use advect_core::{Key, Time};
/// use advect_models::{Edm2UNet, NoiseUncertainty};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let config = Edm2UNet::config(3, 8).channels(8).multipliers(&[1, 2]).blocks(1).head_channels(8);
/// let net = config.build(&store.builder().pp("unet"))?;
/// let uncertainty = NoiseUncertainty::new(128, &store.builder())?;
/// assert_eq!(uncertainty.at(&Time::per_sample(&[-0.3, 0.1])?)?.dims(), [2]);
/// assert_eq!(net.cost().parameters + uncertainty.cost().parameters, store.element_count());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "logvar")]
#[doc(alias = "EDM2")]
#[derive(Debug, Clone)]
pub struct NoiseUncertainty {
    fourier: Fourier,
    linear: Layer,
}

impl NoiseUncertainty {
    /// Creates the function with a number of random features of noise; EDM2 has 128.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) naming `features` for none, or too many; errors of the builder.
    #[doc(alias = "logvar_channels")]
    pub fn new(features: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        limits::count("features", features, CHANNELS)?;
        Ok(NoiseUncertainty {
            fourier: Fourier::new(features, &builder.pp("logvar_fourier"))?,
            linear: Layer::linear(features, 1, &builder.pp("logvar_linear"))?,
        })
    }

    /// Returns `u` at labels: `(1,)` for a shared one, or `(batch,)`.
    ///
    /// # Errors
    /// [`Error::NonFinite`](advect_core::Error::NonFinite) for a label that is not finite.
    pub fn at(&self, label: &Time) -> Result<Tensor> {
        let labels = label.values()?;
        let labels = Tensor::from_vec(labels.clone(), labels.len(), &Device::Cpu)?;
        check::finite("label", &labels)?;
        let features = self.fourier.of(&labels, self.linear.weight())?;
        Ok(self.linear.forward(&features, 1.0)?.squeeze(1)?)
    }

    /// Returns the weights that are to be normalised after each step of training.
    ///
    /// # Errors
    /// As [`Edm2UNet::weight_normalization`](crate::Edm2UNet::weight_normalization).
    pub fn weight_normalization(&self) -> Result<WeightNormalization> {
        WeightNormalization::of([&self.linear].into_iter())
    }

    /// Returns the cost: the numbers of parameters and of operations.
    pub fn cost(&self) -> Cost {
        self.linear.cost(1)
    }
}
