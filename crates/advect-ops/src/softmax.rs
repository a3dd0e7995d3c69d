//! Softmax over the last dimension.

use advect_core::{Error, Result, check, parallel, shape};
use candle_core::{D, Tensor};
use pulp::{Simd, WithSimd};

use crate::cpu::math::Math;
use crate::cpu::{Float, by_dtype, dispatch, host, sums, tensor};
use crate::operation::{Operation, Output, Tangent};
use crate::{Dual, Value};

/// `e^(x_i) / Σ_j e^(x_j)` over the last dimension, with the largest element subtracted first.
///
/// ```
/// use advect_ops::softmax;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let y = softmax(&Tensor::new(&[[1000f64, 1000.0], [0.0, f64::NEG_INFINITY]], &Device::Cpu)?)?;
/// assert_eq!(y.to_vec2::<f64>()?, [[0.5, 0.5], [1.0, 0.0]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::DType`] unless x is a float, [`Error::Shape`] for a scalar.
pub fn softmax<V: Value>(x: &V) -> Result<V> {
    check::float("x", x.primal())?;
    if x.primal().rank() == 0 {
        return Err(Error::shape("x", &[], "(..., n)"));
    }
    V::apply(Softmax, &[x], &[])
}

/// By candle's operations, in at least 32 bits.
pub(crate) fn compose<V: Value>(x: &V) -> Result<V> {
    if x.primal().elem_count() == 0 {
        return Ok(x.clone());
    }
    let dtype = x.primal().dtype();
    let x = x.map_linear(shape::wide)?;
    let largest = x.primal().detach().max_keepdim(D::Minus1)?.neg()?;
    let e = x.plus(&V::constant(largest))?;
    let e = e.map_elements(|x| Ok(x.exp()?), |x| Ok(x.exp()?))?;
    let sum = e.map_linear(|e| Ok(e.sum_keepdim(D::Minus1)?))?;
    let inverse = |x: &Tensor| Ok(x.recip()?);
    let inverse = sum.map_elements(inverse, |x| Ok(x.sqr()?.recip()?.neg()?))?;
    let y = e.times(&inverse)?;
    y.map_linear(|y| Ok(y.to_dtype(dtype)?))
}

struct Softmax;

impl Operation for Softmax {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        compose(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let x = inputs[0];
        by_dtype!(x, T => {
            let mut y = host::<T>(x)?.to_vec();
            rows(&mut y, width(x), 20, |y| dispatch(Forward { y, width: width(x) }));
            Ok((Output::new(y, x.shape()), ()))
        })
    }

    /// `y (g − Σ_j y_j g_j)`.
    fn backward(
        &self,
        _: &[&Tensor],
        value: &Tensor,
        (): &(),
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        by_dtype!(value, T => {
            let y = host::<T>(value)?;
            let mut g = host::<T>(gradient)?.to_vec();
            let width = width(value);
            let piece = piece(y.len(), width, 8);
            let tasks = g.chunks_mut(piece).zip(y.chunks(piece)).collect();
            parallel::each(tasks, y.len(), |(g, y): (&mut [T], &[T])| {
                dispatch(Backward { y, g, width });
            });
            Ok(vec![Some(tensor(g, value.shape())?)])
        })
    }
}

impl Tangent for Softmax {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        compose(&Dual::from_parts(inputs[0].clone(), tangents[0].cloned()))?.into_parts()
    }
}

fn width(x: &Tensor) -> usize {
    x.dims().last().copied().unwrap_or(1).max(1)
}

/// Elements in a piece of whole rows; `cost` in tenths of a nanosecond an element.
fn piece(count: usize, width: usize, cost: usize) -> usize {
    parallel::piece(count / width, 1, count * cost / 10) * width
}

/// Calls `f` on pieces of whole rows.
fn rows<T: Float>(values: &mut [T], width: usize, cost: usize, f: impl Fn(&mut [T]) + Sync) {
    let count = values.len();
    let tasks = values.chunks_mut(piece(count, width, cost)).collect();
    parallel::each(tasks, count * cost / 10, f);
}

struct Forward<'a, T> {
    y: &'a mut [T],
    width: usize,
}

impl<T: Float> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for row in self.y.chunks_exact_mut(self.width) {
            let largest = sums::maximum(row);
            let sum = exponentials::<S, T>(row, T::ONE, largest);
            let inverse = T::ONE / sum;
            for y in row {
                *y *= inverse;
            }
        }
    }
}

/// Replaces x by `e^(scale · x − largest)`; returns the sum.
#[inline(always)]
pub(crate) fn exponentials<S: Simd, T: Float>(row: &mut [T], scale: T, largest: T) -> T {
    for y in row.iter_mut() {
        *y = Math::exp::<S>(y.madd::<S>(scale, -largest));
    }
    sums::sum(row, T::ZERO, |y| y)
}

struct Backward<'a, T> {
    y: &'a [T],
    g: &'a mut [T],
    width: usize,
}

impl<T: Float> WithSimd for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.g.chunks_exact_mut(self.width);
        for (g, y) in rows.zip(self.y.chunks_exact(self.width)) {
            let [product, _] = sums::sum_pairs(y, g, |y, g| [y * g, T::ZERO]);
            for (g, y) in g.iter_mut().zip(y) {
                *g = *y * (*g - product);
            }
        }
    }
}
