//! Gated recurrent units (Cho et al. 2014, "Learning phrase representations using RNN encoder–decoder for statistical machine translation"), in PyTorch's form.

use advect_core::{Error, Result, check};
use advect_nn::Builder;
use advect_ops::{Activation, gated_recurrence, linear};
use candle_core::Tensor;
use candle_nn::Init;

/// Layers of gated recurrent units, which turn a sequence and a state h into outputs and the state after it:
///
/// ```text
/// r  = σ(W_ir x + b_ir + W_hr h + b_hr)
/// z  = σ(W_iz x + b_iz + W_hz h + b_hz)
/// n  = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn))
/// h' = (1 − z) ⊙ n + z ⊙ h
/// ```
///
/// Equations, names of parameters (`weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, then `l1`) and initial values are those of PyTorch's `nn.GRU`.
///
/// ```
/// use advect_classics::autoregressive::GatedRecurrentUnit;
/// use advect_core::Key;
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let gru = GatedRecurrentUnit::new(3, 8, 2, &store.builder())?;
/// let x = Tensor::zeros((5, 7, 3), DType::F32, &Device::Cpu)?;
/// let (outputs, state) = gru.forward(&x, &gru.zeros(&x)?)?;
/// assert_eq!((outputs.dims(), state.dims()), (&[5, 7, 8][..], &[2, 5, 8][..]));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "GRU")]
#[doc(alias = "RNN")]
#[derive(Debug, Clone)]
pub struct GatedRecurrentUnit {
    layers: Vec<Layer>,
}

#[derive(Debug, Clone)]
struct Layer {
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor,
    bias_hh: Tensor,
}

impl GatedRecurrentUnit {
    /// Creates layers of `hidden` units, the first with `inputs` inputs.
    ///
    /// # Errors
    /// [`Error::Range`] for a size of 0; errors of the builder.
    pub fn new(inputs: usize, hidden: usize, layers: usize, builder: &Builder) -> Result<Self> {
        check::at_least_one("inputs", inputs)?;
        check::at_least_one("hidden", hidden)?;
        check::at_least_one("layers", layers)?;
        let bound = 1.0 / (hidden as f64).sqrt();
        let init = Init::Uniform {
            lo: -bound,
            up: bound,
        };
        let layer = |k: usize| -> Result<Layer> {
            let inputs = if k == 0 { inputs } else { hidden };
            let weight = |name: &str, columns: usize| {
                builder.get_with_hints((3 * hidden, columns), &format!("{name}_l{k}"), init)
            };
            let bias =
                |name: &str| builder.get_with_hints(3 * hidden, &format!("{name}_l{k}"), init);
            Ok(Layer {
                weight_ih: weight("weight_ih", inputs)?,
                weight_hh: weight("weight_hh", hidden)?,
                bias_ih: bias("bias_ih")?,
                bias_hh: bias("bias_hh")?,
            })
        };
        let layers = (0..layers).map(layer).collect::<Result<_>>()?;
        Ok(GatedRecurrentUnit { layers })
    }

    /// Returns the number of units of a layer.
    pub fn hidden(&self) -> usize {
        self.layers[0].weight_hh.dims()[1]
    }

    /// Returns a state of zeros for a batch, `(layers, batch, hidden)`.
    ///
    /// # Errors
    /// [`Error::Empty`] without samples.
    pub fn zeros(&self, x: &Tensor) -> Result<Tensor> {
        let shape = (self.layers.len(), check::batch("x", x)?, self.hidden());
        Ok(Tensor::zeros(shape, x.dtype(), x.device())?)
    }

    /// Returns the outputs of the last layer, `(batch, length, hidden)`, and the state after them, `(layers, batch, hidden)`, for inputs `(batch, length, inputs)` and a state.
    ///
    /// # Errors
    /// [`Error`] naming the one that does not fit.
    pub fn forward(&self, x: &Tensor, state: &Tensor) -> Result<(Tensor, Tensor)> {
        check::batch("x", x)?;
        let inputs = self.layers[0].weight_ih.dims()[1];
        let batch = match *x.dims() {
            [batch, length, width] if length > 0 && width == inputs => batch,
            _ => {
                let accepted = format!("(batch, length, {inputs}) with at least one step");
                return Err(Error::shape("x", x.dims(), accepted));
            }
        };
        check::same_kind("state", state, "x", x)?;
        if state.dims() != [self.layers.len(), batch, self.hidden()] {
            let accepted = format!("({}, {batch}, {})", self.layers.len(), self.hidden());
            return Err(Error::shape("state", state.dims(), accepted));
        }
        let (mut outputs, mut states) = (x.clone(), Vec::with_capacity(self.layers.len()));
        for (k, layer) in self.layers.iter().enumerate() {
            let (values, last) = layer.forward(&outputs, &state.get(k)?)?;
            outputs = values;
            states.push(last);
        }
        Ok((outputs, Tensor::stack(&states, 0)?))
    }
}

impl Layer {
    fn forward(&self, x: &Tensor, h: &Tensor) -> Result<(Tensor, Tensor)> {
        // The inputs' part of all steps at once.
        let (weight, bias) = (&self.weight_ih, Some(&self.bias_ih));
        let inputs = linear(x, weight, bias, Activation::Identity)?;
        let outputs = gated_recurrence(&inputs, h, &self.weight_hh, &self.bias_hh)?;
        let last = outputs.narrow(1, x.dims()[1] - 1, 1)?.squeeze(1)?;
        Ok((outputs, last))
    }
}
