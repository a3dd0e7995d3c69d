//! The contents of files of PyTorch, by their pickles alone.

use std::fs::File;

use super::pickle::{Object, Pickle, Place};
use super::torch_file::{Archive, Items, items, root};
use super::torch_tensor::Stored;
use super::{Contents, StoredTensor};
use crate::store::listing::listed_as;

/// The most dictionaries within each other that are listed.
const DEPTH: usize = 8;
/// The memory that a list may take, as a multiple of the pickle's length, beside [`SOME`]: what a pickle repeats is listed as often.
const LISTED: usize = 32;
/// The memory that any list may take.
const SOME: usize = 1 << 20;

/// What the pickle says of the tensors, without their numbers.
pub(super) fn contents(file: File) -> Result<Contents, String> {
    let mut archive = Archive::open(file)?;
    let bytes = archive.pickle()?;
    let pickle = Pickle::read(&bytes).map_err(|e| format!("damaged: in data.pkl, {e}"))?;
    root(&pickle)?;
    let mut list = List {
        pickle: &pickle,
        path: Vec::new(),
        contents: Contents::default(),
        left: SOME + bytes.len().saturating_mul(LISTED),
    };
    list.add(pickle.root)?;
    Ok(list.contents)
}

/// A list that is being made.
struct List<'a> {
    pickle: &'a Pickle<'a>,
    /// The keys of the dictionaries that the next object is in.
    path: Vec<String>,
    contents: Contents,
    /// The memory that it may still take.
    left: usize,
}

impl List<'_> {
    /// Adds what an object is.
    fn add(&mut self, place: Place) -> Result<(), String> {
        if let Object::Dictionary(pairs) = self.pickle.at(place)
            && self.path.len() < DEPTH
        {
            self.spend(pairs.len())?;
            for (key, value) in items(self.pickle, pairs) {
                self.spend(key.len())?;
                self.path.push(key);
                self.add(value)?;
                self.path.pop();
            }
            return Ok(());
        }
        let keys: usize = self.path.iter().map(|key| key.len() + 1).sum();
        if let Some(Ok(stored)) = Stored::of(self.pickle, place) {
            self.spend(keys + size_of::<StoredTensor>() + size_of_val(&stored.size[..]))?;
            let dtype = match &stored.dtype {
                Ok(dtype) => dtype.as_str().to_string(),
                Err(_) => stored.kind.trim_end_matches("Storage").to_lowercase(),
            };
            let name = self.path.last().cloned().unwrap_or_default();
            let mut tensor = StoredTensor::new(name, stored.size, dtype);
            tensor.dictionaries = self.path[..self.path.len().saturating_sub(1)].to_vec();
            self.contents.tensors.push(tensor);
            return Ok(());
        }
        let kind = match self.pickle.at(place) {
            Object::Integer(number) => number.to_string(),
            Object::Text(text) => format!("{text:?}"),
            Object::Sequence(places) => format!("a list of {}", places.len()),
            Object::Dictionary(pairs) => format!("a dictionary of {}", pairs.len()),
            Object::Call(function, _) => class(self.pickle, *function),
            Object::Global(module, name) => format!("{module}.{name}"),
            Object::Persistent(_) => "a storage".into(),
            Object::Other => "another value".into(),
        };
        self.spend(keys + kind.len() + size_of::<(String, String)>())?;
        self.contents.others.push((self.path.join("/"), kind));
        Ok(())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), String> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| {
            format!(
                "what its pickle repeats would make a list of more than {LISTED} times its length"
            )
        })?;
        Ok(())
    }
}

/// The class of an object.
fn class(pickle: &Pickle<'_>, function: Place) -> String {
    match pickle.at(function) {
        Object::Global(module, name) => format!("an object of {module}.{name}"),
        _ => "an object".into(),
    }
}

/// The objects of other classes among items, which are not read.
pub(super) fn objects<'a>(pickle: &Pickle<'_>, items: &'a Items) -> String {
    let called = |(name, place): &'a (String, Place)| match pickle.at(*place) {
        Object::Call(function, _) => Some((name, *function)),
        _ => None,
    };
    let called: Vec<(&String, Place)> = items.iter().filter_map(called).collect();
    if called.is_empty() {
        return String::new();
    }
    let described = listed_as(&called, |(name, function)| {
        format!("{name}: {}", class(pickle, *function))
    });
    format!(
        "; what is of other classes is not read, as that would run their code ({described}): save its state_dict()"
    )
}
