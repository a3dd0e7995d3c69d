//! Formulas of tensors, as part of the graph.

use std::sync::Arc;

use advect_core::Result;
use advect_ops::with_gradient;
use candle_core::{DType, Tensor};

use super::composed;
use super::formula::{Derivative, Formula};
use super::kernel;

/// A part of the inputs of a formula.
#[derive(Debug, Clone)]
pub(super) enum Argument {
    /// The same numbers in each row.
    Numbers(Vec<f64>),
    /// The same numbers in each row, `(width,)`.
    Shared(Tensor),
    /// Numbers for each row, `(rows, width)`, or `(rows,)` where the width is 1.
    Rows(Tensor),
}

impl Argument {
    pub(super) fn tensor(&self) -> Option<&Tensor> {
        match self {
            Argument::Numbers(_) => None,
            Argument::Shared(x) | Argument::Rows(x) => Some(x),
        }
    }

    fn detach(&self) -> Self {
        match self {
            Argument::Numbers(numbers) => Argument::Numbers(numbers.clone()),
            Argument::Shared(x) => Argument::Shared(x.detach()),
            Argument::Rows(x) => Argument::Rows(x.detach()),
        }
    }
}

/// The rows of a formula's outputs, `(rows, outputs)`, which are part of the graph of its arguments. The tensors among these are on one
/// device and of one dtype, f32 or f64, and at least one has rows.
///
/// The gradient is a formula, too, and not that of candle's operations.
pub(super) fn evaluate(formula: &Arc<Formula>, arguments: &[Argument]) -> Result<Tensor> {
    let value = values(formula, arguments)?;
    let tracked = |(part, argument): (usize, &Argument)| {
        let tensor = argument.tensor().filter(|x| x.track_op())?;
        Some((part, tensor.clone()))
    };
    let (parts, tensors): (Vec<usize>, Vec<Tensor>) =
        arguments.iter().enumerate().filter_map(tracked).unzip();
    if parts.is_empty() {
        return Ok(value);
    }
    let formula = formula.clone();
    let arguments: Vec<Argument> = arguments.iter().map(Argument::detach).collect();
    with_gradient(&value, &tensors, move |gradient, inputs| {
        let against = formula.derivative(Derivative::Against(parts.clone()));
        let mut all = arguments.clone();
        all.push(Argument::Rows(gradient.clone()));
        let gradients = evaluate(&against, &all)?;
        let mut start = 0;
        let mut each = Vec::with_capacity(parts.len());
        for (&part, input) in parts.iter().zip(inputs) {
            let width = formula.widths()[part];
            let of_part = gradients.narrow(1, start, width)?;
            each.push(match &arguments[part] {
                Argument::Rows(_) => of_part.reshape(input.dims())?,
                // In f64, as there may be many rows.
                _ => of_part
                    .to_dtype(DType::F64)?
                    .sum(0)?
                    .to_dtype(input.dtype())?,
            });
            start += width;
        }
        Ok(each)
    })
}

/// The rows of the outputs, outside of any graph: by the kernel in the CPU's memory, else by candle's operations.
fn values(formula: &Formula, arguments: &[Argument]) -> Result<Tensor> {
    let tensor = arguments.iter().find_map(Argument::tensor);
    match tensor.is_none_or(|x| x.device().is_cpu()) {
        true => kernel::values(formula, arguments),
        false => composed::values(formula, arguments),
    }
}
