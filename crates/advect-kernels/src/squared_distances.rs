//! Squared distances between all points of two clouds, by a product of matrices.

use pulp::{Simd, WithSimd};

use crate::matmul::{Right, Start, multiply};
use crate::matrix::{Matrix, PANEL, Packed};
use crate::{Buffer, Float, Threads, dispatch, kernels, sums};

kernels! {
    /// The kernel of squared distances.
    pub trait SquaredDistances {
        /// Returns `|x_i − y_j|²` for n and m points of d numbers, row by row. Distances that overflow are infinite or
        /// NaN.
        fn squared_distances(
            threads: &dyn Threads,
            x: &[Self],
            y: &[Self],
            n: usize,
            m: usize,
            d: usize,
        ) -> Vec<f64>;
    }
}

fn squared_distances<T: Float>(
    threads: &dyn Threads,
    x: &[T],
    y: &[T],
    n: usize,
    m: usize,
    d: usize,
) -> Vec<f64> {
    let origin = mean(threads, x, n, d);
    let (x, x_norms) = centred(threads, x, &origin);
    let (y, y_norms) = centred(threads, y, &origin);
    let packed = pack(threads, Matrix::new(&y, m, d));
    let mut out = vec![0.0; n * m];
    let time = n * m * d * size_of::<T>() / 200;
    let piece = threads.piece(n, 8, time);
    let tasks = (out.chunks_mut(piece * m).enumerate())
        .map(|(i, out)| Product {
            x: Matrix::new(&x[i * piece * d..], out.len() / m, d),
            y: &packed,
            norms: (&x_norms[i * piece..], &y_norms),
            out,
        })
        .collect();
    threads.each(tasks, time, |task: Product<'_, T>| dispatch(task));
    out
}

/// The mean of n points of d coordinates.
fn mean<T: Float>(threads: &dyn Threads, x: &[T], n: usize, d: usize) -> Vec<T> {
    let mut mean = vec![T::ZERO; d];
    let time = n * d * size_of::<T>() / 16;
    let piece = threads.piece(d, 64, time);
    let tasks = (mean.chunks_mut(piece).enumerate())
        .map(|(i, out)| Mean {
            x,
            d,
            first: i * piece,
            out,
        })
        .collect();
    threads.each(tasks, time, |task: Mean<'_, T>| dispatch(task));
    mean
}

/// The means of some coordinates.
struct Mean<'a, T> {
    x: &'a [T],
    d: usize,
    first: usize,
    out: &'a mut [T],
}

impl<T: Float> WithSimd for Mean<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let weight = T::of(self.d as f64 / self.x.len() as f64);
        for row in self.x.chunks_exact(self.d) {
            for (out, x) in self.out.iter_mut().zip(&row[self.first..]) {
                *out += *x * weight;
            }
        }
    }
}

/// Points as columns, packed in parts, and where each part begins.
fn pack<T: Float>(threads: &dyn Threads, y: Matrix<'_, T>) -> Vec<(usize, Packed<T>)> {
    let time = y.rows * y.columns / 2;
    let piece = threads.piece(y.rows, PANEL, time);
    let starts = (0..y.rows).step_by(piece);
    let mut parts: Vec<_> = starts.map(|first| (first, Packed::default())).collect();
    threads.each(parts.iter_mut().collect(), time, |(first, packed)| {
        let end = y.rows.min(*first + piece);
        *packed = Packed::new(y.rows(*first, end).transposed());
    });
    parts
}

/// Points seen from an origin, and their squared norms.
fn centred<T: Float>(threads: &dyn Threads, x: &[T], origin: &[T]) -> (Buffer<T>, Vec<f64>) {
    let d = origin.len();
    let mut out = Buffer::new(x.len());
    let mut norms = vec![0.0; x.len() / d];
    let rows = (out.chunks_exact_mut(d).zip(x.chunks_exact(d))).zip(&mut norms);
    let tasks = rows
        .map(|((out, x), norm)| Centre {
            x,
            origin,
            out,
            norm,
        })
        .collect();
    threads.each(tasks, x.len(), |task: Centre<'_, T>| dispatch(task));
    (out, norms)
}

struct Centre<'a, T> {
    x: &'a [T],
    origin: &'a [T],
    out: &'a mut [T],
    norm: &'a mut f64,
}

impl<T: Float> WithSimd for Centre<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for ((out, x), o) in self.out.iter_mut().zip(self.x).zip(self.origin) {
            *out = *x - *o;
        }
        *self.norm = sums::sum(self.out, 0f64, |x| {
            let x = x.to_f64();
            x * x
        });
    }
}

struct Product<'a, T: Float> {
    x: Matrix<'a, T>,
    y: &'a [(usize, Packed<T>)],
    norms: (&'a [f64], &'a [f64]),
    out: &'a mut [f64],
}

impl<T: Float> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (rows, columns) = (self.x.rows, self.norms.1.len());
        let mut products = vec![T::ZERO; rows * columns];
        for (first, part) in self.y {
            let out = &mut products[*first..];
            let right = Right::Packed(part);
            multiply(simd, self.x, right, out, columns, Start::Zero, None);
        }
        let lines = self
            .out
            .chunks_exact_mut(columns)
            .zip(products.chunks_exact(columns));
        for ((out, products), x) in lines.zip(self.norms.0) {
            for ((out, p), y) in out.iter_mut().zip(products).zip(self.norms.1) {
                let c = x + y - 2.0 * p.to_f64();
                // NaN stays. A product that overflows is not one of near points.
                *out = match p.finite() {
                    true if c < 0.0 => 0.0,
                    true => c,
                    false => f64::NAN,
                };
            }
        }
    }
}
