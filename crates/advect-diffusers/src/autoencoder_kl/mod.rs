//! The variational autoencoder of latent diffusion.

mod config;
mod decoder;
mod encoder;
mod latent_gaussian;
mod middle;

use advect_core::{Error, Result, check};
use advect_nn::{ConvolutionLayer, Cost};
use advect_ops::{Convolution, Value};
use candle_core::{Device, Tensor};
use candle_nn::VarBuilder;

pub use config::AutoencoderKlConfig;
use decoder::Decoder;
use encoder::Encoder;
pub use latent_gaussian::LatentGaussian;

/// The variational autoencoder that diffusers calls `AutoencoderKL` (Rombach et al. 2022, section 3.1): images `(batch,
/// channels, height, width)` from −1 to 1 become latents that are smaller by [`factor`](AutoencoderKlConfig::factor)
/// along each side, and the other way round.
///
/// Its parameters have the names and shapes of diffusers' state dicts, so that [`ParameterStore::load`](advect_nn::ParameterStore::load)
/// reads their files; [`published`](crate::published) puts old names right.
///
/// ```
/// use advect_core::{Generator, Key};
/// use advect_diffusers::{AutoencoderKlConfig, Config};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let text = r#"{"block_out_channels": [8, 8], "norm_num_groups": 4, "scaling_factor": 0.5, "sample_size": 8,
///     "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"]}"#;
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let vae = AutoencoderKlConfig::new(Config::parse("vae/config.json", text)?)?.build(&store.builder())?;
/// let mut rng = Generator::from_seed(1);
/// let images = rng.normal((2, 3, 8, 8), DType::F32, &Device::Cpu)?;
/// let latents = vae.normalize(&vae.encode(&images)?.sample(&mut rng)?)?;
/// assert_eq!(latents.dims(), [2, 4, 4, 4]);
/// assert_eq!(vae.decode(&vae.denormalize(&latents)?)?.dims(), [2, 3, 8, 8]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "AutoencoderKL")]
#[doc(alias = "VAE")]
#[doc(alias = "latent diffusion")]
#[derive(Debug, Clone)]
pub struct AutoencoderKl {
    config: AutoencoderKlConfig,
    encoder: Encoder,
    after_encoder: Option<ConvolutionLayer>,
    before_decoder: Option<ConvolutionLayer>,
    decoder: Decoder,
}

impl AutoencoderKl {
    fn build(config: &AutoencoderKlConfig, builder: &VarBuilder<'_>) -> Result<Self> {
        let pointwise = |exists, channels, name| -> Result<Option<ConvolutionLayer>> {
            let (plain, builder) = (Convolution::padded(0), builder.pp(name));
            match exists {
                true => {
                    let ends = [channels; 2];
                    let layer = ConvolutionLayer::new(ends[0], ends[1], &[1, 1], plain, &builder)?;
                    Ok(Some(layer))
                }
                false => Ok(None),
            }
        };
        let [after, before] = config.quantizes;
        Ok(AutoencoderKl {
            encoder: Encoder::new(config, &builder.pp("encoder"))?,
            decoder: Decoder::new(config, &builder.pp("decoder"))?,
            after_encoder: pointwise(after, 2 * config.latents, "quant_conv")?,
            before_decoder: pointwise(before, config.latents, "post_quant_conv")?,
            config: config.clone(),
        })
    }

    /// Returns the configuration.
    pub fn config(&self) -> &AutoencoderKlConfig {
        &self.config
    }

    /// Returns the same autoencoder on the parameters of another builder, such as averaged ones.
    ///
    /// # Errors
    /// Errors of the builder.
    pub fn on(&self, builder: &VarBuilder<'_>) -> Result<Self> {
        self.config.build(builder)
    }

    /// Returns the law of the latents of images.
    ///
    /// # Errors
    /// As [`AutoencoderKl::moments`].
    pub fn encode(&self, x: &Tensor) -> Result<LatentGaussian> {
        LatentGaussian::new(&self.moments(x)?)
    }

    /// Returns the moments of the latents of images: means, then logarithms of variances, `(batch, 2 latent channels,
    /// height / factor, width / factor)`.
    ///
    /// # Errors
    /// [`Error`] naming `x` unless it is a batch of images like the network's parameters, whose heights and widths the
    /// factor divides.
    pub fn moments<V: Value>(&self, x: &V) -> Result<V> {
        let factor = self.config.factor();
        self.check("x", x.primal(), self.config.inputs, factor)?;
        let h = self.encoder.forward(x)?;
        match &self.after_encoder {
            Some(layer) => layer.forward(&h),
            None => Ok(h),
        }
    }

    /// Returns the images of latents `(batch, latent channels, height, width)`.
    ///
    /// # Errors
    /// [`Error`] naming `z` unless it is a batch of latents like the network's parameters.
    pub fn decode<V: Value>(&self, z: &V) -> Result<V> {
        self.check("z", z.primal(), self.config.latents, 1)?;
        match &self.before_decoder {
            Some(layer) => self.decoder.forward(&layer.forward(z)?),
            None => self.decoder.forward(z),
        }
    }

    /// Returns latents in the form that a diffusion model of them sees: `(z − shift_factor) · scaling_factor`, or with
    /// the means and standard deviations of each channel, if the configuration has `latents_mean` and `latents_std`:
    /// `(z − mean) · scaling_factor / std`.
    ///
    /// # Errors
    /// As [`AutoencoderKl::decode`].
    #[doc(alias = "scaling_factor")]
    #[doc(alias = "shift_factor")]
    pub fn normalize(&self, z: &Tensor) -> Result<Tensor> {
        let (mean, deviation) = self.scaling(z)?;
        Ok(z.broadcast_sub(&mean)?.broadcast_div(&deviation)?)
    }

    /// Returns the decoder's input for latents that a diffusion model drew: the inverse of
    /// [`AutoencoderKl::normalize`].
    ///
    /// # Errors
    /// As [`AutoencoderKl::decode`].
    pub fn denormalize(&self, z: &Tensor) -> Result<Tensor> {
        let (mean, deviation) = self.scaling(z)?;
        Ok(z.broadcast_mul(&deviation)?.broadcast_add(&mean)?)
    }

    /// Returns the cost of encoding and decoding: the number of parameters, and of operations for an image of the
    /// configured size.
    pub fn cost(&self) -> Cost {
        let mut size = self.config.size;
        let encoder = self.encoder.cost(&mut size);
        let layers = self.after_encoder.iter().chain(&self.before_decoder);
        let layers = layers.fold(encoder, |cost, layer| cost + layer.cost(&mut size));
        layers + self.decoder.cost(&mut size)
    }

    /// The means and standard deviations of the channels of latents, for broadcasting.
    fn scaling(&self, z: &Tensor) -> Result<(Tensor, Tensor)> {
        self.check("z", z, self.config.latents, 1)?;
        let column = |numbers: &[f64]| -> Result<Tensor> {
            let column = Tensor::from_slice(numbers, (1, numbers.len(), 1, 1), &Device::Cpu)?;
            Ok(column.to_dtype(z.dtype())?.to_device(z.device())?)
        };
        Ok((column(&self.config.mean)?, column(&self.config.deviation)?))
    }

    fn check(
        &self,
        argument: &'static str,
        x: &Tensor,
        channels: usize,
        factor: usize,
    ) -> Result<()> {
        check::batch(argument, x)?;
        let fits = |&size: &usize| size > 0 && size.is_multiple_of(factor);
        if x.rank() != 4 || x.dims()[1] != channels || !x.dims()[2..].iter().all(fits) {
            let sides = match factor {
                1 => String::new(),
                factor => format!(" with heights and widths divisible by {factor}"),
            };
            let accepted = format!("(batch, {channels}, height, width){sides}");
            return Err(Error::shape(argument, x.dims(), accepted));
        }
        check::same_kind(argument, x, "the autoencoder", self.decoder.parameter())
    }
}
