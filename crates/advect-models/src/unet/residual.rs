//! Residual blocks.

use advect_core::{Key, Result};
use advect_ops::{Convolution, Value, avg_pool, upsample_nearest};
use candle_nn::VarBuilder;

use super::UNetConfig;
use super::dropout::drop_features;
use advect_nn::{Activation, ConvolutionLayer, Cost, GroupNorm, Linear};

/// The change that a block makes to the size of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resample {
    Keep,
    Halve,
    Double,
}

impl Resample {
    pub(super) fn apply<V: Value>(self, x: &V) -> Result<V> {
        match self {
            Resample::Keep => Ok(x.clone()),
            Resample::Halve => avg_pool(x, 2),
            Resample::Double => upsample_nearest(x, 2),
        }
    }
}

impl Resample {
    /// Changes a size.
    pub(super) fn resize(self, size: &mut [usize]) {
        for size in size {
            match self {
                Resample::Keep => {}
                Resample::Halve => *size /= 2,
                Resample::Double => *size = size.saturating_mul(2),
            }
        }
    }
}

/// Normalise, SiLU, convolve, tell the time, normalise, SiLU, convolve; added to the input, or to a projection of it
/// (He et al. 2016; Dhariwal and Nichol 2021, section 3).
#[derive(Debug, Clone)]
pub(super) struct Residual {
    first_norm: GroupNorm,
    first: ConvolutionLayer,
    embedding: Linear,
    second_norm: GroupNorm,
    second: ConvolutionLayer,
    skip: Option<ConvolutionLayer>,
    resample: Resample,
    scale_shift: bool,
    /// The probability of dropping a feature, and the name under which features are dropped.
    dropout: (f64, String),
}

impl Residual {
    pub(super) fn new(
        config: &UNetConfig,
        inputs: usize,
        outputs: usize,
        resample: Resample,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let (dims, groups) = (config.dim.len() - 1, config.groups);
        let (kernel, padded) = (vec![3; dims], Convolution::padded(1));
        let features = if config.scale_shift {
            2 * outputs
        } else {
            outputs
        };
        let (entry, exit) = (builder.pp("in_layers"), builder.pp("out_layers"));
        let skip = match inputs == outputs {
            true => None,
            false => {
                let one = vec![1; dims];
                let builder = builder.pp("skip_connection");
                let plain = Convolution::padded(0);
                Some(ConvolutionLayer::new(
                    inputs, outputs, &one, plain, &builder,
                )?)
            }
        };
        Ok(Residual {
            first_norm: GroupNorm::new(groups, inputs, &entry.pp(0))?,
            first: ConvolutionLayer::new(inputs, outputs, &kernel, padded, &entry.pp(2))?,
            embedding: Linear::new(4 * config.channels, features, &builder.pp("emb_layers.1"))?,
            second_norm: GroupNorm::new(groups, outputs, &exit.pp(0))?,
            second: ConvolutionLayer::zero(outputs, outputs, &kernel, padded, &exit.pp(3))?,
            skip,
            resample,
            scale_shift: config.scale_shift,
            dropout: (config.dropout, builder.prefix()),
        })
    }

    /// The value at x, given the SiLU of the embedding of time and class, `(batch, features)`.
    pub(super) fn forward<V: Value>(
        &self,
        x: &V,
        embedding: &V,
        dropping: Option<Key>,
    ) -> Result<V> {
        let h = self.first_norm.forward(x, Activation::Silu)?;
        let (h, x) = (self.resample.apply(&h)?, self.resample.apply(x)?);
        let embedding = self.embedding.forward(embedding)?;
        let h = if self.scale_shift {
            let h = self.first.forward(&h)?;
            let channels = h.primal().dims()[1];
            let part = |i| embedding.map_linear(|e| Ok(e.narrow(1, i * channels, channels)?));
            self.second_norm
                .adaptive(&h, &part(0)?, &part(1)?, Activation::Silu)?
        } else {
            let h = self.first.forward_onto(&h, &embedding)?;
            self.second_norm.forward(&h, Activation::Silu)?
        };
        let h = match dropping {
            Some(key) => drop_features(&h, self.dropout.0, key.named(&self.dropout.1))?,
            None => h,
        };
        match &self.skip {
            Some(skip) => self.second.forward_onto(&h, &skip.forward(&x)?),
            None => self.second.forward_onto(&h, &x),
        }
    }

    pub(super) fn cost(&self, size: &mut [usize]) -> Cost {
        self.resample.resize(size);
        let mut cost = self.embedding.cost() + self.first_norm.cost() + self.second_norm.cost();
        for layer in [&self.first, &self.second].into_iter().chain(&self.skip) {
            cost = cost + layer.cost(size);
        }
        cost
    }
}

#[cfg(test)]
mod tests {
    use advect_core::Generator;
    use candle_core::{DType, Device, Tensor};

    use super::*;
    use advect_nn::ParameterStore;

    use crate::UNet;

    /// Blocks with the same parameters, under two names.
    #[test]
    fn blocks_drop_for_themselves() {
        let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
        let config = UNet::config(&[8, 4, 4]).channels(8).groups(4).dropout(0.5);
        let block = |name: &str| {
            let builder = store.builder().pp(name);
            Residual::new(&config, 8, 8, Resample::Keep, &builder).unwrap()
        };
        let blocks = [block("a"), block("b")];
        let mut rng = Generator::from_seed(1);
        let mut normal = |shape: &[usize]| rng.normal(shape, DType::F64, &Device::Cpu).unwrap();
        let weights = store.parameters();
        for (name, var) in weights.iter().filter(|(name, _)| name.starts_with("a.")) {
            let value = normal(var.dims());
            let twin = weights
                .iter()
                .find(|(other, _)| other[1..] == name[1..] && other != name);
            var.set(&value).unwrap();
            twin.unwrap().1.set(&value).unwrap();
        }
        let (x, embedding) = (normal(&[2, 8, 4, 4]), normal(&[2, 32]));
        let value = |block: &Residual, key| {
            let y: Tensor = block.forward(&x, &embedding, key).unwrap();
            y.flatten_all().unwrap().to_vec1::<f64>().unwrap()
        };
        assert_eq!(value(&blocks[0], None), value(&blocks[1], None));
        let key = Some(Key::from_seed(2));
        assert_eq!(value(&blocks[0], key), value(&blocks[0], key));
        assert_ne!(value(&blocks[0], key), value(&blocks[1], key));
    }
}
