//! The mean of gradients over all shards.

use advect_core::{Error, Result};
use advect_parallel::Ranks;
use candle_core::Tensor;

use crate::Gradients;
use crate::gradients::wide;

/// The mean over all shards, `1/n Σ g`, of the sums that ranks have, with the mean of their losses. A parameter without a
/// gradient on some ranks counts as zeros there; one without any has none.
///
/// # Errors
/// That of a rank, on all of them.
pub(super) fn over(ranks: &Ranks, local: Result<Gradients>, shards: usize) -> Result<Gradients> {
    let (local, sent) = match local {
        Ok(gradients) => {
            let mut message = gradients.loss().to_le_bytes().to_vec();
            message.extend(
                gradients
                    .entries()
                    .map(|(_, gradient)| u8::from(gradient.is_some())),
            );
            (Some(gradients), Ok(message))
        }
        Err(error) => (None, Err(error)),
    };
    let messages = ranks.gather_results(sent)?;
    let Some(mut gradients) = local else {
        return Err(Error::stopped("the step", "there are no gradients"));
    };
    let (mut loss, mut present) = (-0.0, vec![false; gradients.entries().count()]);
    for message in &messages {
        match message.split_first_chunk::<8>() {
            Some((theirs, has)) if has.len() == present.len() => {
                loss += f64::from_le_bytes(*theirs);
                present
                    .iter_mut()
                    .zip(has)
                    .for_each(|(p, has)| *p |= *has == 1);
            }
            _ => {
                let reason = "ranks have different numbers of parameters";
                return Err(Error::stopped("the step", reason));
            }
        }
    }
    let present_entries = gradients
        .entries()
        .zip(&present)
        .filter(|(_, present)| **present);
    let given: Result<Vec<Tensor>> = present_entries
        .map(|((parameter, gradient), _)| match gradient {
            Some(gradient) => Ok(gradient.clone()),
            None => Ok(Tensor::zeros(
                parameter.dims(),
                wide(parameter.dtype()),
                parameter.device(),
            )?),
        })
        .collect();
    let mut sums = ranks.sum(&given?)?.into_iter();
    let mut present = present.into_iter();
    gradients.map(|_, _| match present.next() {
        Some(true) => Ok(sums.next()),
        _ => Ok(None),
    })?;
    gradients.set_loss(loss);
    gradients.scale(1.0 / shards as f64)?;
    Ok(gradients)
}
