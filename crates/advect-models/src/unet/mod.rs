//! The U-Net of diffusion models as a field.

mod attention;
mod config;
mod layer;
mod residual;

use advect_core::{Error, Key, Result, check};
use advect_nn::{
    Activation, ClassEmbedding, ConvolutionLayer, Cost, GroupNorm, Linear, Network, NoClass,
    TimeEmbedding, network_field,
};
use advect_ops::{Convolution, Value};
use candle_core::Tensor;
use candle_nn::VarBuilder;

use crate::features::for_each_sample;
use crate::resample::Resample;
use attention::Attention;
pub use config::UNetConfig;
use layer::Layer;
use residual::block;

/// A U-Net (Ronneberger et al. 2015) with residual blocks, attention and features of time (Ho et al. 2020, appendix B;
/// Dhariwal and Nichol 2021, section 3): a [`Field`](advect_core::Field) on images `(batch, channels, height, width)`
/// or sequences `(batch, channels, length)` and, if it has classes, a [`Conditional`](advect_core::Conditional) field
/// on class labels.
///
/// It is the network that `torchcfm` and `guided-diffusion` call `UNetModel`. Its parameters have the same names and
/// shapes, so that [`ParameterStore::load`](advect_nn::ParameterStore::load) reads their state dicts from a file of
/// safetensors or of PyTorch. Images may have other sizes than the configured one, as long as they can be halved as
/// often.
///
/// Label `classes` means "none": then nothing is added to the features of time. Evaluation as a plain field uses it.
///
/// ```
/// use advect_core::{Conditional, Field, Key, Time};
/// use advect_models::UNet;
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let net = UNet::config(&[1, 8, 8])
///     .channels(32)
///     .multipliers(&[1.0, 2.0])
///     .attention(&[4])
///     .heads(4)
///     .classes(10)
///     .build(&store.builder())?;
/// let x = Tensor::ones((3, 1, 8, 8), DType::F32, &Device::Cpu)?;
/// let labels = Tensor::new(&[7u32, 1, 10], &Device::Cpu)?;
/// let velocity = net.given(&labels).at(&Time::Shared(0.5), &x)?;
/// // Its last layer begins as zeros.
/// assert_eq!(velocity.flatten_all()?.to_vec1::<f32>()?, [0.0; 3 * 64]);
/// assert!(store.parameters().iter().any(|(name, _)| name == "input_blocks.1.0.in_layers.2.weight"));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "U-Net")]
#[doc(alias = "ADM")]
#[doc(alias = "guided-diffusion")]
#[doc(alias = "UNetModel")]
#[doc(alias = "DDPM")]
#[derive(Debug, Clone)]
pub struct UNet {
    config: UNetConfig,
    time: [Linear; 2],
    classes: Option<ClassEmbedding>,
    down: Vec<Vec<Layer>>,
    middle: Vec<Layer>,
    up: Vec<Vec<Layer>>,
    norm: GroupNorm,
    out: ConvolutionLayer,
    dropping: Option<Key>,
}

impl UNet {
    /// Creates a configuration for images `[channels, height, width]` or sequences `[channels, length]`.
    pub fn config(dim: &[usize]) -> UNetConfig {
        UNetConfig::new(dim)
    }

    fn build(config: &UNetConfig, builder: &VarBuilder<'_>) -> Result<Self> {
        let (dims, features) = (config.dim.len() - 1, 4 * config.channels);
        let (kernel, padded) = (vec![3; dims], Convolution::padded(1));
        let halves = Convolution {
            stride: [2, 2],
            ..padded
        };
        let time = builder.pp("time_embed");
        let time = [
            Linear::new(config.channels, features, &time.pp(0))?,
            Linear::new(features, features, &time.pp(2))?,
        ];
        let classes = match config.classes {
            0 => None,
            classes => {
                let (none, builder) = (NoClass::Zero, builder.pp("label_emb"));
                let embedding = ClassEmbedding::new(classes, features, none, "weight", &builder)?;
                Some(embedding)
            }
        };
        let residual = |inputs, outputs, resample, builder: &VarBuilder<'_>| -> Result<Layer> {
            let block = block(config, inputs, outputs, resample, builder)?;
            Ok(Layer::Residual(Box::new(block)))
        };
        let attention = |heads, channels, builder: &VarBuilder<'_>| -> Result<Layer> {
            Ok(Layer::Attention(Attention::new(
                config, heads, channels, builder,
            )?))
        };
        let widths = config.widths();
        let last = widths.len() - 1;

        let blocks = builder.pp("input_blocks");
        let mut width = widths[0];
        let entry = blocks.pp("0.0");
        let entry = ConvolutionLayer::new(config.dim[0], width, &kernel, padded, &entry)?;
        let mut down = vec![vec![Layer::Convolution(entry)]];
        let mut skips = vec![width];
        for (level, &outputs) in widths.iter().enumerate() {
            for _ in 0..config.blocks {
                let here = blocks.pp(down.len());
                let mut layers = vec![residual(width, outputs, Resample::Keep, &here.pp(0))?];
                width = outputs;
                if config.attends(level) {
                    layers.push(attention(config.heads, width, &here.pp(1))?);
                }
                down.push(layers);
                skips.push(width);
            }
            if level < last {
                let here = blocks.pp(down.len()).pp(0);
                down.push(vec![match config.resample_in_blocks {
                    true => residual(width, width, Resample::Halve, &here)?,
                    false => {
                        let here = here.pp("op");
                        let layer = ConvolutionLayer::new(width, width, &kernel, halves, &here)?;
                        Layer::Convolution(layer)
                    }
                }]);
                skips.push(width);
            }
        }

        let here = builder.pp("middle_block");
        let middle = vec![
            residual(width, width, Resample::Keep, &here.pp(0))?,
            attention(config.heads, width, &here.pp(1))?,
            residual(width, width, Resample::Keep, &here.pp(2))?,
        ];

        let blocks = builder.pp("output_blocks");
        let heads = config.heads_up();
        let mut up = Vec::new();
        for (level, &outputs) in widths.iter().enumerate().rev() {
            for i in 0..=config.blocks {
                let here = blocks.pp(up.len());
                let inputs = width + skips.pop().unwrap_or(0);
                let mut layers = vec![residual(inputs, outputs, Resample::Keep, &here.pp(0))?];
                width = outputs;
                if config.attends(level) {
                    layers.push(attention(heads, width, &here.pp(layers.len()))?);
                }
                if level > 0 && i == config.blocks {
                    let here = here.pp(layers.len());
                    layers.push(match config.resample_in_blocks {
                        true => residual(width, width, Resample::Double, &here)?,
                        false => {
                            let here = here.pp("conv");
                            let layer =
                                ConvolutionLayer::new(width, width, &kernel, padded, &here)?;
                            Layer::Upsample(layer)
                        }
                    });
                }
                up.push(layers);
            }
        }
        let out = builder.pp("out");
        Ok(UNet {
            time,
            classes,
            down,
            middle,
            up,
            norm: GroupNorm::new(config.groups, width, &out.pp(0))?,
            out: ConvolutionLayer::zero(width, config.outputs, &kernel, padded, &out.pp(2))?,
            config: config.clone(),
            dropping: None,
        })
    }

    /// Returns the same network on the parameters of another builder, such as averaged ones.
    ///
    /// # Errors
    /// Errors of the builder.
    #[doc(alias = "EMA")]
    pub fn on(&self, builder: &VarBuilder<'_>) -> Result<Self> {
        self.config.build(builder)
    }

    /// Returns the network in training mode, with dropout. The key determines which features are dropped, so that the
    /// same key drops the same ones. Without this, nothing is dropped.
    ///
    /// ```
    /// use advect_core::{Field, Generator, Key, Time};
    /// use advect_models::UNet;
    /// use advect_nn::ParameterStore;
    /// use candle_core::{DType, Device};
    /// # fn main() -> advect_core::Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
    /// let config = UNet::config(&[1, 4, 4]).channels(32).multipliers(&[1.0]).dropout(0.1);
    /// let net = config.build(&store.builder())?;
    /// let mut rng = Generator::from_seed(1);
    /// let x = rng.normal((2, 1, 4, 4), DType::F32, &Device::Cpu)?;
    /// let for_this_step = net.dropping(rng.split());
    /// assert_eq!(for_this_step.at(&Time::Shared(0.5), &x)?.dims(), x.dims());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "dropout")]
    pub fn dropping(&self, key: Key) -> Self {
        UNet {
            dropping: Some(key),
            ..self.clone()
        }
    }

    /// Returns the cost: the number of parameters, and of operations for a sample of the size that the network was
    /// configured for.
    pub fn cost(&self) -> Cost {
        let mut size = self.config.dim[1..].to_vec();
        let classes = self.classes.as_ref().map(ClassEmbedding::cost);
        let mut cost = classes.unwrap_or_default() + self.time[0].cost() + self.time[1].cost();
        let blocks = self.down.iter().chain([&self.middle]).chain(&self.up);
        for layer in blocks.flatten() {
            cost = cost + layer.cost(&mut size);
        }
        cost + self.norm.cost() + self.out.cost(&mut size)
    }

    /// Checks images or sequences. Returns how many there are.
    fn check(&self, x: &Tensor) -> Result<usize> {
        let batch = check::batch("x", x)?;
        let dim = &self.config.dim;
        if x.rank() != dim.len() + 1 || x.dims()[1] != dim[0] {
            let sizes = ["(batch, {}, length)", "(batch, {}, height, width)"];
            let accepted = sizes[dim.len() - 2].replace("{}", &dim[0].to_string());
            return Err(Error::shape("x", x.dims(), accepted));
        }
        self.config.check_size("x", x.dims())?;
        check::same_kind("x", x, "the network", self.out.weight())?;
        Ok(batch)
    }
}

impl Network for UNet {
    /// Returns the output given labels, `(batch,)` of u8, u32 or i64 in `0..=classes`, weights of classes, `(batch, classes)`, or none.
    fn forward<V: Value>(&self, t: &V, x: &V, labels: Option<&Tensor>) -> Result<V> {
        let batch = self.check(x.primal())?;
        let t = match self.config.time_scale {
            1.0 => t.clone(),
            factor => t.map_linear(|t| Ok((t * factor)?))?,
        };
        let features = self.config.channels;
        let time = TimeEmbedding::Sinusoidal { features }.embed(&t, x.primal())?;
        let embedding = self.time[0].activated(&time, Activation::Silu)?;
        let mut embedding = self.time[1].forward(&embedding)?;
        if let Some(class) = ClassEmbedding::of(self.classes.as_ref(), x.primal(), labels)? {
            embedding = embedding.plus(&V::constant(class))?;
        }
        let embedding = Activation::Silu.apply(&embedding)?;
        let embedding = for_each_sample(embedding, batch)?;
        let run = |layers: &[Layer], x: V| {
            (layers.iter()).try_fold(x, |x, layer| layer.forward(&x, &embedding, self.dropping))
        };
        let mut h = x.clone();
        let mut skips = Vec::with_capacity(self.down.len());
        for layers in &self.down {
            h = run(layers, h)?;
            skips.push(h.clone());
        }
        h = run(&self.middle, h)?;
        for layers in &self.up {
            if let Some(skip) = skips.pop() {
                h = V::concatenate(&[&h, &skip], 1)?;
            }
            h = run(layers, h)?;
        }
        self.out.forward(&self.norm.forward(&h, Activation::Silu)?)
    }

    fn null_condition(&self, x: &Tensor) -> Result<Tensor> {
        ClassEmbedding::no_labels(self.classes.as_ref(), x)
    }
}
network_field!(UNet);
