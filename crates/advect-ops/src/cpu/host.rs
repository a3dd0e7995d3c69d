//! Tensors in the CPU's memory as slices.

use std::marker::PhantomData;
use std::ops::{Deref, Range};

use advect_core::{Error, Result};
use candle_core::{DType, Storage, StorageRef, Tensor};

use super::float::Float;
use crate::output::Output;

/// Whether the kernels know these tensors: f32 or f64, alike, in the CPU's memory.
pub(crate) fn fits(tensors: &[&Tensor]) -> bool {
    let dtype = tensors.first().map(|x| x.dtype());
    matches!(dtype, Some(DType::F32 | DType::F64))
        && (tensors.iter()).all(|x| x.device().is_cpu() && Some(x.dtype()) == dtype)
}

/// Runs an expression with `$T` as the element type of a tensor that [`fits`].
macro_rules! by_dtype {
    ($x:expr, $T:ident => $body:expr) => {
        match $x.dtype() {
            candle_core::DType::F32 => {
                type $T = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $T = f64;
                $body
            }
            other => Err(advect_core::Error::dtype("x", other, "f32 or f64")),
        }
    };
}
pub(crate) use by_dtype;

/// The elements of a contiguous tensor, read-locked.
pub(crate) struct Host<'a, T> {
    storage: StorageRef<'a>,
    range: Range<usize>,
    dtype: PhantomData<T>,
}

/// Locks a tensor for reading.
///
/// # Errors
/// [`Error::Shape`] unless it is contiguous, [`Error::DType`] or [`Error::Device`] unless it holds `T` in the CPU's
/// memory.
pub(crate) fn host<T: Float>(x: &Tensor) -> Result<Host<'_, T>> {
    let (storage, layout) = x.storage_and_layout();
    let Some((start, end)) = layout.contiguous_offsets() else {
        return Err(Error::shape("x", x.dims(), "a contiguous tensor"));
    };
    match &*storage {
        // The type is checked here, so that reading cannot fail.
        Storage::Cpu(values) if x.dtype() == T::DTYPE => T::slice(values)?,
        Storage::Cpu(_) => return Err(Error::dtype("x", x.dtype(), format!("{:?}", T::DTYPE))),
        _ => {
            return Err(Error::Device {
                argument: "x".into(),
                given: format!("{:?}", x.device().location()),
                accepted: "the CPU".into(),
            });
        }
    };
    Ok(Host {
        storage,
        // A view without elements may begin beyond the end of its storage.
        range: if start == end { 0..0 } else { start..end },
        dtype: PhantomData,
    })
}

/// Locks several tensors for reading.
///
/// # Errors
/// As [`host`].
pub(crate) fn hosts<'a, T: Float>(tensors: &[&'a Tensor]) -> Result<Vec<Host<'a, T>>> {
    let mut hosts = Vec::with_capacity(tensors.len());
    for x in tensors {
        hosts.push(host(x)?);
    }
    Ok(hosts)
}

impl<T: Float> Deref for Host<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &*self.storage {
            Storage::Cpu(values) => {
                T::slice(values).map_or(&[], |values| &values[self.range.clone()])
            }
            _ => &[],
        }
    }
}

/// A tensor of values computed on the host.
pub(crate) fn tensor<T: Float>(
    values: Vec<T>,
    shape: impl Into<candle_core::Shape>,
) -> Result<Tensor> {
    Output::new(values, shape).into_tensor()
}
