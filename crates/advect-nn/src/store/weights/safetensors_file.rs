//! Files of safetensors, including checkpoints.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use advect_core::{Error, Result};
use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::Value;

use super::{Contents, RANK, StoredTensor, grouped};
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
    // Also beside a 0, where the product of all sizes is 0, but not that of some.
    let product = |n: usize, &size: &usize| n.checked_mul(size.max(1));
    if view.shape().iter().try_fold(1, product).is_none() {
        return refused(
            format!("{:?}", view.shape()),
            "sizes whose product is a number of 64 bits",
        );
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

/// The longest header that is read, as the format has it.
const HEADER: u64 = 100_000_000;

/// What the header of a file says, without the numbers.
pub(super) fn contents(mut file: File) -> Result<Contents, String> {
    let damaged = |e: &dyn std::fmt::Display| format!("damaged: {e}");
    let length = file.metadata().map_err(|e| e.to_string())?.len();
    let mut start = [0; 8];
    file.read_exact(&mut start).map_err(|e| damaged(&e))?;
    let size = u64::from_le_bytes(start);
    if size > HEADER || size > length {
        return Err(damaged(&format!("its header would have {size} bytes")));
    }
    let mut header = Vec::new();
    (file.take(size).read_to_end(&mut header)).map_err(|e| damaged(&e))?;
    let header: Value = serde_json::from_slice(&header).map_err(|e| damaged(&e))?;
    let entries = header
        .as_object()
        .ok_or_else(|| damaged(&"its header is not a JSON object"))?;
    let (mut contents, mut end) = (Contents::default(), 0);
    for (name, entry) in entries {
        if name == "__metadata__" {
            let texts = entry.as_object().into_iter().flatten();
            let text =
                |(key, text): (&String, &Value)| Some((key.clone(), text.as_str()?.to_string()));
            contents.metadata.extend(texts.filter_map(text));
            continue;
        }
        let (tensor, last) =
            described(name, entry).ok_or_else(|| damaged(&format!("tensor {name:?}")))?;
        end = last.max(end);
        contents.tensors.push(tensor);
    }
    match end.checked_add(8 + size) {
        Some(end) if end == length => Ok(contents),
        end => Err(damaged(&format!(
            "it has {length} bytes in place of {}: it may be cut short",
            end.map_or("more than can be".to_string(), |end| end.to_string())
        ))),
    }
}

/// A tensor of a header, and the end of its numbers.
fn described(name: &str, entry: &Value) -> Option<(StoredTensor, u64)> {
    let size = |size: &Value| usize::try_from(size.as_u64()?).ok();
    let shape = entry.get("shape")?.as_array()?;
    let shape = shape.iter().map(size).collect::<Option<_>>()?;
    let dtype = entry.get("dtype")?.as_str()?.to_lowercase();
    let end = entry.get("data_offsets")?.get(1)?.as_u64()?;
    Some((StoredTensor::new(name, shape, dtype), end))
}
