//! Fully connected layers with fused activations, one at a time or several at once.

pub(crate) mod layers;
mod perceptron;
mod tangents;

use advect_core::{Error, Result, check};
use candle_core::Tensor;

use crate::{Activation, Value};
use layers::Layers;

pub use perceptron::Perceptron;
pub use tangents::mlp_tangents;

/// Returns `activation(x Wᵀ + b)` for x of shape `(..., inputs)`, a weight `(outputs, inputs)` and a bias `(outputs,)`.
/// With [`Activation::Identity`] there is no activation.
///
/// ```
/// use advect_ops::{Activation, linear};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[1.0f32, 2.0]], &Device::Cpu)?;
/// let weight = Tensor::new(&[[3.0f32, 4.0], [-1.0, 0.0]], &Device::Cpu)?;
/// let bias = Tensor::new(&[0.5f32, 0.0], &Device::Cpu)?;
/// let y = linear(&x, &weight, Some(&bias), Activation::Relu)?;
/// assert_eq!(y.to_vec2::<f32>()?, [[11.5, 0.0]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`] naming the argument whose shape, dtype or device does not fit.
#[doc(alias = "dense")]
#[doc(alias = "matmul")]
#[doc(alias = "fully connected")]
pub fn linear<V: Value>(
    x: &V,
    weight: &Tensor,
    bias: Option<&Tensor>,
    activation: Activation,
) -> Result<V> {
    layer(x, weight, bias, activation, false)
}

/// Returns `activation(x W + b)` for x of shape `(..., inputs)`, a weight `(inputs, outputs)` and a bias `(outputs,)`: a layer that shares
/// its weight with a [`linear`] one in the other direction, as a Boltzmann machine and an autoencoder with tied weights do. The weight is
/// not copied.
///
/// ```
/// use advect_ops::{Activation, linear, linear_transposed};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let weight = Tensor::new(&[[3.0f32, 4.0, 5.0], [-1.0, 0.0, 1.0]], &Device::Cpu)?;
/// let hidden = linear(&Tensor::new(&[[1.0f32, 2.0, 0.0]], &Device::Cpu)?, &weight, None, Activation::Relu)?;
/// assert_eq!(hidden.to_vec2::<f32>()?, [[11.0, 0.0]]);
/// let visible = linear_transposed(&hidden, &weight, None, Activation::Identity)?;
/// assert_eq!(visible.to_vec2::<f32>()?, [[33.0, 44.0, 55.0]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`] naming the argument whose shape, dtype or device does not fit.
#[doc(alias = "tied weights")]
#[doc(alias = "matmul")]
pub fn linear_transposed<V: Value>(
    x: &V,
    weight: &Tensor,
    bias: Option<&Tensor>,
    activation: Activation,
) -> Result<V> {
    layer(x, weight, bias, activation, true)
}

/// One layer.
fn layer<V: Value>(
    x: &V,
    weight: &Tensor,
    bias: Option<&Tensor>,
    activation: Activation,
    transposed: bool,
) -> Result<V> {
    let primal = x.primal();
    let inputs = check_weight(weight, bias, transposed)?;
    check::float("x", primal)?;
    check::same_kind("x", primal, "weight", weight)?;
    if primal.dims().last() != Some(&inputs) {
        let accepted = format!("(..., {inputs}), to match the weight");
        return Err(Error::shape("x", primal.dims(), accepted));
    }
    let mut shape = primal.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = weight.dims()[usize::from(transposed)];
    }
    check::memory("x", &shape, primal.dtype())?;
    let op = Layers {
        parts: 1,
        depth: 1,
        between: Activation::Identity,
        last: activation,
        biased: bias.is_some(),
        transposed,
    };
    match bias {
        Some(bias) => V::apply(op, &[x], &[weight, bias]),
        None => V::apply(op, &[x], &[weight]),
    }
}

/// Returns the value of a whole multilayer perceptron: linear layers with an activation between them. The input has any shape
/// `(..., width)`, or its columns come in several parts, each `(rows, width)`, or `(1, width)` for columns that are the same in all rows.
///
/// `layers` are pairs of a weight `(outputs, inputs)` and a bias `(outputs,)`. On the CPU, blocks of rows go through
/// all layers while they are in the cache, and nothing is stored between layers unless a gradient is needed.
///
/// ```
/// use advect_ops::{Activation, mlp};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let ones = |shape: &[usize]| Tensor::ones(shape, DType::F64, &Device::Cpu);
/// let (x, t) = (ones(&[5, 2])?, ones(&[1, 1])?);
/// let layers = [(ones(&[4, 3])?, ones(&[4])?), (ones(&[2, 4])?, ones(&[2])?)];
/// let layers: Vec<_> = layers.iter().map(|(w, b)| (w, b)).collect();
/// let y = mlp(&[&x, &t], &layers, Activation::Relu)?;
/// assert_eq!(y.to_vec2::<f64>()?, [[17.0, 17.0]; 5]); // 4 · (3 + 1) + 1
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`] naming the argument whose shape, dtype or device does not fit.
#[doc(alias = "multilayer perceptron")]
pub fn mlp<V: Value>(
    parts: &[&V],
    layers: &[(&Tensor, &Tensor)],
    activation: Activation,
) -> Result<V> {
    let op = perceptron(parts, layers, activation)?;
    let parameters: Vec<&Tensor> = layers.iter().flat_map(|(w, b)| [*w, *b]).collect();
    V::apply(op, parts, &parameters)
}

/// Checks a perceptron's arguments.
fn perceptron<V: Value>(
    parts: &[&V],
    layers: &[(&Tensor, &Tensor)],
    activation: Activation,
) -> Result<Layers> {
    let (Some(first), Some((weight, _))) = (parts.first(), layers.first()) else {
        return Err(Error::Empty {
            argument: "parts or layers".into(),
        });
    };
    let first = first.primal();
    check::float("parts", first)?;
    let rows = (parts.iter()).map(|part| part.primal().dims().first().copied());
    let rows = rows.flatten().find(|&rows| rows != 1).unwrap_or(1);
    let mut width = 0;
    for part in parts {
        let part = part.primal();
        check::same_kind("parts", part, "weight", weight)?;
        match part.dims() {
            &[n, columns] if n == rows || n == 1 => width += columns,
            &[.., columns] if parts.len() == 1 => width += columns,
            dims => {
                let accepted = format!("({rows}, width) or (1, width)");
                return Err(Error::shape("parts", dims, accepted));
            }
        }
    }
    for (weight, bias) in layers {
        if check_weight(weight, Some(bias), false)? != width {
            let accepted = format!("(outputs, {width}), to match the width of its input");
            return Err(Error::shape("weight", weight.dims(), accepted));
        }
        check::same_kind("weight", weight, "parts", first)?;
        width = weight.dims()[0];
        let rows = match first.rank() {
            2 => rows,
            rank => first.dims()[..rank - 1].iter().product(),
        };
        check::memory("parts", &[rows, width], first.dtype())?;
    }
    Ok(Layers {
        parts: parts.len(),
        depth: layers.len(),
        between: activation,
        last: Activation::Identity,
        biased: true,
        transposed: false,
    })
}

/// Checks a layer's parameters. Returns the number of inputs.
fn check_weight(weight: &Tensor, bias: Option<&Tensor>, transposed: bool) -> Result<usize> {
    check::float("weight", weight)?;
    let (outputs, inputs) = match (weight.dims(), transposed) {
        (&[outputs, inputs], false) | (&[inputs, outputs], true) => (outputs, inputs),
        (dims, false) => return Err(Error::shape("weight", dims, "(outputs, inputs)")),
        (dims, true) => return Err(Error::shape("weight", dims, "(inputs, outputs)")),
    };
    if let Some(bias) = bias {
        check::same_kind("bias", bias, "weight", weight)?;
        if bias.dims() != [outputs] {
            let accepted = format!("({outputs},), to match the weight");
            return Err(Error::shape("bias", bias.dims(), accepted));
        }
    }
    Ok(inputs)
}
