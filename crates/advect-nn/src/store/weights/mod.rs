//! Weights from files, including those of other programs.

mod contents;
mod location;
#[cfg(feature = "pytorch")]
mod pickle;
mod safetensors_file;
mod shards;
#[cfg(feature = "pytorch")]
mod torch_contents;
#[cfg(feature = "pytorch")]
mod torch_file;
#[cfg(feature = "pytorch")]
mod torch_tensor;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use advect_core::{Error, Result, check, file};
use candle_core::{DType, Tensor};

use crate::State;
use crate::store::listing::listed;

pub use contents::{Contents, StoredTensor};
use location::located;
pub use safetensors_file::tensor_of_view;
use shards::Shards;

/// The most dimensions that a tensor of a file may have.
const RANK: usize = 64;

/// The weights in a file, with the rules for reading them: from which of its dictionaries, under which names, in which
/// dtype.
///
/// Files of safetensors and, with the feature `pytorch`, which is on by default, of PyTorch (`.pt`, `.pth`, `.ckpt`,
/// `.bin`, written by PyTorch 1.6 or later) are recognised by their contents. Only data are read from a file of
/// PyTorch: no pickled code is run.
///
/// The path may also be that of an index of several files (`….safetensors.index.json`), or of a folder with weights under one of the usual
/// names: `diffusion_pytorch_model`, `model` or `pytorch_model`, of safetensors before those of PyTorch, or a single file of any name.
///
/// A path is a value of this type too, so that [`ParameterStore::load`](crate::ParameterStore::load) takes either:
///
/// ```no_run
/// use advect_core::Key;
/// use advect_nn::{ParameterStore, Weights};
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// # let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// store.load("network.safetensors")?;
/// // What torch.save wrote of {"ema_model": network.state_dict(), …}, trained in parallel and in half precision.
/// let weights = Weights::new("checkpoint.pt").within("ema_model").without_prefix("module.").cast(DType::F32);
/// store.load(weights)?;
/// # Ok(())
/// # }
/// ```
///
/// Reading takes memory of at most five times the file's size and some hundred times the size of its header or pickle; in
/// another dtype, more by the ratio of the sizes.
#[doc(alias = "safetensors")]
#[doc(alias = "torch.load")]
#[doc(alias = "state_dict")]
#[doc(alias = "pretrained")]
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Weights {
    path: PathBuf,
    within: Vec<String>,
    prefixes: Vec<String>,
    renaming: Vec<(String, String)>,
    dtype: Option<DType>,
}

impl<P: AsRef<Path>> From<P> for Weights {
    /// Selects all tensors of the file, with their names and dtypes there.
    fn from(path: P) -> Self {
        Weights::new(path)
    }
}

impl Weights {
    /// Selects all tensors of a file, with their names and dtypes there.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Weights {
            path: path.as_ref().to_path_buf(),
            within: Vec::new(),
            prefixes: Vec::new(),
            renaming: Vec::new(),
            dtype: None,
        }
    }

    /// Selects the tensors in a dictionary inside the file, under this key: `"state_dict"`, `"ema_model"`, the
    /// `"parameters"` or the `"ema"` of a checkpoint. If there is no such dictionary, selects the tensors whose names
    /// begin with the key and a dot or a slash, and removes that beginning. Called again, it goes one level deeper.
    pub fn within(mut self, key: impl Into<String>) -> Self {
        self.within.push(key.into());
        self
    }

    /// Removes a prefix from all names. Each name must begin with it: `"module."`, which PyTorch adds for networks
    /// trained in parallel, or `"_orig_mod."` for compiled ones. Called again, it removes the next prefix from the
    /// rest.
    #[doc(alias = "DataParallel")]
    #[doc(alias = "module.")]
    pub fn without_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefixes.push(prefix.into());
        self
    }

    /// Replaces a part of names wherever it occurs, for files whose parameters are called otherwise than the network's. Called again, it
    /// replaces the next part in the names that come of it.
    ///
    /// ```no_run
    /// use advect_nn::Weights;
    /// let weights = Weights::new("old.bin").renaming(".query.", ".to_q.").renaming(".key.", ".to_k.");
    /// ```
    #[doc(alias = "rename")]
    pub fn renaming(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.renaming.push((from.into(), to.into()));
        self
    }

    /// Converts floats to a dtype. Integers stay as they are.
    pub fn cast(mut self, dtype: DType) -> Self {
        self.dtype = Some(dtype);
        self
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the weights into the CPU's memory.
    ///
    /// # Errors
    /// [`Error::File`] if the file can't be read, is none of weights or damaged, has nothing of the kind that is asked for, or a
    /// number that the dtype does not hold; [`Error::DType`] for a dtype to cast to that is no float.
    pub fn read(&self) -> Result<State> {
        if let Some(dtype) = self.dtype {
            check::float_dtype("dtype", dtype)?;
        }
        let wrong = |reason: String| Error::file(&self.path, reason);
        let path = located(&self.path).map_err(wrong)?;
        let tensors = tensors(&path, &self.within).map_err(wrong)?;
        let named = self.renamed(tensors).map_err(wrong)?;
        let cast = |(name, tensor)| match self.cast_one(&tensor) {
            Ok(tensor) => Ok((name, tensor)),
            Err(reason) => Err(wrong(format!("tensor {name:?}: {reason}"))),
        };
        named.into_iter().map(cast).collect()
    }

    /// Lists the whole contents of the file, under its own names, from its header or pickle: no numbers are read.
    ///
    /// ```
    /// use advect_core::Key;
    /// use advect_nn::{Linear, ParameterStore, Weights};
    /// use candle_core::{DType, Device};
    /// # fn main() -> advect_core::Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
    /// Linear::new(3, 2, &store.builder().pp("layer"))?;
    /// let path = std::env::temp_dir().join(format!("advect-contents-{}", std::process::id()));
    /// store.save(&path)?;
    /// let contents = Weights::new(&path).contents()?;
    /// let listed: Vec<_> = contents.tensors.iter().map(|t| (&*t.name, &*t.shape, &*t.dtype)).collect();
    /// assert_eq!(listed, [("layer.bias", &[2][..], "f32"), ("layer.weight", &[2, 3], "f32")]);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::File`] if the file can't be read, or is none of weights or damaged.
    pub fn contents(&self) -> Result<Contents> {
        let wrong = |reason: String| Error::file(&self.path, reason);
        let path = located(&self.path).map_err(wrong)?;
        contents(&path).map_err(wrong)
    }

    /// The tensors without the beginnings of their names.
    fn renamed(&self, mut tensors: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>, String> {
        for prefix in &self.prefixes {
            let other = |(name, _): &&(String, Tensor)| !name.starts_with(prefix.as_str());
            let others: Vec<&str> = tensors
                .iter()
                .filter(other)
                .map(|(n, _)| n.as_str())
                .collect();
            if !others.is_empty() {
                let (others, count) = (listed(&others), tensors.len());
                return Err(format!(
                    "not all of its names ({count} in all) begin with {prefix:?}: {others}"
                ));
            }
            for (name, _) in &mut tensors {
                name.drain(..prefix.len());
            }
        }
        for (name, _) in &mut tensors {
            for (from, to) in self.renaming.iter().filter(|(from, _)| !from.is_empty()) {
                *name = name.replace(from, to);
            }
        }
        let mut names = BTreeSet::new();
        match tensors.iter().find(|(name, _)| !names.insert(name)) {
            Some((twice, _)) => Err(format!("two of its tensors get the name {twice:?}")),
            None => Ok(tensors),
        }
    }

    fn cast_one(&self, tensor: &Tensor) -> Result<Tensor, String> {
        let Some(dtype) = self.dtype.filter(|_| tensor.dtype().is_float()) else {
            return Ok(tensor.clone());
        };
        let cast = tensor.to_dtype(dtype).map_err(|e| e.to_string())?;
        let finite = |x: &Tensor| check::is_finite(x).map_err(|e| e.to_string());
        match finite(&cast)? || !finite(tensor)? {
            true => Ok(cast),
            false => Err(format!(
                "one of its numbers is beyond the range of {dtype:?}"
            )),
        }
    }
}

/// The tensors of a file, or of those that an index names, within dictionaries or groups of names.
fn tensors(path: &Path, within: &[String]) -> Result<Vec<(String, Tensor)>, String> {
    let mut file = opened(path)?;
    match Kind::at_start_of(&mut file)? {
        Kind::Safetensors => {
            let bytes = file::read(path).map_err(|e| reason(&e))?;
            safetensors_file::read(&bytes, within)
        }
        #[cfg(feature = "pytorch")]
        Kind::Torch => torch_file::read(file, within),
        #[cfg(not(feature = "pytorch"))]
        Kind::Torch => Err(WITHOUT_PYTORCH.into()),
        Kind::Index => {
            let all = Shards::read(path)?.collect(tensors_of_shard)?;
            within
                .iter()
                .try_fold(all, |all, key| match grouped(all, key) {
                    group if group.is_empty() => Err(format!(
                        "no name in it begins with {key:?} and a dot or a slash"
                    )),
                    group => Ok(group),
                })
        }
    }
}

/// What a file holds, or those that an index names.
fn contents(path: &Path) -> Result<Contents, String> {
    let mut file = opened(path)?;
    match Kind::at_start_of(&mut file)? {
        Kind::Safetensors => safetensors_file::contents(file),
        #[cfg(feature = "pytorch")]
        Kind::Torch => torch_contents::contents(file),
        #[cfg(not(feature = "pytorch"))]
        Kind::Torch => Err(WITHOUT_PYTORCH.into()),
        Kind::Index => {
            let tensors = Shards::read(path)?.collect(|shard| {
                if matches!(Kind::at_start_of(&mut opened(shard)?)?, Kind::Index) {
                    return Err("it is an index, too".into());
                }
                let name = shard
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned());
                let tensors = contents(shard)?.tensors.into_iter();
                Ok(tensors
                    .map(|tensor| {
                        (
                            tensor.name.clone(),
                            StoredTensor {
                                shard: name.clone(),
                                ..tensor
                            },
                        )
                    })
                    .collect())
            })?;
            let tensors = tensors.into_iter().map(|(_, tensor)| tensor).collect();
            Ok(Contents {
                tensors,
                ..Contents::default()
            })
        }
    }
}

#[cfg(not(feature = "pytorch"))]
const WITHOUT_PYTORCH: &str =
    "it is a file of PyTorch: advect-nn reads those with its feature `pytorch`";

/// The tensors of a file that an index names, which is no index itself.
fn tensors_of_shard(path: &Path) -> Result<Vec<(String, Tensor)>, String> {
    match Kind::at_start_of(&mut opened(path)?)? {
        Kind::Index => Err("it is an index, too".into()),
        _ => tensors(path, &[]),
    }
}

fn opened(path: &Path) -> Result<File, String> {
    file::open(path).map_err(|e| reason(&e))
}

/// The reason of an error of a file, whose path is told elsewhere.
fn reason(error: &Error) -> String {
    match error {
        Error::File { reason, .. } => reason.clone(),
        error => error.to_string(),
    }
}

/// The files of weights that are known.
enum Kind {
    Safetensors,
    Torch,
    /// An index of several files.
    Index,
}

impl Kind {
    /// The kind of a file, which is read from its start again afterwards.
    fn at_start_of(file: &mut File) -> Result<Self, String> {
        let mut first = Vec::new();
        (file.by_ref().take(64).read_to_end(&mut first)).map_err(|e| e.to_string())?;
        file.rewind().map_err(|e| e.to_string())?;
        Kind::of(&first)
    }

    /// The kind of a file that begins with these bytes.
    fn of(first: &[u8]) -> Result<Self, String> {
        const LEGACY: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
        let other = match first {
            _ if first.starts_with(b"PK\x03\x04") => return Ok(Kind::Torch),
            _ if first.get(5..9) == Some(b"\0\0\0{") => return Ok(Kind::Safetensors),
            _ if first.starts_with(LEGACY) => {
                "it was written by PyTorch before 1.6, or in the format of that time: read it in PyTorch, and save it again"
            }
            [0x80, ..] => {
                "it is a pickle of Python, not a file of torch.save: save the tensors from PyTorch"
            }
            [b'{', ..] => return Ok(Kind::Index),
            _ => file::format(first).unwrap_or("it is neither of safetensors nor of PyTorch"),
        };
        Err(format!("this is not a file of weights: {other}"))
    }
}

/// The things whose names begin with a key and a dot or a slash, without it.
fn grouped<T>(things: Vec<(String, T)>, key: &str) -> Vec<(String, T)> {
    let inner = |name: &str| {
        Some(
            name.strip_prefix(key)?
                .strip_prefix(['.', '/'])?
                .to_string(),
        )
    };
    let named = things
        .into_iter()
        .filter_map(|(name, thing)| Some((inner(&name)?, thing)));
    named.collect()
}
