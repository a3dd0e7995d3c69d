//! Group normalisation, with an activation in the same pass.

use pulp::{Simd, WithSimd};

use crate::activation::Function;
use crate::moments::moments;
use crate::{Float, Threads, Unwritten, dispatch, fill, kernels, sums};

/// A normalisation of groups of channels; x is `(batch, groups · channels, area)`.
#[derive(Debug, Clone, Copy)]
pub struct Groups {
    /// The function that is applied to the normalised numbers.
    pub function: Function,
    /// The number that is added to the variance.
    pub epsilon: f64,
    /// The number of groups of a sample.
    pub groups: usize,
    /// The number of channels of a group.
    pub channels: usize,
    /// The number of elements of a channel.
    pub area: usize,
    /// Whether each sample has its own scale and shift.
    pub adaptive: bool,
}

impl Groups {
    /// Elements of a group.
    fn length(&self) -> usize {
        self.channels * self.area
    }

    /// The range of scale and shift of the i-th group of the batch.
    fn affine(&self, i: usize) -> std::ops::Range<usize> {
        let group = if self.adaptive { i } else { i % self.groups };
        group * self.channels..(group + 1) * self.channels
    }
}

kernels! {
    /// The kernels of normalisations of groups.
    pub trait GroupNorm {
        /// Returns `function((x − mean) / √(variance + ε) · scale + shift)`.
        fn group_norm(
            threads: &dyn Threads,
            groups: &Groups,
            x: &[Self],
            scale: &[Self],
            shift: &[Self],
        ) -> Vec<Self>;

        /// Returns the gradients of x, scale and shift, given the gradient of the value.
        fn group_norm_backward(
            threads: &dyn Threads,
            groups: &Groups,
            x: &[Self],
            scale: &[Self],
            shift: &[Self],
            gradient: &[Self],
        ) -> [Vec<Self>; 3];
    }
}

fn group_norm<T: Float>(
    threads: &dyn Threads,
    groups: &Groups,
    x: &[T],
    scale: &[T],
    shift: &[T],
) -> Vec<T> {
    let length = groups.length().max(1);
    let all = std::iter::repeat_n((), x.len() / length);
    fill(threads, x.len(), length, all, x.len(), |i, y, ()| {
        let affine = groups.affine(i);
        dispatch(Forward {
            function: groups.function,
            epsilon: T::of(groups.epsilon),
            x: &x[i * length..][..length],
            scale: &scale[affine.clone()],
            shift: &shift[affine],
            y,
            area: groups.area,
        })
    })
}

fn group_norm_backward<T: Float>(
    threads: &dyn Threads,
    groups: &Groups,
    x: &[T],
    scale: &[T],
    shift: &[T],
    gradient: &[T],
) -> [Vec<T>; 3] {
    let channels = groups.groups * groups.channels;
    // Of each sample: the sums for scale, and for shift.
    let samples = match groups.adaptive {
        true => scale.len() / channels,
        false => x.len() / (channels * groups.area).max(1),
    };
    let mut scale_sums = vec![T::ZERO; samples * channels];
    let mut shift_sums = vec![T::ZERO; samples * channels];
    let length = groups.length().max(1);
    let places = scale_sums.chunks_mut(groups.channels);
    let places = places.zip(shift_sums.chunks_mut(groups.channels));
    let time = 2 * x.len();
    let dx = fill(threads, x.len(), length, places, time, |i, dx, sums| {
        let affine = groups.affine(i);
        dispatch(Backward {
            function: groups.function,
            epsilon: T::of(groups.epsilon),
            x: &x[i * length..][..length],
            g: &gradient[i * length..][..length],
            scale: &scale[affine.clone()],
            shift: &shift[affine],
            dx,
            sums,
            area: groups.area,
        })
    });
    let reduce = |sums: Vec<T>| match groups.adaptive {
        true => sums,
        false => {
            let mut total = vec![T::ZERO; channels];
            for sums in sums.chunks_exact(channels.max(1)) {
                for (total, x) in total.iter_mut().zip(sums) {
                    *total += *x;
                }
            }
            total
        }
    };
    [dx, reduce(scale_sums), reduce(shift_sums)]
}

/// One group.
struct Forward<'a, 'b, T> {
    function: Function,
    epsilon: T,
    x: &'a [T],
    scale: &'a [T],
    shift: &'a [T],
    y: Unwritten<'b, T>,
    area: usize,
}

impl<'b, T: Float> WithSimd for Forward<'_, 'b, T> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> &'b mut [T] {
        let moments = moments(self.x, true, self.epsilon);
        let (all, mean, inverse) = (&moments.x[..], moments.mean, moments.inverse);
        self.y.write_runs(self.area, |channel, y| {
            let x = &all[channel * self.area..][..y.len()];
            let (factor, shift) = (self.scale[channel] * inverse, self.shift[channel]);
            let y = y.write(|i| (x[i] - mean).madd::<S>(factor, shift));
            self.function.values(simd, y);
            y
        })
    }
}

/// One group: as for layers, with the activation's slope first.
struct Backward<'a, 'b, T> {
    function: Function,
    epsilon: T,
    x: &'a [T],
    g: &'a [T],
    scale: &'a [T],
    shift: &'a [T],
    dx: Unwritten<'b, T>,
    sums: (&'a mut [T], &'a mut [T]),
    area: usize,
}

impl<'b, T: Float> WithSimd for Backward<'_, 'b, T> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> &'b mut [T] {
        let moments = moments(self.x, true, self.epsilon);
        let (all, mean, inverse) = (&moments.x[..], moments.mean, moments.inverse);
        let count = T::of(self.x.len() as f64);
        let (mut of_h, mut of_product) = (T::ZERO, T::ZERO);
        let (scale_sums, shift_sums) = self.sums;
        let dx = self.dx.write_runs(self.area, |channel, dx| {
            let plane = channel * self.area..channel * self.area + dx.len();
            let (x, g) = (&all[plane.clone()], &self.g[plane]);
            let (scale, shift) = (self.scale[channel], self.shift[channel]);
            let factor = scale * inverse;
            let dx = dx.write(|i| (x[i] - mean).madd::<S>(factor, shift));
            self.function.slopes(simd, dx);
            for (dx, g) in dx.iter_mut().zip(g) {
                *dx *= *g;
            }
            let [sum, product] = sums::sum_pairs(dx, x, |h, x| [h, h * (x - mean)]);
            (scale_sums[channel], shift_sums[channel]) = (product * inverse, sum);
            of_h += scale * sum;
            of_product += scale * product * inverse;
            dx
        });
        let (of_h, of_product) = (of_h / count, of_product / count);
        let planes = (dx.chunks_exact_mut(self.area)).zip(all.chunks_exact(self.area));
        for ((dx, x), scale) in planes.zip(self.scale) {
            for (dx, x) in dx.iter_mut().zip(x) {
                let normal = (*x - mean) * inverse;
                *dx = (*scale * *dx - of_h - normal * of_product) * moments.outer;
            }
        }
        dx
    }
}
