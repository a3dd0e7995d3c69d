//! Layer normalisation (Ba et al. 2016, eq. 4) and RMS normalisation (Zhang and Sennrich 2019, eq. 4), over the last
//! dimension.

use std::borrow::Cow;

use advect_core::{Error, Result, check, parallel};
use candle_core::{D, DType, Tensor};
use pulp::{Simd, WithSimd};

use crate::cpu::{Float, by_dtype, dispatch, host, sums, tensor};
use crate::operation::{Operation, Output, Tangent};
use crate::{Dual, Value};

/// `(x − mean) / √(variance + ε) · scale + shift` over the last dimension of x, `(batch, ..., width)`.
///
/// `scale` and `shift` are `(width,)`, or `(batch, width)` for adaptive normalisation (Peebles and Xie 2023, section 3.2:
/// scale = 1 + γ, shift = β). The variance is that of the population.
///
/// ```
/// use advect_ops::layer_norm;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[1f64, 3.0]], &Device::Cpu)?;
/// let (scale, shift) = (Tensor::new(&[1f64, 10.0], &Device::Cpu)?, Tensor::new(&[0.5f64, 0.0], &Device::Cpu)?);
/// assert_eq!(layer_norm(&x, &scale, &shift, 0.0)?.to_vec2::<f64>()?, [[-0.5, 10.0]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`] naming the argument that does not fit; [`Error::Range`] for a negative ε.
pub fn layer_norm<V: Value>(x: &V, scale: &V, shift: &V, epsilon: f64) -> Result<V> {
    check_affine(x.primal(), "scale", scale.primal())?;
    check_affine(x.primal(), "shift", shift.primal())?;
    check::alike("shift", shift.primal(), "scale", scale.primal())?;
    let epsilon = check::non_negative("epsilon", epsilon)?;
    V::apply(
        Normalize {
            centred: true,
            epsilon,
        },
        &[x, scale, shift],
        &[],
    )
}

/// `x / √(mean x² + ε) · scale` over the last dimension of x, `(batch, ..., width)`; `scale` as for [`layer_norm`].
///
/// ```
/// use advect_ops::rms_norm;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[3f64, -3.0]], &Device::Cpu)?;
/// let scale = Tensor::new(&[1f64, 2.0], &Device::Cpu)?;
/// assert_eq!(rms_norm(&x, &scale, 0.0)?.to_vec2::<f64>()?, [[1.0, -2.0]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`layer_norm`].
pub fn rms_norm<V: Value>(x: &V, scale: &V, epsilon: f64) -> Result<V> {
    check_affine(x.primal(), "scale", scale.primal())?;
    let epsilon = check::non_negative("epsilon", epsilon)?;
    V::apply(
        Normalize {
            centred: false,
            epsilon,
        },
        &[x, scale],
        &[],
    )
}

fn check_affine(x: &Tensor, name: &'static str, affine: &Tensor) -> Result<()> {
    check::float("x", x)?;
    check::same_kind(name, affine, "x", x)?;
    let dims = x.dims();
    let (Some(&batch), Some(&width)) = (dims.first(), dims.last()) else {
        return Err(Error::shape("x", dims, "(batch, ..., width)"));
    };
    if width == 0 {
        return Err(Error::Empty {
            argument: "x".into(),
        });
    }
    if affine.dims() == [width] || (x.rank() > 1 && affine.dims() == [batch, width]) {
        return Ok(());
    }
    let accepted = format!("({width},) or ({batch}, {width})");
    Err(Error::shape(name, affine.dims(), accepted))
}

struct Normalize {
    centred: bool,
    epsilon: f64,
}

/// Rows whose contributions to the gradients of scale and shift are summed together.
const SUMMED: usize = 64;

impl Normalize {
    /// By candle's operations, in at least 32 bits.
    fn composed<V: Value>(&self, x: &V, scale: &V, shift: Option<&V>) -> Result<V> {
        let dtype = x.primal().dtype();
        let wide = |x: &Tensor| match dtype {
            DType::F16 | DType::BF16 => Ok(x.to_dtype(DType::F32)?),
            _ => Ok(x.clone()),
        };
        let column = |affine: &Tensor| -> Result<Tensor> {
            let mut shape = vec![1; x.primal().rank()];
            let width = affine.dims()[affine.rank() - 1];
            if let Some(last) = shape.last_mut() {
                *last = width;
            }
            if affine.rank() > 1 {
                shape[0] = affine.dims()[0];
            }
            Ok(wide(affine)?.reshape(shape)?)
        };
        let mut centred = x.map_linear(wide)?;
        if self.centred {
            let mean = centred.map_linear(|x| Ok(x.mean_keepdim(D::Minus1)?.neg()?))?;
            centred = centred.plus(&mean)?;
        }
        let variance = centred
            .times(&centred)?
            .map_linear(|x| Ok(x.mean_keepdim(D::Minus1)?))?;
        let root = |v: &Tensor| -> Result<Tensor> { Ok((v + self.epsilon)?.sqrt()?.recip()?) };
        let slope = |v: &Tensor| Ok((root(v)? * (v + self.epsilon)?.recip()?)?.affine(-0.5, 0.0)?);
        let normal = centred.times(&variance.map_elements(root, slope)?)?;
        let mut y = normal.times(&scale.map_linear(column)?)?;
        if let Some(shift) = shift {
            y = y.plus(&shift.map_linear(column)?)?;
        }
        y.map_linear(|y| Ok(y.to_dtype(dtype)?))
    }
}

/// The sizes of a normalisation: rows, their width, and how many of them share a row of scale.
struct Sizes {
    width: usize,
    rows: usize,
    sharing: usize,
}

fn sizes(x: &Tensor, scale: &Tensor) -> Sizes {
    let width = x.dims().last().copied().unwrap_or(1);
    let rows = x.elem_count() / width.max(1);
    let batch = match scale.rank() {
        1 => 1,
        _ => scale.dims()[0],
    };
    Sizes {
        width,
        rows,
        sharing: (rows / batch.max(1)).max(1),
    }
}

impl Operation for Normalize {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        self.composed(inputs[0], inputs[1], inputs.get(2).copied())
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let (x, scale) = (inputs[0], inputs[1]);
        let Sizes {
            width,
            rows,
            sharing,
        } = sizes(x, scale);
        by_dtype!(x, T => {
            let (values, scales) = (host::<T>(x)?, host::<T>(scale)?);
            let shifts = inputs.get(2).map(|shift| host::<T>(shift)).transpose()?;
            let mut y = vec![T::ZERO; values.len()];
            let time = values.len();
            let piece = parallel::piece(rows, 1, time);
            let tasks = y.chunks_mut(piece * width).enumerate().collect();
            parallel::each(tasks, time, |(i, y): (usize, &mut [T])| {
                dispatch(Forward {
                    centred: self.centred,
                    epsilon: T::of(self.epsilon),
                    first: i * piece,
                    x: &values[i * piece * width..][..y.len()],
                    scale: &scales,
                    shift: shifts.as_deref(),
                    y,
                    width,
                    sharing,
                });
            });
            Ok((Output::new(y, x.shape()), ()))
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
        let (x, scale) = (inputs[0], inputs[1]);
        let Sizes {
            width,
            rows,
            sharing,
        } = sizes(x, scale);
        by_dtype!(x, T => {
            let (values, scales, g) = (host::<T>(x)?, host::<T>(scale)?, host::<T>(gradient)?);
            let mut dx = vec![T::ZERO; values.len()];
            // Pieces that don't cross from one row of scale to the next.
            let starts = (0..rows).step_by(sharing).flat_map(|start| {
                (start..start + sharing).step_by(SUMMED).map(move |first| first..(first + SUMMED).min(start + sharing))
            });
            let pieces: Vec<_> = starts.collect();
            let mut partial = vec![T::ZERO; pieces.len() * 2 * width];
            let mut tasks = Vec::with_capacity(pieces.len());
            let mut rest = &mut dx[..];
            for (range, sums) in pieces.iter().zip(partial.chunks_exact_mut(2 * width)) {
                let (dx, others) = rest.split_at_mut(range.len() * width);
                rest = others;
                let (scale_sums, shift_sums) = sums.split_at_mut(width);
                let all = range.start * width..range.end * width;
                tasks.push(Backward {
                    centred: self.centred,
                    epsilon: T::of(self.epsilon),
                    x: &values[all.clone()],
                    g: &g[all],
                    scale: &scales[range.start / sharing * width..][..width],
                    dx,
                    scale_sums,
                    shift_sums,
                });
            }
            parallel::each(tasks, 2 * values.len(), |task: Backward<'_, T>| dispatch(task));
            let mut sums = [vec![T::ZERO; scales.len()], vec![T::ZERO; scales.len()]];
            for (range, partial) in pieces.iter().zip(partial.chunks_exact(2 * width)) {
                let offset = range.start / sharing * width;
                for (sums, partial) in sums.iter_mut().zip(partial.chunks_exact(width)) {
                    for (sum, x) in sums[offset..].iter_mut().zip(partial) {
                        *sum += *x;
                    }
                }
            }
            let [scale_sums, shift_sums] = sums;
            let mut out = vec![Some(tensor(dx, x.shape())?), Some(tensor(scale_sums, scale.shape())?)];
            if inputs.len() > 2 {
                out.push(Some(tensor(shift_sums, scale.shape())?));
            }
            Ok(out)
        })
    }
}

impl Tangent for Normalize {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let dual = |i: usize| Dual::from_parts(inputs[i].clone(), tangents[i].cloned());
        let shift = (inputs.len() > 2).then(|| dual(2));
        self.composed(&dual(0), &dual(1), shift.as_ref())?
            .into_parts()
    }
}

/// Numbers to be normalised, with their mean, or 0, and `1 / √(mean square + ε)`.
pub(crate) struct Moments<'a, T: Clone> {
    /// The numbers, or, where their squares overflow, their ratios to the largest of them.
    pub(crate) x: Cow<'a, [T]>,
    pub(crate) mean: T,
    pub(crate) inverse: T,
    /// `inverse` for the numbers that were given: by what gradients are multiplied.
    pub(crate) outer: T,
}

#[inline(always)]
pub(crate) fn moments<T: Float>(x: &[T], centred: bool, epsilon: T) -> Moments<'_, T> {
    let (mean, inverse) = mean_and_inverse(x, centred, epsilon);
    // The inverse of an infinite square; NaN, if parts of the mean overflowed.
    if inverse > T::ZERO {
        return Moments {
            x: Cow::Borrowed(x),
            mean,
            inverse,
            outer: inverse,
        };
    }
    let (ratios, largest) = ratios(x);
    let mut scaled = epsilon / largest / largest;
    if epsilon > T::ZERO && scaled < T::MIN_POSITIVE {
        // Negligible, but zeros are not to be divided by 0.
        scaled = T::MIN_POSITIVE;
    }
    let (mean, inverse) = mean_and_inverse(&ratios, centred, scaled);
    Moments {
        x: Cow::Owned(ratios),
        mean,
        inverse,
        outer: inverse / largest,
    }
}

#[inline(always)]
fn mean_and_inverse<T: Float>(x: &[T], centred: bool, epsilon: T) -> (T, T) {
    let count = T::of(x.len() as f64);
    let mean = match centred {
        true => sums::sum(x, T::ZERO, |x| x) / count,
        false => T::ZERO,
    };
    let squares = sums::sum(x, T::ZERO, |x| (x - mean) * (x - mean));
    (mean, T::ONE / (squares / count + epsilon).root())
}

/// The ratios of numbers to the largest of them, and its magnitude.
#[cold]
#[inline(never)]
fn ratios<T: Float>(x: &[T]) -> (Vec<T>, T) {
    let larger = |a: T, b: T| if a > b { a } else { b };
    let largest = (x.iter()).fold(T::ZERO, |largest, x| larger(largest, x.magnitude()));
    (x.iter().map(|x| *x / largest).collect(), largest)
}

struct Forward<'a, T> {
    centred: bool,
    epsilon: T,
    /// The first row.
    first: usize,
    x: &'a [T],
    scale: &'a [T],
    shift: Option<&'a [T]>,
    y: &'a mut [T],
    width: usize,
    sharing: usize,
}

impl<T: Float> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = self.width;
        let rows = self
            .y
            .chunks_exact_mut(width)
            .zip(self.x.chunks_exact(width));
        for (i, (y, x)) in rows.enumerate() {
            let offset = (self.first + i) / self.sharing * width;
            let moments = moments(x, self.centred, self.epsilon);
            let (x, mean, inverse) = (&moments.x[..], moments.mean, moments.inverse);
            let scale = &self.scale[offset..][..width];
            match self.shift {
                Some(shift) => {
                    let affine = scale.iter().zip(&shift[offset..][..width]);
                    for ((y, x), (a, b)) in y.iter_mut().zip(x).zip(affine) {
                        *y = ((*x - mean) * inverse).madd::<S>(*a, *b);
                    }
                }
                None => {
                    for ((y, x), a) in y.iter_mut().zip(x).zip(scale) {
                        *y = (*x - mean) * inverse * *a;
                    }
                }
            }
        }
    }
}

/// With `h = g · scale` and the normalised x̂: `dx = (h − mean h − x̂ mean(h x̂)) / √(variance + ε)`, where the mean of h
/// is left out if x was not centred.
struct Backward<'a, T> {
    centred: bool,
    epsilon: T,
    x: &'a [T],
    g: &'a [T],
    scale: &'a [T],
    dx: &'a mut [T],
    scale_sums: &'a mut [T],
    shift_sums: &'a mut [T],
}

impl<T: Float> WithSimd for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = self.scale.len();
        let rows = self.x.chunks_exact(width).zip(self.g.chunks_exact(width));
        let count = T::of(width as f64);
        for (dx, (x, g)) in self.dx.chunks_exact_mut(width).zip(rows) {
            let moments = moments(x, self.centred, self.epsilon);
            let (x, mean, inverse) = (&moments.x[..], moments.mean, moments.inverse);
            let affine = self
                .scale
                .iter()
                .zip(self.scale_sums.iter_mut().zip(self.shift_sums.iter_mut()));
            for ((dx, (x, g)), (scale, (scale_sum, shift_sum))) in
                dx.iter_mut().zip(x.iter().zip(g)).zip(affine)
            {
                let normal = (*x - mean) * inverse;
                *scale_sum += *g * normal;
                *shift_sum += *g;
                *dx = *g * *scale;
            }
            let [of_h, of_product] = sums::sum_pairs(dx, x, |h, x| [h, h * (x - mean)]);
            let of_h = if self.centred { of_h / count } else { T::ZERO };
            let of_product = of_product * inverse / count;
            for (dx, x) in dx.iter_mut().zip(x) {
                let normal = (*x - mean) * inverse;
                *dx = (*dx - of_h - normal * of_product) * moments.outer;
            }
        }
    }
}
