//! A watchdog, which ends a run whose ranks wait in vain for another one.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// The operation in which this rank is, and since when.
type Current = Mutex<Option<(&'static str, Instant)>>;

/// A thread that ends the process when an operation takes too long. It ends with the watch.
pub(crate) struct Watch(Arc<Current>);

impl Watch {
    /// Starts the thread, which calls `end` after a message.
    pub(crate) fn start(timeout: Duration, rank: usize, size: usize, end: fn() -> !) -> Self {
        let current: Arc<Current> = Arc::default();
        let watched = Arc::downgrade(&current);
        let pause = (timeout / 10).clamp(Duration::from_millis(10), Duration::from_secs(10));
        let late = move |(operation, since): (&str, Instant)| {
            let waited = since.elapsed();
            if waited > timeout {
                eprintln!(
                    "rank {rank} of {size} has waited {:.0} s in {operation} for the other ranks, longer than its \
                     timeout: one of them is stuck, or makes other calls",
                    waited.as_secs_f64()
                );
                end();
            }
        };
        // Without a thread there is no timeout, and all else works.
        let _ = thread::Builder::new()
            .name("advect-watch".into())
            .spawn(move || {
                while let Some(current) = Weak::upgrade(&watched) {
                    if let Some(current) = *current.lock().unwrap_or_else(PoisonError::into_inner) {
                        late(current);
                    }
                    drop(current);
                    thread::sleep(pause);
                }
            });
        Watch(current)
    }

    /// Makes an operation under the eyes of the watch.
    pub(crate) fn over<T>(&self, operation: &'static str, f: impl FnOnce() -> T) -> T {
        self.set(Some((operation, Instant::now())));
        let result = f();
        self.set(None);
        result
    }

    fn set(&self, current: Option<(&'static str, Instant)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = current;
    }
}
