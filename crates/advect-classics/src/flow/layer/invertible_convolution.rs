//! Invertible 1 × 1 convolutions (Kingma and Dhariwal 2018, section 3.2).

use advect_core::{Key, Result, check};
use advect_nn::Builder;
use candle_core::{DType, Device, Tensor};

use super::{Permutation, check_channels};
use crate::flow::{Bijection, Layout, matrix};

/// The channels of each place times a matrix, `x = W y` from data y to noise x, with `W = P L (U + diag e^s)`: a fixed permutation P, L lower triangular with a diagonal of
/// ones, U strictly upper triangular. Its log-determinant is `Σ s` for each place. For lists of numbers it is a learned linear map.
///
/// L and `U + diag e^s` begin as the identity, so that W begins as a random permutation, where Glow begins with a random rotation; all determinants have the sign of P.
///
/// ```
/// use advect_classics::flow::{Bijection, InvertibleConvolution};
/// use advect_core::Key;
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let layer = InvertibleConvolution::new(3, Key::from_seed(1), &store.builder())?;
/// let image = Tensor::ones((2, 3, 4, 4), DType::F64, &Device::Cpu)?;
/// let (noise, log_determinant) = layer.inverse(&image)?;
/// assert_eq!(noise.dims(), image.dims());
/// assert_eq!(log_determinant.to_vec1::<f64>()?, [0.0; 2]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Glow")]
#[doc(alias = "1x1 convolution")]
#[derive(Debug, Clone)]
pub struct InvertibleConvolution {
    permutation: Tensor,
    lower: Tensor,
    upper: Tensor,
    log_scale: Tensor,
}

/// A matrix `(n, n)` of ones where a function of row and column is true.
fn pattern(n: usize, one: impl Fn(usize, usize) -> bool, like: &Tensor) -> Result<Tensor> {
    let value = |k: usize| f64::from(u8::from(one(k / n, k % n)));
    let values: Vec<f64> = (0..n * n).map(value).collect();
    let pattern = Tensor::from_vec(values, (n, n), &Device::Cpu)?;
    Ok(pattern.to_dtype(like.dtype())?.to_device(like.device())?)
}

impl InvertibleConvolution {
    /// Creates the layer with a permutation that is drawn from a key, and parameters `lower` and `upper`, `(channels, channels)`, and `log_scale`, `(channels,)`. A
    /// frozen twin needs the same key.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) without channels; errors of the builder.
    pub fn new(channels: usize, key: Key, builder: &Builder) -> Result<Self> {
        check::at_least_one("channels", channels)?;
        let zeros =
            |name| builder.get_with_hints((channels, channels), name, candle_nn::init::ZERO);
        let log_scale = builder.get_with_hints(channels, "log_scale", candle_nn::init::ZERO)?;
        let permutation = Permutation::random(channels, key)?;
        let order = permutation.order();
        Ok(InvertibleConvolution {
            permutation: pattern(channels, |i, j| order[i] == j, &log_scale)?,
            lower: zeros("lower")?,
            upper: zeros("upper")?,
            log_scale,
        })
    }

    /// Returns W, `(channels, channels)`, which takes data to noise.
    ///
    /// # Errors
    /// Errors of candle.
    pub fn weight(&self) -> Result<Tensor> {
        let n = self.log_scale.dims()[0];
        let like = &self.log_scale;
        let eye = Tensor::eye(n, DType::F64, &Device::Cpu)?.to_dtype(like.dtype())?;
        let eye = eye.to_device(like.device())?;
        let lower = ((&self.lower * pattern(n, |i, j| i > j, like)?)? + &eye)?;
        let diagonal = eye.broadcast_mul(&like.exp()?.unsqueeze(0)?)?;
        let upper = ((&self.upper * pattern(n, |i, j| i < j, like)?)? + diagonal)?;
        Ok(self.permutation.matmul(&lower)?.matmul(&upper)?)
    }

    /// A matrix times the channels, and the log-determinant of W for each sample.
    fn multiply(&self, argument: &'static str, x: &Tensor, matrix: &Tensor) -> Result<[Tensor; 2]> {
        let channels = self.log_scale.dims()[0];
        let (batch, places) = check_channels(argument, x, channels)?;
        check::same_kind(argument, x, "the layer", matrix)?;
        let columns = x.reshape((batch, channels, places))?;
        let matrix = matrix
            .unsqueeze(0)?
            .broadcast_as((batch, channels, channels))?;
        let y = matrix
            .contiguous()?
            .matmul(&columns.contiguous()?)?
            .reshape(x.shape())?;
        let total = (self.log_scale.sum_all()? * places as f64)?;
        Ok([y, total.broadcast_as(batch)?])
    }
}

impl Bijection for InvertibleConvolution {
    fn forward_given(&self, x: &Tensor, _: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let inverse = matrix::inverse("weight", &self.weight()?)?;
        let [y, total] = self.multiply("x", x, &inverse)?;
        Ok((y, total.neg()?))
    }

    fn inverse_given(&self, y: &Tensor, _: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let [x, total] = self.multiply("y", y, &self.weight()?)?;
        Ok((x, total))
    }

    /// Returns a layout in which the elements of a place are changed if one of them was, as each becomes a combination of all.
    fn latent(&self, data: &Layout) -> Result<Layout> {
        let channels = self.log_scale.dims()[0];
        let mut accepted = data.shape().to_vec();
        match accepted.first_mut() {
            Some(first) => *first = channels,
            None => accepted = vec![channels],
        }
        data.check(&accepted)?;
        let places = data.changed().len() / channels;
        let any = |p: usize| (0..channels).any(|c| data.changed()[c * places + p]);
        let changed = (0..data.changed().len()).map(|k| any(k % places)).collect();
        data.clone().with_changed(changed)
    }
}
