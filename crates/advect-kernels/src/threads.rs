//! Threads that share the work, lent by the caller of a kernel.

use std::sync::{Mutex, PoisonError};

/// A pool of threads among which kernels divide long work.
///
/// This crate has no pool of its own, as two on the same cores wait for each other. Results don't depend on the number of
/// threads, nor on which of them takes what.
pub trait Threads: Sync {
    /// Returns the number of threads that share long work, the caller among them.
    fn count(&self) -> usize;

    /// Returns whether work that takes about `nanoseconds` on one thread should be divided.
    fn worthwhile(&self, nanoseconds: usize) -> bool;

    /// Returns the best length of the pieces into which `count` items are cut, a multiple of `unit` and at least 1.
    fn piece(&self, count: usize, unit: usize, nanoseconds: usize) -> usize;

    /// Calls `f` with each index below `count` at least once, on any threads, and returns when all calls have returned.
    fn each_index(&self, count: usize, f: &(dyn Fn(usize) + Sync));
}

impl dyn Threads + '_ {
    /// Calls `f` on each item, on several threads if the work on one thread would take so long that it is worthwhile.
    pub fn each<I: Send>(&self, items: Vec<I>, nanoseconds: usize, f: impl Fn(I) + Sync) {
        if items.len() < 2 || !self.worthwhile(nanoseconds) {
            items.into_iter().for_each(f);
            return;
        }
        let items: Vec<Mutex<Option<I>>> = items.into_iter().map(|i| Mutex::new(Some(i))).collect();
        self.each_index(items.len(), &|i| {
            // Free again before `f`: other threads that come by don't wait for it.
            let mut place = items[i].lock().unwrap_or_else(PoisonError::into_inner);
            let item = place.take();
            drop(place);
            if let Some(item) = item {
                f(item);
            }
        });
    }
}

/// A pool that consists of the caller's thread alone.
///
/// ```
/// use advect_kernels::{Alone, Threads};
/// let threads: &dyn Threads = &Alone;
/// let mut squares = vec![0; 100];
/// threads.each(squares.iter_mut().enumerate().collect(), 1_000_000, |(i, square)| *square = i * i);
/// assert_eq!(squares[99], 9801);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Threads for Alone {
    fn count(&self) -> usize {
        1
    }

    fn worthwhile(&self, _: usize) -> bool {
        false
    }

    fn piece(&self, count: usize, unit: usize, _: usize) -> usize {
        count.next_multiple_of(unit.max(1)).max(1)
    }

    fn each_index(&self, count: usize, f: &(dyn Fn(usize) + Sync)) {
        (0..count).for_each(f);
    }
}
