//! Parallel loops on candle's own thread pool, for work that is long enough to be divided. Only one pool competes for
//! the cores.
//!
//! The number of threads is the number of physical cores, or the value of the environment variable `CANDLE_NUM_THREADS`
//! or `RAYON_NUM_THREADS`.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::utils::barrier_pool;

/// Nanoseconds of work on one thread from which a second one helps.
const WORTHWHILE: usize = 30_000;

/// Returns the number of threads that share long work.
pub fn threads() -> usize {
    barrier_pool().n_workers() + 1
}

/// Returns whether work that takes about `nanoseconds` on one thread should be divided.
pub fn worthwhile(nanoseconds: usize) -> bool {
    nanoseconds > WORTHWHILE && threads() > 1
}

/// Returns the best length of the pieces into which `count` items are cut, a multiple of `unit`: `count` if the work is
/// short, else such that each thread gets one to four pieces.
pub fn piece(count: usize, unit: usize, nanoseconds: usize) -> usize {
    // More for long work, so that threads that come late find something left.
    let pieces = match nanoseconds {
        short if !worthwhile(short) => 1,
        long if long > 20 * WORTHWHILE => 4 * threads(),
        _ => threads(),
    };
    count.div_ceil(pieces).next_multiple_of(unit.max(1)).max(1)
}

/// Calls `f` on each item, on several threads if the work on one thread would take so long that it is [`worthwhile`].
/// Within a call, or beside a call on another thread, the caller alone works on the items.
///
/// ```
/// use advect_core::parallel;
/// let mut squares = vec![0; 1000];
/// let items = squares.iter_mut().enumerate().collect();
/// parallel::each(items, 1_000_000, |(i, square)| *square = i * i);
/// assert_eq!(squares[999], 998_001);
/// ```
///
/// # Panics
/// Where `f` does.
pub fn each<I: Send>(items: Vec<I>, nanoseconds: usize, f: impl Fn(I) + Sync) {
    if items.len() < 2 || !worthwhile(nanoseconds) {
        items.into_iter().for_each(f);
        return;
    }
    let items: Vec<Mutex<Option<I>>> = items.into_iter().map(|i| Mutex::new(Some(i))).collect();
    each_index(items.len(), &|i| {
        let item = lock(&items[i]).take();
        if let Some(item) = item {
            f(item);
        }
    });
}

/// Calls `f` with each index below `count` at least once, on several threads unless the pool is busy. (Not generic, so
/// that it is compiled once.)
///
/// # Panics
/// Where `f` does.
pub fn each_index(count: usize, f: &(dyn Fn(usize) + Sync)) {
    static BUSY: AtomicBool = AtomicBool::new(false);
    struct Release;
    impl Drop for Release {
        fn drop(&mut self) {
            BUSY.store(false, Ordering::Release);
        }
    }
    // The pool waits for its threads, so a call from within one would wait for itself.
    if BUSY.swap(true, Ordering::Acquire) {
        (0..count).for_each(f);
        return;
    }
    let _release = Release;
    let threads = threads();
    let panic = Mutex::new(None);
    barrier_pool().execute(|thread| {
        // The same thread begins with the same share of the items in every call, as its cache holds what it worked on;
        // then it helps the others.
        let shares = (0..threads).map(|k| (thread + k) % threads);
        let shares = shares.map(|share| share * count / threads..(share + 1) * count / threads);
        for i in shares.flatten() {
            // A panic must not go through the pool, which would be poisoned.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| f(i))) {
                lock(&panic).get_or_insert(payload);
            }
        }
    });
    let payload = lock(&panic).take();
    if let Some(payload) = payload {
        resume_unwind(payload);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the sum of `f` over pieces of `0..count` of a fixed length, in their order, so that it does not depend on
/// the number of threads.
pub fn sum(
    count: usize,
    piece: usize,
    nanoseconds: usize,
    f: impl Fn(std::ops::Range<usize>) -> f64 + Sync,
) -> f64 {
    let mut sums = vec![0.0; count.div_ceil(piece.max(1))];
    let items = sums.iter_mut().enumerate().collect();
    each(items, nanoseconds, |(i, sum): (usize, &mut f64)| {
        *sum = f(i * piece..count.min((i + 1) * piece));
    });
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_visited_once_even_from_within() {
        for count in [0, 1, 2, 67, 1000] {
            let mut visits = vec![0; count];
            each(visits.iter_mut().collect(), usize::MAX, |visits| {
                let mut inner = [0; 3];
                each(inner.iter_mut().collect(), usize::MAX, |x| *x += 1);
                *visits += inner.iter().sum::<i32>();
            });
            assert!(visits.iter().all(|&v| v == 3));
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_does_no_lasting_harm() {
        for _ in 0..2 {
            let result = std::panic::catch_unwind(|| {
                each((0..10).collect(), usize::MAX, |i| assert!(i != 7));
            });
            assert!(result.is_err());
        }
        let total = sum(1000, 10, usize::MAX, |range| range.len() as f64);
        assert_eq!(total, 1000.0);
    }
}
