//! Squared errors of samples, in one pass each way: what most losses are made of.

use advect_core::{Result, check, parallel, shape};
use candle_core::Tensor;
use pulp::{Simd, WithSimd};

use crate::Value;
use crate::cpu::{Float, Unwritten, by_dtype, dispatch, fill, host, hosts, sums, tensor};
use crate::operation::{Operation, Output, Tangent, apply};

/// `Σ (x − y)²` over each sample of batches `(batch, ...)` of one shape: `(batch,)`, differentiable in both. Samples of 16
/// bits are summed, and their sums returned, in f32.
///
/// ```
/// use advect_ops::squared_errors;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu)?;
/// let y = Tensor::new(&[[1f32, 0.0], [0.0, 0.0]], &Device::Cpu)?;
/// assert_eq!(squared_errors(&x, &y)?.to_vec1::<f32>()?, [4.0, 25.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Empty`](advect_core::Error::Empty) for an empty batch, [`Error`](advect_core::Error) naming `y` if it is not like
/// x, [`Error::DType`](advect_core::Error::DType) unless they are floats.
pub fn squared_errors<V: Value>(x: &V, y: &V) -> Result<V> {
    check::batch("x", x.primal())?;
    check::float("x", x.primal())?;
    check::alike("y", y.primal(), "x", x.primal())?;
    V::apply(SquaredErrors, &[x, y], &[])
}

struct SquaredErrors;

/// The sums of some rows.
struct Sums<'a, 'b, T> {
    x: &'a [T],
    y: &'a [T],
    width: usize,
    out: Unwritten<'b, T>,
}

impl<'b, T: Float> WithSimd for Sums<'_, 'b, T> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> &'b mut [T] {
        self.out.write(|i| {
            let row = i * self.width..(i + 1) * self.width;
            let [sum, _] = sums::sum_pairs(&self.x[row.clone()], &self.y[row], |x, y| {
                let e = x - y;
                [e * e, T::ZERO]
            });
            sum
        })
    }
}

/// `2 c_i (x − y)`.
struct Slope<'a, 'b, T> {
    x: &'a [T],
    y: &'a [T],
    factors: &'a [T],
    width: usize,
    sign: T,
    out: Unwritten<'b, T>,
}

impl<'b, T: Float> WithSimd for Slope<'_, 'b, T> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> &'b mut [T] {
        self.out.write_runs(self.width, |i, out| {
            let row = i * self.width..(i + 1) * self.width;
            let (x, y) = (&self.x[row.clone()], &self.y[row]);
            let c = self.sign * self.factors[i];
            let (x, y) = (&x[..out.len()], &y[..out.len()]);
            out.write(|k| c * (x[k] - y[k]))
        })
    }
}

impl Operation for SquaredErrors {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        // Widened first: squares, and gradients of means, are beyond what f16 holds.
        shape::sum_squares_per_sample(&(shape::wide(inputs[0])? - shape::wide(inputs[1])?)?)
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let batch = inputs[0].dims()[0];
        let width = inputs[0].elem_count() / batch;
        by_dtype!(inputs[0], T => {
            let hosts = hosts::<T>(inputs)?;
            let (x, y): (&[T], &[T]) = (&hosts[0], &hosts[1]);
            let time = x.len() / 4;
            let piece = parallel::piece(batch, 1, time);
            let pieces = std::iter::repeat_n((), batch.div_ceil(piece));
            let values = fill(batch, piece, pieces, time, |i, out, ()| {
                let range = i * piece * width..(i * piece + out.len()) * width;
                dispatch(Sums { x: &x[range.clone()], y: &y[range], width, out })
            });
            Ok((Output::new(values, batch), ()))
        })
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        (): &(),
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let shape = inputs[0].shape();
        let batch = shape.dims()[0];
        let width = shape.elem_count() / batch;
        by_dtype!(inputs[0], T => {
            let hosts = hosts::<T>(inputs)?;
            let factors = host::<T>(gradient)?;
            let (x, y): (&[T], &[T]) = (&hosts[0], &hosts[1]);
            let slope = |sign: T| {
                let time = x.len() / 3;
                let rows = parallel::piece(batch, 1, time);
                let pieces = std::iter::repeat_n((), batch.div_ceil(rows));
                let values = fill(x.len(), rows * width.max(1), pieces, time, |i, out, ()| {
                    let first = i * rows;
                    let range = first * width..first * width + out.len();
                    dispatch(Slope {
                        x: &x[range.clone()],
                        y: &y[range],
                        factors: &factors[first..],
                        width,
                        sign,
                        out,
                    })
                });
                tensor(values, shape)
            };
            let signs = [T::of(2.0), T::of(-2.0)];
            let each = |(sign, &wanted): (T, &bool)| wanted.then(|| slope(sign)).transpose();
            signs.into_iter().zip(wanted).map(each).collect()
        })
    }
}

impl Tangent for SquaredErrors {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let value = apply(SquaredErrors, inputs)?;
        let error = (inputs[0] - inputs[1])?;
        let change = match (tangents[0], tangents[1]) {
            (Some(dx), Some(dy)) => (dx - dy)?,
            (Some(dx), None) => dx.clone(),
            (None, Some(dy)) => dy.neg()?,
            (None, None) => error.zeros_like()?,
        };
        let slope = shape::sum_per_sample(&((error * change)? * 2.0)?)?;
        Ok((value, slope))
    }
}
