//! Checkpoints: the states that are kept of many, so that all can be recomputed backwards at little cost.

use advect_core::Result;
use candle_core::Tensor;

/// States of a long sequence: at most `capacity` beside the first.
#[derive(Debug, Clone)]
pub(super) struct Checkpoints {
    capacity: usize,
    /// How many of them are kept while going forwards: the rest are for the way back.
    ahead: usize,
    /// States at multiples of this are kept while going forwards.
    every: usize,
    /// Indices and states, ascending; the first is that of index 0.
    kept: Vec<(usize, Tensor)>,
}

impl Checkpoints {
    pub(super) fn new(capacity: usize, first: &Tensor) -> Self {
        // No sequence is as long.
        let capacity = capacity.min(u32::MAX as usize / 4);
        Checkpoints {
            capacity,
            ahead: (3 * capacity / 4).max(1),
            every: 1,
            kept: vec![(0, first.clone())],
        }
    }

    /// Takes note of the state of an index, forwards. Where there is no room, every other one is given up.
    pub(super) fn offer(&mut self, index: usize, state: &Tensor) {
        if index == 0 || !index.is_multiple_of(self.every) {
            return;
        }
        if self.kept.len() > self.ahead {
            self.every *= 2;
            self.kept.retain(|(i, _)| i.is_multiple_of(self.every));
            if !index.is_multiple_of(self.every) {
                return;
            }
        }
        if self.kept.len() <= self.ahead {
            self.kept.push((index, state.clone()));
        }
    }

    /// The state of an index, backwards: those after it are given up. What lies between is computed again by
    /// `advance`, from a state and its index to the next, and kept where that spares work later.
    pub(super) fn state(
        &mut self,
        index: usize,
        mut advance: impl FnMut(usize, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        while self.kept.len() > 1 && self.kept[self.kept.len() - 1].0 > index {
            self.kept.pop();
        }
        let (mut at, mut state) = self.kept[self.kept.len() - 1].clone();
        while at < index {
            let slots = self.capacity + 1 - self.kept.len();
            let stop = match slots {
                0 => index,
                slots => at + first_stop(index - at, slots),
            };
            while at < stop {
                state = advance(at, &state)?;
                at += 1;
            }
            if slots > 0 && at < index {
                self.kept.push((at, state.clone()));
            }
        }
        Ok(state)
    }
}

/// How far from the start of `length` steps the first of `slots` states is best kept, so that no step is made more often
/// than need be: binomial checkpointing (Griewank, Achieving logarithmic growth of temporal and spatial complexity in
/// reverse automatic differentiation, Optim. Methods Softw. 1, 1992).
///
/// With s slots and at most r repetitions of a step, β(s, r) = (s + r)! / (s! r!) steps can be walked backwards.
fn first_stop(length: usize, slots: usize) -> usize {
    let mut repetitions = 1;
    while beta(slots, repetitions) < length {
        repetitions += 1;
    }
    match repetitions {
        1 => 1,
        // What comes after takes one slot fewer, what comes before one repetition fewer.
        r => (length.saturating_sub(beta(slots - 1, r)))
            .max(beta(slots, r - 2))
            .clamp(1, length),
    }
}

/// The binomial coefficient (s + r)! / (s! r!), as far as numbers go.
fn beta(s: usize, r: usize) -> usize {
    let mut value: usize = 1;
    for i in 1..=r.min(s) {
        let factor = r.max(s) + i;
        value = match value.checked_mul(factor) {
            Some(product) => product / i,
            None => return usize::MAX,
        };
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn number(x: f64) -> Tensor {
        Tensor::new(x, &Device::Cpu).unwrap()
    }

    /// Every state comes back, at no more than the binomial number of repetitions, with no more states than slots.
    #[test]
    fn all_states_come_back_and_few_are_made_again() {
        for (steps, capacity) in [(1, 1), (10, 3), (100, 7), (1000, 10), (1000, 30), (64, 100)] {
            let mut checkpoints = Checkpoints::new(capacity, &number(0.0));
            for i in 0..steps {
                checkpoints.offer(i, &number(i as f64));
                assert!(checkpoints.kept.len() <= capacity + 1);
            }
            let mut made = 0;
            for i in (0..steps).rev() {
                let state = checkpoints.state(i, |at, x| {
                    assert_eq!(x.to_scalar::<f64>().unwrap(), at as f64);
                    made += 1;
                    Ok((x + 1.0).unwrap())
                });
                assert_eq!(state.unwrap().to_scalar::<f64>().unwrap(), i as f64);
                assert!(checkpoints.kept.len() <= capacity + 1);
            }
            let mut repetitions = 0;
            while beta(capacity, repetitions) < steps {
                repetitions += 1;
            }
            assert!(made <= repetitions * steps, "{steps}, {capacity}: {made}");
        }
    }

    #[test]
    fn binomials() {
        assert_eq!(
            [beta(3, 0), beta(3, 1), beta(3, 2), beta(10, 3)],
            [1, 4, 10, 286]
        );
        assert_eq!(beta(1000, 1000), usize::MAX);
    }
}
