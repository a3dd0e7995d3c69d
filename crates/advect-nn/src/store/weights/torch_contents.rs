//! The contents of files of PyTorch, by their pickles alone.

use std::fs::File;

use super::pickle::{Object, Pickle, Place};
use super::torch_file::{Archive, Items, items, root};
use super::torch_tensor::Stored;
use super::{Contents, StoredTensor};
use crate::store::listing::listed;

/// The most dictionaries within each other that are listed.
const DEPTH: usize = 8;
/// The most things that are listed: what a pickle repeats is listed as often.
const LISTED: usize = 1 << 20;

/// What the pickle says of the tensors, without their numbers.
pub(super) fn contents(file: File) -> Result<Contents, String> {
    let mut archive = Archive::open(file)?;
    let bytes = archive.pickle()?;
    let pickle = Pickle::read(&bytes).map_err(|e| format!("damaged: in data.pkl, {e}"))?;
    root(&pickle)?;
    let (mut contents, mut path) = (Contents::default(), Vec::new());
    list(&pickle, pickle.root, &mut path, &mut contents)?;
    Ok(contents)
}

/// Lists what an object is, at a path of keys.
fn list(
    pickle: &Pickle<'_>,
    place: Place,
    path: &mut Vec<String>,
    contents: &mut Contents,
) -> Result<(), String> {
    if contents.tensors.len() + contents.others.len() >= LISTED {
        return Err(format!(
            "it has more than {LISTED} tensors and other values"
        ));
    }
    if let Object::Dictionary(pairs) = pickle.at(place)
        && path.len() < DEPTH
    {
        for (key, value) in items(pickle, pairs) {
            path.push(key);
            list(pickle, value, path, contents)?;
            path.pop();
        }
        return Ok(());
    }
    if let Some(Ok(stored)) = Stored::of(pickle, place) {
        let dtype = match &stored.dtype {
            Ok(dtype) => dtype.as_str().to_string(),
            Err(_) => stored.kind.trim_end_matches("Storage").to_lowercase(),
        };
        let name = path.last().cloned().unwrap_or_default();
        let mut tensor = StoredTensor::new(name, stored.size, dtype);
        tensor.dictionaries = path[..path.len().saturating_sub(1)].to_vec();
        contents.tensors.push(tensor);
        return Ok(());
    }
    let kind = match pickle.at(place) {
        Object::Integer(number) => number.to_string(),
        Object::Text(text) => format!("{text:?}"),
        Object::Sequence(places) => format!("a list of {}", places.len()),
        Object::Dictionary(pairs) => format!("a dictionary of {}", pairs.len()),
        Object::Call(function, _) => class(pickle, *function),
        Object::Global(module, name) => format!("{module}.{name}"),
        Object::Persistent(_) => "a storage".into(),
        Object::Other => "another value".into(),
    };
    contents.others.push((path.join("/"), kind));
    Ok(())
}

/// The class of an object.
fn class(pickle: &Pickle<'_>, function: Place) -> String {
    match pickle.at(function) {
        Object::Global(module, name) => format!("an object of {module}.{name}"),
        _ => "an object".into(),
    }
}

/// The objects of other classes among items, which are not read.
pub(super) fn objects(pickle: &Pickle<'_>, items: &Items) -> String {
    let named = |(name, place): &(String, Place)| match pickle.at(*place) {
        Object::Call(function, _) => Some(format!("{name}: {}", class(pickle, *function))),
        _ => None,
    };
    let named: Vec<String> = items.iter().filter_map(named).collect();
    match named.is_empty() {
        true => String::new(),
        false => format!(
            "; what is of other classes is not read, as that would run their code ({}): save its state_dict()",
            listed(&named)
        ),
    }
}
