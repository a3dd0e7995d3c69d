//! Enlargement of images by repeating pixels.

use advect_core::{Error, Result, check};
use advect_kernels::planes::Planes as _;
use candle_core::Tensor;

use crate::Value;
use crate::cpu::{THREADS, by_dtype, host, tensor};
use crate::operation::{Operation, Output, Tangent, linear_jvp};

/// Repeats each pixel of images `(batch, channels, height, width)` `factor` times in both directions, or each element of
/// sequences `(batch, channels, length)`. (candle's own `upsample_nearest2d` overwrites gradients where its argument is used
/// twice.)
///
/// ```
/// use advect_ops::upsample_nearest;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[[[1f32, 2.0]]]], &Device::Cpu)?;
/// let y = upsample_nearest(&x, 2)?.squeeze(0)?.squeeze(0)?;
/// assert_eq!(y.to_vec2::<f32>()?, [[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] unless x has three or four dimensions, [`Error::DType`] unless it is a float, [`Error::Range`] for a factor of 0, or
/// one that makes more pixels than the memory holds.
#[doc(alias = "upsample_nearest2d")]
#[doc(alias = "interpolate")]
pub fn upsample_nearest<V: Value>(x: &V, factor: usize) -> Result<V> {
    check::at_least_one("factor", factor)?;
    let planes = Planes::of(x.primal(), factor)?;
    let sizes = x.primal().dims().iter().chain(&planes.factors);
    let sizes: Vec<usize> = sizes.copied().collect();
    check::memory("factor", &sizes, x.primal().dtype())?;
    V::apply(Repeat { planes }, &[x], &[])
}

/// Planes of pixels, and the factors by which they grow or shrink.
#[derive(Clone, Copy)]
pub(crate) struct Planes {
    /// Height and width; the height of sequences is 1.
    pub(crate) size: [usize; 2],
    pub(crate) factors: [usize; 2],
}

impl Planes {
    /// Checks images or sequences.
    pub(crate) fn of(x: &Tensor, factor: usize) -> Result<Self> {
        check::float("x", x)?;
        match *x.dims() {
            [_, _, h, w] => Ok(Planes {
                size: [h, w],
                factors: [factor, factor],
            }),
            [_, _, length] => Ok(Planes {
                size: [1, length],
                factors: [1, factor],
            }),
            _ => {
                let accepted = "(batch, channels, height, width) or (batch, channels, length)";
                Err(Error::shape("x", x.dims(), accepted))
            }
        }
    }

    /// The shape of images or sequences like x, with another size.
    pub(crate) fn shape(x: &Tensor, [height, width]: [usize; 2]) -> Vec<usize> {
        let mut dims = x.dims()[..2].to_vec();
        if x.rank() == 4 {
            dims.push(height);
        }
        dims.push(width);
        dims
    }
}

/// Repeats pixels.
#[derive(Clone, Copy)]
pub(crate) struct Repeat {
    pub(crate) planes: Planes,
}

impl Repeat {
    /// The size of the value.
    pub(crate) fn size(&self) -> [usize; 2] {
        let Planes { size, factors } = self.planes;
        [size[0] * factors[0], size[1] * factors[1]]
    }
}

impl Operation for Repeat {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let Planes {
            size: [h, w],
            factors: [high, wide],
        } = self.planes;
        let lines = inputs[0].elem_count() / (h * w).max(1);
        let pixels = inputs[0].reshape((lines, h, 1, w, 1))?;
        let pixels = pixels.broadcast_as((lines, h, high, w, wide))?;
        Ok(pixels.reshape(Planes::shape(inputs[0], self.size()))?)
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let Planes { size, factors } = self.planes;
        by_dtype!(inputs[0], T => {
            let y = T::spread(THREADS, &host::<T>(inputs[0])?, size[1], factors, 1.0);
            Ok((Output::new(y, Planes::shape(inputs[0], self.size())), ()))
        })
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        (): &(),
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let Planes { size, factors } = self.planes;
        by_dtype!(gradient, T => {
            let x = T::gather(THREADS, &host::<T>(gradient)?, size[1], factors, 1.0);
            Ok(vec![Some(tensor(x, inputs[0].shape())?)])
        })
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        Some(Box::new(*self))
    }
}

impl Tangent for Repeat {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        linear_jvp(self, inputs, tangents)
    }
}
