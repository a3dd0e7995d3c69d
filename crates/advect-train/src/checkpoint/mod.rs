//! Checkpoints: everything that a run needs to continue, in one safetensors file.

mod folder;
mod header;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use advect_core::{Error, Generator, Result, check, file, shape};
use advect_nn::{State, tensor_of_view};
use candle_core::{Device, Tensor};
use safetensors::{SafeTensors, View};

use crate::ema::named;
pub use folder::{After, CheckpointFolder, Resumed};
use header::Header;

/// The parts of a trainer's checkpoint that hold its parameters and their average.
pub(crate) const PARAMETERS: &str = "parameters";
pub(crate) const AVERAGE: &str = "ema";
/// The part with the numbers that observers recorded.
pub(crate) const RECORDS: &str = "records";

/// A checkpoint of a run: a step count, a generator, the settings, and named parts, each the [`State`] of a
/// [`Stateful`](advect_nn::Stateful) object.
///
/// The file is safetensors, with tensors named `part/name`, readable by any tool for that format. Its metadata hold the
/// format's version, the step, the generator, the settings and a CRC-32 of everything, so that a damaged file is
/// recognised. It is written atomically: a crash leaves the previous one.
///
/// ```
/// use advect_core::Generator;
/// use advect_train::Checkpoint;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let mut checkpoint = Checkpoint::new(7, &Generator::from_seed(0));
/// let weights = [("w".to_string(), Tensor::new(&[1f32, 2.0], &Device::Cpu)?)];
/// checkpoint.parts.insert("parameters".into(), weights.into());
/// let path = std::env::temp_dir().join(format!("advect-doc-{}.ckpt", std::process::id()));
/// checkpoint.save(&path)?;
/// let restored = Checkpoint::load(&path, &Device::Cpu)?;
/// assert_eq!((restored.step, restored.generator), (7, Generator::from_seed(0)));
/// assert_eq!(restored.parts["parameters"]["w"].to_vec1::<f32>()?, [1.0, 2.0]);
/// # std::fs::remove_file(path).unwrap();
/// # Ok(())
/// # }
/// ```
#[doc(alias = "state_dict")]
#[doc(alias = "safetensors")]
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The number of steps made.
    pub step: usize,
    /// The generator of the run.
    pub generator: Generator,
    /// The settings of the run by name, such as its seed and its batch size: those of
    /// [`Trainer::setting`](crate::Trainer::setting).
    pub settings: BTreeMap<String, String>,
    /// The states of the run's parts. A part's name contains no slash.
    pub parts: BTreeMap<String, State>,
}

/// The reason why a file is not read as a checkpoint.
enum Fault {
    /// The file is not what was written.
    Damaged(Error),
    /// The file may be good: it is of another version, or does not fit on the device.
    Other(Error),
}

impl Checkpoint {
    /// Creates a checkpoint without settings and parts.
    pub fn new(step: usize, generator: &Generator) -> Self {
        Checkpoint {
            step,
            generator: generator.clone(),
            settings: BTreeMap::new(),
            parts: BTreeMap::new(),
        }
    }

    /// Removes the average from the checkpoint, for a [`Trainer`](crate::Trainer) that continues without one.
    pub fn drop_average(mut self) -> Self {
        self.parts.remove(AVERAGE);
        self
    }

    /// Adds an average that begins at the parameters, for a [`Trainer`](crate::Trainer) that averages from here on.
    ///
    /// # Errors
    /// [`Error::Range`] if it has an average already, or no parameters.
    pub fn start_average(mut self) -> Result<Self> {
        if self.parts.contains_key(AVERAGE) {
            let accepted = "a checkpoint without an average, so that none is lost";
            return Err(Error::range("checkpoint", "one with an average", accepted));
        }
        let Some(parameters) = self.parts.get(PARAMETERS) else {
            let accepted = "a checkpoint of a trainer";
            return Err(Error::range(
                "checkpoint",
                "one without parameters",
                accepted,
            ));
        };
        // Averages of 16 bits are in f32.
        let wide = |(name, x): (&String, &Tensor)| Ok((name.clone(), shape::wide(x)?));
        let average = parameters.iter().map(wide).collect::<Result<_>>()?;
        self.parts.insert(AVERAGE.to_string(), average);
        Ok(self)
    }

    /// Refuses NaN and infinities.
    pub(crate) fn check_finite(&self) -> Result<()> {
        for (part, state) in &self.parts {
            for (name, tensor) in state {
                check::finite("x", tensor).map_err(|e| named(e, format!("{part}/{name}")))?;
            }
        }
        Ok(())
    }

    /// Writes the checkpoint to a file, atomically.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::NonFinite`] for a tensor with NaN or an infinity; [`Error::Range`] for a part with a slash
    /// in its name.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.check_finite()?;
        let path = path.as_ref();
        let mut tensors = BTreeMap::new();
        for (part, state) in &self.parts {
            if part.contains('/') {
                return Err(Error::range("part", part, "a name without a slash"));
            }
            for (name, tensor) in state {
                tensors.insert(format!("{part}/{name}"), tensor);
            }
        }
        let header = Header {
            step: self.step,
            generator: self.generator.clone(),
            settings: self.settings.clone(),
        };
        let mut crc = header.crc();
        for (name, tensor) in &tensors {
            add_to_checksum(&mut crc, name, tensor);
        }
        let metadata = HashMap::from([("advect".to_string(), header.encode(crc.finalize()))]);
        let bytes =
            safetensors::serialize(tensors, Some(metadata)).map_err(|e| Error::file(path, e))?;
        file::write_atomically(path, |f| f.write_all(&bytes))
    }

    /// Reads a checkpoint, with its tensors on `device`. It takes memory of at most four times the file's size.
    ///
    /// # Errors
    /// [`Error::File`] if the file can't be read, is no checkpoint, is damaged or of another version.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let path = path.as_ref();
        let decoded = Checkpoint::decode(path, &file::read(path)?, device);
        decoded.map_err(|fault| match fault {
            Fault::Damaged(error) | Fault::Other(error) => error,
        })
    }

    /// Decodes the bytes of a file.
    fn decode(path: &Path, bytes: &[u8], device: &Device) -> Result<Self, Fault> {
        let wrong = |reason: String| Fault::Damaged(Error::file(path, reason));
        let other = |reason: String| Fault::Other(Error::file(path, reason));
        let damaged = |e| {
            wrong(match file::format(bytes) {
                Some(other) if !other.contains("safetensors") => {
                    format!("not a checkpoint: it is {other}")
                }
                _ => format!("truncated, or not a safetensors file: {e}"),
            })
        };
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let text = metadata.metadata().as_ref().and_then(|m| m.get("advect"));
        let text = text.ok_or_else(|| {
            wrong(
                "not a checkpoint: it has no entry \"advect\"; ParameterStore::load reads weights alone"
                    .into(),
            )
        })?;
        if let Some(version) = Header::other_version(text) {
            return Err(other(version));
        }
        let (header, checksum) = Header::decode(text).map_err(wrong)?;

        let tensors: BTreeMap<_, _> = file.tensors().into_iter().collect();
        let mut crc = header.crc();
        for (name, view) in &tensors {
            add_to_checksum(&mut crc, name, view);
        }
        if crc.finalize() != checksum {
            return Err(wrong("damaged: its checksum is wrong".into()));
        }
        let mut parts: BTreeMap<String, State> = BTreeMap::new();
        for (name, view) in tensors {
            let Some((part, name)) = name.split_once('/') else {
                return Err(wrong(format!("tensor \"{name}\" belongs to no part")));
            };
            let tensor = tensor_of_view(&format!("{part}/{name}"), &view, device)
                .map_err(|e| other(format!("tensor {e}")))?;
            let state = parts.entry(part.to_string()).or_default();
            state.insert(name.to_string(), tensor);
        }
        Ok(Checkpoint {
            step: header.step,
            generator: header.generator,
            settings: header.settings,
            parts,
        })
    }
}

/// Adds a tensor with its name, dtype and shape.
pub(crate) fn add_to_checksum(crc: &mut crc32fast::Hasher, name: &str, tensor: &impl View) {
    crc.update(format!("{name} {:?} {:?} ", tensor.dtype(), tensor.shape()).as_bytes());
    crc.update(&tensor.data());
}
