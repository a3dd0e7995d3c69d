//! Large scratch memory, kept for the next call: fresh pages cost more than what is computed in them.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use advect_core::parallel;

use super::Float;

/// Buffers of fewer elements are left to the allocator.
const LARGE: usize = 1 << 14;
/// Elements kept in all, per type.
const KEPT: usize = 1 << 25;

/// Numbers to be overwritten: at first zeros, or what another buffer held.
pub(crate) struct Buffer<T: Float>(Vec<T>);

/// Buffers out of use.
pub(crate) struct Shelf<T>(Mutex<Vec<Vec<T>>>);

impl<T> Shelf<T> {
    pub(crate) const fn new() -> Self {
        Shelf(Mutex::new(Vec::new()))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Float> Buffer<T> {
    pub(crate) fn new(len: usize) -> Self {
        let mut values = if len < LARGE {
            Vec::new()
        } else {
            Self::find(len)
        };
        values.truncate(len);
        if values.is_empty() {
            values = vec![T::ZERO; len];
        }
        values.resize(len, T::ZERO);
        Buffer(values)
    }

    /// The smallest buffer on the shelf that is large enough, but not by much.
    fn find(len: usize) -> Vec<T> {
        let mut shelf = T::shelf().lock();
        let fits = |(_, values): &(usize, &Vec<T>)| (len..=2 * len).contains(&values.capacity());
        let found = shelf.iter().enumerate().filter(fits);
        let found = found
            .min_by_key(|(_, values)| values.capacity())
            .map(|(i, _)| i);
        found.map_or_else(Vec::new, |i| shelf.swap_remove(i))
    }
}

impl<T: Float> Drop for Buffer<T> {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.0);
        if values.capacity() < LARGE {
            return;
        }
        let mut shelf = T::shelf().lock();
        let kept: usize = shelf.iter().map(Vec::capacity).sum();
        if kept + values.capacity() <= KEPT {
            shelf.push(values);
        }
    }
}

impl<T: Float> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Float> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

/// A vector of `len` numbers that `f` writes, piece by piece on several threads; `extras` has an item for each piece.
/// A piece begins as zeros, made where it is written and not in a pass of their own.
pub(crate) fn fill<T: Float, E: Send>(
    len: usize,
    piece: usize,
    extras: impl Iterator<Item = E>,
    nanoseconds: usize,
    f: impl Fn(usize, &mut [T], E) + Sync,
) -> Vec<T> {
    let mut extras = extras;
    if (1..=piece).contains(&len)
        && let Some(extra) = extras.next()
    {
        let mut values = vec![T::ZERO; len];
        f(0, &mut values, extra);
        return values;
    }
    let mut values: Vec<T> = Vec::with_capacity(len);
    let pieces = values.spare_capacity_mut()[..len].chunks_mut(piece.max(1));
    let items: Vec<_> = pieces.zip(extras).enumerate().collect();
    assert!(
        items.len() == len.div_ceil(piece.max(1)),
        "an extra for each piece"
    );
    parallel::each(items, nanoseconds, |(i, (piece, extra))| {
        for x in piece.iter_mut() {
            x.write(T::ZERO);
        }
        // SAFETY: all elements of the piece were written just now, and it is borrowed by nobody else.
        let piece = unsafe { &mut *(std::ptr::from_mut(piece) as *mut [T]) };
        f(i, piece, extra);
    });
    // SAFETY: the pieces are all of the first `len` elements, and each was written; a panic would not come here.
    unsafe { values.set_len(len) };
    values
}
