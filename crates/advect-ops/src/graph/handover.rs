//! Gradients on their way from one node to another, beside candle's graph.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use advect_core::{Error, Result};

use super::walk;

/// A place where nodes leave something for a node that comes later in the same pass.
///
/// A pass is walked by one thread, so each thread has a stack of its own. Passes one after the other, or one within another, take
/// what lies on top; what a failed pass left stays below, or has the number of a function that has returned, and is dropped with
/// this place.
pub(super) struct Handover<T>(Mutex<Left<T>>);

struct Left<T> {
    /// The number of gradients left so far.
    count: u64,
    stacks: HashMap<ThreadId, Vec<Item<T>>>,
}

struct Item<T> {
    number: u64,
    /// The number of the pass, or of the function that it was begun by.
    pass: u64,
    content: T,
}

impl<T> Default for Handover<T> {
    fn default() -> Self {
        Handover(Mutex::new(Left {
            count: 0,
            stacks: HashMap::new(),
        }))
    }
}

impl<T> Handover<T> {
    fn lock(&self) -> MutexGuard<'_, Left<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves something. Returns its number, which no other has.
    pub(super) fn leave(&self, content: T) -> u64 {
        let mut left = self.lock();
        left.count += 1;
        let item = Item {
            number: left.count,
            pass: walk::number(),
            content,
        };
        let number = item.number;
        let stack = left.stacks.entry(thread::current().id()).or_default();
        stack.push(item);
        number
    }

    /// Takes the last `count` that this pass left, and checks the sum of their numbers, if it is known: no others have it, as the last
    /// have the largest numbers.
    ///
    /// # Errors
    /// [`Error::Range`] if this pass did not leave so many.
    pub(super) fn take(&self, count: usize, sum: Option<f64>) -> Result<Vec<T>> {
        self.last(|left| {
            let first = left.len().checked_sub(count)?;
            let numbers: f64 = left[first..].iter().map(|item| item.number as f64).sum();
            let known = left[first..].iter().all(|item| item.pass == walk::number());
            (known && sum.is_none_or(|sum| sum == numbers)).then_some(first)
        })
    }

    /// Takes all that this pass left, for a pass with a number of its own.
    ///
    /// # Errors
    /// [`Error::Range`] if these are not `count`.
    pub(super) fn take_all(&self, count: usize) -> Result<Vec<T>> {
        self.last(|left| {
            let others = left.iter().rposition(|item| item.pass != walk::number());
            let first = others.map_or(0, |last| last + 1);
            (left.len() - first == count).then_some(first)
        })
    }

    /// Whether there is one alone, which the pass must have left that takes the next.
    pub(super) fn has_one(&self) -> bool {
        let thread = thread::current().id();
        self.lock()
            .stacks
            .get(&thread)
            .is_some_and(|stack| stack.len() == 1)
    }

    /// Takes the items from the place that is chosen among those that passes in functions which have returned did not leave.
    fn last(&self, choose: impl FnOnce(&[Item<T>]) -> Option<usize>) -> Result<Vec<T>> {
        let thread = thread::current().id();
        let mut left = self.lock();
        let stack = left.stacks.get_mut(&thread).ok_or_else(missing)?;
        stack.retain(|item| item.pass <= walk::number());
        let first = choose(stack).ok_or_else(missing)?;
        let taken = stack.split_off(first);
        if stack.is_empty() {
            left.stacks.remove(&thread);
        }
        Ok(taken.into_iter().map(|item| item.content).collect())
    }
}

/// The error of a gradient that nobody left.
pub(super) fn missing() -> Error {
    Error::range(
        "backward",
        "no gradient",
        "a gradient for each use of a value",
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn passes_take_what_they_left() {
        let place = Handover::default();
        let stale = place.leave("a failed pass");
        let a = place.leave("a");
        walk::within(|| {
            place.leave("a failed pass within");
        });
        let inner = walk::within(|| {
            place.leave("b");
            place.take(1, None)
        });
        assert_eq!(inner.unwrap(), ["b"]);
        let c = place.leave("c");
        // Another thread has a stack of its own.
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(place.take(1, None).is_err()));
        });
        // A pass that left less than it takes.
        assert!(place.take(4, None).is_err());
        assert!(place.take(2, Some((stale + c) as f64)).is_err());
        assert!(walk::within(|| place.take(1, None)).is_err());
        assert_eq!(place.take(2, Some((a + c) as f64)).unwrap(), ["a", "c"]);
        assert_eq!(
            place.take(1, Some(stale as f64)).unwrap(),
            ["a failed pass"]
        );
        assert!(place.lock().stacks.is_empty());
    }
}
