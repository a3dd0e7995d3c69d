//! Tensors changed where they lie, out of autograd's sight.

use std::cell::Cell;
use std::ops::Range;

use advect_core::{Error, Result};
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, InplaceOp1, Layout, Tensor};

use crate::cpu::Float;

/// Calls `f` with the elements of contiguous tensors in the CPU's memory, all locked for writing.
///
/// # Errors
/// [`Error::Shape`] for a tensor that is not contiguous, [`Error::DType`] for another type.
pub(crate) fn with_slices<T: Float, const N: usize>(
    tensors: [&Tensor; N],
    f: impl FnOnce([&mut [T]; N]) -> Result<()>,
) -> Result<()> {
    let mut f = Some(f);
    lock(&tensors, Vec::with_capacity(N), &mut |places| {
        call(&mut f, places.into_iter().map(Place::slice))
    })
}

/// Calls `f` with the memory of contiguous tensors on a CUDA device, and with each one's first element, all locked for writing.
///
/// # Errors
/// [`Error::Shape`] for a tensor that is not contiguous, [`Error::Device`] for one that is elsewhere.
#[cfg(feature = "cuda")]
pub(crate) fn with_storages<const N: usize>(
    tensors: [&Tensor; N],
    f: impl FnOnce([(&mut CudaStorage, usize); N]) -> Result<()>,
) -> Result<()> {
    let mut f = Some(f);
    lock(&tensors, Vec::with_capacity(N), &mut |places| {
        call(&mut f, places.into_iter().map(Place::storage))
    })
}

/// [`with_storages`] of any number of tensors.
///
/// # Errors
/// As [`with_storages`].
#[cfg(feature = "cuda")]
pub(crate) fn with_each_storage(
    tensors: &[&Tensor],
    f: impl FnOnce(Vec<(&mut CudaStorage, usize)>) -> Result<()>,
) -> Result<()> {
    let mut f = Some(f);
    lock(tensors, Vec::with_capacity(tensors.len()), &mut |places| {
        let places = places.into_iter().map(Place::storage);
        let places = places.collect::<Result<Vec<_>>>()?;
        f.take().map_or(Ok(()), |f| f(places))
    })
}

/// Calls a function, once, with as many arguments as it takes.
fn call<A, const N: usize>(
    f: &mut Option<impl FnOnce([A; N]) -> Result<()>>,
    parts: impl Iterator<Item = Result<A>>,
) -> Result<()> {
    let parts: Option<[A; N]> = parts.collect::<Result<Vec<A>>>()?.try_into().ok();
    match (f.take(), parts) {
        (Some(f), Some(parts)) => f(parts),
        _ => Ok(()),
    }
}

/// The elements of a tensor.
struct Place<'a> {
    memory: Memory<'a>,
    range: Range<usize>,
}

enum Memory<'a> {
    Cpu(&'a mut CpuStorage),
    #[cfg(feature = "cuda")]
    Cuda(&'a mut CudaStorage),
}

impl<'a> Place<'a> {
    fn slice<T: Float>(self) -> Result<&'a mut [T]> {
        match self.memory {
            Memory::Cpu(storage) => Ok(&mut T::slice_mut(storage)?[self.range]),
            #[cfg(feature = "cuda")]
            Memory::Cuda(_) => Err(misplaced("a CUDA device", "the CPU")),
        }
    }

    #[cfg(feature = "cuda")]
    fn storage(self) -> Result<(&'a mut CudaStorage, usize)> {
        match self.memory {
            Memory::Cuda(storage) => Ok((storage, self.range.start)),
            Memory::Cpu(_) => Err(misplaced("the CPU", "a CUDA device")),
        }
    }
}

#[cfg(feature = "cuda")]
fn misplaced(given: &str, accepted: &str) -> Error {
    Error::Device {
        argument: "x".into(),
        given: given.into(),
        accepted: accepted.into(),
    }
}

/// Locks the first tensor, then the others within.
fn lock(
    tensors: &[&Tensor],
    locked: Vec<Place<'_>>,
    f: &mut dyn FnMut(Vec<Place<'_>>) -> Result<()>,
) -> Result<()> {
    let Some((first, rest)) = tensors.split_first() else {
        return f(locked);
    };
    let body = |place: Place<'_>| {
        let mut all: Vec<Place<'_>> = locked;
        all.push(place);
        lock(rest, all, f)
    };
    Ok(first.inplace_op1(&Locked(Cell::new(Some(body))))?)
}

struct Locked<F>(Cell<Option<F>>);

impl<F: FnOnce(Place<'_>) -> Result<()>> Locked<F> {
    fn run(&self, memory: Memory<'_>, layout: &Layout) -> candle_core::Result<()> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            let accepted = "a contiguous tensor";
            return Err(Error::shape("x", layout.dims(), accepted).into());
        };
        // A view without elements may begin beyond the end of its storage.
        let range = if start == end { 0..0 } else { start..end };
        match self.0.take() {
            Some(f) => Ok(f(Place { memory, range })?),
            None => Ok(()),
        }
    }
}

impl<F: FnOnce(Place<'_>) -> Result<()>> InplaceOp1 for Locked<F> {
    fn name(&self) -> &'static str {
        "advect-in-place"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        self.run(Memory::Cpu(storage), layout)
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, storage: &mut CudaStorage, layout: &Layout) -> candle_core::Result<()> {
        self.run(Memory::Cuda(storage), layout)
    }
}
