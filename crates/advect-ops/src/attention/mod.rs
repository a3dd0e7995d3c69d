//! Scaled dot-product attention (Vaswani et al. 2017, eq. 1).

mod head_order;
mod of_channels;
mod of_tokens;

use advect_core::{Error, Result, check};
use advect_kernels::attention::{Attention as _, Mask, Sizes};
use candle_core::{DType, Tensor};

use crate::cpu::{THREADS, by_dtype, host, tensor};
use crate::operation::{Operation, Output, Tangent};
use crate::softmax;
use crate::{Dual, Value};

pub use head_order::HeadOrder;
pub use of_channels::self_attention;
pub use of_tokens::{causal_token_attention, token_attention};

/// Returns `softmax(q kᵀ / √d + mask) v` for q of shape `(batch, heads, n, d)`, k `(batch, heads, m, d)` and v `(batch,
/// heads, m, e)`; the value is `(batch, heads, n, e)`.
///
/// The mask is added to the scores: 0 where a query sees a key, −∞ where it does not. Its shape is `(n, m)`, or any of
/// rank 4 that broadcasts to `(batch, heads, n, m)`. A query that sees no key gives NaN.
///
/// On the CPU a few rows of scores are in the cache at a time; the matrix of all scores is never stored, neither
/// forwards nor backwards. On CUDA devices up to 2²³ scores, of all heads together, are stored at a time: softmax, with scale and mask, is one
/// pass over them between two products. The weights are kept for the backward pass if that is all of them, and computed again otherwise.
/// Forward mode and trainable masks use plain operations, which store all scores several times.
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
#[doc(alias = "scaled_dot_product_attention")]
#[doc(alias = "SDPA")]
#[doc(alias = "flash attention")]
#[doc(alias = "transformer")]
pub fn attention<V: Value>(q: &V, k: &V, v: &V, mask: Option<&Tensor>) -> Result<V> {
    let sizes = sizes(q.primal(), k.primal(), v.primal())?;
    let mask = mask
        .map(|mask| wide_mask(&sizes, mask, q.primal()))
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

/// The sizes of queries, keys and values that fit each other.
fn sizes(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Sizes> {
    check::float("q", q)?;
    check::same_kind("k", k, "q", q)?;
    check::same_kind("v", v, "q", q)?;
    let &[batch, heads, n, d] = q.dims() else {
        return Err(Error::shape("q", q.dims(), "(batch, heads, n, d)"));
    };
    let m = match *k.dims() {
        [b, h, m, width] if (b, h, width) == (batch, heads, d) => m,
        _ => {
            let accepted = format!("({batch}, {heads}, m, {d}), to match q");
            return Err(Error::shape("k", k.dims(), accepted));
        }
    };
    let e = match *v.dims() {
        [b, h, length, e] if (b, h, length) == (batch, heads, m) => e,
        _ => {
            let accepted = format!("({batch}, {heads}, {m}, e), to match q and k");
            return Err(Error::shape("v", v.dims(), accepted));
        }
    };
    if m == 0 || d == 0 {
        return Err(Error::Empty {
            argument: "k".into(),
        });
    }
    check::memory("v", &[batch, heads, n, e], v.dtype())?;
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
fn wide_mask(sizes: &Sizes, mask: &Tensor, q: &Tensor) -> Result<Tensor> {
    check::same_kind("mask", mask, "q", q)?;
    let full = [sizes.batch, sizes.heads, sizes.n, sizes.m];
    let wide = match mask.rank() {
        2 => mask.reshape((1, 1, mask.dims()[0], mask.dims()[1]))?,
        _ => mask.clone(),
    };
    let fits = wide.rank() == 4 && wide.dims().iter().zip(full).all(|(&a, b)| a == b || a == 1);
    if !fits {
        let accepted = format!(
            "({}, {}), or a shape that broadcasts to {full:?}",
            sizes.n, sizes.m
        );
        return Err(Error::shape("mask", mask.dims(), accepted));
    }
    Ok(wide)
}

/// The value by candle's operations, in at least 32 bits.
fn compose<V: Value>(q: &V, k: &V, v: &V, mask: Option<&V>) -> Result<V> {
    let dtype = q.primal().dtype();
    let (queries, e) = (q.primal(), v.primal().dims()[3]);
    if queries.elem_count() == 0 || e == 0 {
        let [batch, heads, n] = [0, 1, 2].map(|dim| queries.dims()[dim]);
        let none = Tensor::zeros((batch, heads, n, e), dtype, queries.device())?;
        return Ok(V::constant(none));
    }
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

/// The kernels for CUDA.
#[cfg(feature = "cuda")]
fn on_cuda(
    sizes: &Sizes,
    layout: advect_kernels::cuda::attention::Layout,
    causal: bool,
    arguments: usize,
) -> Option<Box<dyn crate::cuda::OnCuda>> {
    let attention = advect_kernels::cuda::attention::Attention {
        sizes: *sizes,
        layout,
        causal,
        most: advect_kernels::cuda::attention::MOST,
    };
    Some(Box::new(crate::cuda::attention::Attend {
        attention,
        arguments,
    }))
}

struct Attention {
    sizes: Sizes,
}

impl Attention {
    /// The mask for the kernel: the fourth argument, with four dimensions.
    fn mask<'a, T>(&self, inputs: &[&Tensor], values: Option<&'a [T]>) -> Option<Mask<'a, T>> {
        let dims = <[usize; 4]>::try_from(inputs.get(3)?.dims()).ok()?;
        Some(Mask {
            values: values?,
            dims,
        })
    }
}

impl Operation for Attention {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        compose(inputs[0], inputs[1], inputs[2], inputs.get(3).copied())
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let s = self.sizes;
        by_dtype!(inputs[0], T => {
            let (q, k, v) = (host::<T>(inputs[0])?, host::<T>(inputs[1])?, host::<T>(inputs[2])?);
            let mask = inputs.get(3).map(|mask| host::<T>(mask)).transpose()?;
            let mask = self.mask(inputs, mask.as_deref());
            let out = T::attend(THREADS, s, [&*q, &*k, &*v], mask);
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
            let mask = self.mask(inputs, mask.as_deref());
            let [dq, dk, dv] =
                T::attend_backward(THREADS, s, [&*q, &*k, &*v], mask, &value, &gradient);
            let mut out = vec![
                Some(tensor(dq, inputs[0].shape())?),
                Some(tensor(dk, inputs[1].shape())?),
                Some(tensor(dv, inputs[2].shape())?),
            ];
            out.resize(inputs.len(), None);
            Ok(out)
        })
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        use advect_kernels::cuda::attention::Layout;
        on_cuda(&self.sizes, Layout::Apart, false, 3)
    }
}

impl Tangent for Attention {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let dual = |i: usize| Dual::from_parts(inputs[i].clone(), tangents[i].cloned());
        let mask = (inputs.len() > 3).then(|| dual(3));
        compose(&dual(0), &dual(1), &dual(2), mask.as_ref())?.into_parts()
    }
}
