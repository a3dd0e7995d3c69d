//! Files of PyTorch: a zip archive with a pickle and the bytes of each storage that it refers to.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Read};

use candle_core::Tensor;
use zip::{CompressionMethod, ZipArchive};

use super::grouped;
use super::pickle::{Object, Pickle, Place};
use super::torch_contents::objects;
use super::torch_tensor::Stored;
use crate::store::listing::listed_as;

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
    let (mut tensors, mut bytes) = (BTreeMap::new(), 0u64);
    for (name, place) in &items {
        match Stored::of(&pickle, *place) {
            Some(Ok(tensor)) => {
                bytes = bytes.saturating_add(tensor.bytes());
                tensors.insert(name, *place);
            }
            Some(Err(reason)) => return Err(format!("tensor {name:?}: {reason}")),
            None => {}
        }
    }
    if tensors.is_empty() {
        let inside = dictionaries(&pickle, &items);
        return Err(format!(
            "there are no tensors here, only dictionaries: Weights::within selects one of {inside}{}",
            objects(&pickle, &items)
        ));
    }
    if bytes > archive.length.saturating_mul(SHARED) {
        return Err(format!(
            "its tensors have {bytes} bytes, more than {SHARED} times its own {}",
            archive.length
        ));
    }
    load(&mut archive, &pickle, &tensors)
}

/// The tensors, those of one storage after another, so that each is read once.
fn load(
    archive: &mut Archive,
    pickle: &Pickle<'_>,
    tensors: &BTreeMap<&String, Place>,
) -> Result<Vec<(String, Tensor)>, String> {
    // Descriptions are read again, as all of them may take more memory than the pickle by far.
    let stored = |place: Place| Stored::of(pickle, place).and_then(Result::ok);
    let mut by_storage: BTreeMap<&str, Vec<(&String, Place)>> = BTreeMap::new();
    for (name, &place) in tensors {
        let storage = stored(place).map_or("", |tensor| tensor.storage);
        by_storage.entry(storage).or_default().push((name, place));
    }
    let mut loaded = Vec::with_capacity(tensors.len());
    for (storage, users) in by_storage {
        let bytes = archive.entry(&format!("data/{storage}"))?;
        for (name, tensor) in (users.into_iter()).filter_map(|(name, at)| Some((name, stored(at)?)))
        {
            let tensor = (tensor.tensor(&bytes)).map_err(|e| format!("tensor {name:?}: {e}"))?;
            loaded.push((name.clone(), tensor));
        }
    }
    Ok(loaded)
}

/// A dictionary's items, by name.
pub(super) type Items = Vec<(String, Place)>;

/// The items of the dictionary that the file is.
pub(super) fn root(pickle: &Pickle<'_>) -> Result<Items, String> {
    match pickle.at(pickle.root) {
        Object::Dictionary(pairs) => Ok(items(pickle, pairs)),
        Object::Call(function, _) => Err(match pickle.at(*function) {
            Object::Global("torch._utils", _) => "it is one tensor, without a name".into(),
            Object::Global(module, name) => format!(
                "it is a whole object, a {module}.{name}: save its state_dict() from PyTorch instead"
            ),
            _ => "it is not a dictionary of tensors".into(),
        }),
        _ => Err("it is not a dictionary of tensors".into()),
    }
}

/// The items of a dictionary. Of several with the same key in the pickle's bytes it has the last, so that names are no longer together than
/// the pickle.
pub(super) fn items(pickle: &Pickle<'_>, pairs: &[(Place, Place)]) -> Items {
    let (mut items, mut known) = (Items::new(), HashMap::new());
    for &(place, value) in pairs {
        match known.get(&place) {
            Some(&i) => {
                let (_, item): &mut (String, Place) = &mut items[i];
                *item = value;
            }
            None => {
                if let Some(key) = key(pickle, place) {
                    known.insert(place, items.len());
                    items.push((key, value));
                }
            }
        }
    }
    items
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
    match grouped(outer.clone(), key) {
        group if group.is_empty() => {
            let all = dictionaries(pickle, &outer);
            Err(format!(
                "it has no dictionary {key:?}, nor names that begin with it and a dot; its dictionaries are {all}"
            ))
        }
        group => Ok(group),
    }
}

/// The dictionaries among items, with the number of tensors in each.
fn dictionaries(pickle: &Pickle<'_>, items: &Items) -> String {
    let dictionary = |(name, place): &(String, Place)| match pickle.at(*place) {
        Object::Dictionary(pairs) => Some((name.clone(), pairs)),
        _ => None,
    };
    let dictionaries: Vec<_> = items.iter().filter_map(dictionary).collect();
    listed_as(&dictionaries, |(name, pairs)| {
        let tensors = (pairs.iter()).filter(|(_, value)| Stored::of(pickle, *value).is_some());
        format!("{name} ({} tensors)", tensors.count())
    })
}

/// The archive.
pub(super) struct Archive {
    zip: ZipArchive<BufReader<File>>,
    /// The prefix of the names of all entries.
    base: String,
    length: u64,
}

impl Archive {
    pub(super) fn open(file: File) -> Result<Self, String> {
        let length = file.metadata().map_err(|e| e.to_string())?.len();
        let zip = ZipArchive::new(BufReader::new(file));
        // The list of entries is at the end of an archive.
        let mut zip = zip.map_err(|e| format!("damaged, or cut short: {e}"))?;
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
        // A small archive may be read as anything where many entries are one and the same.
        if zip.has_overlapping_files().map_err(|e| e.to_string())? {
            return Err("damaged: its entries overlap".into());
        }
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
    pub(super) fn pickle(&mut self) -> Result<Vec<u8>, String> {
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
