//! Attention among the positions of feature maps: queries, keys and values are columns.

use std::ops::Range;

use super::backward::Backward;
use super::forward::Forward;
use super::head::Head;
use super::sizes::Sizes;
use crate::matrix::Matrix;
use crate::{Buffer, Float, Threads, dispatch, zeros};

/// The head of some number, of all samples, in the channels of one.
fn head<'a, T: Float>(
    sizes: Sizes,
    channels: &[[Range<usize>; 3]],
    i: usize,
    qkv: &'a [T],
) -> Head<'a, T> {
    let Sizes { heads, n, d, .. } = sizes;
    let sample = &qkv[i / heads * 3 * heads * d * n..][..3 * heads * d * n];
    let part = |role: usize| {
        let channels = &channels[i % heads][role];
        &sample[channels.start * n..channels.end * n]
    };
    Head::of_channels(sizes, [part(0), part(1), part(2)])
}

pub(super) fn attend_channels<T: Float>(
    threads: &dyn Threads,
    sizes: Sizes,
    channels: &[[Range<usize>; 3]],
    qkv: &[T],
) -> Vec<T> {
    let Sizes {
        batch, heads, n, d, ..
    } = sizes;
    let mut out = zeros(threads, batch * heads * d * n);
    let tasks = out.chunks_exact_mut(d * n).enumerate();
    let tasks = tasks.map(|(i, out)| Values {
        head: head(sizes, channels, i, qkv),
        out,
    });
    threads.each(tasks.collect(), sizes.time(), Values::make);
    out
}

pub(super) fn attend_channels_backward<T: Float>(
    threads: &dyn Threads,
    sizes: Sizes,
    channels: &[[Range<usize>; 3]],
    qkv: &[T],
    value: &[T],
    gradient: &[T],
) -> Vec<T> {
    let Sizes { heads, n, d, .. } = sizes;
    let mut dx = zeros(threads, qkv.len());
    // The channels of each role of each head, wherever they lie.
    let mut parts: Vec<Option<&mut [T]>> = dx.chunks_exact_mut(d * n).map(Some).collect();
    let mut tasks = Vec::with_capacity(parts.len() / 3);
    for i in 0..parts.len() / 3 {
        let mut part = |role: usize| {
            let channels = &channels[i % heads][role];
            parts[i / heads * 3 * heads + channels.start / d].take()
        };
        if let (Some(dq), Some(dk), Some(dv)) = (part(0), part(1), part(2)) {
            tasks.push(Gradients {
                head: head(sizes, channels, i, qkv),
                value: &value[i * d * n..][..d * n],
                gradient: &gradient[i * d * n..][..d * n],
                out: [dq, dk, dv],
            });
        }
    }
    threads.each(tasks, 3 * sizes.time(), Gradients::make);
    dx
}

/// The values of a head, as channels.
struct Values<'a, T> {
    head: Head<'a, T>,
    out: &'a mut [T],
}

impl<T: Float> Values<'_, T> {
    fn make(self) {
        let Sizes { n, d, .. } = self.head.sizes;
        let mut rows = Buffer::new(n * d);
        let head = self.head;
        let out = &mut rows;
        dispatch(Forward { head, out });
        Matrix::new(&rows, n, d).transposed().copy_to(self.out);
    }
}

/// The gradients of a head, as channels.
struct Gradients<'a, T> {
    head: Head<'a, T>,
    value: &'a [T],
    gradient: &'a [T],
    out: [&'a mut [T]; 3],
}

impl<T: Float> Gradients<'_, T> {
    fn make(self) {
        let Sizes { n, d, .. } = self.head.sizes;
        let mut rows = Buffer::zeros(5 * n * d);
        let (given, made) = rows.split_at_mut(2 * n * d);
        let (value, gradient) = given.split_at_mut(n * d);
        Matrix::new(self.value, d, n).transposed().copy_to(value);
        Matrix::new(self.gradient, d, n)
            .transposed()
            .copy_to(gradient);
        let (dq, rest) = made.split_at_mut(n * d);
        let (dk, dv) = rest.split_at_mut(n * d);
        let head = self.head;
        dispatch(Backward {
            head,
            value,
            gradient,
            dq,
            dk,
            dv,
        });
        for (rows, out) in made.chunks_exact(n * d).zip(self.out) {
            Matrix::new(rows, n, d).transposed().copy_to(out);
        }
    }
}
