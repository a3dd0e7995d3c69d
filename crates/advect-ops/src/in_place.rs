//! Tensors changed where they lie, out of autograd's sight.

use std::cell::Cell;
use std::ops::Range;

use advect_core::{Error, Result};
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
    lock(&tensors, Vec::with_capacity(N), &mut |slices| {
        let slices: Option<[&mut [T]; N]> = slices.try_into().ok();
        match (f.take(), slices) {
            (Some(f), Some(slices)) => f(slices),
            _ => Ok(()),
        }
    })
}

/// Locks the first tensor, then the others within.
fn lock<T: Float>(
    tensors: &[&Tensor],
    locked: Vec<&mut [T]>,
    f: &mut dyn FnMut(Vec<&mut [T]>) -> Result<()>,
) -> Result<()> {
    let Some((first, rest)) = tensors.split_first() else {
        return f(locked);
    };
    let body = |storage: &mut CpuStorage, range: Range<usize>| {
        let mut all: Vec<&mut [T]> = locked;
        all.push(&mut T::slice_mut(storage)?[range]);
        lock(rest, all, f)
    };
    Ok(first.inplace_op1(&Locked(Cell::new(Some(body))))?)
}

struct Locked<F>(Cell<Option<F>>);

impl<F: FnOnce(&mut CpuStorage, Range<usize>) -> Result<()>> InplaceOp1 for Locked<F> {
    fn name(&self) -> &'static str {
        "advect-in-place"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            let accepted = "a contiguous tensor";
            return Err(Error::shape("x", layout.dims(), accepted).into());
        };
        // A view without elements may begin beyond the end of its storage.
        let range = if start == end { 0..0 } else { start..end };
        match self.0.take() {
            Some(f) => Ok(f(storage, range)?),
            None => Ok(()),
        }
    }
}
