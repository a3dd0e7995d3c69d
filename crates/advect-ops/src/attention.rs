//! Scaled dot-product attention (Vaswani et al. 2017, eq. 1).

use advect_core::{Error, Result, check, parallel};
use candle_core::{DType, Tensor};
use pulp::{Arch, Simd, WithSimd};

use crate::cpu::matmul::{Finish, Nothing, Right, Start, multiply};
use crate::cpu::matrix::{Matrix, Packed};
use crate::cpu::{Float, by_dtype, host, sums, tensor};
use crate::operation::{Operation, Output, Tangent};
use crate::softmax::{self, exponentials};
use crate::{Dual, Value};

/// `softmax(q kᵀ / √d + mask) v` for q of shape `(batch, heads, n, d)`, k `(batch, heads, m, d)` and v
/// `(batch, heads, m, e)`; the value is `(batch, heads, n, e)`.
///
/// The mask is added to the scores: 0 where a query sees a key, −∞ where it does not. Its shape is `(n, m)`, or any of
/// rank 4 that broadcasts to `(batch, heads, n, m)`. A query that sees no key gives NaN.
///
/// On the CPU a few rows of scores are in the cache at a time; the matrix of all is never stored, neither forwards nor
/// backwards. Forward mode, and masks that are to be trained, are composed of plain operations, which store it.
///
/// ```
/// use advect_ops::attention;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let q = Tensor::zeros((1, 1, 1, 4), DType::F64, &Device::Cpu)?;
/// let k = Tensor::ones((1, 1, 2, 4), DType::F64, &Device::Cpu)?;
/// let v = Tensor::new(&[[[[1f64], [3.0]]]], &Device::Cpu)?;
/// assert_eq!(attention(&q, &k, &v, None)?.flatten_all()?.to_vec1::<f64>()?, [2.0]);
/// let mask = Tensor::new(&[[0f64, f64::NEG_INFINITY]], &Device::Cpu)?;
/// assert_eq!(attention(&q, &k, &v, Some(&mask))?.flatten_all()?.to_vec1::<f64>()?, [1.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`] naming the argument that does not fit the others.
pub fn attention<V: Value>(q: &V, k: &V, v: &V, mask: Option<&Tensor>) -> Result<V> {
    let sizes = Sizes::of(q.primal(), k.primal(), v.primal())?;
    let mask = mask
        .map(|mask| sizes.wide_mask(mask, q.primal()))
        .transpose()?;
    let constant = mask.as_ref().map(|mask| V::constant(mask.clone()));
    let op = Attention { sizes };
    if mask.as_ref().is_some_and(|mask| mask.track_op()) {
        return compose(q, k, v, constant.as_ref());
    }
    match &constant {
        Some(mask) => V::apply(op, &[q, k, v, mask], &[]),
        None => V::apply(op, &[q, k, v], &[]),
    }
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    heads: usize,
    n: usize,
    m: usize,
    d: usize,
    e: usize,
}

impl Sizes {
    fn of(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Self> {
        check::float("q", q)?;
        check::same_kind("k", k, "q", q)?;
        check::same_kind("v", v, "q", q)?;
        let &[batch, heads, n, d] = q.dims() else {
            return Err(Error::shape("q", q.dims(), "(batch, heads, n, d)"));
        };
        let m = match *k.dims() {
            [b, h, m, width] if (b, h, width) == (batch, heads, d) => m,
            _ => {
                let accepted = format!("({batch}, {heads}, m, {d}), as q has it,");
                return Err(Error::shape("k", k.dims(), accepted));
            }
        };
        let e = match *v.dims() {
            [b, h, length, e] if (b, h, length) == (batch, heads, m) => e,
            _ => {
                let accepted = format!("({batch}, {heads}, {m}, e), as q and k have it,");
                return Err(Error::shape("v", v.dims(), accepted));
            }
        };
        if m == 0 || d == 0 {
            return Err(Error::Empty {
                argument: "k".into(),
            });
        }
        Ok(Sizes {
            batch,
            heads,
            n,
            m,
            d,
            e,
        })
    }

    /// The mask with four dimensions, each of full size or 1.
    fn wide_mask(&self, mask: &Tensor, q: &Tensor) -> Result<Tensor> {
        check::same_kind("mask", mask, "q", q)?;
        let full = [self.batch, self.heads, self.n, self.m];
        let wide = match mask.rank() {
            2 => mask.reshape((1, 1, mask.dims()[0], mask.dims()[1]))?,
            _ => mask.clone(),
        };
        let fits = wide.rank() == 4 && wide.dims().iter().zip(full).all(|(&a, b)| a == b || a == 1);
        if !fits {
            let accepted = format!("({}, {}), or what broadcasts to {full:?},", self.n, self.m);
            return Err(Error::shape("mask", mask.dims(), accepted));
        }
        Ok(wide)
    }

    fn scale<T: Float>(&self) -> T {
        T::of(1.0 / (self.d as f64).sqrt())
    }

    /// Nanoseconds on one thread.
    fn time(&self) -> usize {
        self.batch * self.heads * self.n * self.m * (self.d + self.e + 16) / 50
    }
}

/// By candle's operations, in at least 32 bits.
fn compose<V: Value>(q: &V, k: &V, v: &V, mask: Option<&V>) -> Result<V> {
    let dtype = q.primal().dtype();
    let wide = |x: &Tensor| match dtype {
        DType::F16 | DType::BF16 => Ok(x.to_dtype(DType::F32)?.contiguous()?),
        _ => Ok(x.contiguous()?),
    };
    let (q, k, v) = (
        q.map_linear(wide)?,
        k.map_linear(wide)?,
        v.map_linear(wide)?,
    );
    let d = k.primal().dims()[3] as f64;
    let product = |q: &Tensor, k: &Tensor| Ok((q.matmul(&k.t()?.contiguous()?)? / d.sqrt())?);
    let mut scores = q.map_bilinear(&k, product)?;
    if let Some(mask) = mask {
        scores = scores.plus(&mask.map_linear(wide)?)?;
    }
    let weights = softmax::compose(&scores)?;
    let value = weights.map_bilinear(&v, |p, v| Ok(p.matmul(v)?))?;
    value.map_linear(|y| Ok(y.to_dtype(dtype)?))
}

struct Attention {
    sizes: Sizes,
}

/// Queries whose scores are in the cache together.
const BLOCK: usize = 32;

impl Operation for Attention {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        if inputs[0].elem_count() == 0 || self.sizes.e == 0 {
            let Sizes {
                batch, heads, n, e, ..
            } = self.sizes;
            let shape = (batch, heads, n, e);
            return Ok(Tensor::zeros(shape, inputs[0].dtype(), inputs[0].device())?);
        }
        compose(inputs[0], inputs[1], inputs[2], inputs.get(3).copied())
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let s = self.sizes;
        by_dtype!(inputs[0], T => {
            let (q, k, v) = (host::<T>(inputs[0])?, host::<T>(inputs[1])?, host::<T>(inputs[2])?);
            let mask = inputs.get(3).map(|mask| host::<T>(mask)).transpose()?;
            let mut out = vec![T::ZERO; s.batch * s.heads * s.n * s.e];
            let heads = out.chunks_mut((s.n * s.e).max(1)).enumerate();
            let tasks = heads.map(|(i, out)| Forward {
                head: Head::new(s, i, &q, &k, &v, mask.as_deref().zip(inputs.get(3).copied())),
                out,
            }).collect();
            parallel::each(tasks, s.time(), |task: Forward<'_, T>| Arch::new().dispatch(task));
            Ok((Output::new(out, (s.batch, s.heads, s.n, s.e)), ()))
        })
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        value: &Tensor,
        (): &(),
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let s = self.sizes;
        by_dtype!(value, T => {
            let (q, k, v) = (host::<T>(inputs[0])?, host::<T>(inputs[1])?, host::<T>(inputs[2])?);
            let mask = inputs.get(3).map(|mask| host::<T>(mask)).transpose()?;
            let (value, gradient) = (host::<T>(value)?, host::<T>(gradient)?);
            let zeros = |x: &Tensor| vec![T::ZERO; x.elem_count()];
            let (mut dq, mut dk, mut dv) = (zeros(inputs[0]), zeros(inputs[1]), zeros(inputs[2]));
            let out = (dq.chunks_mut((s.n * s.d).max(1)))
                .zip(dk.chunks_mut(s.m * s.d).zip(dv.chunks_mut((s.m * s.e).max(1))));
            let tasks = (out.enumerate()).map(|(i, (dq, (dk, dv)))| {
                let range = i * s.n * s.e..(i + 1) * s.n * s.e;
                Backward {
                    head: Head::new(s, i, &q, &k, &v, mask.as_deref().zip(inputs.get(3).copied())),
                    value: &value[range.clone()],
                    gradient: &gradient[range],
                    dq,
                    dk,
                    dv,
                }
            }).collect();
            parallel::each(tasks, 3 * s.time(), |task: Backward<'_, T>| Arch::new().dispatch(task));
            let mut out = vec![
                Some(tensor(dq, inputs[0].shape())?),
                Some(tensor(dk, inputs[1].shape())?),
                Some(tensor(dv, inputs[2].shape())?),
            ];
            out.resize(inputs.len(), None);
            Ok(out)
        })
    }
}

impl Tangent for Attention {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let dual = |i: usize| Dual::from_parts(inputs[i].clone(), tangents[i].cloned());
        let mask = (inputs.len() > 3).then(|| dual(3));
        compose(&dual(0), &dual(1), &dual(2), mask.as_ref())?.into_parts()
    }
}

/// What one head of one sample sees.
#[derive(Clone, Copy)]
struct Head<'a, T> {
    sizes: Sizes,
    q: Matrix<'a, T>,
    k: Matrix<'a, T>,
    v: Matrix<'a, T>,
    /// The mask with the distances of its rows and columns.
    mask: Option<(&'a [T], usize, usize)>,
}

impl<'a, T: Float> Head<'a, T> {
    fn new(
        s: Sizes,
        i: usize,
        q: &'a [T],
        k: &'a [T],
        v: &'a [T],
        mask: Option<(&'a [T], &Tensor)>,
    ) -> Self {
        let mask = mask.map(|(values, shape)| {
            let dims = shape.dims();
            let step = |dim: usize| match dims[dim] {
                1 => 0,
                _ => dims[dim + 1..].iter().product(),
            };
            let offset = i / s.heads * step(0) + i % s.heads * step(1);
            (&values[offset..], step(2), step(3))
        });
        Head {
            sizes: s,
            q: Matrix::new(&q[i * s.n * s.d..], s.n, s.d),
            k: Matrix::new(&k[i * s.m * s.d..], s.m, s.d),
            v: Matrix::new(&v[i * s.m * s.e..], s.m, s.e),
            mask,
        }
    }
}

/// Turns rows of products into weights before they are divided by their sums, which are kept.
struct Weigh<'a, T> {
    head: &'a Head<'a, T>,
    /// The first query of the block.
    first: usize,
    sums: &'a mut [T],
}

impl<T: Float> Finish<T> for Weigh<'_, T> {
    #[inline(always)]
    fn rows<S: Simd>(&mut self, _: S, first: usize, rows: &mut [T]) {
        let s = self.head.sizes;
        for (i, row) in rows.chunks_exact_mut(s.m).enumerate() {
            let mut scale = s.scale::<T>();
            if let Some((mask, row_step, column_step)) = self.head.mask {
                let mask = &mask[(self.first + first + i) * row_step..];
                for (j, x) in row.iter_mut().enumerate() {
                    *x = x.madd::<S>(scale, mask[j * column_step]);
                }
                scale = T::ONE;
            }
            let largest = sums::maximum(row) * scale;
            self.sums[first + i] = exponentials::<S, T>(row, scale, largest);
        }
    }
}

/// Divides rows by their sums.
struct Divide<'a, T> {
    width: usize,
    sums: &'a [T],
}

impl<T: Float> Finish<T> for Divide<'_, T> {
    #[inline(always)]
    fn rows<S: Simd>(&mut self, _: S, first: usize, rows: &mut [T]) {
        for (row, sum) in rows.chunks_exact_mut(self.width).zip(&self.sums[first..]) {
            let inverse = T::ONE / *sum;
            for x in row {
                *x *= inverse;
            }
        }
    }
}

struct Forward<'a, T> {
    head: Head<'a, T>,
    out: &'a mut [T],
}

impl<T: Float> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let head = &self.head;
        let Sizes { n, m, e, .. } = head.sizes;
        let keys = Packed::new(head.k.transposed());
        let packed;
        let v = match Right::rows::<S>(head.v) {
            Some(right) => right,
            None => {
                packed = Packed::new(head.v);
                Right::Packed(&packed)
            }
        };
        let mut weights = vec![T::ZERO; BLOCK * m];
        let mut sums = [T::ZERO; BLOCK];
        for first in (0..n).step_by(BLOCK) {
            let count = BLOCK.min(n - first);
            let q = head.q.rows(first, first + count);
            let weigh = &mut Weigh {
                head,
                first,
                sums: &mut sums,
            };
            multiply(
                simd,
                q,
                Right::Packed(&keys),
                &mut weights,
                m,
                Start::Zero,
                weigh,
            );
            let out = &mut self.out[first * e..(first + count) * e];
            let divide = &mut Divide {
                width: e,
                sums: &sums,
            };
            multiply(
                simd,
                Matrix::new(&weights, count, m),
                v,
                out,
                e,
                Start::Zero,
                divide,
            );
        }
    }
}

/// With the weights P, which are made again: `dV = Pᵀ dO`, `dS = P ∘ (dO Vᵀ − rowsum(dO ∘ O))`, `dQ = dS K / √d`,
/// `dK = dSᵀ Q / √d` (Dao et al. 2022, appendix B.2).
struct Backward<'a, T> {
    head: Head<'a, T>,
    value: &'a [T],
    gradient: &'a [T],
    dq: &'a mut [T],
    dk: &'a mut [T],
    dv: &'a mut [T],
}

/// `P ∘ (dP − D) / √d`, in place of dP.
struct ScoreGradient<'a, T> {
    weights: &'a [T],
    means: &'a [T],
    width: usize,
    scale: T,
}

impl<T: Float> Finish<T> for ScoreGradient<'_, T> {
    #[inline(always)]
    fn rows<S: Simd>(&mut self, _: S, first: usize, rows: &mut [T]) {
        let weights = self.weights[first * self.width..].chunks_exact(self.width);
        for ((row, weights), mean) in rows
            .chunks_exact_mut(self.width)
            .zip(weights)
            .zip(&self.means[first..])
        {
            for (x, p) in row.iter_mut().zip(weights) {
                *x = *p * (*x - *mean) * self.scale;
            }
        }
    }
}

impl<T: Float> WithSimd for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let head = &self.head;
        let Sizes { n, m, d, e, .. } = head.sizes;
        let (keys, values) = (
            Packed::new(head.k.transposed()),
            Packed::new(head.v.transposed()),
        );
        let k_rows = Packed::new(head.k);
        let mut block = Packed::default();
        let (mut weights, mut scores) = (vec![T::ZERO; BLOCK * m], vec![T::ZERO; BLOCK * m]);
        let (mut sums, mut means) = ([T::ZERO; BLOCK], [T::ZERO; BLOCK]);
        for first in (0..n).step_by(BLOCK) {
            let count = BLOCK.min(n - first);
            let q = head.q.rows(first, first + count);
            let weigh = &mut Weigh {
                head,
                first,
                sums: &mut sums,
            };
            multiply(
                simd,
                q,
                Right::Packed(&keys),
                &mut weights,
                m,
                Start::Zero,
                weigh,
            );
            let divide = &mut Divide {
                width: m,
                sums: &sums,
            };
            divide.rows(simd, 0, &mut weights[..count * m]);
            let gradient = &self.gradient[first * e..(first + count) * e];
            let value = &self.value[first * e..(first + count) * e];
            for (i, mean) in means[..count].iter_mut().enumerate() {
                let range = i * e..(i + 1) * e;
                *mean = sums::sum_pairs(&gradient[range.clone()], &value[range], |g, o| {
                    [g * o, T::ZERO]
                })[0];
            }
            let gradient = Matrix::new(gradient, count, e);
            let p = Matrix::new(&weights, count, m);
            // dV += Pᵀ dO
            block.fill(gradient);
            multiply(
                simd,
                p.transposed(),
                Right::Packed(&block),
                self.dv,
                e,
                Start::Present,
                &mut Nothing,
            );
            let finish = &mut ScoreGradient {
                weights: &weights,
                means: &means,
                width: m,
                scale: head.sizes.scale(),
            };
            multiply(
                simd,
                gradient,
                Right::Packed(&values),
                &mut scores,
                m,
                Start::Zero,
                finish,
            );
            let ds = Matrix::new(&scores, count, m);
            let dq = &mut self.dq[first * d..(first + count) * d];
            multiply(
                simd,
                ds,
                Right::Packed(&k_rows),
                dq,
                d,
                Start::Zero,
                &mut Nothing,
            );
            // dK += dSᵀ Q
            block.fill(q);
            multiply(
                simd,
                ds.transposed(),
                Right::Packed(&block),
                self.dk,
                d,
                Start::Present,
                &mut Nothing,
            );
        }
    }
}
