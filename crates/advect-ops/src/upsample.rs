//! Enlarging images by repeating pixels.

use advect_core::{Error, Result, check, parallel};
use candle_core::Tensor;

use crate::Value;
use crate::cpu::{Float, by_dtype, host, tensor};
use crate::operation::{Operation, Output, apply};

/// Repeats each pixel of images `(batch, channels, height, width)` `factor` times in both directions. (candle's own
/// `upsample_nearest2d` overwrites gradients where its argument is used twice.)
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
/// [`Error::Shape`] unless x has four dimensions, [`Error::DType`] unless it is a float, [`Error::Range`] for a factor of 0.
pub fn upsample_nearest<V: Value>(x: &V, factor: usize) -> Result<V> {
    check_images(x.primal())?;
    check::at_least_one("factor", factor)?;
    x.map_linear(|x| apply(Repeat { factor }, &[x]))
}

/// Checks images. Returns their four sizes.
pub(crate) fn check_images(x: &Tensor) -> Result<[usize; 4]> {
    check::float("x", x)?;
    match *x.dims() {
        [b, c, h, w] => Ok([b, c, h, w]),
        _ => {
            let accepted = "(batch, channels, height, width)";
            Err(Error::shape("x", x.dims(), accepted))
        }
    }
}

/// Repeats pixels.
struct Repeat {
    factor: usize,
}

/// Copies each pixel to a square, `scale` times itself.
pub(crate) fn spread<T: Float>(x: &[T], width: usize, factor: usize, scale: T) -> Vec<T> {
    let mut y = vec![T::ZERO; x.len() * factor * factor];
    if x.is_empty() {
        return y;
    }
    let out = width * factor;
    let lines = y.chunks_mut(out * factor).zip(x.chunks(width)).collect();
    parallel::each(
        lines,
        x.len() * factor * factor / 4,
        |(y, x): (&mut [T], &[T])| {
            let (first, rest) = y.split_at_mut(out);
            for (y, x) in first.chunks_exact_mut(factor).zip(x) {
                y.fill(*x * scale);
            }
            for y in rest.chunks_exact_mut(out) {
                y.copy_from_slice(first);
            }
        },
    );
    y
}

/// Sums squares of pixels, and multiplies by `scale`.
pub(crate) fn gather<T: Float>(y: &[T], width: usize, factor: usize, scale: T) -> Vec<T> {
    let mut x = vec![T::ZERO; y.len() / (factor * factor)];
    if x.is_empty() {
        return x;
    }
    let wide = width * factor;
    let lines = x.chunks_mut(width).zip(y.chunks(wide * factor)).collect();
    parallel::each(lines, y.len() / 2, |(x, y): (&mut [T], &[T])| {
        for y in y.chunks_exact(wide) {
            for (x, y) in x.iter_mut().zip(y.chunks_exact(factor)) {
                for y in y {
                    *x += *y;
                }
            }
        }
        for x in x {
            *x *= scale;
        }
    });
    x
}

impl Operation for Repeat {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let [b, c, h, w] = check_images(inputs[0])?;
        let f = self.factor;
        let wide = inputs[0]
            .reshape((b, c, h, 1, w, 1))?
            .broadcast_as((b, c, h, f, w, f))?;
        Ok(wide.reshape((b, c, h * f, w * f))?)
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let [b, c, h, w] = check_images(inputs[0])?;
        let f = self.factor;
        by_dtype!(inputs[0], T => {
            let y = spread(&host::<T>(inputs[0])?, w, f, T::ONE);
            Ok((Output::new(y, (b, c, h * f, w * f)), ()))
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
        let width = inputs[0].dims()[3];
        by_dtype!(gradient, T => {
            let x = gather(&host::<T>(gradient)?, width, self.factor, T::ONE);
            Ok(vec![Some(tensor(x, inputs[0].shape())?)])
        })
    }
}
