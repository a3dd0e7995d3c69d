//! Pixels as channels (Dinh et al. 2017, section 3.6).

use advect_core::{Error, Result, check};
use candle_core::Tensor;

use super::volume_preserving;
use crate::flow::{Bijection, Layout};

/// A rearrangement of images: noise `(4 channels, height/2, width/2)` becomes data `(channels, height, width)`, four channels a square of 2 × 2 pixels. Layers before
/// it see a coarser image with more channels.
///
/// ```
/// use advect_classics::flow::{Bijection, Squeeze};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let image = Tensor::arange(0f64, 16.0, &Device::Cpu)?.reshape((1, 1, 4, 4))?;
/// let (noise, _) = Squeeze.inverse(&image)?;
/// assert_eq!(noise.dims(), [1, 4, 2, 2]);
/// assert_eq!(noise.get(0)?.get(1)?.to_vec2::<f64>()?, [[1.0, 3.0], [9.0, 11.0]]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "space to depth")]
#[doc(alias = "pixel unshuffle")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Squeeze;

/// The sizes of an image that can be squeezed.
fn even(argument: &'static str, dims: &[usize]) -> Result<[usize; 3]> {
    match dims {
        &[c, h, w] if c > 0 && h > 0 && w > 0 && h % 2 == 0 && w % 2 == 0 => Ok([c, h / 2, w / 2]),
        dims => Err(Error::shape(
            argument,
            dims,
            "(channels, height, width) with an even height and width",
        )),
    }
}

impl Bijection for Squeeze {
    fn forward_given(&self, x: &Tensor, _: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let batch = check::batch("x", x)?;
        let &[_, c, h, w] = x.dims() else {
            return Err(Error::shape(
                "x",
                x.dims(),
                "(batch, channels, height, width)",
            ));
        };
        if c % 4 != 0 {
            return Err(Error::shape("x", x.dims(), "a multiple of four channels"));
        }
        let y = x
            .reshape((batch, c / 4, 2, 2, h, w))?
            .permute([0, 1, 4, 2, 5, 3])?;
        let y = y.contiguous()?.reshape((batch, c / 4, 2 * h, 2 * w))?;
        Ok((y, volume_preserving(x)?))
    }

    fn inverse_given(&self, y: &Tensor, _: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let batch = check::batch("y", y)?;
        let [c, h, w] = even("y", &y.dims()[1..])?;
        let x = y
            .reshape((batch, c, h, 2, w, 2))?
            .permute([0, 1, 3, 5, 2, 4])?;
        let x = x.contiguous()?.reshape((batch, 4 * c, h, w))?;
        Ok((x, volume_preserving(y)?))
    }

    fn latent(&self, data: &Layout) -> Result<Layout> {
        let [c, h, w] = even("data", data.shape())?;
        let shape = [4 * c, h, w];
        let source = |k: usize| {
            let (channel, row, column) = (k / (h * w), k / w % h, k % w);
            let (down, right) = (channel / 2 % 2, channel % 2);
            (channel / 4 * 2 * h + 2 * row + down) * 2 * w + 2 * column + right
        };
        let source: Vec<usize> = (0..4 * c * h * w).map(source).collect();
        Ok(data.rearranged(&shape, &source))
    }
}
