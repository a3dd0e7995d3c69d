//! Programs on rows.

use pulp::{Simd, WithSimd};

use super::columns::{join, split};
use super::operation::Elementary;
use super::{Input, Program};
use crate::buffer::Buffer;
use crate::{Alone, Unwritten, dispatch, fill, vectorize};

/// Numbers of all places together: three quarters of a first cache of 32 KiB.
const CACHED: usize = 3072;
/// The largest number of rows in a block.
const LONGEST: usize = 512;
/// The multiple of which blocks are long.
const UNIT: usize = 16;
/// Bytes of a line of the cache.
const LINE: usize = 64;
/// Places that a single row has without an allocation.
const FEW: usize = 32;

pub(super) fn run<T: Elementary>(
    program: &Program,
    rows: usize,
    inputs: &[Input<'_, T>],
    out: &mut [T],
) {
    assert!(
        out.len() == rows * program.outputs.len(),
        "a row of outputs for each"
    );
    check(program, rows, inputs);
    match out.len() {
        0 => {}
        _ if rows == 1 => dispatch(Single {
            program,
            inputs,
            out,
        }),
        _ => {
            dispatch(Blocks {
                program,
                inputs,
                out: Unwritten::over(out),
            });
        }
    }
}

pub(super) fn run_rows<T: Elementary>(
    program: &Program,
    rows: usize,
    inputs: &[Input<'_, T>],
) -> Vec<T> {
    check(program, rows, inputs);
    let len = rows * program.outputs.len();
    if rows == 1 {
        let mut out = vec![T::ZERO; len];
        run(program, 1, inputs, &mut out);
        return out;
    }
    fill(&Alone, len, len, std::iter::once(()), 0, |_, out, ()| {
        dispatch(Blocks {
            program,
            inputs,
            out,
        })
    })
}

fn check<T: Elementary>(program: &Program, rows: usize, inputs: &[Input<'_, T>]) {
    assert!(
        inputs.iter().map(Input::width).sum::<usize>() == program.inputs,
        "a row of inputs for each"
    );
    for input in inputs {
        if let Input::Rows(values, width) = input {
            assert!(values.len() == rows * width, "a row of inputs for each");
        }
    }
}

/// One row: each place is a number.
struct Single<'a, T> {
    program: &'a Program,
    inputs: &'a [Input<'a, T>],
    out: &'a mut [T],
}

impl<T: Elementary> WithSimd for Single<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let program = self.program;
        let (mut few, mut many) = ([T::ZERO; FEW], Vec::new());
        let places = match program.places {
            0..=FEW => &mut few[..],
            places => {
                many.resize(places, T::ZERO);
                &mut many[..]
            }
        };
        let (constants, rest) = places.split_at_mut(program.constants.len());
        for (place, constant) in constants.iter_mut().zip(&program.constants) {
            *place = T::of(*constant);
        }
        let mut at = 0;
        for input in self.inputs {
            let places = &mut rest[at..at + input.width()];
            match *input {
                Input::Shared(values) => {
                    for (place, x) in places.iter_mut().zip(values) {
                        *place = T::of(*x);
                    }
                }
                // Without a call for a few numbers.
                Input::Rows(&[x], _) => places[0] = x,
                Input::Rows(&[x, y], _) => (places[0], places[1]) = (x, y),
                Input::Rows(&[x, y, z], _) => (places[0], places[1], places[2]) = (x, y, z),
                Input::Rows(values, _) => places.copy_from_slice(values),
            }
            at += input.width();
        }
        for &(operation, [a, b, c], out) in &program.steps {
            places[out] = operation.of_numbers::<S, T>([places[a], places[b], places[c]]);
        }
        // Who reads them does so by vectors, and waits for numbers that were written one by one.
        let rest = pick::<T, 4>(self.out, &program.outputs, places);
        let rest = pick::<T, 2>(rest.0, rest.1, places);
        pick::<T, 1>(rest.0, rest.1, places);
    }
}

/// Writes the numbers at some places, `W` at once, and returns the rest.
#[inline(always)]
fn pick<'a, 'b, T: Copy, const W: usize>(
    out: &'a mut [T],
    from: &'b [usize],
    places: &[T],
) -> (&'a mut [T], &'b [usize]) {
    let ((out, rest), (from, others)) = (out.as_chunks_mut::<W>(), from.as_chunks::<W>());
    for (out, from) in out.iter_mut().zip(from) {
        *out = from.map(|place| places[place]);
    }
    (rest, others)
}

/// Many rows: each place is a column.
struct Blocks<'a, 'b, T> {
    program: &'a Program,
    inputs: &'a [Input<'a, T>],
    out: Unwritten<'b, T>,
}

impl<'b, T: Elementary> WithSimd for Blocks<'_, 'b, T> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> &'b mut [T] {
        let program = self.program;
        let width = program.outputs.len();
        let rows = self.out.len() / width;
        // As long as the columns of all places stay in the cache.
        let fitting = (CACHED / program.places.max(1))
            .max(1)
            .next_multiple_of(UNIT);
        let length = fitting.min(LONGEST).min(rows.next_multiple_of(UNIT));
        let mut columns = Buffer::<T>::new(program.places * length + UNIT);
        // Each column begins with a line of the cache, so that no vector lies in two.
        let start = columns.as_ptr().align_offset(LINE).min(UNIT);
        let columns = &mut columns[start..];
        for (column, constant) in columns.chunks_mut(length).zip(&program.constants) {
            column.fill(T::of(*constant));
        }
        let mut place = program.constants.len();
        for input in self.inputs {
            if let Input::Shared(values) = input {
                for (column, x) in columns[place * length..].chunks_mut(length).zip(*values) {
                    column.fill(T::of(*x));
                }
            }
            place += input.width();
        }
        // The closure has no vector instructions of its own.
        self.out.write_runs(length * width, |i, out| {
            let first = i * length;
            let block = Block {
                program,
                inputs: self.inputs,
                first,
                columns,
                length,
                out,
            };
            vectorize(simd, block)
        })
    }
}

/// A block of rows.
struct Block<'a, 'b, T> {
    program: &'a Program,
    inputs: &'a [Input<'a, T>],
    /// The first row.
    first: usize,
    /// The columns of all places, those of constants and shared numbers filled.
    columns: &'a mut [T],
    /// The length of a column, of which the last block uses a part.
    length: usize,
    out: Unwritten<'b, T>,
}

impl<'b, T: Elementary> WithSimd for Block<'_, 'b, T> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> &'b mut [T] {
        let Block {
            program,
            inputs,
            first,
            columns,
            length,
            out,
        } = self;
        let width = program.outputs.len();
        let n = out.len() / width;
        let mut place = program.constants.len();
        for input in inputs {
            if let Input::Rows(values, width) = input {
                let rows = &values[first * width..(first + n) * width];
                split(rows, *width, &mut columns[place * length..], length);
            }
            place += input.width();
        }
        for &(operation, arguments, place) in &program.steps {
            let (before, rest) = columns.split_at_mut(place * length);
            let (result, after) = rest.split_at_mut(length);
            let column = |k: usize| match k < place {
                true => &before[k * length..][..n],
                false => &after[(k - place - 1) * length..][..n],
            };
            operation.of_columns::<S, T>(arguments.map(column), &mut result[..n]);
        }
        join(out, width, |j| &columns[program.outputs[j] * length..][..n])
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Operation, Programs, Step};
    use super::*;
    use crate::vectorize::{LEVEL, Level};

    fn step(operation: Operation, arguments: &[u32]) -> Step {
        let mut three = [0; 3];
        three[..arguments.len()].copy_from_slice(arguments);
        Step {
            operation,
            arguments: three,
        }
    }

    /// `(2 x + y) / s` where that is below 1, else `e^x`; and `y`: of columns x and y and a shared number s.
    fn program() -> Program {
        use Operation::*;
        let steps = [
            step(Multiply, &[0, 2]),  // 5
            step(Add, &[5, 3]),       // 6
            step(Divide, &[6, 4]),    // 7
            step(Less, &[7, 1]),      // 8
            step(Exp, &[2]),          // 9
            step(Select, &[8, 7, 9]), // 10
        ];
        Program::new(vec![2.0, 1.0], 3, &steps, &[10, 3])
    }

    /// Every number of rows gives the same bits as each row alone, and those of the formula.
    #[test]
    fn rows_are_independent() {
        let program = program();
        for level in [Level::Scalar, Level::Avx2, Level::Widest] {
            LEVEL.set(level);
            for rows in [0, 1, 2, 15, 16, 17, 511, 512, 513, 1000, 1025] {
                if cfg!(miri) && rows > 17 {
                    continue;
                }
                let x: Vec<f64> = (0..2 * rows).map(|i| (i as f64 * 0.37).sin()).collect();
                let inputs = [Input::Rows(&x[..], 2), Input::Shared(&[1.5])];
                let mut out = vec![0.0; 2 * rows];
                f64::run(&program, rows, &inputs, &mut out);
                assert_eq!(f64::run_rows(&program, rows, &inputs), out);
                for i in 0..rows {
                    let row = [x[2 * i], x[2 * i + 1]];
                    let mut alone = [0.0; 2];
                    let inputs = [Input::Rows(&row[..], 2), Input::Shared(&[1.5])];
                    f64::run(&program, 1, &inputs, &mut alone);
                    assert_eq!(alone, out[2 * i..][..2]);
                    let quotient = (2.0 * row[0] + row[1]) / 1.5;
                    match quotient < 1.0 {
                        true => assert_eq!(alone[0], quotient),
                        false => assert!((alone[0] / row[0].exp() - 1.0).abs() < 1e-15),
                    }
                    assert_eq!(alone[1], row[1]);
                }
            }
        }
        LEVEL.set(Level::Widest);
    }

    /// Inputs come from their places, and outputs go to theirs, however many there are.
    #[test]
    fn places_of_rows() {
        for (inputs, outputs) in (1..6).flat_map(|i| (1..9).map(move |o| (i, o))) {
            let steps = [step(Operation::Negate, &[inputs as u32 - 1])];
            // The negative of the last input, then the inputs in turn.
            let chosen: Vec<u32> = (0..outputs)
                .map(|k| (inputs as u32 + k) % (inputs as u32 + 1))
                .collect();
            let program = Program::new(vec![], inputs, &steps, &chosen);
            for rows in [1, 3] {
                let x: Vec<f32> = (0..rows * inputs).map(|k| k as f32 + 1.0).collect();
                let mut out = vec![0.0; rows * outputs as usize];
                f32::run(&program, rows, &[Input::Rows(&x, inputs)], &mut out);
                for (x, out) in x.chunks(inputs).zip(out.chunks(outputs as usize)) {
                    let all = [x, &[-x[inputs - 1]]].concat();
                    let expected: Vec<f32> = chosen.iter().map(|k| all[*k as usize]).collect();
                    assert_eq!(out, expected);
                }
            }
        }
    }

    /// More places than fit the cache, in rows of which no block does.
    #[test]
    fn many_places() {
        let count = if cfg!(miri) { 4 } else { 4000 };
        let steps: Vec<Step> = (0..count).map(|k| step(Operation::Negate, &[k])).collect();
        let outputs: Vec<u32> = (count..2 * count).collect();
        let program = Program::new(vec![], count as usize, &steps, &outputs);
        for rows in [1, 2, 17] {
            let x: Vec<f32> = (0..rows * count).map(|k| k as f32).collect();
            let mut out = vec![0.0; x.len()];
            let inputs = [Input::Rows(&x[..], count as usize)];
            f32::run(&program, rows as usize, &inputs, &mut out);
            assert!(x.iter().zip(&out).all(|(x, out)| *out == -x));
        }
    }

    #[test]
    fn places_are_used_again() {
        // A chain of sums needs two places beside its constant and its input, whatever its length.
        let steps: Vec<Step> = (0..100)
            .map(|i| step(Operation::Add, &[i + 1, 0]))
            .collect();
        let program = Program::new(vec![1.0], 1, &steps, &[101]);
        assert_eq!(program.places, 4);
        for rows in [1, 3] {
            let mut out = vec![0.0f32; rows];
            f32::run(
                &program,
                rows,
                &[Input::Rows(&vec![0.5; rows], 1)],
                &mut out,
            );
            assert_eq!(out, vec![100.5; rows]);
        }
    }

    #[test]
    fn undefined_numbers_stay() {
        use Operation::*;
        for operation in [Minimum, Maximum] {
            let program = Program::new(vec![], 2, &[step(operation, &[0, 1])], &[2]);
            for row in [[f64::NAN, 1.0], [1.0, f64::NAN]] {
                let mut out = [0.0];
                f64::run(&program, 1, &[Input::Rows(&row, 2)], &mut out);
                assert!(out[0].is_nan());
            }
        }
    }
}
