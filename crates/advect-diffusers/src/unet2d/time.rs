//! The time input of diffusers' networks.

use std::f64::consts::TAU;

use advect_core::{Error, Result, check};
use advect_nn::{Activation, Cost, Linear, buffer};
use advect_ops::Value;
use candle_core::{DType, Device, Tensor};
use candle_nn::{Init, VarBuilder};

use super::config::{TimeKind, UNet2dConfig};
use crate::block::{Positional, ordered};

/// Sinusoids of the time, and two layers.
#[derive(Debug, Clone)]
pub(super) struct TimeInput {
    features: Features,
    layers: [Linear; 2],
}

#[derive(Debug, Clone)]
enum Features {
    Positional(Positional),
    /// Of the logarithm, at places that are drawn once and not trained.
    Fourier(Tensor),
}

impl TimeInput {
    pub(super) fn new(config: &UNet2dConfig, builder: &VarBuilder<'_>) -> Result<Self> {
        let (width, outputs) = (config.widths[0], config.time_features());
        let (features, inputs) = match config.time {
            TimeKind::Positional {
                cosines_first,
                shift,
            } => {
                let features = Positional::new(width, shift, cosines_first);
                (Features::Positional(features), width)
            }
            TimeKind::Fourier => {
                let (mean, stdev) = (0.0, 16.0);
                let init = Init::Randn { mean, stdev };
                let places = buffer(width, "weight", init, &builder.pp("time_proj"))?;
                (Features::Fourier(places), 2 * width)
            }
        };
        let layers = builder.pp("time_embedding");
        Ok(TimeInput {
            features,
            layers: [
                Linear::new(inputs, outputs, &layers.pp("linear_1"))?,
                Linear::new(outputs, outputs, &layers.pp("linear_2"))?,
            ],
        })
    }

    /// The features of times `(n,)` in f64: `(n, features)`, like x.
    pub(super) fn forward<V: Value>(&self, t: &V, x: &Tensor) -> Result<V> {
        let features = match &self.features {
            Features::Positional(features) => features.of(t, x)?,
            Features::Fourier(places) => ordered(&of_logarithms(t, places)?, false, x)?,
        };
        let h = self.layers[0].activated(&features, Activation::Silu)?;
        self.layers[1].forward(&h)
    }

    pub(super) fn cost(&self) -> Cost {
        self.layers[0].cost() + self.layers[1].cost()
    }
}

/// The cosines, then the sines, of `2π w ln t`, in f64.
fn of_logarithms<V: Value>(t: &V, weight: &Tensor) -> Result<V> {
    positive(t.primal())?;
    let log = t.map_elements(|t| Ok(t.log()?), |t| Ok(t.recip()?))?;
    let omega = (weight.to_dtype(DType::F64)?.to_device(&Device::Cpu)? * TAU)?;
    let omega = V::constant(omega.unsqueeze(0)?);
    let phase = log.map_linear(|t| Ok(t.unsqueeze(1)?))?.times(&omega)?;
    let cosines = phase.map_elements(|x| Ok(x.cos()?), |x| Ok(x.sin()?.neg()?))?;
    let sines = phase.map_elements(|x| Ok(x.sin()?), |x| Ok(x.cos()?))?;
    V::concatenate(&[&cosines, &sines], 1)
}

/// The value over the time: so a network of a variance-exploding path gives its score.
pub(super) fn over_time<V: Value>(y: &V, t: &V) -> Result<V> {
    positive(t.primal())?;
    let inverse = t.map_elements(|t| Ok(t.recip()?), |t| Ok(t.sqr()?.recip()?.neg()?))?;
    let like = y.primal();
    let inverse = inverse.map_linear(|t| {
        let t = t.reshape((t.dims()[0], 1, 1, 1))?;
        Ok(t.to_device(like.device())?.to_dtype(like.dtype())?)
    })?;
    y.times(&inverse)
}

/// Accepts times that have a logarithm.
fn positive(t: &Tensor) -> Result<()> {
    let times = t.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    match times.iter().find(|t| !(**t > 0.0 && t.is_finite())) {
        Some(t) => Err(Error::range(
            "t",
            t,
            "a level of noise above 0, as the network was trained on",
        )),
        None => Ok(()),
    }
}

/// Learned features of classes.
#[derive(Debug, Clone)]
pub(super) struct Classes(Tensor);

impl Classes {
    pub(super) fn new(classes: usize, features: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        check::at_least_one("num_class_embeds", classes)?;
        let (mean, stdev) = (0.0, 1.0);
        let init = Init::Randn { mean, stdev };
        let builder = builder.pp("class_embedding");
        Ok(Classes(builder.get_with_hints(
            (classes, features),
            "weight",
            init,
        )?))
    }

    pub(super) fn count(&self) -> usize {
        self.0.dims()[0]
    }

    pub(super) fn of(&self, labels: &Tensor, batch: usize) -> Result<Tensor> {
        check::labels("condition", labels, batch, self.count())?;
        check::same_device("condition", labels.device(), "the network", self.0.device())?;
        Ok(self.0.index_select(&labels.contiguous()?, 0)?)
    }

    pub(super) fn cost(&self) -> Cost {
        Cost::of(self.0.elem_count(), 0, 0)
    }
}
