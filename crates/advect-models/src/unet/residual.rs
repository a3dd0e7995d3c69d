//! The residual blocks of a U-Net.

use advect_core::Result;
use advect_nn::{ConvolutionLayer, GroupNorm, Linear, ResamplingFilter};
use advect_ops::Convolution;
use candle_nn::VarBuilder;

use super::UNetConfig;
use crate::resample::Resample;
use crate::residual::Residual;

/// Creates a block with the names of Dhariwal and Nichol.
pub(super) fn block(
    config: &UNetConfig,
    inputs: usize,
    outputs: usize,
    resample: Resample,
    builder: &VarBuilder<'_>,
) -> Result<Residual> {
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
        filter: ResamplingFilter::mean(),
        scale_shift: config.scale_shift,
        scale: 1.0,
        dropout: (config.dropout, builder.prefix()),
    })
}

#[cfg(test)]
mod tests {
    use advect_core::{Generator, Key};
    use candle_core::{DType, Device, Tensor};

    use super::*;
    use advect_nn::ParameterStore;

    use crate::UNet;

    /// Blocks with the same parameters, under two names.
    #[test]
    fn blocks_drop_for_themselves() {
        let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
        let config = UNet::config(&[8, 4, 4]).channels(8).groups(4).dropout(0.5);
        let named = |name: &str| {
            let builder = store.builder().pp(name);
            block(&config, 8, 8, Resample::Keep, &builder).unwrap()
        };
        let blocks = [named("a"), named("b")];
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
