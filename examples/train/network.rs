//! The network: a perceptron for rows, a U-Net for pictures.

use advect::candle_nn::VarBuilder;
use advect::ops::Value;
use advect::prelude::*;

pub(crate) enum Net {
    Rows(Mlp),
    Images(Box<UNet>),
}

impl Net {
    /// The same network on other parameters.
    pub(crate) fn on(&self, builder: &VarBuilder<'_>) -> Result<Self> {
        Ok(match self {
            Net::Rows(net) => Net::Rows(net.on(builder)?),
            Net::Images(net) => Net::Images(Box::new(net.on(builder)?)),
        })
    }
}

impl Network for Net {
    fn forward<V: Value>(&self, t: &V, x: &V, condition: Option<&Tensor>) -> Result<V> {
        match self {
            Net::Rows(net) => net.forward(t, x, condition),
            Net::Images(net) => net.forward(t, x, condition),
        }
    }

    fn null_condition(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Net::Rows(net) => net.null_condition(x),
            Net::Images(net) => net.null_condition(x),
        }
    }
}

network_field!(Net);
