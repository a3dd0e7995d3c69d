//! Tensors changed where they lie, out of autograd's sight.

use std::cell::Cell;

use advect_core::{Error, Result};
use candle_core::{CpuStorage, InplaceOp1, Layout, Tensor};

use super::float::Float;

/// Calls `f` with the elements of contiguous tensors, all locked for writing.
///
/// # Errors
/// [`Error::Shape`] for a tensor that is not contiguous, [`Error::DType`] for another type.
pub(crate) fn with_slices<T: Float, const N: usize>(
    tensors: [&Tensor; N],
    f: impl FnOnce([&mut [T]; N]) -> Result<()>,
) -> Result<()> {
    let mut call = Some(f);
    lock(&tensors, &mut Vec::with_capacity(N), &mut |slices| {
        let slices: Option<[&mut [T]; N]> = std::mem::take(slices).try_into().ok();
        match (call.take(), slices) {
            (Some(f), Some(slices)) => f(slices),
            _ => Ok(()),
        }
    })
}

type Call<'a, T> = dyn FnMut(&mut Vec<&mut [T]>) -> Result<()> + 'a;

/// Locks the first tensor, then the others within.
fn lock<T: Float>(
    tensors: &[&Tensor],
    locked: &mut Vec<&mut [T]>,
    f: &mut Call<'_, T>,
) -> Result<()> {
    let Some((first, rest)) = tensors.split_first() else {
        return f(locked);
    };
    let body = |values: &mut [T]| {
        let mut all: Vec<&mut [T]> = locked.iter_mut().map(|slice| &mut **slice).collect();
        all.push(values);
        lock(rest, &mut all, f)
    };
    let op = Locked(Cell::new(Some(body)), std::marker::PhantomData);
    Ok(first.inplace_op1(&op)?)
}

struct Locked<F, T>(Cell<Option<F>>, std::marker::PhantomData<T>);

impl<T: Float, F: FnOnce(&mut [T]) -> Result<()>> InplaceOp1 for Locked<F, T> {
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
        let values = &mut T::slice_mut(storage)?[range];
        match self.0.take() {
            Some(f) => Ok(f(values)?),
            None => Ok(()),
        }
    }
}
