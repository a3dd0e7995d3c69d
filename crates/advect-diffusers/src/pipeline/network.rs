//! The networks of pipelines.

use std::path::Path;

use advect_core::{Error, Result};
use advect_nn::{Network, network_field};
use advect_ops::Value;
use candle_core::Tensor;
use candle_nn::VarBuilder;

use crate::{Config, UNet2d, UNet2dConfig};

/// A network of any class that a [`Pipeline`](crate::Pipeline) may have: a [`Field`](advect_core::Field), and a
/// [`Conditional`](advect_core::Conditional) field if it has classes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum PipelineNetwork {
    /// A `UNet2DModel`.
    UNet2d(UNet2d),
}

impl PipelineNetwork {
    /// Creates the network of a `config.json`, with parameters of a builder.
    ///
    /// # Errors
    /// [`Error::File`] for a class that is not known, or a configuration that it does not have; errors of the builder.
    pub fn build(config: Config, builder: &VarBuilder<'_>) -> Result<Self> {
        let path = config.path().to_path_buf();
        let wrong = |e: Error| match e {
            Error::File { .. } => e,
            e => Error::file(&path, e),
        };
        match config.class() {
            Some("UNet2DModel") => {
                let net = UNet2dConfig::new(config)?.build(builder).map_err(wrong)?;
                Ok(PipelineNetwork::UNet2d(net))
            }
            class => {
                let given = format!("{:?}", class.unwrap_or_default());
                Err(config.wrong("_class_name", given, "\"UNet2DModel\""))
            }
        }
    }

    /// Reads the class of a `config.json` and creates the network.
    pub(super) fn read(folder: &Path, builder: &VarBuilder<'_>) -> Result<Self> {
        PipelineNetwork::build(Config::read(folder.join("config.json"))?, builder)
    }

    /// Returns the shape of a sample, `[channels, height, width]`, if the configuration says it.
    pub fn dim(&self) -> Option<Vec<usize>> {
        match self {
            PipelineNetwork::UNet2d(net) => {
                let [height, width] = net.config().size()?;
                Some(vec![net.config().inputs(), height, width])
            }
        }
    }

    /// Returns `true` if the values have variances after the prediction, hence twice as many channels as samples.
    pub fn has_variances(&self) -> bool {
        match self {
            PipelineNetwork::UNet2d(net) => net.config().outputs() == 2 * net.config().inputs(),
        }
    }

    /// Returns the same network on the parameters of another builder, such as averaged ones.
    ///
    /// # Errors
    /// Errors of the builder.
    pub fn on(&self, builder: &VarBuilder<'_>) -> Result<Self> {
        match self {
            PipelineNetwork::UNet2d(net) => Ok(PipelineNetwork::UNet2d(net.on(builder)?)),
        }
    }
}

impl Network for PipelineNetwork {
    fn forward<V: Value>(&self, t: &V, x: &V, condition: Option<&Tensor>) -> Result<V> {
        match self {
            PipelineNetwork::UNet2d(net) => net.forward(t, x, condition),
        }
    }

    fn null_condition(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            PipelineNetwork::UNet2d(net) => net.null_condition(x),
        }
    }
}
network_field!(PipelineNetwork);
