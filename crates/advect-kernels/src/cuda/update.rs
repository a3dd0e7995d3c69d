//! Steps of parameters and averages where they lie, several in one launch.

use candle_core::{Error, Result, Tensor};

use super::pieces::{self, launch_pieces};
use super::{Argument, Family};
use crate::update::{AdamWRates, LionRates, MomentumRates};

pub(super) const FAMILY: Family = Family {
    name: "update",
    fused: false,
    sources: &[pieces::SOURCE, include_str!("update.cu")],
};

/// A step that is yet to be made: its kernel, the tensors that it changes, what it reads, and the numbers of its formula.
pub struct Step {
    kernel: &'static str,
    changed: Vec<Tensor>,
    source: Tensor,
    numbers: Vec<f64>,
}

impl Step {
    fn new<const N: usize>(
        kernel: &'static str,
        changed: [&Tensor; N],
        source: &Tensor,
        numbers: &[f64],
    ) -> Self {
        Step {
            kernel,
            changed: changed.map(Tensor::clone).into(),
            source: source.clone(),
            numbers: numbers.into(),
        }
    }

    /// Whether one launch may make both.
    pub fn is_like(&self, other: &Step) -> bool {
        self.kernel == other.kernel
            && self.source.dtype() == other.source.dtype()
            && self.source.device().same_device(other.source.device())
    }
}

/// Makes at most [`TENSORS`](super::TENSORS) steps by one launch. None changes memory that another one uses.
///
/// # Errors
/// An error if they aren't alike, and those of the launch; then none has been made.
pub fn make(steps: &[Step]) -> Result<()> {
    let Some(first) = steps.first() else {
        return Ok(());
    };
    if let Some(other) = steps.iter().find(|step| !step.is_like(first)) {
        let message = format!("{} and {} in one launch", first.kernel, other.kernel);
        return Err(Error::Msg(message).bt());
    }
    let changed = (0..first.changed.len()).map(|k| {
        Argument::Each(
            steps
                .iter()
                .map(|x| Argument::Change(&x.changed[k]))
                .collect(),
        )
    });
    let sources = Argument::Each(steps.iter().map(|x| Argument::Read(&x.source)).collect());
    let numbers = (0..first.numbers.len())
        .map(|k| Argument::Each(steps.iter().map(|x| Argument::Real(x.numbers[k])).collect()));
    let counts: Vec<usize> = steps.iter().map(|x| x.source.elem_count()).collect();
    let arguments = changed.chain([sources]).chain(numbers);
    launch_pieces(
        &FAMILY,
        first.kernel,
        first.source.dtype(),
        &counts,
        arguments,
    )
}

/// A step of AdamW for the value and the first and second moments.
pub fn adamw(variables: [&Tensor; 3], gradient: &Tensor, rates: &AdamWRates) -> Step {
    let numbers = [
        rates.beta1,
        1.0 - rates.beta1,
        rates.beta2,
        1.0 - rates.beta2,
        rates.decay,
        rates.rate,
        1.0 / rates.correction,
        rates.epsilon,
    ];
    Step::new("adamw", variables, gradient, &numbers)
}

/// A step with momentum for the value and the velocity.
pub fn momentum(variables: [&Tensor; 2], gradient: &Tensor, rates: &MomentumRates) -> Step {
    let numbers = [
        rates.rate,
        rates.decay,
        rates.momentum,
        rates.fresh,
        rates.ahead,
        rates.along,
    ];
    Step::new("momentum", variables, gradient, &numbers)
}

/// A step of Lion for the value and the momentum.
pub fn lion(variables: [&Tensor; 2], gradient: &Tensor, rates: &LionRates) -> Step {
    let numbers = [
        rates.beta1,
        1.0 - rates.beta1,
        rates.beta2,
        1.0 - rates.beta2,
        rates.decay,
        rates.rate,
    ];
    Step::new("lion", variables, gradient, &numbers)
}

/// A step along a direction, `decay · θ − rate · d`.
pub fn descend(variables: [&Tensor; 1], direction: &Tensor, decay: f64, rate: f64) -> Step {
    Step::new("descend", variables, direction, &[decay, rate])
}

/// Replaces the average a by `a + (x − a) w`.
pub fn average(average: &Tensor, value: &Tensor, weight: f64) -> Step {
    Step::new("average", [average], value, &[weight])
}
