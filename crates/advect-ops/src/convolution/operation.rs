//! The operation that convolutions are.

use advect_core::{Error, Result, check, shape};
use candle_core::{DType, Tensor};

use super::Convolution;
use crate::Value;
use crate::cpu::convolution::{
    Begin, Geometry, bias_gradient, channel_sums, forward, input_gradient, weight_gradient,
};
use crate::cpu::{by_dtype, host, tensor};
use crate::operation::{Operation, Output, Tangent, apply};

/// The arguments are x, perhaps what it is added to, the weight, and perhaps the bias.
#[derive(Clone, Copy)]
pub(super) struct Convolve {
    pub(super) geometry: Geometry,
    pub(super) onto: Option<Onto>,
    pub(super) bias: bool,
}

/// What the value is added to.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Onto {
    /// `(batch, outputs)`.
    Channels,
    /// Shaped like the value.
    Whole,
}

/// The arguments by name.
struct Arguments<'a> {
    x: &'a Tensor,
    onto: Option<&'a Tensor>,
    weight: &'a Tensor,
    bias: Option<&'a Tensor>,
}

impl Convolve {
    pub(super) fn new<V: Value>(
        x: &V,
        weight: &Tensor,
        bias: Option<&Tensor>,
        onto: Option<&V>,
        convolution: &Convolution,
    ) -> Result<Self> {
        let mut op = Convolve {
            geometry: convolution.geometry(x.primal(), weight)?,
            onto: None,
            bias: bias.is_some(),
        };
        if let Some(bias) = bias {
            check::same_kind("bias", bias, "weight", weight)?;
            if bias.dims() != [weight.dims()[0]] {
                let accepted = format!("({},), as the weight has it,", weight.dims()[0]);
                return Err(Error::shape("bias", bias.dims(), accepted));
            }
        }
        if let Some(onto) = onto {
            let onto = onto.primal();
            check::same_kind("onto", onto, "x", x.primal())?;
            let whole = op.output_shape();
            op.onto = Some(match onto.dims() {
                dims if dims == whole => Onto::Whole,
                dims if dims == &whole[..2] => Onto::Channels,
                dims => {
                    let accepted =
                        format!("{whole:?}, the shape of the value, or {:?}", &whole[..2]);
                    return Err(Error::shape("onto", dims, accepted));
                }
            });
        }
        Ok(op)
    }

    pub(super) fn apply<V: Value>(
        self,
        x: &V,
        weight: &Tensor,
        bias: Option<&Tensor>,
        onto: Option<&V>,
    ) -> Result<V> {
        let mut values = vec![x];
        values.extend(onto);
        let mut constants = vec![weight];
        constants.extend(bias);
        V::apply(self, &values, &constants)
    }

    fn arguments<'a>(&self, inputs: &[&'a Tensor]) -> Arguments<'a> {
        let after = usize::from(self.onto.is_some());
        Arguments {
            x: inputs[0],
            onto: self.onto.map(|_| inputs[1]),
            weight: inputs[1 + after],
            bias: self.bias.then(|| inputs[2 + after]),
        }
    }

    pub(super) fn output_shape(&self) -> [usize; 4] {
        let g = &self.geometry;
        [g.batch, g.groups * g.outputs, g.out[0], g.out[1]]
    }

    /// What a place (i, j) of the kernel sees, `(batch, channels, out height, out width)`, of padded images.
    fn seen(&self, padded: &Tensor, place: [usize; 2]) -> Result<Tensor> {
        let g = &self.geometry;
        let mut seen = padded.clone();
        for (side, place) in place.into_iter().enumerate() {
            let (first, count) = (place * g.dilation[side], g.out[side]);
            let span = (count - 1) * g.stride[side] + 1;
            seen = seen.narrow(2 + side, first, span)?;
            if g.stride[side] > 1 {
                let places = (0..count).map(|p| (p * g.stride[side]) as u32);
                let places = Tensor::from_iter(places, padded.device())?;
                seen = seen.contiguous()?.index_select(&places, 2 + side)?;
            }
        }
        Ok(seen)
    }
}

impl Operation for Convolve {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let g = &self.geometry;
        let Arguments {
            x,
            onto,
            weight,
            bias,
        } = self.arguments(inputs);
        let dtype = x.dtype();
        let [batch, outputs, height, width] = self.output_shape();
        let (x, weight) = (shape::wide(x)?, shape::wide(weight)?);
        if batch * height * width == 0 {
            return Ok(Tensor::zeros(
                self.output_shape().to_vec(),
                dtype,
                x.device(),
            )?);
        }
        let padded = x.pad_with_zeros(2, g.padding[0], g.padding[0])?;
        let padded = padded.pad_with_zeros(3, g.padding[1], g.padding[1])?;
        let mut sum: Option<Tensor> = None;
        for i in 0..g.kernel[0] {
            for j in 0..g.kernel[1] {
                let seen = self.seen(&padded, [i, j])?;
                let seen = seen.reshape((batch, g.groups, g.inputs, height * width))?;
                let weight = weight.narrow(2, i, 1)?.narrow(3, j, 1)?.contiguous()?;
                let weight = weight.reshape((1, g.groups, g.outputs, g.inputs))?;
                let weight = weight.broadcast_as((batch, g.groups, g.outputs, g.inputs))?;
                let part = weight.contiguous()?.matmul(&seen.contiguous()?)?;
                sum = Some(match sum {
                    Some(sum) => (sum + part)?,
                    None => part,
                });
            }
        }
        let y = sum.ok_or_else(|| Error::range("kernel", 0, "a kernel with weights"))?;
        let mut y = y.reshape((batch, outputs, height, width))?;
        if let Some(bias) = bias {
            y = y.broadcast_add(&shape::wide(bias)?.reshape((1, outputs, 1, 1))?)?;
        }
        y = match (onto, self.onto) {
            (Some(onto), Some(Onto::Whole)) => (y + shape::wide(onto)?)?,
            (Some(onto), _) => {
                y.broadcast_add(&shape::wide(onto)?.reshape((batch, outputs, 1, 1))?)?
            }
            (None, _) => y,
        };
        match dtype {
            DType::F16 | DType::BF16 => Ok(y.to_dtype(dtype)?),
            _ => Ok(y),
        }
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let Arguments {
            x,
            onto,
            weight,
            bias,
        } = self.arguments(inputs);
        by_dtype!(x, T => {
            let (x, weight) = (host::<T>(x)?, host::<T>(weight)?);
            let bias = bias.map(host::<T>).transpose()?;
            let onto = onto.map(host::<T>).transpose()?;
            let whole = self.onto == Some(Onto::Whole);
            let start = Begin {
                bias: bias.as_deref(),
                channels: onto.as_deref().filter(|_| !whole),
                whole: onto.as_deref().filter(|_| whole),
            };
            let y = forward(&self.geometry, &x, &weight, start);
            Ok((Output::new(y, self.output_shape().to_vec()), ()))
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
        let g = &self.geometry;
        let Arguments {
            x,
            onto,
            weight,
            bias,
        } = self.arguments(inputs);
        let mut wanted = wanted.iter().copied();
        let mut wanted = || wanted.next().unwrap_or(false);
        by_dtype!(gradient, T => {
            let (hx, hw) = (host::<T>(x)?, host::<T>(weight)?);
            let dy = host::<T>(gradient)?;
            let mut gradients = Vec::with_capacity(inputs.len());
            gradients.push(match wanted() {
                true => Some(tensor(input_gradient(g, &hw, &dy), x.shape())?),
                false => None,
            });
            let channels = channel_sums(g, &dy);
            if let Some(onto) = onto {
                gradients.push(match (wanted(), self.onto) {
                    (false, _) => None,
                    (true, Some(Onto::Whole)) => Some(gradient.clone()),
                    (true, _) => Some(tensor(channels.clone(), onto.shape())?),
                });
            }
            gradients.push(match wanted() {
                true => Some(tensor(weight_gradient(g, &hx, &dy), weight.shape())?),
                false => None,
            });
            if let Some(bias) = bias {
                gradients.push(match wanted() {
                    true => Some(tensor(bias_gradient(g, &channels), bias.shape())?),
                    false => None,
                });
            }
            Ok(gradients)
        })
    }
}

impl Tangent for Convolve {
    /// Linear in x and what it is added to, but for the bias.
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let value = apply(*self, inputs)?;
        let weight = self.arguments(inputs).weight;
        let onto = self.onto.and(tangents[1]);
        let plain = Convolve {
            onto: None,
            bias: false,
            ..*self
        };
        let slope = match (tangents[0], onto) {
            (Some(dx), None) => apply(plain, &[dx, weight])?,
            (Some(dx), Some(onto)) => {
                let op = Convolve {
                    onto: self.onto,
                    ..plain
                };
                apply(op, &[dx, onto, weight])?
            }
            (None, Some(onto)) if self.onto == Some(Onto::Whole) => onto.clone(),
            (None, Some(onto)) => {
                let column = onto.reshape((onto.dims()[0], onto.dims()[1], 1, 1))?;
                column.broadcast_as(value.shape())?.contiguous()?
            }
            (None, None) => value.zeros_like()?,
        };
        Ok((value, slope))
    }
}
