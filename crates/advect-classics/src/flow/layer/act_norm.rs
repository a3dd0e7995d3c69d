//! Scales and shifts of channels (Kingma and Dhariwal 2018, "Glow: generative flow with invertible 1×1 convolutions", section 3.1).

use advect_core::{Error, Result, check, shape};
use advect_nn::Builder;
use candle_core::{Tensor, Var};

use super::check_channels;
use crate::flow::{Bijection, Layout};

/// A learned scale and shift of each channel, `y = x e^s + m`. A first batch of data sets them such that noise has mean 0 and variance 1 in each channel
/// ([`Bijection::initialize`]). For lists of numbers it is the normal law with independent elements.
///
/// Glow writes the same map the other way, from data to noise.
///
/// ```
/// use advect_classics::flow::{ActNorm, Bijection};
/// use advect_core::Key;
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let layer = ActNorm::new(1, &store.builder())?;
/// let data = Tensor::new(&[[1f64], [5.0]], &Device::Cpu)?;
/// let noise = layer.initialize(&data, None)?.to_vec2::<f64>()?;
/// assert!((noise[0][0] + 1.0).abs() < 1e-12 && (noise[1][0] - 1.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ActNorm {
    log_scale: Tensor,
    shift: Tensor,
}

/// The least variance that is made 1.
const LEAST: f64 = 1e-12;

impl ActNorm {
    /// Creates the identity, with parameters `log_scale` and `shift`, `(channels,)`.
    ///
    /// # Errors
    /// [`Error::Range`] without channels; errors of the builder.
    pub fn new(channels: usize, builder: &Builder) -> Result<Self> {
        check::at_least_one("channels", channels)?;
        let zeros = |name| builder.get_with_hints(channels, name, candle_nn::init::ZERO);
        Ok(ActNorm {
            log_scale: zeros("log_scale")?,
            shift: zeros("shift")?,
        })
    }

    fn channels(&self) -> usize {
        self.shift.dims()[0]
    }

    /// Scales and shifts as they broadcast over samples, and the sum of the scales' logarithms for each sample.
    fn parts(&self, argument: &'static str, x: &Tensor) -> Result<[Tensor; 3]> {
        let (batch, places) = check_channels(argument, x, self.channels())?;
        check::same_kind(argument, x, "the layer", &self.shift)?;
        let mut dims = vec![1; x.rank()];
        dims[1] = self.channels();
        let total = (self.log_scale.sum_all()? * places as f64)?;
        Ok([
            self.log_scale.reshape(dims.as_slice())?,
            self.shift.reshape(dims)?,
            total.broadcast_as(batch)?,
        ])
    }
}

impl Bijection for ActNorm {
    fn forward_given(&self, x: &Tensor, _: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let [scale, shift, total] = self.parts("x", x)?;
        Ok((
            x.broadcast_mul(&scale.exp()?)?.broadcast_add(&shift)?,
            total,
        ))
    }

    fn inverse_given(&self, y: &Tensor, _: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let [scale, shift, total] = self.parts("y", y)?;
        let x = y.broadcast_sub(&shift)?.broadcast_div(&scale.exp()?)?;
        Ok((x, total.neg()?))
    }

    /// Returns the layout unchanged: no element is a function of others.
    fn latent(&self, data: &Layout) -> Result<Layout> {
        let mut accepted = data.shape().to_vec();
        match accepted.first_mut() {
            Some(channels) => *channels = self.channels(),
            None => accepted = vec![self.channels()],
        }
        data.check(&accepted)?;
        Ok(data.clone())
    }

    /// Sets shifts to the means, and scales to the standard deviations, of the channels.
    ///
    /// # Errors
    /// As [`Bijection::inverse_given`]; [`Error::Range`] for parameters that are frozen.
    fn initialize(&self, y: &Tensor, _: Option<&Tensor>) -> Result<Tensor> {
        let (batch, places) = check_channels("y", y, self.channels())?;
        check::same_kind("y", y, "the layer", &self.shift)?;
        check::finite("y", y)?;
        if !self.shift.is_variable() || !self.log_scale.is_variable() {
            let accepted = "parameters of a store that is trained";
            return Err(Error::range("the layer", "frozen parameters", accepted));
        }
        let columns = y.detach().reshape((batch, self.channels(), places))?;
        let columns = shape::wide(&columns.transpose(0, 1)?.contiguous()?.flatten_from(1)?)?;
        let mean = columns.mean_keepdim(1)?;
        let variance = columns.broadcast_sub(&mean)?.sqr()?.mean(1)?;
        let log_scale = (variance.clamp(LEAST, f64::MAX)?.log()? * 0.5)?;
        let set = |parameter: &Tensor, value: &Tensor| {
            Var::from_tensor(parameter)?.set(&value.to_dtype(parameter.dtype())?)
        };
        set(&self.shift, &mean.squeeze(1)?)?;
        set(&self.log_scale, &log_scale)?;
        Ok(self.inverse_given(y, None)?.0.detach())
    }
}
