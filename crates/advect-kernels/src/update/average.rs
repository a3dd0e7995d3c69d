//! A step of an exponential moving average.

use pulp::{Simd, WithSimd};

use crate::{Float, Threads, dispatch};

/// Elements in a piece of work.
const PIECE: usize = 16_384;

pub(super) fn average<T: Float>(threads: &dyn Threads, average: &mut [T], value: &[T], weight: T) {
    assert_eq!(average.len(), value.len());
    let tasks = (average.chunks_mut(PIECE).zip(value.chunks(PIECE)))
        .map(|(average, value)| Step {
            average,
            value,
            weight,
        })
        .collect();
    threads.each(tasks, value.len() / 2, |task: Step<'_, T>| dispatch(task));
}

struct Step<'a, T> {
    average: &'a mut [T],
    value: &'a [T],
    weight: T,
}

impl<T: Float> WithSimd for Step<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (average, value) in self.average.iter_mut().zip(self.value) {
            *average += (*value - *average) * self.weight;
        }
    }
}
