//! The networks of pipelines.

use std::path::Path;

use advect_core::{Error, Result};
use advect_nn::{Network, network_field};
use advect_ops::Value;
use candle_core::Tensor;
use candle_nn::VarBuilder;

use crate::{
    Config, DitTransformer2d, DitTransformer2dConfig, UNet1d, UNet1dConfig, UNet2d, UNet2dConfig,
};

/// A network of any class that a [`Pipeline`](crate::Pipeline) may have: a [`Field`](advect_core::Field), and a
/// [`Conditional`](advect_core::Conditional) field if it has classes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum PipelineNetwork {
    /// A `UNet2DModel`.
    UNet2d(Box<UNet2d>),
    /// A `UNet1DModel`.
    UNet1d(Box<UNet1d>),
    /// A `DiTTransformer2DModel`.
    DitTransformer2d(Box<DitTransformer2d>),
}

/// An expression for the network of any class.
macro_rules! of_any {
    ($network:expr, $net:ident => $value:expr) => {
        match $network {
            PipelineNetwork::UNet2d($net) => $value,
            PipelineNetwork::UNet1d($net) => $value,
            PipelineNetwork::DitTransformer2d($net) => $value,
        }
    };
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
                Ok(PipelineNetwork::UNet2d(Box::new(net)))
            }
            Some("UNet1DModel") => {
                let net = UNet1dConfig::new(config)?.build(builder).map_err(wrong)?;
                Ok(PipelineNetwork::UNet1d(Box::new(net)))
            }
            Some("DiTTransformer2DModel" | "Transformer2DModel") => {
                let net = DitTransformer2dConfig::new(config)?;
                let net = net.build(builder).map_err(wrong)?;
                Ok(PipelineNetwork::DitTransformer2d(Box::new(net)))
            }
            class => {
                let given = format!("{:?}", class.unwrap_or_default());
                let accepted = "\"UNet2DModel\", \"UNet1DModel\" or \"DiTTransformer2DModel\"";
                Err(config.wrong("_class_name", given, accepted))
            }
        }
    }

    /// Reads the class of a `config.json` and creates the network.
    pub(super) fn read(folder: &Path, builder: &VarBuilder<'_>) -> Result<Self> {
        PipelineNetwork::build(Config::read(folder.join("config.json"))?, builder)
    }

    /// Returns the shape of a sample, `[channels, height, width]` or `[channels, length]`, if the configuration says it.
    pub fn dim(&self) -> Option<Vec<usize>> {
        match self {
            PipelineNetwork::UNet2d(net) => {
                let [height, width] = net.config().size()?;
                Some(vec![net.config().inputs(), height, width])
            }
            PipelineNetwork::UNet1d(net) => {
                Some(vec![net.config().inputs(), net.config().length()])
            }
            PipelineNetwork::DitTransformer2d(net) => {
                let size = net.config().size();
                Some(vec![net.config().inputs(), size, size])
            }
        }
    }

    /// Returns `true` if the values have variances after the prediction, hence twice as many channels as samples.
    pub fn has_variances(&self) -> bool {
        of_any!(self, net => net.config().outputs() == 2 * net.config().inputs())
    }

    /// Returns the same network on the parameters of another builder, such as averaged ones.
    ///
    /// # Errors
    /// Errors of the builder.
    pub fn on(&self, builder: &VarBuilder<'_>) -> Result<Self> {
        Ok(match self {
            PipelineNetwork::UNet2d(net) => PipelineNetwork::UNet2d(Box::new(net.on(builder)?)),
            PipelineNetwork::UNet1d(net) => PipelineNetwork::UNet1d(Box::new(net.on(builder)?)),
            PipelineNetwork::DitTransformer2d(net) => {
                PipelineNetwork::DitTransformer2d(Box::new(net.on(builder)?))
            }
        })
    }
}

impl Network for PipelineNetwork {
    fn forward<V: Value>(&self, t: &V, x: &V, condition: Option<&Tensor>) -> Result<V> {
        of_any!(self, net => net.forward(t, x, condition))
    }

    fn null_condition(&self, x: &Tensor) -> Result<Tensor> {
        of_any!(self, net => net.null_condition(x))
    }
}
network_field!(PipelineNetwork);
