//! The recurrence of gated recurrent units (Cho et al. 2014), all steps of some samples after each other:
//!
//! ```text
//! r  = σ(a_r + W_r h + b_r)
//! z  = σ(a_z + W_z h + b_z)
//! n  = tanh(a_n + r ⊙ (W_n h + b_n))
//! h' = n + z ⊙ (h − n)
//! ```

use pulp::{Simd, WithSimd};

use crate::activation::Function;
use crate::dots::multiply_transposed;
use crate::layers::{Layer, layer_gradients};
use crate::matmul::{Nothing, Right, Start, multiply};
use crate::matrix::{Matrix, Packed};
use crate::{Buffer, Float, Threads, dispatch, kernels, zeros};

/// The sizes of a recurrence.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    /// The number of samples.
    pub batch: usize,
    /// The number of steps.
    pub length: usize,
    /// The number of units.
    pub hidden: usize,
}

/// The parameters of a recurrence.
#[derive(Clone, Copy)]
pub struct Recurrent<'a, T> {
    /// W of the gates r, z and n, `(3 · hidden, hidden)`.
    pub weight: &'a [T],
    /// Their biases, `(3 · hidden,)`.
    pub bias: &'a [T],
}

/// r, z, n and `W_n h + b_n` of each step, `(batch, length, 4 · hidden)`.
pub struct Gates<T: Float>(Buffer<T>);

/// The gradients of a recurrence.
pub struct RecurrenceGradients<T> {
    /// The gradient of the inputs a.
    pub inputs: Vec<T>,
    /// The gradient of the first state.
    pub state: Vec<T>,
    /// The gradient of the weight.
    pub weight: Vec<T>,
    /// The gradient of the bias.
    pub bias: Vec<T>,
}

kernels! {
    /// The kernels of gated recurrent units.
    pub trait GatedRecurrence {
        /// Returns the states after each step, `(batch, length, hidden)`, for inputs a, `(batch, length, 3 · hidden)`, and a first state, `(batch, hidden)`; and the gates if
        /// `save`.
        fn recur(
            threads: &dyn Threads,
            steps: Steps,
            inputs: &[Self],
            state: &[Self],
            parameters: Recurrent<'_, Self>,
            save: bool,
        ) -> (Vec<Self>, Gates<Self>);

        /// Returns the gradients, given the states after each step and their gradient.
        fn recur_backward(
            threads: &dyn Threads,
            steps: Steps,
            state: &[Self],
            parameters: Recurrent<'_, Self>,
            states: &[Self],
            gates: &Gates<Self>,
            gradient: &[Self],
        ) -> RecurrenceGradients<Self>;
    }
}

/// The number of products up to which packing the weight costs more than it saves.
const FEW: usize = 6;

impl Steps {
    /// Samples that go through all steps together.
    fn piece(&self, threads: &dyn Threads, time: usize) -> usize {
        threads.piece(self.batch, 8, time).max(1)
    }

    /// Nanoseconds of a product of all states with the weight, and of the gates.
    fn time<T>(&self) -> usize {
        let product = 3 * self.hidden * self.hidden * size_of::<T>() / 200;
        self.batch * self.length * (product + 4 * self.hidden)
    }
}

fn recur<T: Float>(
    threads: &dyn Threads,
    steps: Steps,
    inputs: &[T],
    state: &[T],
    parameters: Recurrent<'_, T>,
    save: bool,
) -> (Vec<T>, Gates<T>) {
    let Steps {
        batch,
        length,
        hidden,
    } = steps;
    let rows = batch * length;
    assert!(inputs.len() == 3 * rows * hidden && state.len() == batch * hidden);
    assert!(parameters.weight.len() == 3 * hidden * hidden);
    assert!(parameters.bias.len() == 3 * hidden);
    if rows * hidden == 0 {
        return (Vec::new(), Gates(Buffer::default()));
    }
    let mut states = zeros(threads, rows * hidden);
    let mut gates = Buffer::new(if save { 4 * rows * hidden } else { 0 });
    let weight = Matrix::new(parameters.weight, 3 * hidden, hidden);
    let packed = (rows > FEW).then(|| Packed::new(weight.transposed()));
    let time = steps.time::<T>();
    let piece = steps.piece(threads, time);
    let mut gate_pieces = gates.chunks_mut(4 * piece * length * hidden);
    let tasks = (states.chunks_mut(piece * length * hidden).enumerate()).map(|(i, states)| {
        let (first, end) = (i * piece, batch.min((i + 1) * piece));
        Forward {
            length,
            hidden,
            inputs: &inputs[3 * first * length * hidden..],
            state: &state[first * hidden..end * hidden],
            weight,
            packed: packed.as_ref(),
            bias: parameters.bias,
            states,
            gates: gate_pieces.next().unwrap_or(&mut []),
        }
    });
    threads.each(tasks.collect(), time, |task: Forward<'_, T>| dispatch(task));
    (states, Gates(gates))
}

struct Forward<'a, T: Float> {
    length: usize,
    hidden: usize,
    inputs: &'a [T],
    state: &'a [T],
    weight: Matrix<'a, T>,
    packed: Option<&'a Packed<T>>,
    bias: &'a [T],
    states: &'a mut [T],
    gates: &'a mut [T],
}

impl<T: Float> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (length, hidden) = (self.length, self.hidden);
        let samples = self.state.len() / hidden;
        let mut state = self.state.to_vec();
        let mut own = vec![T::ZERO; 3 * samples * hidden];
        let mut scratch = vec![T::ZERO; 4 * hidden];
        for step in 0..length {
            let before = Matrix::new(&state, samples, hidden);
            let (width, bias) = (3 * hidden, self.bias);
            match self.packed {
                Some(packed) => {
                    let (right, start) = (Right::Packed(packed), Start::Row(bias));
                    multiply(simd, before, right, &mut own, width, start, None);
                }
                None => multiply_transposed(
                    simd,
                    before,
                    self.weight,
                    Some(bias),
                    &mut own,
                    &mut Nothing,
                ),
            }
            let each = state.chunks_exact_mut(hidden).zip(own.chunks_exact(width));
            for (i, (h, own)) in each.enumerate() {
                let row = i * length + step;
                let input = &self.inputs[row * width..][..width];
                let gates = match self.gates.is_empty() {
                    true => &mut scratch[..],
                    false => &mut self.gates[4 * row * hidden..][..4 * hidden],
                };
                cell(simd, input, own, gates, h);
                self.states[row * hidden..][..hidden].copy_from_slice(h);
            }
        }
    }
}

/// One step of one sample: writes the gates, and h' to h.
#[inline(always)]
fn cell<S: Simd, T: Float>(simd: S, input: &[T], own: &[T], gates: &mut [T], h: &mut [T]) {
    let hidden = h.len();
    let (both, rest) = gates.split_at_mut(2 * hidden);
    let (new, linear) = rest.split_at_mut(hidden);
    for (gate, (a, b)) in both.iter_mut().zip(input.iter().zip(own)) {
        *gate = *a + *b;
    }
    Function::Sigmoid.values(simd, both);
    let (reset, update) = both.split_at(hidden);
    linear.copy_from_slice(&own[2 * hidden..]);
    let input = &input[2 * hidden..][..hidden];
    for ((new, a), (r, b)) in new.iter_mut().zip(input).zip(reset.iter().zip(&*linear)) {
        *new = *a + *r * *b;
    }
    Function::Tanh.values(simd, new);
    for (h, (n, z)) in h.iter_mut().zip(new.iter().zip(update)) {
        *h = *n + *z * (*h - *n);
    }
}

fn recur_backward<T: Float>(
    threads: &dyn Threads,
    steps: Steps,
    state: &[T],
    parameters: Recurrent<'_, T>,
    states: &[T],
    gates: &Gates<T>,
    gradient: &[T],
) -> RecurrenceGradients<T> {
    let Steps {
        batch,
        length,
        hidden,
    } = steps;
    let (rows, sample) = (batch * length, length * hidden);
    assert!(states.len() == rows * hidden && gradient.len() == rows * hidden);
    assert!(state.len() == batch * hidden && gates.0.len() >= 4 * rows * hidden);
    assert!(parameters.weight.len() == 3 * hidden * hidden);
    assert!(parameters.bias.len() == 3 * hidden);
    let mut in_inputs = zeros(threads, 3 * rows * hidden);
    let mut in_state = vec![T::ZERO; batch * hidden];
    if rows * hidden == 0 {
        return RecurrenceGradients {
            inputs: in_inputs,
            state: in_state,
            weight: vec![T::ZERO; parameters.weight.len()],
            bias: vec![T::ZERO; parameters.bias.len()],
        };
    }
    // The states before each step.
    let mut before = Buffer::new(rows * hidden);
    let each = before
        .chunks_exact_mut(sample)
        .zip(states.chunks_exact(sample));
    for ((out, states), first) in each.zip(state.chunks_exact(hidden)) {
        out[..hidden].copy_from_slice(first);
        out[hidden..].copy_from_slice(&states[..sample - hidden]);
    }
    let mut in_products = Buffer::new(3 * rows * hidden);
    let weight = Matrix::new(parameters.weight, 3 * hidden, hidden);
    let packed = Packed::new(weight);
    let time = steps.time::<T>();
    let piece = steps.piece(threads, time);
    let size = piece * sample;
    let outputs = (in_inputs.chunks_mut(3 * size)).zip(in_products.chunks_mut(3 * size));
    let tasks = outputs.zip(in_state.chunks_mut(piece * hidden)).enumerate();
    let tasks = tasks.map(|(i, ((in_inputs, in_products), carry))| Backward {
        length,
        hidden,
        packed: &packed,
        before: &before[i * size..],
        gates: &gates.0[4 * i * size..],
        gradient: &gradient[i * size..],
        in_inputs,
        in_products,
        carry,
    });
    threads.each(tasks.collect(), time, |task: Backward<'_, T>| {
        dispatch(task);
    });
    // The weight's gradient by one product over all steps.
    let layer = Layer {
        weight,
        bias: Some(parameters.bias),
        activation: Function::Identity,
    };
    let (weight, bias) = layer_gradients(threads, &before, layer, &in_products);
    RecurrenceGradients {
        inputs: in_inputs,
        state: in_state,
        weight,
        bias,
    }
}

struct Backward<'a, T: Float> {
    length: usize,
    hidden: usize,
    packed: &'a Packed<T>,
    before: &'a [T],
    gates: &'a [T],
    gradient: &'a [T],
    in_inputs: &'a mut [T],
    /// The gradient of `W h + b`.
    in_products: &'a mut [T],
    /// The gradient of the state that goes from one step to the one before.
    carry: &'a mut [T],
}

impl<T: Float> WithSimd for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (length, hidden, width) = (self.length, self.hidden, 3 * self.hidden);
        let samples = self.carry.len() / hidden;
        let mut deltas = vec![T::ZERO; samples * width];
        for step in (0..length).rev() {
            let carries = self.carry.chunks_exact_mut(hidden);
            for (i, (carry, delta)) in carries.zip(deltas.chunks_exact_mut(width)).enumerate() {
                let row = i * length + step;
                let at = row * hidden;
                for (carry, g) in carry.iter_mut().zip(&self.gradient[at..][..hidden]) {
                    *carry += *g;
                }
                let gates = &self.gates[4 * at..][..4 * hidden];
                let in_inputs = &mut self.in_inputs[3 * at..][..width];
                cell_backward(gates, &self.before[at..][..hidden], carry, in_inputs, delta);
                self.in_products[3 * at..][..width].copy_from_slice(delta);
            }
            let delta = Matrix::new(&deltas, samples, width);
            let right = Right::Packed(self.packed);
            multiply(simd, delta, right, self.carry, hidden, Start::Present, None);
        }
    }
}

/// One step of one sample: from the gradient of h' to those of the inputs and of `W h + b`, and to that of h except for what
/// comes through the latter.
#[inline(always)]
fn cell_backward<T: Float>(
    gates: &[T],
    before: &[T],
    carry: &mut [T],
    in_inputs: &mut [T],
    delta: &mut [T],
) {
    let hidden = carry.len();
    let (reset, rest) = gates.split_at(hidden);
    let (update, rest) = rest.split_at(hidden);
    let (new, linear) = rest.split_at(hidden);
    let (in_reset, rest) = in_inputs.split_at_mut(hidden);
    let (in_update, in_new) = rest.split_at_mut(hidden);
    // (Few slices at a time, so that loops become vectors without too many checks of overlaps.)
    for ((out, g), (z, n)) in in_new.iter_mut().zip(&*carry).zip(update.iter().zip(new)) {
        *out = *g * (T::ONE - *z) * (T::ONE - *n * *n);
    }
    let each = carry.iter().zip(before).zip(update.iter().zip(new));
    for (out, ((g, h), (z, n))) in in_update.iter_mut().zip(each) {
        *out = *g * (*h - *n) * (*z * (T::ONE - *z));
    }
    for (carry, z) in carry.iter_mut().zip(update) {
        *carry *= *z;
    }
    for ((out, g), (r, b)) in in_reset
        .iter_mut()
        .zip(&*in_new)
        .zip(reset.iter().zip(linear))
    {
        *out = *g * *b * (*r * (T::ONE - *r));
    }
    let (both, last) = delta.split_at_mut(2 * hidden);
    for (out, (g, r)) in last.iter_mut().zip(in_new.iter().zip(reset)) {
        *out = *g * *r;
    }
    both.copy_from_slice(&in_inputs[..2 * hidden]);
}
