//! The recurrence of gated recurrent units: a product by cuBLAS and a pass over the units for each step.

use candle_core::{Error, Result, Tensor};

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

/// The states after each step, and what the backward pass needs if `save`: the states before the steps, `(length + 1, batch, hidden)` with the last one,
/// then the gates of each step. Nothing is empty.
pub fn forward(
    steps: &Steps,
    [inputs, state, weight, bias]: [&Tensor; 4],
    save: bool,
) -> Result<(Fresh, Vec<Tensor>)> {
    let Steps {
        batch,
        length,
        hidden,
    } = *steps;
    let (device, dtype) = (device_of(inputs)?, inputs.dtype());
    let mut states = Fresh::new(device, dtype, (batch, length, hidden))?;
    // Without a backward pass, two of them take turns.
    let kept = if save { length + 1 } else { 2 };
    let before = Fresh::new(device, dtype, (kept, batch, hidden))?.into_tensor();
    before.slice_set(&state.detach().unsqueeze(0)?, 0, 0)?;
    let mut saved = vec![before.clone()];
    let turned = weight.detach().t()?;
    for step in 0..length {
        let [h, next] = [step, step + 1].map(|i| before.get(i % kept));
        let (h, next) = (h?, next?);
        let own = product(&h, &turned)?;
        let mut gates = Fresh::new(device, dtype, (4, batch, hidden))?;
        let mut arguments = vec![
            Argument::Read(inputs),
            Argument::Again(&own),
            Argument::Read(bias),
            Argument::Read(&h),
            Argument::Change(&next),
            Argument::Write(&mut states),
            Argument::Write(&mut gates),
        ];
        arguments.extend(sizes(steps, step));
        let grid = Grid::over(batch * hidden);
        launch(&FAMILY, "recurrence", dtype, grid, &mut arguments)?;
        if save {
            saved.push(gates.into_tensor());
        }
    }
    Ok((states, saved))
}

/// The gradients of inputs, state, weight and bias, given what was saved and the gradient of the states.
pub fn backward(
    steps: &Steps,
    [inputs, state, weight, bias]: [&Tensor; 4],
    saved: &[Tensor],
    gradient: &Tensor,
) -> Result<[Tensor; 4]> {
    let Steps {
        batch,
        length,
        hidden,
    } = *steps;
    let (device, dtype) = (device_of(inputs)?, inputs.dtype());
    let mut in_inputs = Fresh::new(device, dtype, inputs.shape())?;
    let in_products = Fresh::new(device, dtype, (length, batch, 3 * hidden))?.into_tensor();
    let Some((before, gates)) = saved.split_first() else {
        return Err(Error::Msg("a recurrence of which nothing was saved".into()).bt());
    };
    let mut parts: Option<[Tensor; 2]> = None;
    for (step, gates) in gates.iter().enumerate().rev() {
        let (h, in_product) = (before.get(step)?, in_products.get(step)?);
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
            Argument::Read(&h),
            Argument::Read(gates),
            Argument::Write(&mut in_inputs),
            Argument::Change(&in_product),
            Argument::Write(&mut direct),
        ];
        arguments.extend(sizes(steps, step));
        let grid = Grid::over(batch * hidden);
        launch(&FAMILY, "recurrence_backward", dtype, grid, &mut arguments)?;
        let through = product(&in_product, weight)?;
        parts = Some([direct.into_tensor(), through.into_tensor()]);
    }
    let in_state = match parts {
        Some([direct, through]) => (direct + through)?,
        None => state.zeros_like()?,
    };
    // All steps as one product.
    let before = before.narrow(0, 0, length)?.flatten_to(1)?;
    let in_products = in_products.flatten_to(1)?;
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
