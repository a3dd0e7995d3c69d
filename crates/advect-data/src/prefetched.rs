//! Batches that a separate thread makes ahead of time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use advect_core::{Error, Result, check};

/// The most results that are made ahead: places for them are made at once.
const MOST: usize = 1 << 16;

/// The results of a function of the step, which a thread makes ahead of time while earlier steps are in progress.
///
/// The function is called for one step after the other, so that the results are the same as without a thread. Asking
/// for another step than the next, as a resumed run does, starts from there. Draw random numbers from a key of the
/// step, and the order is seeded too:
///
/// ```
/// use advect_core::{Generator, Key};
/// use advect_data::{Batches, Digits, Prefetched, flip_horizontally};
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let key = Key::from_seed(0);
/// let digits = Digits::load(DType::F32, &Device::Cpu)?;
/// let batches = Batches::new(digits.len(), 32, key.named("batches"))?;
/// let flips = key.named("flips");
/// let prefetched = Prefetched::new(2, move |step| {
///     let [images, labels] = batches.at(step, [&digits.images, &digits.labels])?;
///     let mut rng = Generator::from(flips.child(step as u64));
///     Ok((flip_horizontally(&images, 0.5, &mut rng)?, labels))
/// })?;
/// let (images, labels) = prefetched.at(7)?;
/// assert_eq!((images.dims(), labels.dims()), (&[32, 1, 8, 8][..], &[32][..]));
/// assert_eq!(prefetched.at(8)?.1.dims(), [32]);
/// # Ok(())
/// # }
/// ```
///
/// Make batches for a GPU on the CPU, and move them where they are used: by `Device::new_cuda` each thread has a stream of its own, and
/// nothing orders the kernels of this one and of the thread that takes the batch.
#[doc(alias = "DataLoader")]
#[doc(alias = "prefetch")]
#[doc(alias = "num_workers")]
pub struct Prefetched<T> {
    make: Arc<dyn Fn(usize) -> Result<T> + Send + Sync>,
    ahead: usize,
    worker: Mutex<Option<Worker<T>>>,
}

/// A thread that makes the steps from one on.
struct Worker<T> {
    next: usize,
    results: Receiver<Result<T>>,
    thread: JoinHandle<()>,
}

impl<T: Send + 'static> Prefetched<T> {
    /// Starts a thread that makes at most `ahead` results ahead of time. No thread is started before the first result
    /// is asked for.
    ///
    /// # Errors
    /// [`Error::Range`] for 0, and for more than 65,536.
    pub fn new(
        ahead: usize,
        make: impl Fn(usize) -> Result<T> + Send + Sync + 'static,
    ) -> Result<Self> {
        if ahead > MOST {
            return Err(Error::range(
                "ahead",
                ahead,
                format!("a number from 1 to {MOST}"),
            ));
        }
        Ok(Prefetched {
            make: Arc::new(make),
            ahead: check::at_least_one("ahead", ahead)?,
            worker: Mutex::new(None),
        })
    }

    /// Returns the result of a step.
    ///
    /// # Errors
    /// That of the function, for this step; the next call asks it again. [`Error::Stopped`] if the function panicked, or
    /// the thread could not be started.
    pub fn at(&self, step: usize) -> Result<T> {
        let mut slot = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        let mut worker = match slot.take() {
            Some(worker) if worker.next == step => worker,
            other => {
                // The last thread ends first, so that the function is never called twice at a time.
                if let Some(Worker {
                    results, thread, ..
                }) = other
                {
                    drop(results);
                    // It catches panics.
                    let _ = thread.join();
                }
                self.start(step)?
            }
        };
        let stopped =
            || Error::stopped(format!("step {step}"), "the thread that makes batches died");
        let result = worker.results.recv().map_err(|_| stopped())?;
        if let (Ok(_), Some(next)) = (&result, step.checked_add(1)) {
            worker.next = next;
            *slot = Some(worker);
        }
        result
    }

    fn start(&self, first: usize) -> Result<Worker<T>> {
        // One more is made, which waits for a place.
        let (sender, results) = sync_channel(self.ahead - 1);
        let make = self.make.clone();
        let run = move || {
            for step in first..=usize::MAX {
                let result = catch_unwind(AssertUnwindSafe(|| make(step)));
                let result = result.unwrap_or_else(|panic| {
                    let reason =
                        match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
                            (Some(text), _) => (*text).to_string(),
                            (_, Some(text)) => text.clone(),
                            _ => "no reason given".to_string(),
                        };
                    let reason = format!("the thread that makes batches panicked: {reason}");
                    Err(Error::stopped(format!("step {step}"), reason))
                });
                let failed = result.is_err();
                // Nobody waits any more, or nothing more will come.
                if sender.send(result).is_err() || failed {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("advect-data".into()).spawn(run);
        let thread = thread.map_err(|e| Error::stopped(format!("step {first}"), e.to_string()))?;
        Ok(Worker {
            next: first,
            results,
            thread,
        })
    }
}

impl<T> std::fmt::Debug for Prefetched<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prefetched")
            .field("ahead", &self.ahead)
            .finish_non_exhaustive()
    }
}
