//! Attention among tokens: queries, keys and values of all heads are parts of rows.

use std::ops::Range;

use super::backward::Backward;
use super::forward::Forward;
use super::head::Head;
use super::sizes::Sizes;
use crate::matrix::Matrix;
use crate::{Buffer, Float, Threads, dispatch, fill};

/// A part of the rows of a sample, as it lies there.
fn part<'a, T: Float>(
    sample: &'a [T],
    n: usize,
    columns: &Range<usize>,
    row: usize,
) -> Matrix<'a, T> {
    Matrix::new(sample, n, row).columns(columns.start, columns.end)
}

/// The head of some number, of all samples, in the columns of one.
fn head<'a, T: Float>(
    sizes: Sizes,
    columns: &[[Range<usize>; 3]],
    causal: bool,
    i: usize,
    qkv: &'a [T],
) -> Head<'a, T> {
    let Sizes { heads, n, d, .. } = sizes;
    let row = 3 * heads * d;
    let sample = &qkv[i / heads * n * row..][..n * row];
    let of = |role: usize| part(sample, n, &columns[i % heads][role], row);
    let mut head = Head::unmasked(sizes, [of(0), of(1), of(2)]);
    head.causal = causal;
    head
}

pub(super) fn attend_tokens<T: Float>(
    threads: &dyn Threads,
    sizes: Sizes,
    columns: &[[Range<usize>; 3]],
    causal: bool,
    qkv: &[T],
) -> Vec<T> {
    let Sizes {
        batch, heads, n, d, ..
    } = sizes;
    let mut values = Buffer::new(batch * heads * n * d);
    let tasks = values.chunks_exact_mut(n * d).enumerate();
    let tasks = tasks.map(|(i, out)| Forward {
        head: head(sizes, columns, causal, i, qkv),
        out,
    });
    threads.each(tasks.collect(), sizes.time(), |task: Forward<'_, T>| {
        dispatch(task);
    });
    let places: Vec<usize> = (0..heads).map(|head| head * d).collect();
    side_by_side(threads, &values, &places, n, d)
}

pub(super) fn attend_tokens_backward<T: Float>(
    threads: &dyn Threads,
    sizes: Sizes,
    columns: &[[Range<usize>; 3]],
    causal: bool,
    qkv: &[T],
    value: &[T],
    gradient: &[T],
) -> Vec<T> {
    let Sizes { heads, n, d, .. } = sizes;
    let mut gradients = Buffer::new(qkv.len());
    let tasks = gradients.chunks_exact_mut(3 * n * d).enumerate();
    let tasks = tasks.map(|(i, out)| {
        let sample = i / heads * n * heads * d;
        let columns_of_head = i % heads * d..(i % heads + 1) * d;
        let of = |x| part(x, n, &columns_of_head, heads * d);
        Gradients {
            head: head(sizes, columns, causal, i, qkv),
            value: of(&value[sample..]),
            gradient: of(&gradient[sample..]),
            out,
        }
    });
    threads.each(tasks.collect(), 3 * sizes.time(), Gradients::make);
    let places: Vec<usize> = (columns.iter().flatten())
        .map(|columns| columns.start)
        .collect();
    side_by_side(threads, &gradients, &places, n, d)
}

/// The gradients of a head: those of its queries, keys and values, one after the other.
struct Gradients<'a, T> {
    head: Head<'a, T>,
    value: Matrix<'a, T>,
    gradient: Matrix<'a, T>,
    out: &'a mut [T],
}

impl<T: Float> Gradients<'_, T> {
    fn make(self) {
        let Sizes { n, d, .. } = self.head.sizes;
        self.out.fill(T::ZERO);
        let mut given = Buffer::new(2 * n * d);
        let (value, gradient) = given.split_at_mut(n * d);
        self.value.copy_to(value);
        self.gradient.copy_to(gradient);
        let (dq, rest) = self.out.split_at_mut(n * d);
        let (dk, dv) = rest.split_at_mut(n * d);
        dispatch(Backward {
            head: self.head,
            value,
            gradient,
            dq,
            dk,
            dv,
        });
    }
}

/// The parts `(batch, parts, n, d)` of rows `(batch, n, parts · d)`, in the rows. `places` has the first column of each
/// part.
fn side_by_side<T: Float>(
    threads: &dyn Threads,
    parts: &[T],
    places: &[usize],
    n: usize,
    d: usize,
) -> Vec<T> {
    let row = places.len() * d;
    // The part of each stretch of a row.
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|&part| places[part]);
    let rows = parts.len() / row;
    let time = parts.len() / 2;
    let piece = threads.piece(rows, 1, time);
    let pieces = std::iter::repeat_n((), rows.div_ceil(piece));
    fill(
        threads,
        parts.len(),
        piece * row,
        pieces,
        time,
        |i, out, ()| {
            out.write_runs(d, |j, out| {
                let (line, stretch) = (i * piece + j / order.len(), j % order.len());
                let (sample, position) = (line / n, line % n);
                let part = sample * order.len() + order[stretch];
                let values = &parts[(part * n + position) * d..][..d];
                out.write(|k| values[k])
            })
        },
    )
}
