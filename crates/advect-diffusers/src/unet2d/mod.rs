//! The unconditional and class-conditional U-Net of diffusers.

mod block_kind;
mod config;
mod down;
mod layer;
mod middle;
mod time;
mod up;

use advect_core::{Error, Result, check};
use advect_nn::{Activation, ConvolutionLayer, Cost, GroupNorm, Network, network_field};
use advect_ops::{Convolution, Value};
use candle_core::Tensor;
use candle_nn::VarBuilder;

use config::TimeKind;
pub use config::UNet2dConfig;
use down::Down;
use middle::Middle;
use time::{Classes, TimeInput, over_time};
use up::Up;

/// The U-Net that diffusers calls `UNet2DModel`: that of the published checkpoints of DDPM (Ho et al. 2020), score SDEs (NCSN++,
/// Song et al. 2021) and their successors. It is a [`Field`](advect_core::Field) on images `(batch, channels, height, width)` and, if it
/// has classes, a [`Conditional`](advect_core::Conditional) field on labels in `0..classes`.
///
/// Its parameters have the names and shapes of diffusers' state dicts, so that [`ParameterStore::load`](advect_nn::ParameterStore::load)
/// reads their files; [`published`](fn@crate::published) puts old names right. Its time is the network's own: a step from 0 to T − 1, or a
/// level of noise where features of time are those of its logarithm. [`Pipeline`](crate::Pipeline) translates it.
///
/// A network with classes has to be given labels: none of its labels means "none", unless [`UNet2d::null_class`] says which.
#[doc(alias = "UNet2DModel")]
#[doc(alias = "DDPM")]
#[doc(alias = "NCSN++")]
#[derive(Debug, Clone)]
pub struct UNet2d {
    config: UNet2dConfig,
    time: TimeInput,
    classes: Option<Classes>,
    null_class: Option<usize>,
    entry: ConvolutionLayer,
    down: Vec<Down>,
    middle: Option<Middle>,
    up: Vec<Up>,
    norm: GroupNorm,
    out: ConvolutionLayer,
}

impl UNet2d {
    fn build(config: &UNet2dConfig, builder: &VarBuilder<'_>) -> Result<Self> {
        let (widths, padded) = (&config.widths, Convolution::padded(1));
        let last = widths.len() - 1;
        let convolution = |inputs, outputs, name| {
            ConvolutionLayer::new(inputs, outputs, &[3, 3], padded, &builder.pp(name))
        };
        let entry = convolution(config.inputs, widths[0], "conv_in")?;
        let (mut width, mut skips, mut down) = (widths[0], vec![widths[0]], Vec::new());
        for (level, (&kind, &outputs)) in config.down.iter().zip(widths).enumerate() {
            let (builder, is_last) = (builder.pp("down_blocks").pp(level), level == last);
            down.push(Down::new(config, kind, width, outputs, is_last, &builder)?);
            width = outputs;
            let pushed = config.layers + usize::from(!is_last);
            skips.extend(std::iter::repeat_n(outputs, pushed));
        }
        let middle = |attends| Middle::new(config, attends, width, &builder.pp("mid_block"));
        let middle = config.middle.map(middle).transpose()?;
        let mut up = Vec::new();
        for (level, (&kind, &outputs)) in config.up.iter().zip(widths.iter().rev()).enumerate() {
            let (builder, is_last) = (builder.pp("up_blocks").pp(level), level == last);
            up.push(Up::new(
                config, kind, width, outputs, is_last, &mut skips, &builder,
            )?);
            width = outputs;
        }
        let classes = |count| Classes::new(count, config.time_features(), builder);
        let norm = GroupNorm::new(config.groups_of(width), width, &builder.pp("conv_norm_out"))?;
        Ok(UNet2d {
            time: TimeInput::new(config, builder)?,
            classes: config.classes.map(classes).transpose()?,
            null_class: None,
            entry,
            down,
            middle,
            up,
            norm: norm.epsilon(config.epsilon)?,
            out: convolution(width, config.outputs, "conv_out")?,
            config: config.clone(),
        })
    }

    /// Returns the configuration.
    pub fn config(&self) -> &UNet2dConfig {
        &self.config
    }

    /// Returns the same network on the parameters of another builder, such as averaged ones.
    ///
    /// # Errors
    /// Errors of the builder.
    #[doc(alias = "EMA")]
    pub fn on(&self, builder: &VarBuilder<'_>) -> Result<Self> {
        Ok(UNet2d {
            null_class: self.null_class,
            ..self.config.build(builder)?
        })
    }

    /// Returns the network with a label that means "none", often the last one, as in networks trained for classifier-free guidance.
    ///
    /// # Errors
    /// [`Error::Range`] for a label that the network does not have.
    #[doc(alias = "CFG")]
    #[doc(alias = "unconditional label")]
    pub fn null_class(self, label: usize) -> Result<Self> {
        let classes = self.classes.as_ref().map_or(0, Classes::count);
        if label >= classes {
            let accepted = format!("a label in 0..{classes}");
            return Err(Error::range("label", label, accepted));
        }
        Ok(UNet2d {
            null_class: Some(label),
            ..self
        })
    }

    /// Returns the cost: the number of parameters, and of operations for a sample of the configured size (0, if there
    /// is none).
    pub fn cost(&self) -> Cost {
        let mut size = self.config.size.unwrap_or([0, 0]).to_vec();
        let sized = self.config.size.is_some();
        let size = &mut size[..];
        let classes = self.classes.as_ref().map(Classes::cost);
        let mut cost = self.time.cost() + classes.unwrap_or_default() + self.entry.cost(size);
        for block in &self.down {
            cost = cost + block.cost(size);
        }
        let middle = self.middle.as_ref().map(|block| block.cost(size));
        cost = cost + middle.unwrap_or_default();
        for block in &self.up {
            cost = cost + block.cost(size);
        }
        cost = cost + self.norm.cost() + self.out.cost(size);
        if !sized {
            cost.operations = 0;
        }
        cost
    }

    /// Checks images. Returns how many there are.
    fn check(&self, x: &Tensor) -> Result<usize> {
        let batch = check::batch("x", x)?;
        let inputs = self.config.inputs;
        if x.rank() != 4 || x.dims()[1] != inputs {
            let accepted = format!("(batch, {inputs}, height, width)");
            return Err(Error::shape("x", x.dims(), accepted));
        }
        self.config.check_size(x.dims())?;
        check::same_kind("x", x, "the network", self.out.weight())?;
        Ok(batch)
    }

    /// The features of the classes of a batch.
    fn class_features(&self, labels: Option<&Tensor>, x: &Tensor) -> Result<Option<Tensor>> {
        let batch = x.dims()[0];
        match (&self.classes, labels) {
            (None, None) => Ok(None),
            (None, Some(_)) => {
                let accepted = "no condition, as this network has no classes";
                Err(Error::range("condition", "a tensor of labels", accepted))
            }
            (Some(classes), Some(labels)) => classes.of(labels, batch).map(Some),
            (Some(classes), None) => classes.of(&self.null_condition(x)?, batch).map(Some),
        }
    }
}

impl Network for UNet2d {
    /// Returns the output given labels, `(batch,)` of u8, u32 or i64 in `0..classes`, or none for a network without classes.
    fn forward<V: Value>(&self, t: &V, x: &V, labels: Option<&Tensor>) -> Result<V> {
        let batch = self.check(x.primal())?;
        let mut features = self.time.forward(t, x.primal())?;
        if let Some(class) = self.class_features(labels, x.primal())? {
            features = features.plus(&V::constant(class))?;
        }
        let features = self.config.activation.apply(&features)?;
        let features = match features.primal().dims() {
            &[1, count] if batch > 1 => {
                features.map_linear(|e| Ok(e.broadcast_as((batch, count))?.contiguous()?))?
            }
            _ => features,
        };
        let mut images = match self.config.centers {
            true => {
                let one = V::constant(x.primal().ones_like()?.neg()?);
                x.map_linear(|x| Ok((x * 2.0)?))?.plus(&one)?
            }
            false => x.clone(),
        };
        let mut h = self.entry.forward(&images)?;
        let mut skips = vec![h.clone()];
        for block in &self.down {
            (h, images) = block.forward(h, images, &features, &mut skips)?;
        }
        if let Some(middle) = &self.middle {
            h = middle.forward(&h, &features)?;
        }
        let mut sum = None;
        for block in &self.up {
            (h, sum) = block.forward(h, sum, &features, &mut skips)?;
        }
        let h = self.norm.forward(&h, Activation::Silu)?;
        let y = match &sum {
            Some(sum) => self.out.forward_onto(&h, sum)?,
            None => self.out.forward(&h)?,
        };
        match self.config.time {
            TimeKind::Fourier => over_time(&y, t),
            TimeKind::Positional { .. } => Ok(y),
        }
    }

    fn null_condition(&self, x: &Tensor) -> Result<Tensor> {
        let accepted =
            "labels: no class of this network means \"none\" (UNet2d::null_class names one)";
        match (&self.classes, self.null_class) {
            (Some(_), Some(label)) => Ok(Tensor::full(
                label as u32,
                check::batch("x", x)?,
                x.device(),
            )?),
            (Some(_), None) => Err(Error::range("condition", "none", accepted)),
            (None, _) => {
                let accepted = "a network with classes";
                Err(Error::range(
                    "condition",
                    "a network without classes",
                    accepted,
                ))
            }
        }
    }
}
network_field!(UNet2d);
