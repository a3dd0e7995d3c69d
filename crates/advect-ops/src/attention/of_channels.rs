//! Attention among the positions of feature maps.

use std::ops::Range;

use advect_core::{Error, Result, check, parallel};
use candle_core::Tensor;

use super::{Backward, Forward, Head, Sizes, attention};
use crate::cpu::matrix::Matrix;
use crate::cpu::{Buffer, Float, by_dtype, dispatch, host, tensor};
use crate::operation::{Operation, Output, Tangent};
use crate::{Dual, Value};

/// How the channels of queries, keys and values lie side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum HeadOrder {
    /// Head by head: queries, keys and values of the first, then of the second: `(heads, 3, d)`. (The older of the two
    /// orders of Dhariwal and Nichol's code, and its default.)
    #[default]
    ByHead,
    /// The queries of all heads, then the keys, then the values: `(3, heads, d)`. (Their newer order.)
    ByRole,
}

impl HeadOrder {
    /// The channels of role 0, 1 or 2 of a head.
    fn channels(self, role: usize, head: usize, heads: usize, d: usize) -> Range<usize> {
        let first = match self {
            HeadOrder::ByHead => 3 * head + role,
            HeadOrder::ByRole => role * heads + head,
        };
        first * d..(first + 1) * d
    }
}

/// Attention of each position of feature maps to all of them: queries, keys and values are the channels of `qkv`,
/// `(batch, 3 · heads · d, n)` in the order given; the value is `(batch, heads · d, n)`, with the scores scaled by 1 / √d.
///
/// As [`attention`](crate::attention), without transposing feature maps to rows and back.
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
    /// By rows.
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

    /// The head of some number, of all samples, in the channels of one.
    fn head<'a, T: Float>(&self, i: usize, qkv: &'a [T]) -> Head<'a, T> {
        let Sizes { heads, n, d, .. } = self.sizes;
        let sample = &qkv[i / heads * 3 * heads * d * n..][..3 * heads * d * n];
        let part = |role| {
            let channels = self.order.channels(role, i % heads, heads, d);
            &sample[channels.start * n..channels.end * n]
        };
        Head::of_channels(self.sizes, [part(0), part(1), part(2)])
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
            let mut out = vec![T::ZERO; batch * heads * d * n];
            let tasks = out.chunks_exact_mut(d * n).enumerate();
            let tasks = tasks.map(|(i, out)| Values { head: self.head(i, &qkv), out }).collect();
            let time = self.sizes.time();
            parallel::each(tasks, time, Values::make);
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
        let Sizes { heads, n, d, .. } = self.sizes;
        by_dtype!(value, T => {
            let qkv = host::<T>(inputs[0])?;
            let (value, gradient) = (host::<T>(value)?, host::<T>(gradient)?);
            let mut dx = vec![T::ZERO; qkv.len()];
            // The channels of each role of each head, wherever they lie.
            let mut parts: Vec<Option<&mut [T]>> = dx.chunks_exact_mut(d * n).map(Some).collect();
            let mut tasks = Vec::with_capacity(parts.len() / 3);
            for i in 0..parts.len() / 3 {
                let mut part = |role| {
                    let channels = self.order.channels(role, i % heads, heads, d);
                    parts[i / heads * 3 * heads + channels.start / d].take()
                };
                if let (Some(dq), Some(dk), Some(dv)) = (part(0), part(1), part(2)) {
                    tasks.push(Gradients {
                        head: self.head(i, &qkv),
                        value: &value[i * d * n..][..d * n],
                        gradient: &gradient[i * d * n..][..d * n],
                        out: [dq, dk, dv],
                    });
                }
            }
            let time = 3 * self.sizes.time();
            parallel::each(tasks, time, Gradients::make);
            Ok(vec![Some(tensor(dx, inputs[0].shape())?)])
        })
    }
}

impl Tangent for OfChannels {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let qkv = Dual::from_parts(inputs[0].clone(), tangents[0].cloned());
        self.composed(&qkv)?.into_parts()
    }
}

/// The values of a head, as channels.
struct Values<'a, T> {
    head: Head<'a, T>,
    out: &'a mut [T],
}

impl<T: Float> Values<'_, T> {
    fn make(self) {
        let Sizes { n, d, .. } = self.head.sizes;
        let mut rows = Buffer::new(n * d);
        let head = self.head;
        let out = &mut rows;
        dispatch(Forward { head, out });
        Matrix::new(&rows, n, d).transposed().copy_to(self.out);
    }
}

/// The gradients of a head, as channels.
struct Gradients<'a, T> {
    head: Head<'a, T>,
    value: &'a [T],
    gradient: &'a [T],
    out: [&'a mut [T]; 3],
}

impl<T: Float> Gradients<'_, T> {
    fn make(self) {
        let Sizes { n, d, .. } = self.head.sizes;
        let mut rows = Buffer::zeros(5 * n * d);
        let (given, made) = rows.split_at_mut(2 * n * d);
        let (value, gradient) = given.split_at_mut(n * d);
        Matrix::new(self.value, d, n).transposed().copy_to(value);
        Matrix::new(self.gradient, d, n)
            .transposed()
            .copy_to(gradient);
        let (dq, rest) = made.split_at_mut(n * d);
        let (dk, dv) = rest.split_at_mut(n * d);
        let head = self.head;
        dispatch(Backward {
            head,
            value,
            gradient,
            dq,
            dk,
            dv,
        });
        for (rows, out) in made.chunks_exact(n * d).zip(self.out) {
            Matrix::new(rows, n, d).transposed().copy_to(out);
        }
    }
}
