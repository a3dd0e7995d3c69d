//! Scratch memory, kept for the next call, as fresh pages and zeros cost more than the computation in them.

use std::hint::black_box;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use crate::Float;

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

/// Bytes of a line of the cache, and of the longest vector: one that lies across two lines is read twice.
const LINE: usize = 64;

/// Numbers to be overwritten: at first zeros, or what another buffer held. They begin a line of the cache.
pub(crate) struct Buffer<T: Float> {
    /// All numbers that were ever asked of this memory, so that none is set to 0 twice.
    values: Vec<T>,
    /// The index of the first number.
    start: usize,
    /// How many there are.
    len: usize,
}

impl<T: Float> Default for Buffer<T> {
    fn default() -> Self {
        let (values, start, len) = (Vec::new(), 0, 0);
        Buffer { values, start, len }
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
        if len == 0 {
            return Self::default();
        }
        // The last number before a line's beginning, at worst, is where the memory begins.
        let slack = LINE / size_of::<T>() - 1;
        let room = len + slack;
        let mut values = if len < LARGE {
            Vec::new()
        } else {
            Self::find(room)
        };
        if values.capacity() == 0 {
            values = vec![T::ZERO; room];
        }
        // (Where an address can't be known, as it is in an interpreter, the offset may be anything.)
        let start = values.as_ptr().align_offset(LINE).min(slack);
        grow(&mut values, start + len);
        Buffer { values, start, len }
    }

    /// Zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let mut buffer = Self::new(len);
        buffer.fill(T::ZERO);
        buffer
    }

    /// Makes room for `len` elements; what was there may be lost.
    pub(crate) fn resize(&mut self, len: usize) {
        if self.values.capacity() < self.start + len {
            *self = Self::new(len);
        } else {
            grow(&mut self.values, self.start + len);
            self.len = len;
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

/// Adds zeros to what is there, if there are fewer than `len` numbers.
fn grow<T: Float>(values: &mut Vec<T>, len: usize) {
    if values.len() < len {
        values.resize(len, T::ZERO);
    }
}

impl<T: Float> Drop for Buffer<T> {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.values);
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
        &self.values[self.start..self.start + self.len]
    }
}

impl<T: Float> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_begin_lines_of_the_cache() {
        for len in [1, 15, 16, 1000, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE] {
            let mut buffers = [Buffer::<f32>::new(len), Buffer::zeros(len)];
            // One from the shelf, and one that was made larger.
            drop(Buffer::<f32>::new(len + 7));
            let mut other = Buffer::new(len);
            other.resize(2 * len);
            other.resize(len);
            for buffer in buffers.iter_mut().chain([&mut other]) {
                assert_eq!(buffer.len(), len);
                // (Miri doesn't tell addresses.)
                assert!(
                    cfg!(miri) || buffer.as_ptr().addr().is_multiple_of(LINE),
                    "{len}"
                );
                buffer.fill(1.0);
                assert!(buffer.iter().all(|x| *x == 1.0));
            }
        }
        assert!(Buffer::<f64>::new(0).is_empty());
    }
}
