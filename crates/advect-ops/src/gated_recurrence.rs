//! The recurrence of gated recurrent units (Cho et al. 2014, "Learning phrase representations using RNN encoder–decoder for
//! statistical machine translation", section 2.3, in the form that PyTorch documents).

use std::any::Any;

use advect_core::{Error, Result, check, shape};
use advect_kernels::gated_recurrence::{GatedRecurrence as _, Gates, Recurrent, Steps};
use candle_core::Tensor;

use crate::cpu::{THREADS, by_dtype, host, hosts, tensor};
use crate::operation::{Operation, Output, Tangent};
use crate::{Activation, Dual, Value, linear};

/// Returns the states of a gated recurrent unit after each step, `(batch, length, hidden)`:
///
/// ```text
/// r  = σ(a_r + W_r h + b_r)
/// z  = σ(a_z + W_z h + b_z)
/// n  = tanh(a_n + r ⊙ (W_n h + b_n))
/// h' = (1 − z) ⊙ n + z ⊙ h
/// ```
///
/// `inputs` holds `a_r`, `a_z` and `a_n` of each step, `(batch, length, 3 · hidden)`: a linear function of what the unit reads. `state` is
/// the first h, `(batch, hidden)`; `weight` has the rows of `W_r`, `W_z` and `W_n`, `(3 · hidden, hidden)`, and `bias` is `(3 · hidden,)`.
///
/// On the CPU a thread takes some samples through all steps, and the gradient of the weight is one product over all of them.
///
/// ```
/// use advect_ops::gated_recurrence;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F64, &Device::Cpu);
/// let (inputs, state) = (zeros(&[1, 3, 3])?, Tensor::ones((1, 1), DType::F64, &Device::Cpu)?);
/// // r = z = ½ and n = 0, so that the state halves at each step.
/// let states = gated_recurrence(&inputs, &state, &zeros(&[3, 1])?, &zeros(&[3])?)?;
/// assert_eq!(states.flatten_all()?.to_vec1::<f64>()?, [0.5, 0.25, 0.125]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`] naming the argument that does not fit the others; [`Error::Empty`] without units or steps.
#[doc(alias = "GRU")]
#[doc(alias = "RNN")]
pub fn gated_recurrence<V: Value>(
    inputs: &V,
    state: &V,
    weight: &Tensor,
    bias: &Tensor,
) -> Result<V> {
    let (a, h) = (inputs.primal(), state.primal());
    check::float("inputs", a)?;
    check::same_kind("state", h, "inputs", a)?;
    check::same_kind("weight", weight, "inputs", a)?;
    check::same_kind("bias", bias, "inputs", a)?;
    let &[batch, hidden] = h.dims() else {
        return Err(Error::shape("state", h.dims(), "(batch, hidden)"));
    };
    let width = hidden.saturating_mul(3);
    let length = match *a.dims() {
        [samples, length, columns] if samples == batch && columns == width => length,
        _ => {
            let accepted = format!("({batch}, length, {width}), to match the state");
            return Err(Error::shape("inputs", a.dims(), accepted));
        }
    };
    if weight.dims() != [width, hidden] {
        let accepted = format!("({width}, {hidden}), to match the state");
        return Err(Error::shape("weight", weight.dims(), accepted));
    }
    if bias.dims() != [width] {
        let accepted = format!("({width},), to match the state");
        return Err(Error::shape("bias", bias.dims(), accepted));
    }
    for (argument, size) in [("state", hidden), ("inputs", length)] {
        if size == 0 {
            let argument = argument.into();
            return Err(Error::Empty { argument });
        }
    }
    let steps = Steps {
        batch,
        length,
        hidden,
    };
    V::apply(Recurrence(steps), &[inputs, state], &[weight, bias])
}

struct Recurrence(Steps);

/// The states, step by step.
fn composed<V: Value>(
    steps: Steps,
    inputs: &V,
    state: &V,
    weight: &Tensor,
    bias: &Tensor,
) -> Result<V> {
    let Steps {
        batch,
        length,
        hidden,
    } = steps;
    if batch == 0 {
        let (dtype, device) = (state.primal().dtype(), state.primal().device());
        let none = Tensor::zeros((0, length, hidden), dtype, device)?;
        return Ok(V::constant(none));
    }
    // In 32 bits at least: small changes of a state would be lost in 16.
    let dtype = state.primal().dtype();
    let [inputs, state] = [
        inputs.map_linear(shape::wide)?,
        state.map_linear(shape::wide)?,
    ];
    let (weight, bias) = (&shape::wide(weight)?, &shape::wide(bias)?);
    let part = |x: &V, from: usize, count: usize| {
        x.map_linear(|x| Ok(x.narrow(1, from * hidden, count * hidden)?.contiguous()?))
    };
    let (mut h, mut states) = (state.clone(), Vec::with_capacity(length));
    for step in 0..length {
        let input = inputs.map_linear(|x| Ok(x.narrow(1, step, 1)?.squeeze(1)?))?;
        let own = linear(&h, weight, Some(bias), Activation::Identity)?;
        let gates = part(&input, 0, 2)?.plus(&part(&own, 0, 2)?)?;
        let gates = Activation::Sigmoid.apply(&gates)?;
        let (reset, update) = (part(&gates, 0, 1)?, part(&gates, 1, 1)?);
        let new = part(&input, 2, 1)?.plus(&reset.times(&part(&own, 2, 1)?)?)?;
        let new = Activation::Tanh.apply(&new)?;
        let change = h.plus(&new.map_linear(|n| Ok(n.neg()?))?)?;
        h = new.plus(&update.times(&change)?)?;
        states.push(h.map_linear(|h| Ok(h.unsqueeze(1)?))?);
    }
    let states = V::concatenate(&states.iter().collect::<Vec<_>>(), 1)?;
    states.map_linear(|x| shape::cast(x, dtype))
}

impl Operation for Recurrence {
    type Saved = Box<dyn Any + Send + Sync>;

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        composed(self.0, inputs[0], inputs[1], inputs[2], inputs[3])
    }

    fn forward(&self, inputs: &[&Tensor], save: bool) -> Result<(Output, Self::Saved)> {
        let steps = self.0;
        by_dtype!(inputs[0], T => {
            let all = hosts::<T>(inputs)?;
            let parameters = Recurrent { weight: &all[2], bias: &all[3] };
            let (states, gates) = T::recur(THREADS, steps, &all[0], &all[1], parameters, save);
            let shape = (steps.batch, steps.length, steps.hidden);
            let saved: Self::Saved = Box::new(gates);
            Ok((Output::new(states, shape), saved))
        })
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        value: &Tensor,
        saved: &Self::Saved,
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let nothing = || {
            let given = "gates of another type";
            Error::range("saved", given, "gates that forward saved")
        };
        by_dtype!(value, T => {
            let gates = saved.downcast_ref::<Gates<T>>().ok_or_else(nothing)?;
            let (states, g) = (host::<T>(value)?, host::<T>(gradient)?);
            let (state, weight) = (host::<T>(inputs[1])?, host::<T>(inputs[2])?);
            let bias = host::<T>(inputs[3])?;
            let parameters = Recurrent { weight: &weight, bias: &bias };
            let all = T::recur_backward(THREADS, self.0, &state, parameters, &states, gates, &g);
            let gradients = [all.inputs, all.state, all.weight, all.bias].into_iter();
            gradients.zip(inputs).map(|(g, x)| tensor(g, x.shape()).map(Some)).collect()
        })
    }

    /// States of 16 bits are composed, in f32.
    #[cfg(feature = "cuda")]
    fn on_cuda(&self, inputs: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        use candle_core::DType;
        let wide = matches!(inputs[0].dtype(), DType::F32 | DType::F64);
        let kernels = || Box::new(crate::cuda::gated_recurrence::Recurrence(self.0)) as _;
        wide.then(kernels)
    }
}

impl Tangent for Recurrence {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let dual = |i: usize| Dual::from_parts(inputs[i].clone(), tangents[i].cloned());
        composed(self.0, &dual(0), &dual(1), inputs[2], inputs[3])?.into_parts()
    }
}
