//! Multi-scale layers, which leave some channels to the noise early (Dinh et al. 2017, section 3.6; Kingma and Dhariwal
//! 2018, "Glow: generative flow with invertible 1×1 convolutions", figure 2).

use advect_core::{Error, Result, check};
use candle_core::Tensor;

use super::check_samples;
use crate::flow::{Bijection, Layout};

/// A map of the first channels of a sample; the other channels are part of the noise already, and layers at coarser scales leave them alone. Noise is a row of numbers, first those
/// of the inner map's noise.
///
/// Glow is nested: layers after a [`Squeeze`](super::Squeeze), and before them a `MultiScale` of half of the channels with the same again inside.
///
/// ```
/// use advect_classics::flow::{ActNorm, Bijection, Composition, InvertibleConvolution, MultiScale, NormalizingFlow, Squeeze};
/// use advect_core::{Generator, Key};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let (store, key) = (ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu), Key::from_seed(1));
/// let step = |channels: usize, name: &str| -> advect_core::Result<Vec<Box<dyn Bijection>>> {
///     let builder = store.builder().pp(name);
///     let mixed = InvertibleConvolution::new(channels, key.named(name), &builder.pp("conv"))?;
///     Ok(vec![Box::new(mixed), Box::new(ActNorm::new(channels, &builder.pp("norm"))?)])
/// };
/// // Images of 4 × 4: four channels of 2 × 2 pixels, of which two become eight of one pixel.
/// let mut coarse = step(8, "coarse")?;
/// coarse.push(Box::new(Squeeze));
/// let coarse = Composition::new(&[2, 2, 2], coarse)?;
/// let mut layers: Vec<Box<dyn Bijection>> = vec![Box::new(MultiScale::new(&[4, 2, 2], 2, coarse)?)];
/// layers.append(&mut step(4, "fine")?);
/// layers.push(Box::new(Squeeze));
/// let flow = NormalizingFlow::new(&[1, 4, 4], Composition::new(&[1, 4, 4], layers)?)?;
/// let noise = flow.noise(2, DType::F64, &Device::Cpu, &mut Generator::from_seed(2))?;
/// let (images, log_density) = flow.transform(&noise)?;
/// assert_eq!((noise.dims(), images.dims()), (&[2, 16][..], &[2, 1, 4, 4][..]));
/// let difference = (flow.log_density(&images)? - log_density)?.abs()?.sum_all()?.to_scalar::<f64>()?;
/// assert!(difference < 1e-12);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Glow")]
#[doc(alias = "factor out")]
#[doc(alias = "Split")]
#[derive(Debug, Clone)]
pub struct MultiScale<B> {
    inner: B,
    shape: Vec<usize>,
    channels: usize,
    noise: Vec<usize>,
}

impl<B: Bijection> MultiScale<B> {
    /// Creates the map of data of a shape, `(channels, ...)`, whose first `channels` channels go through an inner map.
    ///
    /// # Errors
    /// [`Error::Range`] unless `channels` is between 1 and one less than there are; [`Error::Shape`] for channels that the inner map does not take.
    pub fn new(shape: &[usize], channels: usize, inner: B) -> Result<Self> {
        let all = shape.first().copied().unwrap_or(0);
        if channels == 0 || channels >= all {
            let accepted = format!("at least 1 and less than the {all} channels of data");
            return Err(Error::range("channels", channels, accepted));
        }
        let part = [&[channels], &shape[1..]].concat();
        let noise = inner.latent(&Layout::new(&part))?.shape().to_vec();
        Ok(MultiScale {
            inner,
            shape: shape.to_vec(),
            channels,
            noise,
        })
    }

    /// The number of elements of the inner map's noise, which is also that of its data.
    fn size(&self) -> usize {
        self.noise.iter().product()
    }

    /// The channels of the inner map, and the others as rows.
    fn parts(&self, y: &Tensor) -> Result<(Tensor, Tensor)> {
        let batch = check_samples("y", y, &self.shape)?;
        let rest = self.shape[0] - self.channels;
        let rest = y.narrow(1, self.channels, rest)?.contiguous()?;
        let first = y.narrow(1, 0, self.channels)?.contiguous()?;
        Ok((first, rest.reshape((batch, ()))?))
    }

    /// A row of noise for each sample.
    fn rows(inner: &Tensor, rest: &Tensor) -> Result<Tensor> {
        let inner = inner.reshape((rest.dims()[0], ()))?;
        Ok(Tensor::cat(&[&inner, rest], 1)?)
    }
}

impl<B: Bijection> Bijection for MultiScale<B> {
    fn forward_given(&self, x: &Tensor, condition: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let (count, size) = (self.shape.iter().product::<usize>(), self.size());
        let batch = check_samples("x", x, &[count])?;
        let inner = x.narrow(1, 0, size)?.contiguous()?;
        let inner = inner.reshape([&[batch], &self.noise[..]].concat())?;
        let (first, log_determinant) = self.inner.forward_given(&inner, condition)?;
        let mut dims = [&[batch], &self.shape[..]].concat();
        dims[1] -= self.channels;
        let rest = x.narrow(1, size, count - size)?.contiguous()?;
        let y = Tensor::cat(&[&first, &rest.reshape(dims)?], 1)?;
        Ok((y, log_determinant))
    }

    fn inverse_given(&self, y: &Tensor, condition: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let (first, rest) = self.parts(y)?;
        let (inner, log_determinant) = self.inner.inverse_given(&first, condition)?;
        Ok((Self::rows(&inner, &rest)?, log_determinant))
    }

    fn latent(&self, data: &Layout) -> Result<Layout> {
        data.check(&self.shape)?;
        let part = [&[self.channels], &self.shape[1..]].concat();
        let (first, rest) = data.changed().split_at(self.size());
        let inner = Layout::new(&part).with_changed(first.to_vec())?;
        let changed = [self.inner.latent(&inner)?.changed(), rest].concat();
        Layout::new(&[changed.len()]).with_changed(changed)
    }

    fn initialize(&self, y: &Tensor, condition: Option<&Tensor>) -> Result<Tensor> {
        let (first, rest) = self.parts(y)?;
        let inner = self.inner.initialize(&first, condition)?;
        check::same_kind("noise", &inner, "y", y)?;
        Ok(Self::rows(&inner, &rest)?.detach())
    }
}
