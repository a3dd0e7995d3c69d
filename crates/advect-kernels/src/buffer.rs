//! Scratch memory, kept for the next call, as fresh pages and zeros cost more than the computation in them.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use crate::{Float, Threads};

/// Buffers of fewer elements are left to the allocator.
const LARGE: usize = 1 << 11;
/// Elements kept in all, per type.
const KEPT: usize = 1 << 25;
/// Buffers kept at most, per type, as they are looked through one by one.
const MOST: usize = 256;

/// Makes the allocator keep the memory of dropped tensors for later ones.
///
/// The allocator of Linux (glibc) gives memory above a threshold back to the system as soon as it is free, and has it made
/// anew, page by page and zeroed, for the next tensor: a third of the time of a training step. The threshold grows to the
/// size of a block that is freed, up to 32 MiB; so one of nearly that size is, untouched, before the first operation.
/// Elsewhere this does nothing.
pub fn keep_memory() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(black_box(Vec::<u8>::with_capacity(THRESHOLD))));
}

/// Bytes of the largest block from which the allocator learns, with its own entries.
const THRESHOLD: usize = (32 << 20) - (1 << 16);

/// Numbers to be overwritten: at first zeros, or what another buffer held.
pub(crate) struct Buffer<T: Float>(Vec<T>);

impl<T: Float> Default for Buffer<T> {
    fn default() -> Self {
        Buffer(Vec::new())
    }
}

/// Buffers out of use.
pub struct Shelf<T>(Mutex<Vec<Vec<T>>>);

impl<T> Shelf<T> {
    pub(crate) const fn new() -> Self {
        Shelf(Mutex::new(Vec::new()))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Float> Buffer<T> {
    /// Room for `len` numbers, whose values are of no meaning.
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

    /// Zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let mut buffer = Self::new(len);
        buffer.0.fill(T::ZERO);
        buffer
    }

    /// Makes room for `len` elements; what was there may be lost.
    pub(crate) fn resize(&mut self, len: usize) {
        if self.0.capacity() < len {
            *self = Self::new(len);
        } else {
            self.0.resize(len, T::ZERO);
        }
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
        if kept + values.capacity() <= KEPT && shelf.len() < MOST {
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

/// Memory to be written, whose contents are not read.
pub(crate) struct Unwritten<'a, T>(&'a mut [MaybeUninit<T>]);

impl<'a, T: Float> Unwritten<'a, T> {
    /// The number of elements.
    #[allow(clippy::len_without_is_empty)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Memory to be written once more.
    pub(crate) fn over(values: &'a mut [T]) -> Self {
        // SAFETY: a `MaybeUninit<T>` lies in memory as a `T` does, and as the field is private to this module, numbers are all that is written.
        Unwritten(unsafe { &mut *(std::ptr::from_mut(values) as *mut [MaybeUninit<T>]) })
    }

    /// Writes zeros.
    pub(crate) fn zeroed(self) -> &'a mut [T] {
        self.write(|_| T::ZERO)
    }

    /// Writes a function of each index.
    #[inline(always)]
    pub(crate) fn write(self, mut f: impl FnMut(usize) -> T) -> &'a mut [T] {
        for (i, x) in self.0.iter_mut().enumerate() {
            x.write(f(i));
        }
        // SAFETY: every element was written just now.
        unsafe { written(self.0) }
    }

    /// Writes rows of `W` elements by a function of their index.
    ///
    /// # Panics
    /// Unless the length is a multiple of `W`.
    #[inline(always)]
    pub(crate) fn write_rows<const W: usize>(self, f: impl Fn(usize) -> [T; W]) -> &'a mut [T] {
        let (rows, rest) = self.0.as_chunks_mut::<W>();
        assert!(rest.is_empty(), "whole rows");
        for (i, row) in rows.iter_mut().enumerate() {
            let values = f(i);
            for j in 0..W {
                row[j].write(values[j]);
            }
        }
        // SAFETY: the rows are all elements, and every one was written just now.
        unsafe { written(self.0) }
    }

    /// Has `f` write runs of `size` elements, the last one shorter if need be, one after the other.
    #[inline(always)]
    pub(crate) fn write_runs(
        self,
        size: usize,
        mut f: impl for<'b> FnMut(usize, Unwritten<'b, T>) -> &'b mut [T],
    ) -> &'a mut [T] {
        for (i, run) in self.0.chunks_mut(size).enumerate() {
            let (start, len) = (run.as_ptr().cast::<T>(), run.len());
            let done = f(i, Unwritten(run));
            assert!(
                std::ptr::eq(done.as_ptr(), start) && done.len() == len,
                "a run comes back as it was handed out"
            );
        }
        // SAFETY: the runs are all elements, and each came back as initialised memory.
        unsafe { written(self.0) }
    }
}

/// # Safety
/// Every element was written.
#[inline(always)]
unsafe fn written<T>(x: &mut [MaybeUninit<T>]) -> &mut [T] {
    // SAFETY: as the caller promises; a `MaybeUninit<T>` lies in memory as a `T` does.
    unsafe { &mut *(std::ptr::from_mut(x) as *mut [T]) }
}

/// A vector of `len` numbers that `f` writes, piece by piece on several threads; `extras` has an item for each piece.
///
/// # Panics
/// Unless `f` returns each piece as it got it, written, and there is an extra for each.
pub(crate) fn fill<T: Float, E: Send>(
    threads: &dyn Threads,
    len: usize,
    piece: usize,
    extras: impl Iterator<Item = E>,
    nanoseconds: usize,
    f: impl for<'a> Fn(usize, Unwritten<'a, T>, E) -> &'a mut [T] + Sync,
) -> Vec<T> {
    let mut extras = extras;
    let mut values: Vec<T> = Vec::with_capacity(len);
    let all = Unwritten(&mut values.spare_capacity_mut()[..len]);
    let run = |i: usize, piece: Unwritten<'_, T>, extra| {
        let (start, len) = (piece.0.as_ptr().cast::<T>(), piece.len());
        let done = f(i, piece, extra);
        assert!(
            std::ptr::eq(done.as_ptr(), start) && done.len() == len,
            "a piece comes back as it was handed out"
        );
    };
    if (1..=piece).contains(&len)
        && let Some(extra) = extras.next()
    {
        run(0, all, extra);
    } else {
        let pieces = all.0.chunks_mut(piece.max(1)).map(Unwritten);
        let items: Vec<_> = pieces.zip(extras).enumerate().collect();
        assert!(
            items.len() == len.div_ceil(piece.max(1)),
            "an extra for each piece"
        );
        threads.each(items, nanoseconds, |(i, (piece, extra))| {
            run(i, piece, extra);
        });
    }
    // SAFETY: the pieces are all of the first `len` elements, and each came back as initialised memory; a panic would
    // not come here.
    unsafe { values.set_len(len) };
    values
}
