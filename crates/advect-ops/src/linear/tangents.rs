//! Derivatives of layers along directions.

use advect_core::{Error, Result, check};
use advect_kernels::layers::{Layer, Layers as _, Part};
use candle_core::Tensor;

use super::layers::{Layers, joined};
use super::perceptron;
use crate::cpu::{self, Float, THREADS, by_dtype, host, tensor};
use crate::empty;
use crate::graph::tracks;
use crate::operation::{Tangent, apply, contiguous};
use crate::{Activation, Dual, Value};

/// Returns the value of [`mlp`](crate::mlp) and its derivatives along several directions of the first part; the other
/// parts don't change.
///
/// The value is computed once for all directions, so that k of them cost about k + 1 evaluations. All results are
/// differentiable if an argument is tracked; otherwise nothing is stored between layers.
///
/// ```
/// use advect_ops::{Activation, mlp_tangents};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let (weight, bias) = (Tensor::new(&[[1f64, 2.0]], &Device::Cpu)?, Tensor::new(&[0f64], &Device::Cpu)?);
/// let x = Tensor::new(&[[3f64, 4.0]], &Device::Cpu)?;
/// let directions = [Tensor::new(&[[1f64, 0.0]], &Device::Cpu)?, Tensor::new(&[[0f64, 1.0]], &Device::Cpu)?];
/// let (y, along) = mlp_tangents(&[&x], &directions, &[(&weight, &bias)], Activation::Tanh)?;
/// assert_eq!(y.to_vec2::<f64>()?, [[11.0]]);
/// assert_eq!([along[0].to_vec2::<f64>()?, along[1].to_vec2::<f64>()?], [[[1.0]], [[2.0]]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`mlp`](crate::mlp), and [`Error`] naming `directions` where one is not like the first part.
pub fn mlp_tangents(
    parts: &[&Tensor],
    directions: &[Tensor],
    layers: &[(&Tensor, &Tensor)],
    activation: Activation,
) -> Result<(Tensor, Vec<Tensor>)> {
    let op = perceptron(parts, layers, activation)?;
    for direction in directions {
        check::alike("directions", direction, "the first part", parts[0])?;
    }
    let parameters = layers.iter().flat_map(|(w, b)| [*w, *b]);
    let inputs: Vec<&Tensor> = parts.iter().copied().chain(parameters).collect();
    let count = inputs.len();
    let all: Vec<&Tensor> = inputs.into_iter().chain(directions).collect();
    let along = |all: &[&Tensor]| {
        let (inputs, directions) = all.split_at(count);
        let tangents = directions.iter().map(|direction| {
            let mut tangents = vec![None; count];
            tangents[0] = Some(*direction);
            tangents
        });
        op.along(inputs, &tangents.collect::<Vec<_>>())
    };
    match empty::is_elsewhere(&all) {
        true => empty::on_host(&all, along),
        false => along(&all),
    }
}

impl Tangent for Layers {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let (value, mut along) = self.along(inputs, &[tangents.to_vec()])?;
        match along.pop() {
            Some(tangent) => Ok((value, tangent)),
            None => Err(Error::range(
                "tangents",
                "an empty list",
                "a list of at least one direction",
            )),
        }
    }
}

impl Layers {
    /// The value, and its derivatives along several directions in the parts.
    fn along(
        &self,
        inputs: &[&Tensor],
        directions: &[Vec<Option<&Tensor>>],
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let of_parts = directions.iter().flat_map(|d| &d[..self.parts]);
        let all: Vec<&Tensor> = inputs
            .iter()
            .copied()
            .chain(of_parts.copied().flatten())
            .collect();
        if cpu::fits(&all) && !tracks(&all) {
            return self.along_on_host(inputs, directions);
        }
        if directions.is_empty() {
            return Ok((apply(self.clone(), inputs)?, Vec::new()));
        }
        // The value goes through once; the derivatives go through side by side, as more rows.
        let parts: Vec<Tensor> = inputs[..self.parts].iter().map(|x| (*x).clone()).collect();
        let mut x = joined(&parts)?;
        let mut tangents = Vec::with_capacity(directions.len());
        for direction in directions {
            let dual = |(part, tangent): (&Tensor, &Option<&Tensor>)| {
                Dual::from_parts(part.clone(), tangent.cloned())
            };
            let duals: Vec<Dual> = parts.iter().zip(direction).map(dual).collect();
            tangents.push(joined(&duals)?.into_parts()?.1);
        }
        let mut dx = Tensor::stack(&tangents, 0)?;
        for (weight, bias, activation) in self.parameters(inputs) {
            let plain = |biased| Layers {
                parts: 1,
                depth: 1,
                between: Activation::Identity,
                last: Activation::Identity,
                biased,
                transposed: self.transposed,
            };
            let z = match bias {
                Some(bias) => apply(plain(true), &[&x, weight, bias])?,
                None => apply(plain(false), &[&x, weight])?,
            };
            let dz = apply(plain(false), &[&dx, weight])?;
            dx = match directions.len() {
                1 => activation.along(&z, &dz.squeeze(0)?)?.unsqueeze(0)?,
                count => activation.along(&Tensor::stack(&vec![&z; count], 0)?, &dz)?,
            };
            x = activation.apply(&z)?;
        }
        let along: candle_core::Result<Vec<Tensor>> =
            (0..directions.len()).map(|i| dx.get(i)).collect();
        Ok((x, along?))
    }

    /// The same without a graph.
    fn along_on_host(
        &self,
        inputs: &[&Tensor],
        directions: &[Vec<Option<&Tensor>>],
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let inputs = contiguous(inputs)?;
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        let mut given = Vec::with_capacity(directions.len());
        for direction in directions {
            let parts: candle_core::Result<Vec<Option<Tensor>>> = direction[..self.parts]
                .iter()
                .map(|tangent| tangent.map(|x| x.contiguous()).transpose())
                .collect();
            given.push(parts?);
        }
        by_dtype!(inputs[0], T => {
            let mut locked = Vec::with_capacity(given.len());
            for direction in &given {
                let parts: Result<Vec<Option<_>>> =
                    direction.iter().map(|x| x.as_ref().map(host::<T>).transpose()).collect();
                locked.push(parts?);
            }
            self.on_host::<T, _>(&inputs, |rows, parts, layers| {
                let directions: Vec<Vec<Option<Part<'_, T>>>> = locked
                    .iter()
                    .map(|direction| {
                        let pairs = direction.iter().zip(parts);
                        pairs.map(|(values, like)| tangent_part(values.as_ref(), like)).collect()
                    })
                    .collect();
                let (value, along) = T::layers_along(THREADS, rows, parts, &directions, layers);
                let outputs = layers.last().map_or(0, Layer::outputs);
                let shape = self.output_shape(&inputs, rows, outputs);
                let along: Result<Vec<Tensor>> =
                    along.into_iter().map(|along| tensor(along, shape.clone())).collect();
                Ok((tensor(value, shape.clone())?, along?))
            })
        })
    }
}

/// A tangent with the layout of its part.
fn tangent_part<'a, T: Float>(
    values: Option<&'a cpu::Host<'a, T>>,
    like: &Part<'_, T>,
) -> Option<Part<'a, T>> {
    values.map(|values| Part {
        values,
        width: like.width,
        shared: like.shared,
    })
}
