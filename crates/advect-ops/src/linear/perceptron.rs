//! A multilayer perceptron whose parameters are checked once.

use advect_core::{Error, Result, check};
use advect_kernels::Matrix;
use advect_kernels::layers::{Layer, Part};
use candle_core::{DType, Tensor};

use super::{check_weight, mlp};
use crate::cpu::{Float, THREADS, by_dtype, host};
use crate::operation::Output;
use crate::{Activation, Value};

/// A multilayer perceptron with fixed layers, for many calls of [`mlp`]. If the parameters are part of no graph, as
/// those of frozen networks, and are in the CPU's memory, a call checks and locks no more than it must.
///
/// It shares the parameters' storage, so that it sees the updates of optimisers.
///
/// ```
/// use advect_ops::{Activation, Perceptron, mlp};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let ones = |shape: &[usize]| Tensor::ones(shape, DType::F64, &Device::Cpu);
/// let (x, t) = (ones(&[5, 2])?, ones(&[1, 1])?);
/// let layers = vec![(ones(&[4, 3])?, ones(&[4])?), (ones(&[2, 4])?, ones(&[2])?)];
/// let net = Perceptron::new(layers, Activation::Relu)?;
/// assert_eq!(net.apply(&[&x, &t])?.to_vec2::<f64>()?, [[17.0, 17.0]; 5]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "MLP")]
#[derive(Debug, Clone)]
pub struct Perceptron {
    layers: Vec<(Tensor, Tensor)>,
    activation: Activation,
    /// Whether the parameters are f32 or f64, contiguous, in the CPU's memory and part of no graph.
    plain: bool,
}

/// Whether parameters can be read as they lie.
fn plain(layers: &[(Tensor, Tensor)]) -> bool {
    let simple = |x: &Tensor| {
        let known = matches!(x.dtype(), DType::F32 | DType::F64) && x.device().is_cpu();
        known && !x.track_op() && x.is_contiguous()
    };
    layers.iter().all(|(w, b)| simple(w) && simple(b))
}

impl Perceptron {
    /// Creates a perceptron from pairs of a weight `(outputs, inputs)` and a bias `(outputs,)`, with an activation
    /// between the layers.
    ///
    /// # Errors
    /// As [`mlp`].
    pub fn new(layers: Vec<(Tensor, Tensor)>, activation: Activation) -> Result<Self> {
        let Some((first, _)) = layers.first() else {
            return Err(Error::Empty {
                argument: "layers".into(),
            });
        };
        let mut width = check_weight(first, None, false)?;
        for (weight, bias) in &layers {
            check::same_kind("weight", weight, "the first one", first)?;
            if check_weight(weight, Some(bias), false)? != width {
                let accepted = format!("(outputs, {width}), to match the width of its input");
                return Err(Error::shape("weight", weight.dims(), accepted));
            }
            width = weight.dims()[0];
        }
        Ok(Perceptron {
            plain: plain(&layers),
            layers,
            activation,
        })
    }

    /// Returns the same network, sharing storage, with parameters that are part of no graph.
    pub fn frozen(&self) -> Self {
        let detached = self.layers.iter().map(|(w, b)| (w.detach(), b.detach()));
        let layers: Vec<_> = detached.collect();
        Perceptron {
            plain: plain(&layers),
            layers,
            activation: self.activation,
        }
    }

    /// Returns the pairs of weights and biases.
    pub fn layers(&self) -> Vec<(&Tensor, &Tensor)> {
        self.layers.iter().map(|(w, b)| (w, b)).collect()
    }

    /// Returns the first weight, which has the dtype and device of all parameters.
    pub fn weight(&self) -> &Tensor {
        &self.layers[0].0
    }

    /// Returns the activation between the layers.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// Returns the value for an input whose columns may come in several parts, each `(rows, width)`, or `(1, width)`
    /// for columns that are the same in all rows.
    ///
    /// # Errors
    /// As [`mlp`].
    pub fn apply<V: Value>(&self, parts: &[&V]) -> Result<V> {
        let kind = self.layers[0].0.dtype();
        let simple = |part: &&V| {
            let x = part.primal();
            let alone = part.tangent().is_none() && !x.track_op();
            alone && x.dtype() == kind && x.rank() == 2 && x.device().is_cpu() && x.is_contiguous()
        };
        if self.plain && parts.iter().all(simple) {
            let rows = parts.iter().map(|part| part.primal().dims()[0]);
            let rows = rows.clone().find(|&rows| rows != 1).unwrap_or(1);
            let fits = |part: &&V| matches!(part.primal().dims()[0], n if n == rows || n == 1);
            let width: usize = parts.iter().map(|part| part.primal().dims()[1]).sum();
            // Otherwise the checks say what does not fit.
            if width == self.layers[0].0.dims()[1] && parts.iter().all(fits) {
                return by_dtype!(self.layers[0].0, T => self.on_host::<T, V>(parts, rows));
            }
        }
        mlp(parts, &self.layers(), self.activation)
    }

    fn on_host<T: Float, V: Value>(&self, parts: &[&V], rows: usize) -> Result<V> {
        let mut inputs = Vec::with_capacity(parts.len());
        for part in parts {
            inputs.push(host::<T>(part.primal())?);
        }
        let mut parameters = Vec::with_capacity(self.layers.len());
        for (weight, bias) in &self.layers {
            parameters.push((host::<T>(weight)?, host::<T>(bias)?));
        }
        let parts: Vec<Part<'_, T>> = (parts.iter().zip(&inputs))
            .map(|(part, values)| Part {
                values,
                width: part.primal().dims()[1],
                shared: part.primal().dims()[0] != rows,
            })
            .collect();
        let last = self.layers.len() - 1;
        let layers: Vec<Layer<'_, T>> = (self.layers.iter().zip(&parameters).enumerate())
            .map(|(i, ((weight, _), (values, bias)))| Layer {
                weight: Matrix::new(values, weight.dims()[0], weight.dims()[1]),
                bias: Some(&**bias),
                activation: match i == last {
                    true => Activation::Identity.function(),
                    false => self.activation.function(),
                },
            })
            .collect();
        let (values, _) = T::layers_forward(THREADS, rows, &parts, &layers, false);
        let outputs = self.layers[last].0.dims()[0];
        Ok(V::constant(
            Output::new(values, (rows, outputs)).into_tensor()?,
        ))
    }
}
