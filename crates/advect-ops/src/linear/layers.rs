//! Layers as one operation.

use advect_core::{Error, Result, shape};
use advect_kernels::Matrix;
use advect_kernels::layers::{Layer, Layers as _, Part, Saved, Wanted};
use candle_core::Tensor;

use crate::cpu::{Float, THREADS, by_dtype, host, hosts, tensor};
use crate::operation::{Operation, Output};
use crate::{Activation, Value};

/// Layers; the arguments are the parts of the input, then the weight and the bias of each layer.
#[derive(Clone)]
pub(crate) struct Layers {
    /// The number of parts.
    pub(crate) parts: usize,
    /// The number of layers.
    pub(crate) depth: usize,
    /// The activation after all layers but the last.
    pub(crate) between: Activation,
    /// The activation after the last layer.
    pub(crate) last: Activation,
    pub(crate) biased: bool,
    /// Whether weights are `(inputs, outputs)`.
    pub(crate) transposed: bool,
}

impl Layers {
    fn activation(&self, layer: usize) -> Activation {
        match layer + 1 == self.depth {
            true => self.last,
            false => self.between,
        }
    }

    /// Weights and biases.
    pub(crate) fn parameters<'a>(
        &self,
        inputs: &[&'a Tensor],
    ) -> impl Iterator<Item = (&'a Tensor, Option<&'a Tensor>, Activation)> {
        let each = if self.biased { 2 } else { 1 };
        let parameters: Vec<_> = (inputs[self.parts..].chunks(each))
            .enumerate()
            .map(|(i, layer)| (layer[0], layer.get(1).copied(), self.activation(i)))
            .collect();
        parameters.into_iter()
    }

    /// Calls `f` with the number of rows, the parts and the layers as slices.
    pub(crate) fn on_host<T: Float, R>(
        &self,
        inputs: &[&Tensor],
        f: impl FnOnce(usize, &[Part<'_, T>], &[Layer<'_, T>]) -> Result<R>,
    ) -> Result<R> {
        let hosts = hosts::<T>(inputs)?;
        let width = |x: &Tensor| x.dims().last().copied().unwrap_or(1);
        let rows_of = |x: &Tensor| x.dims()[..x.rank() - 1].iter().product::<usize>();
        let rows = (inputs[..self.parts].iter().map(|x| rows_of(x)))
            .find(|&rows| rows != 1)
            .unwrap_or(1);
        let parts: Vec<Part<'_, T>> = (inputs[..self.parts].iter().zip(&hosts))
            .map(|(x, values)| Part {
                values,
                width: width(x),
                shared: rows_of(x) != rows,
            })
            .collect();
        let each = if self.biased { 2 } else { 1 };
        let layers: Vec<Layer<'_, T>> = (hosts[self.parts..].chunks(each))
            .zip(inputs[self.parts..].chunks(each))
            .enumerate()
            .map(|(i, (values, shapes))| Layer {
                weight: {
                    let (rows, columns) = (shapes[0].dims()[0], shapes[0].dims()[1]);
                    let weight = Matrix::new(&values[0], rows, columns);
                    if self.transposed {
                        weight.transposed()
                    } else {
                        weight
                    }
                },
                bias: values.get(1).map(|bias| &**bias),
                activation: self.activation(i).function(),
            })
            .collect();
        f(rows, &parts, &layers)
    }

    pub(crate) fn output_shape(
        &self,
        inputs: &[&Tensor],
        rows: usize,
        outputs: usize,
    ) -> Vec<usize> {
        let mut shape = match self.parts {
            1 => inputs[0].dims().to_vec(),
            _ => vec![rows, 0],
        };
        if let Some(last) = shape.last_mut() {
            *last = outputs;
        }
        shape
    }
}

/// `x W` by candle, for x of any rank.
fn product(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let mut shape = x.dims().to_vec();
    let inputs = shape.pop().unwrap_or(1);
    let rows = shape.iter().product::<usize>();
    shape.push(weight.dims()[1]);
    let y = x.reshape((rows, inputs))?.matmul(weight)?;
    Ok(y.reshape(shape)?)
}

/// The parts side by side.
pub(crate) fn joined<V: Value>(parts: &[V]) -> Result<V> {
    if let [part] = parts {
        return Ok(part.clone());
    }
    let rows = parts.iter().map(|part| part.primal().dims()[0]);
    let rows = rows.clone().find(|&rows| rows != 1).unwrap_or(1);
    let wide = |part: &V| {
        let width = part.primal().dims()[1];
        part.map_linear(|x| Ok(x.broadcast_as((rows, width))?))
    };
    let parts: Result<Vec<V>> = parts.iter().map(wide).collect();
    let parts = parts?;
    V::concatenate(&parts.iter().collect::<Vec<_>>(), 1)
}

impl Operation for Layers {
    type Saved = Box<dyn std::any::Any + Send + Sync>;

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        // Sums over rows, such as the gradient of a bias, end too early in 16 bits.
        let dtype = inputs[0].dtype();
        let inputs: Result<Vec<Tensor>> = inputs.iter().map(|x| shape::wide(x)).collect();
        let inputs = inputs?;
        let mut x = joined(&inputs[..self.parts])?;
        for (weight, bias, activation) in self.parameters(&inputs.iter().collect::<Vec<_>>()) {
            x = match self.transposed {
                true => product(&x, weight)?,
                false => product(&x, &weight.t()?)?,
            };
            if let Some(bias) = bias {
                x = x.broadcast_add(bias)?;
            }
            x = activation.apply(&x)?;
        }
        shape::cast(&x, dtype)
    }

    fn forward(&self, inputs: &[&Tensor], save: bool) -> Result<(Output, Self::Saved)> {
        by_dtype!(inputs[0], T => self.on_host::<T, _>(inputs, |rows, parts, layers| {
            let (values, saved) = T::layers_forward(THREADS, rows, parts, layers, save);
            let outputs = layers.last().map_or(0, Layer::outputs);
            let shape = self.output_shape(inputs, rows, outputs);
            let saved: Self::Saved = if save { Box::new(saved) } else { Box::new(()) };
            Ok((Output::new(values, shape), saved))
        }))
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        value: &Tensor,
        saved: &Self::Saved,
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let nothing = || {
            Error::range(
                "saved",
                "a value of another type",
                "a value that forward saved",
            )
        };
        by_dtype!(inputs[0], T => {
            let saved = saved.downcast_ref::<Saved<T>>().ok_or_else(nothing)?;
            let gradients = self.on_host::<T, _>(inputs, |rows, parts, layers| {
                let wanted = Wanted {
                    input: wanted[..self.parts].contains(&true),
                    weights: wanted[self.parts..].contains(&true),
                };
                let (value, gradient) = (host::<T>(value)?, host::<T>(gradient)?);
                let input = parts[0].values;
                Ok(T::layers_backward(THREADS, rows, input, layers, &value, saved, &gradient, wanted))
            })?;
            let mut out = Vec::with_capacity(inputs.len());
            self.split_input(inputs, gradients.input, wanted, &mut out)?;
            if gradients.weights.is_empty() {
                out.resize_with(inputs.len(), || None);
                return Ok(out);
            }
            let parameters = gradients.weights.into_iter().zip(gradients.biases);
            let mut shapes = inputs[self.parts..].iter();
            for (weight, bias) in parameters {
                if let Some(shape) = shapes.next() {
                    out.push(Some(tensor(weight, shape.shape())?));
                }
                if let (true, Some(shape)) = (self.biased, shapes.next()) {
                    out.push(Some(tensor(bias, shape.shape())?));
                }
            }
            Ok(out)
        })
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        Some(Box::new(self.clone()))
    }
}

impl Layers {
    /// The gradients of the parts from that of all columns.
    fn split_input<T: Float>(
        &self,
        inputs: &[&Tensor],
        gradient: Vec<T>,
        wanted: &[bool],
        out: &mut Vec<Option<Tensor>>,
    ) -> Result<()> {
        if self.parts == 1 {
            let gradient = wanted[0].then(|| tensor(gradient, inputs[0].shape()));
            out.push(gradient.transpose()?);
            return Ok(());
        }
        let widths = inputs[..self.parts].iter().map(|x| x.dims()[1]);
        let total: usize = widths.clone().sum();
        let mut column = 0;
        for ((x, width), &wanted) in inputs.iter().zip(widths).zip(wanted) {
            let rows = gradient.chunks_exact(total.max(1));
            let rows = rows.map(move |row| &row[column..][..width]);
            column += width;
            if !wanted {
                out.push(None);
                continue;
            }
            let part = match x.dims()[0] {
                1 => summed(width, rows),
                _ => rows.flatten().copied().collect(),
            };
            out.push(Some(tensor(part, x.shape())?));
        }
        Ok(())
    }
}

/// The sum of rows: of sums of some rows each, so that the many small ones are not lost beside their sum.
fn summed<'a, T: Float>(width: usize, rows: impl Iterator<Item = &'a [T]>) -> Vec<T> {
    /// Rows that are summed before they are added to the rest.
    const SUMMED: usize = 128;
    let (mut total, mut part) = (vec![T::ZERO; width], vec![T::ZERO; width]);
    let mut add_part = |part: &mut [T]| {
        for (total, part) in total.iter_mut().zip(part) {
            *total += std::mem::replace(part, T::ZERO);
        }
    };
    for (i, row) in rows.enumerate() {
        if i > 0 && i % SUMMED == 0 {
            add_part(&mut part);
        }
        for (part, x) in part.iter_mut().zip(row) {
            *part += *x;
        }
    }
    add_part(&mut part);
    total
}
