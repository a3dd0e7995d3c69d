//! Programs: elementary operations on columns of numbers, one after the other, in blocks that stay in the first cache.
//!
//! A program is a list of [`Step`]s. Each applies an [`Operation`] to values that are known by then, so that its result is a
//! value, too. Values are counted: the constants, the numbers of an input row, the results of the steps. An output row is a
//! choice of values.
//!
//! All rows are independent of each other, and no operation is fused with another: the result of a row has the same bits
//! beside any other rows, and sums, products and roots are those of plain Rust.

mod columns;
mod operation;
mod run;

use std::ops::Range;

use crate::{Float, kernels};

pub use operation::Operation;
use run::{run, run_rows};

kernels! {
    /// The kernel of programs.
    pub trait Programs {
        /// Runs a program on each row of its inputs, and writes the rows of its outputs. On one thread: whoever has many rows
        /// divides them.
        ///
        /// # Panics
        /// Unless the inputs are as wide as the program's input rows, and have `rows` rows where they have one for each.
        fn run(
            program: &Program,
            rows: usize,
            inputs: &[Input<'_, Self>],
            out: &mut [Self],
        );

        /// Returns the rows of the outputs, as [`run`](Programs::run) writes them.
        ///
        /// # Panics
        /// As [`run`](Programs::run).
        fn run_rows(
            program: &Program,
            rows: usize,
            inputs: &[Input<'_, Self>],
        ) -> Vec<Self>;
    }
}

/// A part of the input rows of a program.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a, T> {
    /// The same numbers in each row.
    Shared(&'a [f64]),
    /// Rows of some width, one after the other.
    Rows(&'a [T], usize),
}

impl<T> Input<'_, T> {
    /// Returns this input for a part of the rows.
    pub fn part(&self, rows: Range<usize>) -> Self {
        match *self {
            Input::Shared(values) => Input::Shared(values),
            Input::Rows(values, width) => {
                Input::Rows(&values[rows.start * width..rows.end * width], width)
            }
        }
    }

    fn width(&self) -> usize {
        match self {
            Input::Shared(values) => values.len(),
            Input::Rows(_, width) => *width,
        }
    }
}

/// A step: an operation, and the values that it is applied to. Those beyond its arguments have no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Step {
    /// The operation.
    pub operation: Operation,
    /// The values.
    pub arguments: [u32; 3],
}

impl Step {
    /// Returns the same step with its values renumbered, given the new numbers in the order of the old ones.
    pub fn moved(self, numbers: &[u32]) -> Self {
        let mut arguments = [0; 3];
        let arity = self.operation.arity();
        for (new, old) in arguments.iter_mut().zip(&self.arguments[..arity]) {
            *new = numbers[*old as usize];
        }
        Step { arguments, ..self }
    }
}

/// A program, with a place in the cache for each of its values.
#[derive(Debug, Clone)]
pub struct Program {
    constants: Vec<f64>,
    inputs: usize,
    /// Operations, the places of their arguments, and the place of the result, which no argument has.
    steps: Vec<(Operation, [usize; 3], usize)>,
    outputs: Vec<usize>,
    places: usize,
    /// Nanoseconds that a row takes, in thousandths.
    picoseconds: usize,
}

impl Program {
    /// Creates a program of constants, a number of inputs in a row, steps and outputs, which are values.
    ///
    /// # Panics
    /// Where a value is used before it is known.
    pub fn new(constants: Vec<f64>, inputs: usize, steps: &[Step], outputs: &[u32]) -> Self {
        let first = constants.len() + inputs;
        let values = first + steps.len();
        // The last step that uses each value; outputs are used at the end.
        let mut last_use = vec![0; values];
        for (i, step) in steps.iter().enumerate() {
            for &argument in &step.arguments[..step.operation.arity()] {
                assert!((argument as usize) < first + i, "a value that is known");
                last_use[argument as usize] = i;
            }
        }
        for &output in outputs {
            last_use[output as usize] = steps.len();
        }
        let mut place: Vec<usize> = (0..values).collect();
        let (mut places, mut free) = (first, Vec::new());
        let mut placed = Vec::with_capacity(steps.len());
        for (i, step) in steps.iter().enumerate() {
            let arguments = &step.arguments[..step.operation.arity()];
            // Taken before the arguments are given up, so that no step writes what it reads.
            let out = free.pop().unwrap_or_else(|| {
                places += 1;
                places - 1
            });
            place[first + i] = out;
            for (k, &argument) in arguments.iter().enumerate() {
                let is_last =
                    last_use[argument as usize] == i && !arguments[..k].contains(&argument);
                if argument as usize >= first && is_last {
                    free.push(place[argument as usize]);
                }
            }
            let at = |k: usize| place[arguments[k.min(arguments.len() - 1)] as usize];
            placed.push((step.operation, [at(0), at(1), at(2)], out));
        }
        let picoseconds = steps.iter().map(|step| step.operation.picoseconds()).sum();
        Program {
            constants,
            inputs,
            steps: placed,
            outputs: outputs.iter().map(|&value| place[value as usize]).collect(),
            places,
            picoseconds,
        }
    }

    /// Returns the number of outputs in a row.
    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Returns the approximate time that some rows take, in nanoseconds.
    pub fn nanoseconds(&self, rows: usize) -> usize {
        rows * (self.picoseconds + 500 * self.outputs.len()) / 1000
    }

    /// Returns the number of operations.
    pub fn operations(&self) -> usize {
        self.steps.len()
    }
}
