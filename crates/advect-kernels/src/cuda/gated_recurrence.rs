//! The recurrence of gated recurrent units: a product by cuBLAS and a pass over the units for each step.

use candle_core::{Result, Tensor};

use super::{Argument, Family, Fresh, Grid, device_of, launch, product, sums};
use crate::gated_recurrence::Steps;

pub(super) const FAMILY: Family = Family {
    name: "gated_recurrence",
    fused: true,
    sources: &[include_str!("gated_recurrence.cu")],
};

fn sizes<'a>(steps: &Steps, step: usize) -> [Argument<'a>; 4] {
    [steps.batch, steps.length, steps.hidden, step].map(Argument::Size)
}

/// The states after each step, and what the backward pass needs of each step if `save`: the state before it, then the gates. Nothing is empty.
pub fn forward(
    steps: &Steps,
    [inputs, state, weight, bias]: [&Tensor; 4],
    save: bool,
) -> Result<(Fresh, Vec<[Tensor; 2]>)> {
    let Steps {
        batch,
        length,
        hidden,
    } = *steps;
    let (device, dtype) = (device_of(inputs)?, inputs.dtype());
    let mut states = Fresh::new(device, dtype, (batch, length, hidden))?;
    let (mut h, mut saved) = (state.clone(), Vec::new());
    let turned = weight.detach().t()?;
    for step in 0..length {
        let own = product(&h, &turned)?;
        let mut next = Fresh::new(device, dtype, (batch, hidden))?;
        let mut gates = Fresh::new(device, dtype, (4, batch, hidden))?;
        let mut arguments = vec![
            Argument::Read(inputs),
            Argument::Again(&own),
            Argument::Read(bias),
            Argument::Read(&h),
            Argument::Write(&mut next),
            Argument::Write(&mut states),
            Argument::Write(&mut gates),
        ];
        arguments.extend(sizes(steps, step));
        let grid = Grid::over(batch * hidden);
        launch(&FAMILY, "recurrence", dtype, grid, &mut arguments)?;
        let before = std::mem::replace(&mut h, next.into_tensor());
        if save {
            saved.push([before, gates.into_tensor()]);
        }
    }
    Ok((states, saved))
}

/// The gradients of inputs, state, weight and bias, given what was saved and the gradient of the states.
pub fn backward(
    steps: &Steps,
    [inputs, state, weight, bias]: [&Tensor; 4],
    saved: &[[Tensor; 2]],
    gradient: &Tensor,
) -> Result<[Tensor; 4]> {
    let Steps {
        batch,
        length,
        hidden,
    } = *steps;
    let (device, dtype) = (device_of(inputs)?, inputs.dtype());
    let mut in_inputs = Fresh::new(device, dtype, inputs.shape())?;
    let mut in_products = Vec::with_capacity(length);
    let mut parts: Option<[Tensor; 2]> = None;
    for (step, [before, gates]) in saved.iter().enumerate().rev() {
        let mut in_product = Fresh::new(device, dtype, (batch, 3 * hidden))?;
        let mut direct = Fresh::new(device, dtype, state.shape())?;
        let part = |i: usize| {
            parts
                .as_ref()
                .map_or(Argument::Nothing, |p| Argument::Read(&p[i]))
        };
        let mut arguments = vec![
            Argument::Read(gradient),
            part(0),
            part(1),
            Argument::Read(before),
            Argument::Read(gates),
            Argument::Write(&mut in_inputs),
            Argument::Write(&mut in_product),
            Argument::Write(&mut direct),
        ];
        arguments.extend(sizes(steps, step));
        let grid = Grid::over(batch * hidden);
        launch(&FAMILY, "recurrence_backward", dtype, grid, &mut arguments)?;
        let in_product = in_product.into_tensor();
        let through = product(&in_product, weight)?;
        parts = Some([direct.into_tensor(), through.into_tensor()]);
        in_products.push(in_product);
    }
    let in_state = match parts {
        Some([direct, through]) => (direct + through)?,
        None => state.zeros_like()?,
    };
    // All steps as one product, the last of them first.
    let before: Vec<&Tensor> = saved.iter().rev().map(|[before, _]| before).collect();
    let (before, in_products) = (Tensor::cat(&before, 0)?, Tensor::cat(&in_products, 0)?);
    let in_weight = product(&in_products.t()?, &before)?;
    let in_bias = sums::over_rows(&in_products, bias.elem_count())?;
    let [in_inputs, in_weight] = [in_inputs, in_weight].map(Fresh::into_tensor);
    Ok([
        in_inputs,
        in_state,
        in_weight,
        in_bias.into_tensor().reshape(bias.shape())?,
    ])
}
