//! Layer normalisation and RMS normalisation of rows.

use pulp::{Simd, WithSimd};

use crate::moments::moments;
use crate::row_pieces::{add_pieces, row_pieces};
use crate::{Float, Threads, Unwritten, dispatch, fill, kernels, sums, zeros};

/// A normalisation of rows.
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    /// Whether the mean is subtracted.
    pub centred: bool,
    /// The number that is added to the variance.
    pub epsilon: f64,
    /// The size of a row.
    pub width: usize,
    /// The number of rows.
    pub rows: usize,
    /// The number of rows that share a row of scale and shift.
    pub sharing: usize,
}

kernels! {
    /// The kernels of normalisations of rows.
    pub trait LayerNorm {
        /// Returns `(x − mean) / √(variance + ε) · scale + shift`.
        fn layer_norm(
            threads: &dyn Threads,
            rows: &Rows,
            x: &[Self],
            scale: &[Self],
            shift: Option<&[Self]>,
        ) -> Vec<Self>;

        /// Returns the gradients of x, scale and shift, given the gradient of the value.
        fn layer_norm_backward(
            threads: &dyn Threads,
            rows: &Rows,
            x: &[Self],
            scale: &[Self],
            gradient: &[Self],
        ) -> [Vec<Self>; 3];
    }
}

fn layer_norm<T: Float>(
    threads: &dyn Threads,
    rows: &Rows,
    x: &[T],
    scale: &[T],
    shift: Option<&[T]>,
) -> Vec<T> {
    let width = rows.width;
    let time = x.len();
    let piece = threads.piece(rows.rows, 1, time);
    let pieces = std::iter::repeat_n((), rows.rows.div_ceil(piece));
    fill(threads, x.len(), piece * width, pieces, time, |i, y, ()| {
        dispatch(Forward {
            centred: rows.centred,
            epsilon: T::of(rows.epsilon),
            first: i * piece,
            x: &x[i * piece * width..][..y.len()],
            scale,
            shift,
            y,
            width,
            sharing: rows.sharing,
        })
    })
}

fn layer_norm_backward<T: Float>(
    threads: &dyn Threads,
    rows: &Rows,
    x: &[T],
    scale: &[T],
    gradient: &[T],
) -> [Vec<T>; 3] {
    let Rows { width, sharing, .. } = *rows;
    let mut dx = zeros(threads, x.len());
    let pieces = row_pieces(rows.rows, sharing);
    let mut partial = vec![T::ZERO; pieces.len() * 2 * width];
    let mut tasks = Vec::with_capacity(pieces.len());
    let mut rest = &mut dx[..];
    for (range, sums) in pieces.iter().zip(partial.chunks_exact_mut(2 * width)) {
        let (dx, others) = rest.split_at_mut(range.len() * width);
        rest = others;
        let (scale_sums, shift_sums) = sums.split_at_mut(width);
        let all = range.start * width..range.end * width;
        tasks.push(Backward {
            centred: rows.centred,
            epsilon: T::of(rows.epsilon),
            x: &x[all.clone()],
            g: &gradient[all],
            scale: &scale[range.start / sharing * width..][..width],
            dx,
            scale_sums,
            shift_sums,
        });
    }
    threads.each(tasks, 2 * x.len(), |task: Backward<'_, T>| dispatch(task));
    let mut sums = [vec![T::ZERO; scale.len()], vec![T::ZERO; scale.len()]];
    for (i, sums) in sums.iter_mut().enumerate() {
        let partial = partial.chunks_exact(2 * width);
        let partial = partial.map(|both| &both[i * width..(i + 1) * width]);
        add_pieces(sums, width, sharing, &pieces, partial);
    }
    let [scale_sums, shift_sums] = sums;
    [dx, scale_sums, shift_sums]
}

struct Forward<'a, 'b, T> {
    centred: bool,
    epsilon: T,
    /// The first row.
    first: usize,
    x: &'a [T],
    scale: &'a [T],
    shift: Option<&'a [T]>,
    y: Unwritten<'b, T>,
    width: usize,
    sharing: usize,
}

impl<'b, T: Float> WithSimd for Forward<'_, 'b, T> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> &'b mut [T] {
        let width = self.width;
        self.y.write_runs(width, |i, y| {
            let offset = (self.first + i) / self.sharing * width;
            let row = &self.x[i * width..][..width];
            let moments = moments(row, self.centred, self.epsilon);
            let (x, mean, inverse) = (&moments.x[..], moments.mean, moments.inverse);
            let scale = &self.scale[offset..][..width];
            match self.shift {
                Some(shift) => {
                    let shift = &shift[offset..][..width];
                    y.write(|j| ((x[j] - mean) * inverse).madd::<S>(scale[j], shift[j]))
                }
                None => y.write(|j| (x[j] - mean) * inverse * scale[j]),
            }
        })
    }
}

/// With `h = g · scale` and the normalised x̂: `dx = (h − mean h − x̂ mean(h x̂)) / √(variance + ε)`, where the mean of h
/// is left out if x was not centred.
struct Backward<'a, T> {
    centred: bool,
    epsilon: T,
    x: &'a [T],
    g: &'a [T],
    scale: &'a [T],
    dx: &'a mut [T],
    scale_sums: &'a mut [T],
    shift_sums: &'a mut [T],
}

impl<T: Float> WithSimd for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = self.scale.len();
        let rows = self.x.chunks_exact(width).zip(self.g.chunks_exact(width));
        let count = T::of(width as f64);
        for (dx, (x, g)) in self.dx.chunks_exact_mut(width).zip(rows) {
            let moments = moments(x, self.centred, self.epsilon);
            let (x, mean, inverse) = (&moments.x[..], moments.mean, moments.inverse);
            let affine = self
                .scale
                .iter()
                .zip(self.scale_sums.iter_mut().zip(self.shift_sums.iter_mut()));
            for ((dx, (x, g)), (scale, (scale_sum, shift_sum))) in
                dx.iter_mut().zip(x.iter().zip(g)).zip(affine)
            {
                let normal = (*x - mean) * inverse;
                *scale_sum += *g * normal;
                *shift_sum += *g;
                *dx = *g * *scale;
            }
            let [of_h, of_product] = sums::sum_pairs(dx, x, |h, x| [h, h * (x - mean)]);
            let of_h = if self.centred { of_h / count } else { T::ZERO };
            let of_product = of_product * inverse / count;
            for (dx, x) in dx.iter_mut().zip(x) {
                let normal = (*x - mean) * inverse;
                *dx = (*dx - of_h - normal * of_product) * moments.outer;
            }
        }
    }
}
