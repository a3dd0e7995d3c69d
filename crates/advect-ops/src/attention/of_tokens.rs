//! Attention among tokens.

use advect_core::{Error, Result, check};
use advect_kernels::attention::{Attention, Sizes};
use candle_core::{DType, Tensor};

#[cfg(feature = "cuda")]
use super::on_cuda;
use super::{HeadOrder, attention};
use crate::cpu::{THREADS, by_dtype, host, tensor};
use crate::operation::{Operation, Output, Tangent};
use crate::{Dual, Value};

/// Returns the attention of each token to all tokens of its sample. Queries, keys and values are the columns of `qkv`,
/// `(batch, n, 3 · heads · d)` in the given order; the value is `(batch, n, heads · d)`, with the scores scaled by
/// 1 / √d (Vaswani et al. 2017, section 3.2.2, without the projections).
///
/// It is the same as [`attention`](crate::attention), without moving the heads to another dimension and back.
///
/// ```
/// use advect_ops::{HeadOrder, token_attention};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // Two tokens, one number each for query, key and value; equal keys, so that values are averaged.
/// let qkv = Tensor::new(&[[[5f64, 1.0, 2.0], [7.0, 1.0, 4.0]]], &Device::Cpu)?;
/// let y = token_attention(&qkv, 1, HeadOrder::ByRole)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f64>()?, [3.0, 3.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] unless 3 · heads divides the columns of `(batch, n, columns)`, [`Error::Range`] for no heads,
/// [`Error::DType`] unless it is a float, [`Error::Empty`] without columns or tokens.
#[doc(alias = "multi-head attention")]
#[doc(alias = "MultiheadAttention")]
#[doc(alias = "transformer")]
pub fn token_attention<V: Value>(qkv: &V, heads: usize, order: HeadOrder) -> Result<V> {
    of_tokens(qkv, heads, order, false)
}

/// Returns the attention of each token to itself and the tokens before it, otherwise as [`token_attention`]: the attention of models which
/// predict each token from those before it (Radford et al. 2019, "Language models are unsupervised multitask learners").
///
/// On the CPU, only scores within blocks of 32 tokens and before them are computed. Infinite values or NaN in a later token may make those before it
/// in its block NaN; on CUDA devices, all those before it.
///
/// ```
/// use advect_ops::{HeadOrder, causal_token_attention};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // Two tokens, one number each for query, key and value; equal keys. The first token sees itself alone.
/// let qkv = Tensor::new(&[[[5f64, 1.0, 2.0], [7.0, 1.0, 4.0]]], &Device::Cpu)?;
/// let y = causal_token_attention(&qkv, 1, HeadOrder::ByRole)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f64>()?, [2.0, 3.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`token_attention`].
#[doc(alias = "masked attention")]
#[doc(alias = "decoder")]
pub fn causal_token_attention<V: Value>(qkv: &V, heads: usize, order: HeadOrder) -> Result<V> {
    of_tokens(qkv, heads, order, true)
}

fn of_tokens<V: Value>(qkv: &V, heads: usize, order: HeadOrder, causal: bool) -> Result<V> {
    let x = qkv.primal();
    check::float("qkv", x)?;
    check::at_least_one("heads", heads)?;
    let parts = heads.saturating_mul(3);
    let (batch, n, d) = match *x.dims() {
        [batch, n, columns] if columns.is_multiple_of(parts) => (batch, n, columns / parts),
        _ => {
            let accepted = format!("(batch, tokens, a multiple of 3 · {heads})");
            return Err(Error::shape("qkv", x.dims(), accepted));
        }
    };
    if d == 0 || n == 0 {
        let argument = "qkv".into();
        return Err(Error::Empty { argument });
    }
    let sizes = Sizes {
        batch,
        heads,
        n,
        m: n,
        d,
        e: d,
    };
    let op = OfTokens {
        sizes,
        order,
        causal,
    };
    V::apply(op, &[qkv], &[])
}

#[derive(Clone, Copy)]
struct OfTokens {
    sizes: Sizes,
    order: HeadOrder,
    /// Whether a token sees itself and those before alone.
    causal: bool,
}

impl OfTokens {
    /// −∞ where a token would see a later one.
    fn mask(&self, like: &Tensor) -> Result<Option<Tensor>> {
        if !self.causal {
            return Ok(None);
        }
        let n = self.sizes.n;
        check::memory("qkv", &[n, n], DType::I64)?;
        let seen = Tensor::tril2(n, DType::F32, like.device())?;
        Ok(Some(seen.log()?.to_dtype(like.dtype())?))
    }

    /// The value by attention of rows.
    fn composed<V: Value>(&self, qkv: &V) -> Result<V> {
        let Sizes {
            batch, heads, n, d, ..
        } = self.sizes;
        if batch == 0 {
            return qkv.map_linear(|x| Ok(x.narrow(2, 0, heads * d)?.contiguous()?));
        }
        let part = |role: usize| {
            qkv.map_linear(|x| {
                let x = match self.order {
                    HeadOrder::ByHead => x.reshape((batch, n, heads, 3, d))?.narrow(3, role, 1)?,
                    HeadOrder::ByRole => x.reshape((batch, n, 3, heads, d))?.narrow(2, role, 1)?,
                };
                let x = x.reshape((batch, n, heads, d))?;
                Ok(x.transpose(1, 2)?.contiguous()?)
            })
        };
        let mask = self.mask(qkv.primal())?;
        let y = attention(&part(0)?, &part(1)?, &part(2)?, mask.as_ref())?;
        y.map_linear(|y| Ok(y.transpose(1, 2)?.reshape((batch, n, heads * d))?))
    }
}

impl Operation for OfTokens {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        self.composed(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let Sizes {
            batch, heads, n, d, ..
        } = self.sizes;
        by_dtype!(inputs[0], T => {
            let qkv = host::<T>(inputs[0])?;
            let (sizes, columns) = (self.sizes, self.order.all(&self.sizes));
            let out = T::attend_tokens(THREADS, sizes, &columns, self.causal, &qkv);
            Ok((Output::new(out, (batch, n, heads * d)), ()))
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
        by_dtype!(value, T => {
            let qkv = host::<T>(inputs[0])?;
            let (value, gradient) = (host::<T>(value)?, host::<T>(gradient)?);
            let (sizes, columns) = (self.sizes, self.order.all(&self.sizes));
            let causal = self.causal;
            let dx = T::attend_tokens_backward(THREADS, sizes, &columns, causal, &qkv, &value, &gradient);
            Ok(vec![Some(tensor(dx, inputs[0].shape())?)])
        })
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        use advect_kernels::cuda::attention::Layout;
        let by_role = self.order == HeadOrder::ByRole;
        on_cuda(&self.sizes, Layout::Tokens { by_role }, self.causal, 1)
    }
}

impl Tangent for OfTokens {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let qkv = Dual::from_parts(inputs[0].clone(), tangents[0].cloned());
        self.composed(&qkv)?.into_parts()
    }
}
