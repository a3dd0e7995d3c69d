//! Steps of parameters and averages where they lie.

use candle_core::{Result, Tensor};

use super::{Argument, Family, Grid, launch};
use crate::update::{AdamWRates, LionRates, MomentumRates};

pub(super) const FAMILY: Family = Family {
    name: "update",
    sources: &[include_str!("update.cu")],
};

/// One launch for all elements of the source.
fn step<const N: usize>(
    kernel: &'static str,
    changed: [&Tensor; N],
    source: &Tensor,
    numbers: &[f64],
) -> Result<()> {
    let count = source.elem_count();
    let mut arguments = Vec::with_capacity(N + 2 + numbers.len());
    arguments.extend(changed.map(Argument::Change));
    arguments.push(Argument::Read(source));
    arguments.push(Argument::Size(count));
    arguments.extend(numbers.iter().map(|&x| Argument::Real(x)));
    let dtype = source.dtype();
    launch(&FAMILY, kernel, dtype, Grid::over(count), &mut arguments)
}

/// A step of AdamW for the value and the first and second moments.
pub fn adamw(variables: [&Tensor; 3], gradient: &Tensor, rates: &AdamWRates) -> Result<()> {
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
    step("adamw", variables, gradient, &numbers)
}

/// A step with momentum for the value and the velocity.
pub fn momentum(variables: [&Tensor; 2], gradient: &Tensor, rates: &MomentumRates) -> Result<()> {
    let numbers = [
        rates.rate,
        rates.decay,
        rates.momentum,
        rates.fresh,
        rates.ahead,
        rates.along,
    ];
    step("momentum", variables, gradient, &numbers)
}

/// A step of Lion for the value and the momentum.
pub fn lion(variables: [&Tensor; 2], gradient: &Tensor, rates: &LionRates) -> Result<()> {
    let numbers = [
        rates.beta1,
        1.0 - rates.beta1,
        rates.beta2,
        1.0 - rates.beta2,
        rates.decay,
        rates.rate,
    ];
    step("lion", variables, gradient, &numbers)
}

/// A step along a direction, `decay · θ − rate · d`.
pub fn descend(variables: [&Tensor; 1], direction: &Tensor, decay: f64, rate: f64) -> Result<()> {
    step("descend", variables, direction, &[decay, rate])
}

/// Replaces the average a by `a + (x − a) w`.
pub fn average(average: &Tensor, value: &Tensor, weight: f64) -> Result<()> {
    step("average", [average], value, &[weight])
}
