//! The recordings under way on a thread.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use advect_core::{Error, Result};
use advect_kernels::program::Operation;

use super::tape::{Node, Tape, Value};
use super::{Number, number::Kind};

struct Recording {
    number: u64,
    tape: Tape,
    /// Whether a number of another recording was used in this one.
    mixed: bool,
}

thread_local! {
    /// The innermost one is the last.
    static RECORDINGS: RefCell<Vec<Recording>> = const { RefCell::new(Vec::new()) };
}

/// Ends the innermost recording, also where the closure panics.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        RECORDINGS.with_borrow_mut(|recordings| recordings.pop());
    }
}

/// Calls `f` with numbers that stand for as many inputs. Returns the tape, and the values of the numbers that `f` returned.
///
/// # Errors
/// [`Error::Range`] where `f` used a number of another recording, or a constant that is NaN.
pub(super) fn record(
    inputs: usize,
    f: impl FnOnce(&[Number]) -> Vec<Number>,
) -> Result<(Tape, Vec<Value>)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut tape = Tape::default();
    let arguments: Vec<Number> = (0..inputs)
        .map(|i| {
            let value = tape.input(i);
            Number(Kind::Recorded {
                recording: number,
                value,
            })
        })
        .collect();
    RECORDINGS.with_borrow_mut(|recordings| {
        recordings.push(Recording {
            number,
            tape,
            mixed: false,
        });
    });
    let guard = Guard;
    let outputs = f(&arguments);
    let recorded = RECORDINGS.with_borrow_mut(|recordings| {
        let recording = recordings.last_mut()?;
        let outputs: Option<Vec<Value>> = outputs.iter().map(|x| recording.value(x)).collect();
        let outputs = outputs.filter(|_| !recording.mixed)?;
        Some((std::mem::take(&mut recording.tape), outputs))
    });
    drop(guard);
    let Some((tape, outputs)) = recorded else {
        let accepted = "numbers that are made of the closure's arguments";
        return Err(Error::range(
            "system",
            "a number of another recording",
            accepted,
        ));
    };
    let nan = |node: &Node| matches!(node, Node::Constant(bits) if f64::from_bits(*bits).is_nan());
    match tape.nodes().iter().any(nan) {
        true => Err(Error::range(
            "system",
            "NaN as a constant",
            "constants that are numbers",
        )),
        false => Ok((tape, outputs)),
    }
}

impl Recording {
    /// The value of a number on the tape; none, and a mark, for one of another recording.
    fn value(&mut self, number: &Number) -> Option<Value> {
        match number.0 {
            Kind::Constant(x) => Some(self.tape.constant(x)),
            Kind::Recorded { recording, value } if recording == self.number => Some(value),
            _ => {
                self.mixed = true;
                None
            }
        }
    }
}

/// Records what `f` puts on the tape for some numbers.
///
/// Where they don't belong to the innermost recording, the result is a number of none, and that recording fails at its end.
pub(super) fn on_tape<const K: usize>(
    numbers: [Number; K],
    f: impl FnOnce(&mut Tape, [Value; K]) -> Value,
) -> Number {
    let recorded = RECORDINGS.with_borrow_mut(|recordings| {
        let recording = recordings.last_mut()?;
        let mut values = [0; K];
        for (value, number) in values.iter_mut().zip(&numbers) {
            *value = recording.value(number)?;
        }
        let value = f(&mut recording.tape, values);
        Some(Kind::Recorded {
            recording: recording.number,
            value,
        })
    });
    Number(recorded.unwrap_or(Kind::Astray))
}

/// Records an operation; one of constants is a constant.
pub(super) fn apply<const K: usize>(operation: Operation, numbers: [Number; K]) -> Number {
    let mut constants = [0.0; 3];
    let mut all_constant = true;
    for (constant, number) in constants.iter_mut().zip(&numbers) {
        match number.0 {
            Kind::Constant(x) => *constant = x,
            _ => all_constant = false,
        }
    }
    if all_constant {
        return Number(Kind::Constant(operation.of(constants)));
    }
    on_tape(numbers, |tape, values| {
        let mut arguments = [0; 3];
        arguments[..K].copy_from_slice(&values);
        tape.apply(operation, arguments)
    })
}
