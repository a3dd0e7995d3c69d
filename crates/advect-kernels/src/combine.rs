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
            let (out, rest) = match self.terms.split_first() {
                Some(((Factor::Shared(c), x), rest)) => {
                    let (c, x) = (T::of(*c), &x[range.clone()]);
                    (out.write(|i| c * x[i]), rest)
                }
                // To find the factor of each element would take longer than to write zeros first.
                _ => (out.zeroed(), self.terms),
            };
            let mut rest = rest;
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
