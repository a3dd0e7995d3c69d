//! Linear combinations in one pass.

use pulp::{Simd, WithSimd};

use crate::{Float, Threads, Unwritten, dispatch, fill, kernels};

/// The factor of a term.
#[derive(Debug, Clone, Copy)]
pub enum Factor<'a> {
    /// One number for all samples.
    Shared(f64),
    /// One number for each sample.
    PerSample(&'a [f64]),
}

kernels! {
    /// The kernel of linear combinations.
    pub trait Combine {
        /// Returns `Σ_k c_k x_k` for terms of one length, of the given number of samples.
        fn combine(
            threads: &dyn Threads,
            terms: &[(Factor<'_>, &[Self])],
            samples: usize,
        ) -> Vec<Self>;
    }
}

fn combine<T: Float>(
    threads: &dyn Threads,
    terms: &[(Factor<'_>, &[T])],
    samples: usize,
) -> Vec<T> {
    let n = terms.first().map_or(0, |(_, x)| x.len());
    let time = n * terms.len() / 5;
    let piece = threads.piece(n, BLOCK, time);
    let width = (n / samples.max(1)).max(1);
    let pieces = std::iter::repeat_n((), n.div_ceil(piece));
    fill(threads, n, piece, pieces, time, |i, out, ()| {
        let first = i * piece;
        dispatch(Sum {
            terms,
            width,
            first,
            out,
        })
    })
}

/// Elements that stay in the cache while the terms are added up.
const BLOCK: usize = 2048;

struct Sum<'a, 'b, T> {
    terms: &'a [(Factor<'a>, &'a [T])],
    /// Elements of a sample.
    width: usize,
    first: usize,
    out: Unwritten<'b, T>,
}

impl<'b, T: Float> WithSimd for Sum<'_, 'b, T> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> &'b mut [T] {
        self.out.write_runs(BLOCK, |i, out| {
            let start = self.first + i * BLOCK;
            let range = start..start + out.len();
            let shared = self.terms.iter().map_while(|(factor, x)| match factor {
                Factor::Shared(c) => Some((*c, &x[range.clone()])),
                Factor::PerSample(_) => None,
            });
            let (out, begun) = match shared.clone().take(6).count() {
                // To find the factor of each element would take longer than to write zeros first.
                0 => (out.zeroed(), 0),
                1 => (begin::<S, T, 1>(shared, out), 1),
                2 => (begin::<S, T, 2>(shared, out), 2),
                3 => (begin::<S, T, 3>(shared, out), 3),
                4 => (begin::<S, T, 4>(shared, out), 4),
                5 => (begin::<S, T, 5>(shared, out), 5),
                _ => (begin::<S, T, 6>(shared, out), 6),
            };
            let mut rest = &self.terms[begun..];
            loop {
                rest = match rest {
                    [] => break,
                    [
                        (Factor::Shared(a), x),
                        (Factor::Shared(b), y),
                        (Factor::Shared(c), z),
                        rest @ ..,
                    ] => {
                        add::<S, T, 3>(
                            [*a, *b, *c],
                            [&x[range.clone()], &y[range.clone()], &z[range.clone()]],
                            out,
                        );
                        rest
                    }
                    [(Factor::Shared(a), x), (Factor::Shared(b), y), rest @ ..] => {
                        add::<S, T, 2>([*a, *b], [&x[range.clone()], &y[range.clone()]], out);
                        rest
                    }
                    [(Factor::Shared(c), x), rest @ ..] => {
                        add::<S, T, 1>([*c], [&x[range.clone()]], out);
                        rest
                    }
                    [(Factor::PerSample(c), x), rest @ ..] => {
                        let x = &x[range.clone()];
                        let mut done = 0;
                        while done < out.len() {
                            let sample = (start + done) / self.width;
                            let end = ((sample + 1) * self.width - start).min(out.len());
                            let (x, out) = (&x[done..end], &mut out[done..end]);
                            add::<S, T, 1>([c[sample]], [x], out);
                            done = end;
                        }
                        rest
                    }
                };
            }
            out
        })
    }
}

/// Writes the sum of the first terms, one after the other, in one pass.
#[inline(always)]
fn begin<'a, 'b, S: Simd, T: Float, const K: usize>(
    mut terms: impl Iterator<Item = (f64, &'a [T])>,
    out: Unwritten<'b, T>,
) -> &'b mut [T] {
    let n = out.len();
    let terms: [(f64, &[T]); K] = std::array::from_fn(|_| terms.next().unwrap_or((0.0, &[])));
    let (c, x) = (terms.map(|(c, _)| T::of(c)), terms.map(|(_, x)| &x[..n]));
    out.write(|i| {
        let mut sum = c[0] * x[0][i];
        for k in 1..K {
            sum = x[k][i].madd::<S>(c[k], sum);
        }
        sum
    })
}

/// Adds terms one after the other, in one pass over the sum.
#[inline(always)]
fn add<S: Simd, T: Float, const K: usize>(c: [f64; K], x: [&[T]; K], out: &mut [T]) {
    let n = out.len();
    let (c, x) = (c.map(T::of), x.map(|x| &x[..n]));
    for i in 0..n {
        let mut sum = out[i];
        for k in 0..K {
            sum = x[k][i].madd::<S>(c[k], sum);
        }
        out[i] = sum;
    }
}
