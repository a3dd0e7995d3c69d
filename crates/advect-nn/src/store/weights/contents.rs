//! The contents of a file of weights.

use std::collections::BTreeMap;

/// The contents of a file of weights, as listed by [`Weights::contents`](crate::Weights::contents).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contents {
    /// The tensors, in the file's order of dictionaries and by name within each.
    pub tensors: Vec<StoredTensor>,
    /// The other entries of dictionaries: their names and descriptions.
    pub others: Vec<(String, String)>,
    /// The metadata of a file of safetensors: texts by name.
    pub metadata: BTreeMap<String, String>,
}

/// A tensor in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredTensor {
    /// The keys of the dictionaries that contain the tensor, the outermost first, as
    /// [`Weights::within`](crate::Weights::within) takes them.
    pub dictionaries: Vec<String>,
    /// The name of the tensor there.
    pub name: String,
    /// The shape of the tensor.
    pub shape: Vec<usize>,
    /// The type of its numbers, as in `f32`.
    pub dtype: String,
    /// The file that contains the tensor, if there are several.
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

    /// Returns the number of elements of the tensor.
    pub fn element_count(&self) -> usize {
        (self.shape.iter()).fold(1, |product, &size| product.saturating_mul(size))
    }
}
