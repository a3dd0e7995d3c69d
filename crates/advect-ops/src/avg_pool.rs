//! Shrinking images by averaging squares of pixels.

use advect_core::{Error, Result, check};
use candle_core::{DType, Tensor};

use crate::Value;
use crate::cpu::{Float, by_dtype, host, tensor};
use crate::operation::{Operation, Output, apply};
use crate::upsample::{check_images, gather, spread};

/// The means of squares of `factor × factor` pixels of images `(batch, channels, height, width)`. (The gradient of
/// candle's own `avg_pool2d` is scaled wrongly.)
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
/// [`Error::Shape`] unless x has four dimensions and the factor divides the last two, [`Error::DType`] unless it is a
/// float, [`Error::Range`] for a factor of 0.
pub fn avg_pool<V: Value>(x: &V, factor: usize) -> Result<V> {
    let [_, _, h, w] = check_images(x.primal())?;
    check::at_least_one("factor", factor)?;
    if !h.is_multiple_of(factor) || !w.is_multiple_of(factor) {
        let accepted = format!("a height and a width that {factor} divides");
        return Err(Error::shape("x", x.primal().dims(), accepted));
    }
    x.map_linear(|x| apply(Average { factor }, &[x]))
}

struct Average {
    factor: usize,
}

impl Average {
    fn weight(&self) -> f64 {
        1.0 / (self.factor * self.factor) as f64
    }
}

impl Operation for Average {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let x = inputs[0];
        let [b, c, h, w] = check_images(x)?;
        let f = self.factor;
        if x.elem_count() == 0 {
            return Ok(x.reshape((b, c, h / f, w / f))?);
        }
        let wide = match x.dtype() {
            DType::F16 | DType::BF16 => x.to_dtype(DType::F32)?,
            _ => x.clone(),
        };
        let squares = wide.reshape((b, c, h / f, f, w / f, f))?;
        Ok(squares.mean(5)?.mean(3)?.to_dtype(x.dtype())?)
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let [b, c, h, w] = check_images(inputs[0])?;
        let f = self.factor;
        by_dtype!(inputs[0], T => {
            let y = gather(&host::<T>(inputs[0])?, w / f, f, T::of(self.weight()));
            Ok((Output::new(y, (b, c, h / f, w / f)), ()))
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
        let width = inputs[0].dims()[3] / self.factor;
        by_dtype!(gradient, T => {
            let x = spread(&host::<T>(gradient)?, width, self.factor, T::of(self.weight()));
            Ok(vec![Some(tensor(x, inputs[0].shape())?)])
        })
    }
}
