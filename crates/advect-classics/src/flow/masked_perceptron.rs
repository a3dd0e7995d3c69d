//! Perceptrons with the dependencies of an autoregression (Germain, Gregor, Murray and Larochelle 2015, "MADE: masked autoencoder for distribution estimation").

use advect_core::{Error, Result, check};
use advect_nn::{Activation, Builder, Linear};
use advect_ops::linear;
use candle_core::{Device, Tensor};

/// A perceptron whose outputs for element i depend on the elements before i alone. Weights between units that must not see each other are masked.
///
/// Hidden unit k has the degree `k mod (d − 1) + 1`, and sees units of at most this degree; the outputs of an element see lower degrees than its own, its place in the
/// order. A context is seen by all.
///
/// ```
/// use advect_classics::flow::MaskedPerceptron;
/// use advect_core::Key;
/// use advect_nn::{Activation, ParameterStore};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = MaskedPerceptron::new(&[0, 1, 2], 0, &[8], 1, Activation::Tanh, &store.builder())?;
/// let at = |x: [f64; 3]| Ok::<_, advect_core::Error>(net.forward(&Tensor::new(&[x], &Device::Cpu)?, None)?.flatten_all()?.to_vec1::<f64>()?);
/// let (one, other) = (at([0.0, 0.0, 0.0])?, at([0.0, 1.0, 1.0])?);
/// assert!(one[0] == other[0] && one[1] == other[1] && one[2] != other[2]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "MADE")]
#[derive(Debug, Clone)]
pub struct MaskedPerceptron {
    layers: Vec<(Linear, Tensor)>,
    activation: Activation,
    dim: usize,
    context: usize,
    parameters: usize,
}

impl MaskedPerceptron {
    /// Creates a perceptron for elements in an order (the place of each, from 0), with a context of some numbers, hidden layers, and `parameters` outputs for
    /// each element. Its parameters are called `layers.0.weight`, `layers.0.bias`, and so on.
    ///
    /// # Errors
    /// [`Error::Range`] for an order that is no permutation, a width or a number of parameters of 0; errors of the builder.
    pub fn new(
        order: &[usize],
        context: usize,
        hidden: &[usize],
        parameters: usize,
        activation: Activation,
        builder: &Builder,
    ) -> Result<Self> {
        super::layer::check_permutation("order", order)?;
        check::at_least_one("parameters", parameters)?;
        let dim = order.len();
        // Degrees of inputs are from 1 on; that of a context is 0.
        let inputs: Vec<usize> = order.iter().map(|place| place + 1).collect();
        let mut before = [inputs.clone(), vec![0; context]].concat();
        let mut layers = Vec::with_capacity(hidden.len() + 1);
        for (i, &width) in hidden.iter().enumerate() {
            check::at_least_one("hidden", width)?;
            // Without a context nothing has the degree 0.
            let least = usize::from(context == 0);
            let cycle = (dim - least).max(1);
            let degrees: Vec<usize> = (0..width).map(|k| k % cycle + least).collect();
            layers.push(layer(&before, &degrees, |to, from| to >= from, i, builder)?);
            before = degrees;
        }
        let outputs = inputs.repeat(parameters);
        layers.push(layer(
            &before,
            &outputs,
            |to, from| to > from,
            hidden.len(),
            builder,
        )?);
        Ok(MaskedPerceptron {
            layers,
            activation,
            dim,
            context,
            parameters,
        })
    }

    /// Returns the number of elements.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Returns the number of parameters of an element.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// The biases of the outputs, those of all elements' first parameters before the second ones, `(parameters · dim,)`.
    pub(crate) fn last_bias(&self) -> Result<&Tensor> {
        let last = self.layers.last().ok_or_else(|| Error::Empty {
            argument: "layers".into(),
        })?;
        Ok(last.0.bias())
    }

    /// Returns the parameters of elements `(batch, dim)`, `(batch, parameters, dim)`, given a context `(batch, context)` if there is one.
    ///
    /// # Errors
    /// [`Error`] naming what does not fit.
    pub fn forward(&self, x: &Tensor, context: Option<&Tensor>) -> Result<Tensor> {
        let batch = check::batch("x", x)?;
        if x.dims() != [batch, self.dim] {
            let accepted = format!("(batch, {})", self.dim);
            return Err(Error::shape("x", x.dims(), accepted));
        }
        let mut h = match (context, self.context) {
            (None, 0) => x.clone(),
            (Some(context), count) if count > 0 && context.dims() == [batch, count] => {
                check::same_kind("condition", context, "x", x)?;
                Tensor::cat(&[x, context], 1)?
            }
            (context, count) => {
                let given = context.map_or(&[][..], |c| c.dims());
                let accepted = format!("({batch}, {count}), the context of each sample");
                return Err(Error::shape("condition", given, accepted));
            }
        };
        for (i, (layer, mask)) in self.layers.iter().enumerate() {
            let last = i + 1 == self.layers.len();
            let activation = if last {
                Activation::Identity
            } else {
                self.activation
            };
            let mask = mask.to_dtype(h.dtype())?;
            h = linear(
                &h,
                &(layer.weight() * mask)?,
                Some(layer.bias()),
                activation,
            )?;
        }
        Ok(h.reshape((batch, self.parameters, self.dim))?)
    }
}

/// A layer and its mask, for the degrees of its inputs and outputs.
fn layer(
    from: &[usize],
    to: &[usize],
    seen: impl Fn(usize, usize) -> bool,
    index: usize,
    builder: &Builder,
) -> Result<(Linear, Tensor)> {
    let layer = Linear::new(from.len(), to.len(), &builder.pp(format!("layers.{index}")))?;
    let rows = to.iter().flat_map(|&t| from.iter().map(move |&f| (t, f)));
    let mask: Vec<f64> = rows.map(|(t, f)| f64::from(u8::from(seen(t, f)))).collect();
    let mask = Tensor::from_vec(mask, (to.len(), from.len()), &Device::Cpu)?;
    let mask = mask.to_device(layer.weight().device())?;
    Ok((layer, mask))
}
