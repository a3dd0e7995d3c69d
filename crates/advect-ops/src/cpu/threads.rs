//! The threads that kernels work on.

use advect_core::parallel;
use advect_kernels::Threads;

/// The threads of candle's pool.
pub(crate) const THREADS: &dyn Threads = &Pool;

struct Pool;

impl Threads for Pool {
    fn count(&self) -> usize {
        parallel::threads()
    }

    fn worthwhile(&self, nanoseconds: usize) -> bool {
        parallel::worthwhile(nanoseconds)
    }

    fn piece(&self, count: usize, unit: usize, nanoseconds: usize) -> usize {
        parallel::piece(count, unit, nanoseconds)
    }

    fn each_index(&self, count: usize, f: &(dyn Fn(usize) + Sync)) {
        parallel::each_index(count, f);
    }
}
