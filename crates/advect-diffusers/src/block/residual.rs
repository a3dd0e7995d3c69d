//! Residual blocks.

use advect_core::{Error, Result};
use advect_nn::{Activation, ConvolutionLayer, Cost, GroupNorm, Linear};
use advect_ops::{Convolution, Value};
use candle_nn::VarBuilder;

use super::{Resample, divided};

/// The settings of a [`Residual`] block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResidualConfig {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// The features of time; none for a block without a time input.
    pub(crate) features: Option<usize>,
    /// The groups of both normalisations.
    pub(crate) groups: [usize; 2],
    pub(crate) epsilon: f64,
    pub(crate) activation: Activation,
    /// Whether time scales and shifts the second normalisation, or is added before it.
    pub(crate) scale_shift: bool,
    /// The number that the sum of both branches is divided by.
    pub(crate) divisor: f64,
    pub(crate) resample: Resample,
    /// Whether the input is projected even if it has as many channels as the output.
    pub(crate) projects: bool,
}

/// Normalise, activate, resample, convolve, tell the time, normalise, activate, convolve; added to the input, or to a
/// projection of it (He et al. 2016; Ho et al. 2020, appendix B). diffusers calls it `ResnetBlock2D`.
#[derive(Debug, Clone)]
pub(crate) struct Residual {
    config: ResidualConfig,
    first_norm: GroupNorm,
    first: ConvolutionLayer,
    time: Option<Linear>,
    second_norm: GroupNorm,
    second: ConvolutionLayer,
    shortcut: Option<ConvolutionLayer>,
}

impl Residual {
    pub(crate) fn new(config: ResidualConfig, builder: &VarBuilder<'_>) -> Result<Self> {
        let ResidualConfig {
            inputs, outputs, ..
        } = config;
        let (padded, plain) = (Convolution::padded(1), Convolution::padded(0));
        let norm = |i: usize, channels, name| {
            GroupNorm::new(config.groups[i], channels, &builder.pp(name))?.epsilon(config.epsilon)
        };
        let convolution = |inputs, name| {
            ConvolutionLayer::new(inputs, outputs, &[3, 3], padded, &builder.pp(name))
        };
        let told = if config.scale_shift {
            2 * outputs
        } else {
            outputs
        };
        let time = |features| Linear::new(features, told, &builder.pp("time_emb_proj"));
        let shortcut = |_| {
            let builder = builder.pp("conv_shortcut");
            ConvolutionLayer::new(inputs, outputs, &[1, 1], plain, &builder)
        };
        let projects = config.projects || inputs != outputs;
        Ok(Residual {
            first_norm: norm(0, inputs, "norm1")?,
            first: convolution(inputs, "conv1")?,
            time: config.features.map(time).transpose()?,
            second_norm: norm(1, outputs, "norm2")?,
            second: convolution(outputs, "conv2")?,
            shortcut: projects.then_some(()).map(shortcut).transpose()?,
            config,
        })
    }

    /// The value at x, given the activated features of time, `(batch, features)`, if the block has a time input.
    pub(crate) fn forward<V: Value>(&self, x: &V, features: Option<&V>) -> Result<V> {
        let (activation, resample) = (self.config.activation, self.config.resample);
        let h = self.first_norm.forward(x, activation)?;
        let (h, x) = (resample.apply(&h)?, resample.apply(x)?);
        let h = match (&self.time, features) {
            (None, _) => {
                let h = self.first.forward(&h)?;
                self.second_norm.forward(&h, activation)?
            }
            (Some(_), None) => {
                return Err(Error::range("features", "none", "features of time"));
            }
            (Some(time), Some(features)) if self.config.scale_shift => {
                let (h, told) = (self.first.forward(&h)?, time.forward(features)?);
                let channels = self.config.outputs;
                let part = |i| told.map_linear(|e| Ok(e.narrow(1, i * channels, channels)?));
                self.second_norm
                    .adaptive(&h, &part(0)?, &part(1)?, activation)?
            }
            (Some(time), Some(features)) => {
                let h = self.first.forward_onto(&h, &time.forward(features)?)?;
                self.second_norm.forward(&h, activation)?
            }
        };
        let y = match &self.shortcut {
            Some(shortcut) => self.second.forward_onto(&h, &shortcut.forward(&x)?)?,
            None => self.second.forward_onto(&h, &x)?,
        };
        divided(y, self.config.divisor)
    }

    /// The cost for images of a size, which becomes that of the value.
    pub(crate) fn cost(&self, size: &mut [usize]) -> Cost {
        self.config.resample.resize(size);
        let time = self.time.as_ref().map(Linear::cost).unwrap_or_default();
        let mut cost = time + self.first_norm.cost() + self.second_norm.cost();
        for layer in [&self.first, &self.second]
            .into_iter()
            .chain(&self.shortcut)
        {
            cost = cost + layer.cost(size);
        }
        cost
    }
}
