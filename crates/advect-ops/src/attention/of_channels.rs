//! Attention among the positions of feature maps.

use advect_core::{Error, Result, check};
use advect_kernels::attention::{Attention, Sizes};
use candle_core::Tensor;

#[cfg(feature = "cuda")]
use super::on_cuda;
use super::{HeadOrder, attention};
use crate::cpu::{THREADS, by_dtype, host, tensor};
use crate::operation::{Operation, Output, Tangent};
use crate::{Dual, Value};

/// Returns the attention of each position of feature maps to all positions. Queries, keys and values are the channels
/// of `qkv`, `(batch, 3 · heads · d, n)` in the given order; the value is `(batch, heads · d, n)`, with the scores
/// scaled by 1 / √d.
///
/// It is the same as [`attention`](crate::attention), without transposing feature maps to rows and back.
///
/// ```
/// use advect_ops::{HeadOrder, self_attention};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // Two positions, one channel each of queries, keys and values; equal keys, so that values are averaged.
/// let qkv = Tensor::new(&[[[5f64, 7.0], [1.0, 1.0], [2.0, 4.0]]], &Device::Cpu)?;
/// let y = self_attention(&qkv, 1, HeadOrder::ByHead)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f64>()?, [3.0, 3.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] unless 3 · heads divides the channels of `(batch, channels, n)`, [`Error::Range`] for no heads, [`Error::DType`]
/// unless it is a float, [`Error::Empty`] without channels or positions.
#[doc(alias = "AttentionBlock")]
#[doc(alias = "QKVAttention")]
pub fn self_attention<V: Value>(qkv: &V, heads: usize, order: HeadOrder) -> Result<V> {
    let x = qkv.primal();
    check::float("qkv", x)?;
    check::at_least_one("heads", heads)?;
    let parts = heads.saturating_mul(3);
    let (batch, d, n) = match *x.dims() {
        [batch, channels, n] if channels.is_multiple_of(parts) => (batch, channels / parts, n),
        _ => {
            let accepted = format!("(batch, a multiple of 3 · {heads}, positions)");
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
    V::apply(OfChannels { sizes, order }, &[qkv], &[])
}

#[derive(Clone, Copy)]
struct OfChannels {
    sizes: Sizes,
    order: HeadOrder,
}

impl OfChannels {
    /// The value by attention of rows.
    fn composed<V: Value>(&self, qkv: &V) -> Result<V> {
        let Sizes {
            batch, heads, n, d, ..
        } = self.sizes;
        let part = |role: usize| {
            qkv.map_linear(|x| {
                let x = match self.order {
                    HeadOrder::ByHead => x.reshape((batch, heads, 3, d, n))?.narrow(2, role, 1)?,
                    HeadOrder::ByRole => x.reshape((batch, 3, heads, d, n))?.narrow(1, role, 1)?,
                };
                Ok(x.reshape((batch, heads, d, n))?
                    .transpose(2, 3)?
                    .contiguous()?)
            })
        };
        let y = attention(&part(0)?, &part(1)?, &part(2)?, None)?;
        y.map_linear(|y| Ok(y.transpose(2, 3)?.reshape((batch, heads * d, n))?))
    }
}

impl Operation for OfChannels {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let Sizes {
            batch, heads, n, d, ..
        } = self.sizes;
        if batch == 0 {
            let (dtype, device) = (inputs[0].dtype(), inputs[0].device());
            return Ok(Tensor::zeros((0, heads * d, n), dtype, device)?);
        }
        self.composed(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let Sizes {
            batch, heads, n, d, ..
        } = self.sizes;
        by_dtype!(inputs[0], T => {
            let qkv = host::<T>(inputs[0])?;
            let out = T::attend_channels(THREADS, self.sizes, &self.order.all(&self.sizes), &qkv);
            Ok((Output::new(out, (batch, heads * d, n)), ()))
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
            let (sizes, channels) = (self.sizes, self.order.all(&self.sizes));
            let dx = T::attend_channels_backward(THREADS, sizes, &channels, &qkv, &value, &gradient);
            Ok(vec![Some(tensor(dx, inputs[0].shape())?)])
        })
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        use advect_kernels::cuda::attention::Layout;
        let by_role = self.order == HeadOrder::ByRole;
        on_cuda(&self.sizes, Layout::Channels { by_role }, false, 1)
    }
}

impl Tangent for OfChannels {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let qkv = Dual::from_parts(inputs[0].clone(), tangents[0].cloned());
        self.composed(&qkv)?.into_parts()
    }
}
