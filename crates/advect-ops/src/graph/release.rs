//! The end of graphs.

use std::cell::RefCell;
use std::mem;

use candle_core::Tensor;

thread_local! {
    /// What is yet to be dropped, while something is.
    static QUEUE: RefCell<Option<Vec<Tensor>>> = const { RefCell::new(None) };
}

/// Drops the arguments of an operation that is dropped itself.
///
/// An argument may be the last to hold the operations before it. If each were dropped within the drop of the next, a long chain of
/// them would overflow the stack. So within a drop this leaves them to the outermost, which drops one after the other.
pub(super) fn release(arguments: Vec<Tensor>) {
    let mut arguments = Some(arguments);
    let is_outermost = QUEUE.try_with(|queue| {
        let mut queue = queue.borrow_mut();
        match (&mut *queue, arguments.take()) {
            (Some(queue), Some(arguments)) => {
                queue.extend(arguments);
                false
            }
            (_, arguments) => {
                *queue = arguments;
                true
            }
        }
    });
    // Where a thread ends, its queue is gone, and the arguments are dropped here.
    if is_outermost != Ok(true) {
        return;
    }
    let _end = End;
    while let Some(next) = QUEUE.with_borrow_mut(|queue| queue.as_mut().and_then(Vec::pop)) {
        drop(next);
    }
}

/// Ends the outermost drop, also after a panic.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        // What is left after a panic is dropped when the queue is free.
        let left = QUEUE.with_borrow_mut(mem::take);
        drop(left);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::thread;

    use candle_core::{Device, Var};

    use super::*;
    use crate::Activation;

    /// Chains of operations end on a stack that is too small for a frame of each, also with candle's between them.
    #[test]
    fn long_chains_end_on_small_stacks() {
        for of_candle in [false, true] {
            let chain = move || {
                let x = Var::new(&[0.5f64], &Device::Cpu).unwrap();
                let mut h = x.as_tensor().clone();
                for _ in 0..10_000 {
                    h = Activation::Tanh.apply(&h).unwrap();
                    if of_candle {
                        h = h.neg().unwrap();
                    }
                }
                assert!(h.track_op());
            };
            let small = thread::Builder::new().stack_size(1 << 18);
            small.spawn(chain).unwrap().join().unwrap();
        }
        assert!(QUEUE.with_borrow(Option::is_none));
    }
}
