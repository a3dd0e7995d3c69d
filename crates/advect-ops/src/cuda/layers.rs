//! Fully connected layers: products by cuBLAS, what comes after them by kernels.

use advect_core::{Error, Result};
use advect_kernels::cuda::layers::{bias_gradient, layer};
use advect_kernels::cuda::{Fresh, product};
use candle_core::Tensor;

use super::OnCuda;
use crate::Activation;
use crate::linear::layers::{Layers, joined};

impl OnCuda for Layers {
    /// Saves the input of each layer, as rows, and its product with the weight where an activation follows.
    fn forward(&self, inputs: &[&Tensor], save: bool) -> Result<(Fresh, Vec<Tensor>)> {
        let parts: Vec<Tensor> = inputs[..self.parts].iter().map(|x| x.detach()).collect();
        let x = joined(&parts)?.contiguous()?;
        let mut x = x.reshape(((), x.dims().last().copied().unwrap_or(1)))?;
        let (mut value, mut saved) = (None, Vec::new());
        for (weight, bias, activation) in self.parameters(inputs) {
            if let Some(value) = value.take() {
                x = Fresh::into_tensor(value);
            }
            let z = product(&x, &self.factor(weight)?)?;
            if save {
                saved.push(x.clone());
            }
            value = Some(match (activation, bias) {
                (Activation::Identity, None) => z,
                (Activation::Identity, _) => {
                    layer(activation.function(), &z.into_tensor(), bias, None)?
                }
                _ => {
                    let z = z.into_tensor();
                    let value = layer(activation.function(), &z, bias, None)?;
                    if save {
                        saved.push(z);
                    }
                    value
                }
            });
        }
        let value = value.ok_or_else(|| Error::Empty {
            argument: "layers".into(),
        })?;
        let (rows, outputs) = (x.dims()[0], value.width());
        Ok((
            value.reshape(self.output_shape(inputs, rows, outputs))?,
            saved,
        ))
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        saved: &[Tensor],
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let mut saved = saved.iter().rev();
        let mut saved = || {
            saved.next().ok_or_else(|| Error::Empty {
                argument: "saved".into(),
            })
        };
        let each = 1 + usize::from(self.biased);
        let parameters: Vec<_> = self.parameters(inputs).collect();
        let mut gradients = vec![None; inputs.len()];
        let gradient = gradient.detach();
        let mut g = gradient.reshape(((), gradient.dims().last().copied().unwrap_or(1)))?;
        for (i, (weight, bias, activation)) in parameters.into_iter().enumerate().rev() {
            let dz = match activation {
                Activation::Identity => g.clone(),
                _ => layer(activation.function(), saved()?, bias, Some(&g))?.into_tensor(),
            };
            let x = saved()?;
            let place = self.parts + i * each;
            if wanted[place] {
                let dw = match self.transposed {
                    true => product(&x.t()?, &dz)?,
                    false => product(&dz.t()?, x)?,
                };
                gradients[place] = Some(dw.into_tensor());
            }
            if let Some(bias) = bias.filter(|_| wanted[place + 1]) {
                gradients[place + 1] = Some(bias_gradient(&dz, bias)?.into_tensor());
            }
            if i > 0 || wanted[..self.parts].contains(&true) {
                g = product(&dz, &self.factor(weight)?.t()?)?.into_tensor();
            }
        }
        self.split(inputs, &g, wanted, &mut gradients)?;
        Ok(gradients)
    }
}

impl Layers {
    /// A weight as the second factor of a product, `(inputs, outputs)`.
    fn factor(&self, weight: &Tensor) -> Result<Tensor> {
        match self.transposed {
            true => Ok(weight.detach()),
            false => Ok(weight.detach().t()?),
        }
    }

    /// The gradients of the parts from that of all columns.
    fn split(
        &self,
        inputs: &[&Tensor],
        gradient: &Tensor,
        wanted: &[bool],
        gradients: &mut [Option<Tensor>],
    ) -> Result<()> {
        let mut column = 0;
        for ((x, &wanted), place) in inputs[..self.parts].iter().zip(wanted).zip(gradients) {
            let width = x.dims().last().copied().unwrap_or(1);
            if wanted {
                let mut part = gradient.narrow(1, column, width)?;
                // A row for all gets the sum of what each row would.
                if self.parts > 1 && x.dims()[0] != part.dims()[0] {
                    part = bias_gradient(&part.contiguous()?, x)?.into_tensor();
                }
                *place = Some(part.contiguous()?.reshape(x.shape())?);
            }
            column += width;
        }
        Ok(())
    }
}
