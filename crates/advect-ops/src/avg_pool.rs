//! Shrinking of images by averaging squares of pixels.

use advect_core::{Error, Result, check, shape};
use advect_kernels::planes::Planes as _;
use candle_core::Tensor;

use crate::Value;
use crate::cpu::{THREADS, by_dtype, host, tensor};
use crate::operation::{Operation, Output, Tangent, linear_jvp};
use crate::upsample::Planes;

/// Returns the means of squares of `factor × factor` pixels of images `(batch, channels, height, width)`, or of
/// `factor` elements of sequences `(batch, channels, length)`. (The gradient of candle's own `avg_pool2d` is scaled
/// wrongly.)
///
/// ```
/// use advect_ops::avg_pool;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[[[1f32, 2.0], [3.0, 6.0]]]], &Device::Cpu)?;
/// assert_eq!(avg_pool(&x, 2)?.flatten_all()?.to_vec1::<f32>()?, [3.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] unless x has three or four dimensions and the factor divides those after the second, [`Error::DType`] unless it is a
/// float, [`Error::Range`] for a factor of 0.
#[doc(alias = "avg_pool2d")]
#[doc(alias = "avg_pool1d")]
#[doc(alias = "downsample")]
pub fn avg_pool<V: Value>(x: &V, factor: usize) -> Result<V> {
    check::at_least_one("factor", factor)?;
    let planes = Planes::of(x.primal(), factor)?;
    if (planes.size.iter().zip(planes.factors)).any(|(&size, factor)| !size.is_multiple_of(factor))
    {
        let accepted = format!("a size divisible by {factor} along each pooled dimension");
        return Err(Error::shape("x", x.primal().dims(), accepted));
    }
    // A factor beyond the size divides nothing but 0.
    if x.primal().elem_count() == 0 {
        check::memory("factor", &planes.factors, x.primal().dtype())?;
    }
    V::apply(Average { planes }, &[x], &[])
}

#[derive(Clone, Copy)]
pub(crate) struct Average {
    pub(crate) planes: Planes,
}

impl Average {
    /// The size of the value.
    pub(crate) fn size(&self) -> [usize; 2] {
        let Planes { size, factors } = self.planes;
        [size[0] / factors[0], size[1] / factors[1]]
    }

    pub(crate) fn weight(&self) -> f64 {
        1.0 / (self.planes.factors[0] * self.planes.factors[1]) as f64
    }
}

impl Operation for Average {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let x = inputs[0];
        let Planes { size, factors } = self.planes;
        let [h, w] = self.size();
        let out = Planes::shape(x, self.size());
        if x.elem_count() == 0 {
            return Ok(x.reshape(out)?);
        }
        let lines = x.elem_count() / (size[0] * size[1]);
        let squares = shape::wide(x)?.reshape((lines, h, factors[0], w, factors[1]))?;
        Ok(squares
            .mean(4)?
            .mean(2)?
            .to_dtype(x.dtype())?
            .reshape(out)?)
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let [_, width] = self.size();
        by_dtype!(inputs[0], T => {
            let weight = self.weight() as T;
            let y = T::gather(THREADS, &host::<T>(inputs[0])?, width, self.planes.factors, weight);
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
        let [_, width] = self.size();
        by_dtype!(gradient, T => {
            let weight = self.weight() as T;
            let x = T::spread(THREADS, &host::<T>(gradient)?, width, self.planes.factors, weight);
            Ok(vec![Some(tensor(x, inputs[0].shape())?)])
        })
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        Some(Box::new(*self))
    }
}

impl Tangent for Average {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        linear_jvp(self, inputs, tangents)
    }
}
