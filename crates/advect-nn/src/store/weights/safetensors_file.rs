//! Files of safetensors, including checkpoints.

use std::collections::BTreeMap;

use advect_core::{Error, Result};
use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use super::{RANK, grouped};
use crate::store::listing::listed;

/// Creates a tensor from a view into a file of safetensors.
///
/// # Errors
/// [`Error::Range`], naming the tensor, for a dtype that candle does not have, as those of complex numbers and truth values, or
/// more than 64 dimensions; errors of candle.
pub fn tensor_of_view(name: &str, view: &TensorView<'_>, device: &Device) -> Result<Tensor> {
    let refused =
        |given: String, accepted: &str| Err(Error::range(name.to_string(), given, accepted));
    if view.shape().len() > RANK {
        let given = format!("a tensor of {} dimensions", view.shape().len());
        return refused(given, "a tensor of at most 64");
    }
    if DType::try_from(view.dtype()).is_err() {
        let given = format!("a tensor of {}", view.dtype());
        return refused(
            given,
            "a tensor of floats, or of integers of a type that candle has",
        );
    }
    Ok(view.load(device)?)
}

/// The tensors of a file's bytes, within groups of names.
pub(super) fn read(bytes: &[u8], within: &[String]) -> Result<Vec<(String, Tensor)>, String> {
    let damaged = |e| format!("damaged: {e}");
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let mut views = file.tensors();
    let is_checkpoint = (metadata.metadata().as_ref()).is_some_and(|m| m.contains_key("advect"));
    if is_checkpoint && within.is_empty() {
        return Err(format!(
            "it is a checkpoint of a training run, with the parts {}: Trainer::resume continues it, \
             Weights::new(path).within(\"parameters\") or .within(\"ema\") takes weights from it",
            parts(&views)
        ));
    }
    for key in within {
        let parts = parts(&views);
        views = grouped(views, key);
        if views.is_empty() {
            return Err(format!(
                "no name in it begins with {key:?} and a dot or a slash; its parts are {parts}"
            ));
        }
    }
    let tensor = |(name, view): (String, TensorView<'_>)| {
        let tensor = tensor_of_view(&name, &view, &Device::Cpu);
        Ok((name, tensor.map_err(|e| format!("tensor {e}"))?))
    };
    views.into_iter().map(tensor).collect()
}

/// The first parts of the names, with the number of tensors of each.
fn parts(views: &[(String, TensorView<'_>)]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, _) in views {
        let part = name.split(['.', '/']).next().unwrap_or_default();
        *counts.entry(part).or_default() += 1;
    }
    let parts: Vec<String> = (counts.iter())
        .map(|(part, count)| format!("{part} ({count} tensors)"))
        .collect();
    listed(&parts)
}
