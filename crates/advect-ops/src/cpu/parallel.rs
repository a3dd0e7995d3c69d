//! Threads, where the work repays waking them.

use rayon::prelude::*;

/// Nanoseconds of work on one thread from which a second one helps: waking it takes about 6 µs when it was busy a
/// moment ago, and several times that when it sleeps.
const WORTHWHILE: usize = 40_000;

/// Whether work of about so many nanoseconds on one thread should be divided.
pub(crate) fn worthwhile(nanoseconds: usize) -> bool {
    nanoseconds > WORTHWHILE && rayon::current_num_threads() > 1
}

/// Calls `f` on each item; on several threads if the whole takes long enough.
pub(crate) fn each<I: Send>(items: Vec<I>, nanoseconds: usize, f: impl Fn(I) + Sync + Send) {
    if worthwhile(nanoseconds) {
        items.into_par_iter().with_max_len(1).for_each(f);
    } else {
        items.into_iter().for_each(f);
    }
}

/// The number of pieces to cut `count` items into: one if the work is short, else a few a thread, each of at
/// least `least` items.
pub(crate) fn pieces(count: usize, least: usize, nanoseconds: usize) -> usize {
    if !worthwhile(nanoseconds) {
        return 1;
    }
    // Two a thread for short work, more for long work, so that late threads find something left.
    let per_thread = if nanoseconds > 10 * WORTHWHILE { 4 } else { 1 };
    (rayon::current_num_threads() * per_thread).clamp(1, count.div_ceil(least.max(1)).max(1))
}

/// The length of a piece of `count` items that are cut into `pieces`, rounded up to a multiple of `unit`.
pub(crate) fn piece(count: usize, pieces: usize, unit: usize) -> usize {
    count
        .div_ceil(pieces.max(1))
        .next_multiple_of(unit.max(1))
        .max(1)
}
