//! Files of PyTorch: a zip archive with a pickle and the bytes of each storage that it refers to.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};

use candle_core::{DType, Device, Tensor};
use zip::{CompressionMethod, ZipArchive};

use super::pickle::{Object, Pickle, Place};
use super::{Contents, RANK, StoredTensor, grouped};
use crate::store::listing::listed;

/// The longest pickle that is read: about a hundred bytes for each tensor are usual.
const PICKLE: u64 = 1 << 26;
/// The size that the tensors may take, as a multiple of the file's size: several may share a storage.
const SHARED: u64 = 4;

/// The tensors of a file, within dictionaries or groups of names.
pub(super) fn read(file: File, within: &[String]) -> Result<Vec<(String, Tensor)>, String> {
    let mut archive = Archive::open(file)?;
    let bytes = archive.pickle()?;
    let pickle = Pickle::read(&bytes).map_err(|e| format!("damaged: in data.pkl, {e}"))?;
    let mut items = root(&pickle)?;
    for key in within {
        items = inside(&pickle, items, key)?;
    }
    let mut stored = BTreeMap::new();
    for (name, place) in &items {
        match Stored::of(&pickle, *place) {
            Some(Ok(tensor)) => drop(stored.insert(name.clone(), tensor)),
            Some(Err(reason)) => return Err(format!("tensor {name:?}: {reason}")),
            None => {}
        }
    }
    if stored.is_empty() {
        let inside = dictionaries(&pickle, &items);
        return Err(format!(
            "there are no tensors here, only dictionaries: Weights::within selects one of {inside}{}",
            objects(&pickle, &items)
        ));
    }
    let bytes = stored
        .values()
        .map(Stored::bytes)
        .fold(0, u64::saturating_add);
    if bytes > archive.length.saturating_mul(SHARED) {
        return Err(format!(
            "its tensors have {bytes} bytes, more than {SHARED} times its own {}",
            archive.length
        ));
    }
    load(&mut archive, &stored)
}

/// The tensors, those of one storage after another, so that each is read once.
fn load(
    archive: &mut Archive,
    stored: &BTreeMap<String, Stored<'_>>,
) -> Result<Vec<(String, Tensor)>, String> {
    let mut by_storage: BTreeMap<&str, Vec<(&String, &Stored<'_>)>> = BTreeMap::new();
    for (name, tensor) in stored {
        by_storage
            .entry(tensor.storage)
            .or_default()
            .push((name, tensor));
    }
    let mut tensors = Vec::new();
    for (storage, users) in by_storage {
        let bytes = archive.entry(&format!("data/{storage}"))?;
        for (name, tensor) in users {
            let tensor = tensor
                .tensor(&bytes)
                .map_err(|e| format!("tensor {name:?}: {e}"))?;
            tensors.push((name.clone(), tensor));
        }
    }
    Ok(tensors)
}

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
fn objects(pickle: &Pickle<'_>, items: &Items) -> String {
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

/// A dictionary's items, by name.
type Items = Vec<(String, Place)>;

/// The items of the dictionary that the file is.
fn root(pickle: &Pickle<'_>) -> Result<Items, String> {
    match pickle.at(pickle.root) {
        Object::Dictionary(pairs) => Ok(items(pickle, pairs)),
        Object::Call(function, _) => Err(match pickle.at(*function) {
            Object::Global("torch._utils", _) => "it is one tensor, without a name".into(),
            Object::Global(module, name) => format!(
                "it is a whole object, a {module}.{name}: save its state_dict() from PyTorch instead"
            ),
            _ => "it is no dictionary of tensors".into(),
        }),
        _ => Err("it is no dictionary of tensors".into()),
    }
}

fn items(pickle: &Pickle<'_>, pairs: &[(Place, Place)]) -> Items {
    let named = |&(place, value): &(Place, Place)| Some((key(pickle, place)?, value));
    pairs.iter().filter_map(named).collect()
}

/// The key of a dictionary: a text, or a number as PyTorch's optimisers have them.
fn key(pickle: &Pickle<'_>, place: Place) -> Option<String> {
    let text = pickle.text(place).map(str::to_string);
    text.or_else(|| Some(pickle.size(place)?.to_string()))
}

/// The items of a dictionary among items, or of the group of this name.
fn inside(pickle: &Pickle<'_>, outer: Items, key: &str) -> Result<Items, String> {
    let dictionary = |(name, place): &(String, Place)| match pickle.at(*place) {
        Object::Dictionary(pairs) if name == key => Some(items(pickle, pairs)),
        _ => None,
    };
    if let Some(items) = outer.iter().rev().find_map(dictionary) {
        return Ok(items);
    }
    let all = dictionaries(pickle, &outer);
    match grouped(outer, key) {
        group if group.is_empty() => Err(format!(
            "it has no dictionary {key:?}, nor names that begin with it and a dot; its dictionaries are {all}"
        )),
        group => Ok(group),
    }
}

/// The dictionaries among items, with the number of tensors in each.
fn dictionaries(pickle: &Pickle<'_>, items: &Items) -> String {
    let counted = |(name, place): &(String, Place)| match pickle.at(*place) {
        Object::Dictionary(pairs) => {
            let tensors = pairs
                .iter()
                .filter(|(_, value)| Stored::of(pickle, *value).is_some());
            Some(format!("{name} ({} tensors)", tensors.count()))
        }
        _ => None,
    };
    listed(&items.iter().filter_map(counted).collect::<Vec<_>>())
}

/// The archive.
struct Archive {
    zip: ZipArchive<BufReader<File>>,
    /// The prefix of the names of all entries.
    base: String,
    length: u64,
}

impl Archive {
    fn open(file: File) -> Result<Self, String> {
        let length = file.metadata().map_err(|e| e.to_string())?.len();
        let zip = ZipArchive::new(BufReader::new(file));
        // The list of entries is at the end of an archive.
        let zip = zip.map_err(|e| format!("damaged, or cut short: {e}"))?;
        let base = zip.file_names().flatten().find_map(|name| {
            let base = name.strip_suffix("data.pkl")?;
            (base.is_empty() || base.ends_with('/')).then(|| base.to_string())
        });
        let Some(base) = base else {
            let arrays = (zip.file_names().flatten()).any(|name| name.ends_with(".npy"));
            return Err(match arrays {
                true => "it holds arrays of NumPy: advect_data::read_npz reads them",
                false => "it is a zip archive, but not of PyTorch: it has no entry data.pkl",
            }
            .into());
        };
        let archive = Archive { zip, base, length };
        if archive.has("constants.pkl") {
            return Err(
                "it is a program of TorchScript: save the state_dict() from PyTorch in its stead"
                    .into(),
            );
        }
        Ok(archive)
    }

    fn has(&self, name: &str) -> bool {
        self.zip
            .index_for_name(&format!("{}{name}", self.base))
            .is_some()
    }

    /// The bytes of the pickle.
    fn pickle(&mut self) -> Result<Vec<u8>, String> {
        if self.has("byteorder") && self.entry("byteorder")? != b"little" {
            return Err(
                "its numbers begin with their highest byte: save it on another machine".into(),
            );
        }
        let name = format!("{}data.pkl", self.base);
        let size = self.zip.by_name(&name).map_err(|e| e.to_string())?.size();
        match size > PICKLE {
            true => Err(format!(
                "its pickle has {size} bytes; expected at most {PICKLE}"
            )),
            false => self.entry("data.pkl"),
        }
    }

    /// The bytes of an entry, which are as they are in the file.
    fn entry(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let wrong = |e: &dyn std::fmt::Display| format!("damaged: {name}: {e}");
        let entry = self.zip.by_name(&format!("{}{name}", self.base));
        let mut entry = entry.map_err(|e| wrong(&e))?;
        if entry.compression() != CompressionMethod::Stored {
            return Err(wrong(&"it is compressed, which PyTorch does not do"));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|e| wrong(&e))?;
        Ok(bytes)
    }
}

/// The place of a tensor's numbers.
struct Stored<'a> {
    dtype: Result<DType, String>,
    /// The type of its storage, as PyTorch calls it.
    kind: &'a str,
    storage: &'a str,
    /// The offset in elements, like the strides.
    offset: usize,
    size: Vec<usize>,
    stride: Vec<usize>,
}

impl<'a> Stored<'a> {
    /// The tensor that an object is, if it is one.
    fn of(pickle: &Pickle<'a>, place: Place) -> Option<Result<Self, String>> {
        let Object::Call(mut function, mut arguments) = *pickle.at(place) else {
            return None;
        };
        // Parameters, and tensors of types of their own, are wrapped a few times at most.
        for _ in 0..4 {
            let &Object::Global(module, name) = pickle.at(function) else {
                return None;
            };
            let given = pickle.sequence(arguments)?;
            match (module, name, given) {
                ("torch._utils", "_rebuild_tensor_v2", given) => {
                    let damaged = || "its description is damaged".to_string();
                    return Some(Self::described(pickle, given).ok_or_else(damaged));
                }
                (
                    "torch._utils",
                    "_rebuild_parameter" | "_rebuild_parameter_with_state",
                    [inner, ..],
                ) => {
                    let Object::Call(f, a) = *pickle.at(*inner) else {
                        return None;
                    };
                    (function, arguments) = (f, a);
                }
                ("torch._tensor", "_rebuild_from_type_v2", [inner, _, given, ..]) => {
                    (function, arguments) = (*inner, *given);
                }
                ("torch._utils", name, _) if name.starts_with("_rebuild_") => {
                    return Some(Err(format!(
                        "tensors of this kind are not supported ({name})"
                    )));
                }
                _ => return None,
            }
        }
        None
    }

    /// `(storage, offset, size, stride, …)`, where a storage is `("storage", type, key, device, count)`.
    fn described(pickle: &Pickle<'a>, arguments: &[Place]) -> Option<Self> {
        let &[storage, offset, size, stride, ..] = arguments else {
            return None;
        };
        let Object::Persistent(id) = *pickle.at(storage) else {
            return None;
        };
        let &[_, kind, key, ..] = pickle.sequence(id)? else {
            return None;
        };
        let &Object::Global(_, kind) = pickle.at(kind) else {
            return None;
        };
        Some(Stored {
            dtype: dtype(kind),
            kind,
            storage: pickle.text(key)?,
            offset: pickle.size(offset)?,
            size: pickle.sizes(size)?,
            stride: pickle.sizes(stride)?,
        })
    }

    /// The number of elements; none if it overflows.
    fn count(&self) -> Option<usize> {
        let most = self
            .size
            .iter()
            .try_fold(1usize, |n, size| n.checked_mul((*size).max(1)));
        most.map(|_| self.size.iter().product())
    }

    fn bytes(&self) -> u64 {
        let width = self.dtype.as_ref().map_or(8, DType::size_in_bytes);
        let count = self.count().unwrap_or(usize::MAX);
        count.saturating_mul(width) as u64
    }

    /// The tensor, from its storage's bytes.
    fn tensor(&self, bytes: &[u8]) -> Result<Tensor, String> {
        let dtype = self.dtype.clone()?;
        let (size, stride) = (&self.size, &self.stride);
        if size.len() > RANK || stride.len() != size.len() {
            return Err(format!(
                "it has {} dimensions; expected at most {RANK}",
                size.len()
            ));
        }
        let beyond = || format!("its sizes {size:?} and strides {stride:?} exceed its storage");
        let count = self.count().ok_or_else(beyond)?;
        let width = dtype.size_in_bytes();
        let numbers = match self.is_contiguous() {
            true => None,
            false => Some(self.gathered(bytes, width, count).ok_or_else(beyond)?),
        };
        let numbers = match &numbers {
            Some(numbers) => numbers,
            None => {
                let end = self
                    .offset
                    .checked_add(count)
                    .and_then(|end| end.checked_mul(width));
                let end = end.ok_or_else(beyond)?;
                bytes.get(self.offset * width..end).ok_or_else(beyond)?
            }
        };
        Tensor::from_raw_buffer(numbers, dtype, size, &Device::Cpu).map_err(|e| e.to_string())
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1usize;
        (self.size.iter().zip(&self.stride).rev()).all(|(&size, &stride)| {
            let fits = size == 1 || stride == expected;
            expected = expected.saturating_mul(size.max(1));
            fits
        })
    }

    /// The numbers in the order of their indices; none if one lies beyond the storage.
    fn gathered(&self, bytes: &[u8], width: usize, count: usize) -> Option<Vec<u8>> {
        let mut last = self.offset;
        for (&size, &stride) in self.size.iter().zip(&self.stride) {
            last = last.checked_add(size.saturating_sub(1).checked_mul(stride)?)?;
        }
        let end = last.checked_add(1)?.checked_mul(width)?;
        if count > 0 && end > bytes.len() {
            return None;
        }
        let mut numbers = Vec::new();
        numbers.try_reserve_exact(count.checked_mul(width)?).ok()?;
        let (mut index, mut place) = (vec![0; self.size.len()], self.offset);
        for _ in 0..count {
            numbers.extend_from_slice(&bytes[place * width..(place + 1) * width]);
            for ((i, &size), &stride) in index.iter_mut().zip(&self.size).zip(&self.stride).rev() {
                *i += 1;
                if *i < size {
                    place += stride;
                    break;
                }
                *i = 0;
                place -= (size - 1) * stride;
            }
        }
        Some(numbers)
    }
}

/// The dtype of a type of storages.
fn dtype(storage: &str) -> Result<DType, String> {
    Ok(match storage {
        "DoubleStorage" => DType::F64,
        "FloatStorage" => DType::F32,
        "HalfStorage" => DType::F16,
        "BFloat16Storage" => DType::BF16,
        "ByteStorage" => DType::U8,
        "ShortStorage" => DType::I16,
        "IntStorage" => DType::I32,
        "LongStorage" => DType::I64,
        other => {
            let accepted = "expected floats, or integers of a type that candle has";
            return Err(format!("its numbers are of type {other}; {accepted}"));
        }
    })
}
