//! The operation that convolutions are.

use advect_core::{Error, Result, check, shape};
use advect_kernels::convolution::{Begin, Convolutions, Geometry, bias_gradient};
use candle_core::{DType, Tensor};

use super::Convolution;
use super::elsewhere::Elsewhere;
use crate::Value;
use crate::cpu::{THREADS, by_dtype, host, tensor};
use crate::operation::{Operation, Output, Tangent, apply};

/// The arguments are x, perhaps what it is added to, the weight, and perhaps the bias.
#[derive(Clone, Copy)]
pub(crate) struct Convolve {
    pub(crate) geometry: Geometry,
    pub(crate) onto: Option<Onto>,
    pub(super) bias: bool,
}

/// The tensor to which the value is added.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Onto {
    /// `(batch, outputs)`.
    Channels,
    /// Shaped like the value.
    Whole,
}

/// The arguments by name.
pub(crate) struct Arguments<'a> {
    pub(crate) x: &'a Tensor,
    pub(crate) onto: Option<&'a Tensor>,
    pub(crate) weight: &'a Tensor,
    pub(crate) bias: Option<&'a Tensor>,
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
                let accepted = format!("({},), to match the weight", weight.dims()[0]);
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

    pub(crate) fn arguments<'a>(&self, inputs: &[&'a Tensor]) -> Arguments<'a> {
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
}

impl Operation for Convolve {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let Arguments {
            x,
            onto,
            weight,
            bias,
        } = self.arguments(inputs);
        if matches!(x.dtype(), DType::F16 | DType::BF16) {
            let wide: Result<Vec<Tensor>> = inputs.iter().map(|x| shape::wide(x)).collect();
            let y = apply(*self, &wide?.iter().collect::<Vec<_>>())?;
            return shape::cast(&y, x.dtype());
        }
        let (x, weight) = (x.contiguous()?, weight.contiguous()?);
        let mut y = Elsewhere(self.geometry).compose(&[&x, &weight])?;
        let [batch, outputs, ..] = self.output_shape();
        if let Some(bias) = bias {
            y = y.broadcast_add(&bias.reshape((1, outputs, 1, 1))?)?;
        }
        match (onto, self.onto) {
            (Some(onto), Some(Onto::Whole)) => Ok((y + onto)?),
            (Some(onto), _) => Ok(y.broadcast_add(&onto.reshape((batch, outputs, 1, 1))?)?),
            (None, _) => Ok(y),
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
            let y = T::convolve(THREADS, &self.geometry, &x, &weight, start);
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
                true => Some(tensor(T::input_gradient(THREADS, g, &hw, &dy), x.shape())?),
                false => None,
            });
            let channels = T::channel_sums(THREADS, g, &dy);
            if let Some(onto) = onto {
                gradients.push(match (wanted(), self.onto) {
                    (false, _) => None,
                    (true, Some(Onto::Whole)) => Some(gradient.clone()),
                    (true, _) => Some(tensor(channels.clone(), onto.shape())?),
                });
            }
            gradients.push(match wanted() {
                true => Some(tensor(T::weight_gradient(THREADS, g, &hx, &dy), weight.shape())?),
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

    /// Without cuDNN, and for values that are not empty.
    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        let some = self.output_shape().iter().product::<usize>() > 0;
        match some && !cfg!(feature = "cudnn") {
            true => Some(Box::new(*self)),
            false => None,
        }
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

#[cfg(test)]
mod tests {
    use advect_core::Generator;
    use advect_core::testing::assert_close;
    use candle_core::{Device, Var};

    use super::*;

    /// Values and gradients of what runs on other devices, against the kernels.
    #[test]
    fn elsewhere_the_same() {
        let mut rng = Generator::from_seed(0);
        let mut normal = |shape: &[usize]| rng.normal(shape, DType::F64, &Device::Cpu).unwrap();
        let (mut alike, mut apart) = (0, 0);
        for kernel in [[3, 3], [1, 1], [2, 3], [1, 5], [4, 1]] {
            for stride in [[1, 1], [2, 2], [3, 2], [1, 2], [5, 2]] {
                for padding in [[0, 0], [1, 1], [2, 0], [0, 3], [4, 4]] {
                    for dilation in [[1, 1], [2, 2], [1, 2]] {
                        for (groups, size) in [(1, [9, 8]), (2, [9, 9]), (3, [1, 12])] {
                            let c = Convolution {
                                stride,
                                padding,
                                dilation,
                                groups,
                            };
                            let x = normal(&[2, 2 * groups, size[0], size[1]]);
                            let weight = normal(&[3 * groups, 2, kernel[0], kernel[1]]);
                            let Ok(geometry) = c.geometry(&x, &weight) else {
                                continue;
                            };
                            let op = Convolve {
                                geometry,
                                onto: None,
                                bias: false,
                            };
                            match stride[0] == stride[1] && dilation[0] == dilation[1] {
                                true => alike += 1,
                                false => apart += 1,
                            }
                            let x = Var::from_tensor(&x).unwrap();
                            let weight = Var::from_tensor(&weight).unwrap();
                            let y = op.compose(&[&x, &weight]).unwrap();
                            let kernels = apply(op, &[&x, &weight]).unwrap();
                            assert_close(&y, &kernels, 1e-12, 1e-12);
                            let dy = normal(y.dims());
                            let gradients = |y: &Tensor| (y * &dy).unwrap().backward().unwrap();
                            let (ours, expected) = (gradients(&y), gradients(&kernels));
                            for var in [&x, &weight] {
                                let (ours, expected) = (ours.get(var), expected.get(var));
                                assert_close(ours.unwrap(), expected.unwrap(), 1e-11, 1e-11);
                            }
                        }
                    }
                }
            }
        }
        assert!(alike > 200 && apart > 200, "{alike} {apart}");
    }

    /// In 16 bits, and without images.
    #[test]
    fn sums_of_16_bits_are_those_of_32() {
        let mut rng = Generator::from_seed(1);
        let mut normal = |shape: &[usize]| {
            let x = rng.normal(shape, DType::F32, &Device::Cpu).unwrap();
            x.to_dtype(DType::BF16).unwrap()
        };
        let (x, weight) = (normal(&[2, 3, 5, 5]), normal(&[4, 3, 3, 3]));
        let wide = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
        let op = |x: &Tensor| Convolve {
            geometry: Convolution::padded(1).geometry(x, &weight).unwrap(),
            onto: None,
            bias: false,
        };
        let y = apply(op(&x), &[&x, &weight]).unwrap();
        let expected = apply(op(&x), &[&wide(&x), &wide(&weight)]).unwrap();
        let expected = expected.to_dtype(DType::BF16).unwrap();
        assert_close(&wide(&y), &wide(&expected), 0.0, 0.0);
        let none = x.narrow(0, 0, 0).unwrap();
        let y = op(&none).compose(&[&none, &weight]).unwrap();
        assert_eq!(y.dims(), [0, 4, 5, 5]);
    }
}
