//! What a file of weights holds.

use std::collections::BTreeMap;

/// What a file of weights holds: [`Weights::contents`](crate::Weights::contents) lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contents {
    /// The tensors, in the file's order of dictionaries and by name within each.
    pub tensors: Vec<StoredTensor>,
    /// What is in dictionaries besides tensors: its names, and what it is.
    pub others: Vec<(String, String)>,
    /// The texts that a file of safetensors has beside its tensors.
    pub metadata: BTreeMap<String, String>,
}

/// A tensor in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredTensor {
    /// The keys of the dictionaries that it is in, the outermost first: what [`Weights::within`](crate::Weights::within) takes.
    pub dictionaries: Vec<String>,
    /// Its name there.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The type of its numbers, as in `f32`.
    pub dtype: String,
    /// The file that it is in, of several.
    pub shard: Option<String>,
}

impl StoredTensor {
    pub(super) fn new(name: impl Into<String>, shape: Vec<usize>, dtype: String) -> Self {
        StoredTensor {
            dictionaries: Vec::new(),
            name: name.into(),
            shape,
            dtype,
            shard: None,
        }
    }

    /// Returns the number of its numbers.
    pub fn element_count(&self) -> usize {
        (self.shape.iter()).fold(1, |product, &size| product.saturating_mul(size))
    }
}
