//! Tensors in files of PyTorch.

use candle_core::{DType, Device, Tensor};

use super::RANK;
use super::pickle::{Object, Pickle, Place};

/// The place of a tensor's numbers.
pub(super) struct Stored<'a> {
    pub(super) dtype: Result<DType, String>,
    /// The type of its storage, as PyTorch calls it.
    pub(super) kind: &'a str,
    pub(super) storage: &'a str,
    /// The offset in elements, like the strides.
    offset: usize,
    pub(super) size: Vec<usize>,
    stride: Vec<usize>,
}

impl<'a> Stored<'a> {
    /// The tensor that an object is, if it is one.
    pub(super) fn of(pickle: &Pickle<'a>, place: Place) -> Option<Result<Self, String>> {
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
                    let described = Self::described(pickle, given);
                    return Some(described.ok_or_else(damaged).flatten());
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
    fn described(pickle: &Pickle<'a>, arguments: &[Place]) -> Option<Result<Self, String>> {
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
        let (size, stride) = (pickle.sequence(size)?, pickle.sequence(stride)?);
        // Before they are copied: a pickle may name the same long list again and again.
        if size.len() > RANK || stride.len() != size.len() {
            let given = size.len().max(stride.len());
            let expected = format!("expected at most {RANK}, each with a stride");
            return Some(Err(format!("it has {given} dimensions; {expected}")));
        }
        let numbers = |places: &[Place]| -> Option<Vec<usize>> {
            places.iter().map(|&place| pickle.size(place)).collect()
        };
        Some(Ok(Stored {
            dtype: dtype(kind),
            kind,
            storage: pickle.text(key)?,
            offset: pickle.size(offset)?,
            size: numbers(size)?,
            stride: numbers(stride)?,
        }))
    }

    /// The number of elements; none if it overflows.
    fn count(&self) -> Option<usize> {
        let most = self
            .size
            .iter()
            .try_fold(1usize, |n, size| n.checked_mul((*size).max(1)));
        most.map(|_| self.size.iter().product())
    }

    pub(super) fn bytes(&self) -> u64 {
        let width = self.dtype.as_ref().map_or(8, DType::size_in_bytes);
        let count = self.count().unwrap_or(usize::MAX);
        count.saturating_mul(width) as u64
    }

    /// The tensor, from its storage's bytes.
    pub(super) fn tensor(&self, bytes: &[u8]) -> Result<Tensor, String> {
        let dtype = self.dtype.clone()?;
        let (size, stride) = (&self.size, &self.stride);
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
