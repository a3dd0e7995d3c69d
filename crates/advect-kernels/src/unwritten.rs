//! Memory that is written before it is read: results need no zeros first, and are written by several threads.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Float, Threads};

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

/// Memory that is written from its front to its back, without being read before.
pub(crate) struct FrontToBack<'a, T> {
    rest: Unwritten<'a, T>,
    /// The number of elements that are written.
    done: usize,
}

impl<'a, T: Float> FrontToBack<'a, T> {
    /// Begins.
    pub(crate) fn new(rest: Unwritten<'a, T>) -> Self {
        FrontToBack { rest, done: 0 }
    }

    /// Writes `count` zeros, and returns them.
    ///
    /// # Panics
    /// If there is too little room.
    pub(crate) fn zeros(&mut self, count: usize) -> &mut [T] {
        let next = &mut self.rest.0[self.done..][..count];
        self.done += count;
        Unwritten(next).zeroed()
    }

    /// Writes a copy.
    ///
    /// # Panics
    /// If there is too little room.
    pub(crate) fn copy(&mut self, values: &[T]) {
        let next = &mut self.rest.0[self.done..][..values.len()];
        next.write_copy_of_slice(values);
        self.done += values.len();
    }

    /// All of it.
    ///
    /// # Panics
    /// Unless all was written.
    pub(crate) fn finish(self) -> &'a mut [T] {
        assert!(self.done == self.rest.len(), "all is written");
        // SAFETY: the first `done` elements were written, which are all.
        unsafe { written(self.rest.0) }
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
/// As [`extend`] does.
pub(crate) fn fill<T: Float, E: Send>(
    threads: &dyn Threads,
    len: usize,
    piece: usize,
    extras: impl Iterator<Item = E>,
    nanoseconds: usize,
    f: impl for<'a> Fn(usize, Unwritten<'a, T>, E) -> &'a mut [T] + Sync,
) -> Vec<T> {
    let mut values = Vec::with_capacity(len);
    extend(&mut values, threads, len, piece, extras, nanoseconds, f);
    values
}

/// Appends `len` numbers that `f` writes, piece by piece on several threads; `extras` has an item for each piece.
///
/// # Panics
/// Unless `f` returns each piece as it got it, written, and there is an extra for each.
pub(crate) fn extend<T: Float, E: Send>(
    values: &mut Vec<T>,
    threads: &dyn Threads,
    len: usize,
    piece: usize,
    extras: impl Iterator<Item = E>,
    nanoseconds: usize,
    f: impl for<'a> Fn(usize, Unwritten<'a, T>, E) -> &'a mut [T] + Sync,
) {
    let mut extras = extras;
    values.reserve(len);
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
        let (count, written) = (items.len(), AtomicUsize::new(0));
        threads.each(items, nanoseconds, |(i, (piece, extra))| {
            run(i, piece, extra);
            written.fetch_add(1, Ordering::Release);
        });
        assert!(
            written.load(Ordering::Acquire) == count,
            "the threads call each index"
        );
    }
    // SAFETY: the pieces are all of the next `len` elements, and each came back as initialised memory: they were counted,
    // as the threads may be anybody's.
    unsafe { values.set_len(values.len() + len) };
}

/// A vector of `len` zeros, which several threads write if they are many.
pub(crate) fn zeros<T: Float>(threads: &dyn Threads, len: usize) -> Vec<T> {
    // Some ten bytes a nanosecond.
    let time = len * size_of::<T>() / 10;
    if !threads.worthwhile(time) {
        return vec![T::ZERO; len];
    }
    let piece = threads.piece(len, 16, time);
    let pieces = std::iter::repeat_n((), len.div_ceil(piece));
    fill(threads, len, piece, pieces, time, |_, out, ()| out.zeroed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Alone;

    #[test]
    fn a_vector_grows_by_what_is_written() {
        let mut values = vec![1.0f32];
        let lengths = [3, 3, 1].into_iter();
        extend(&mut values, &Alone, 7, 3, lengths, 0, |i, out, len| {
            assert_eq!(out.len(), len);
            let mut out = FrontToBack::new(out);
            out.copy(&[i as f32]);
            out.zeros(len - 1).fill(2.0);
            out.finish()
        });
        assert_eq!(values, [1.0, 0.0, 2.0, 2.0, 1.0, 2.0, 2.0, 2.0]);
        assert_eq!(zeros::<f64>(&Alone, 5), [0.0; 5]);
    }

    #[test]
    #[should_panic(expected = "all is written")]
    fn a_gap_is_a_panic() {
        let pieces = std::iter::once(());
        fill::<f32, _>(&Alone, 4, 4, pieces, 0, |_, out, ()| {
            let mut out = FrontToBack::new(out);
            out.zeros(3);
            out.finish()
        });
    }

    /// A pool that calls nothing.
    struct Idle;

    impl Threads for Idle {
        fn count(&self) -> usize {
            2
        }

        fn worthwhile(&self, _: usize) -> bool {
            true
        }

        fn piece(&self, _: usize, unit: usize, _: usize) -> usize {
            unit
        }

        fn each_index(&self, _: usize, _: &(dyn Fn(usize) + Sync)) {}
    }

    #[test]
    #[should_panic(expected = "the threads call each index")]
    fn what_no_thread_wrote_is_a_panic() {
        zeros::<f64>(&Idle, 100);
    }
}
