//! Attention of rows.

use super::backward::Backward;
use super::forward::Forward;
use super::head::Head;
use super::sizes::{Mask, Sizes};
use crate::{Float, Threads, dispatch, zeros};

pub(super) fn attend<T: Float>(
    threads: &dyn Threads,
    s: Sizes,
    qkv: [&[T]; 3],
    mask: Option<Mask<'_, T>>,
) -> Vec<T> {
    let mut out = zeros(threads, s.batch * s.heads * s.n * s.e);
    let heads = out.chunks_mut((s.n * s.e).max(1)).enumerate();
    let tasks = heads.map(|(i, out)| Forward {
        head: Head::new(s, i, qkv, mask),
        out,
    });
    threads.each(tasks.collect(), s.time(), |task: Forward<'_, T>| {
        dispatch(task);
    });
    out
}

pub(super) fn attend_backward<T: Float>(
    threads: &dyn Threads,
    s: Sizes,
    qkv: [&[T]; 3],
    mask: Option<Mask<'_, T>>,
    value: &[T],
    gradient: &[T],
) -> [Vec<T>; 3] {
    let [mut dq, mut dk, mut dv] = qkv.map(|x| zeros(threads, x.len()));
    let out = (dq.chunks_mut((s.n * s.d).max(1))).zip(
        dk.chunks_mut(s.m * s.d)
            .zip(dv.chunks_mut((s.m * s.e).max(1))),
    );
    let tasks = (out.enumerate()).map(|(i, (dq, (dk, dv)))| {
        let range = i * s.n * s.e..(i + 1) * s.n * s.e;
        Backward {
            head: Head::new(s, i, qkv, mask),
            value: &value[range.clone()],
            gradient: &gradient[range],
            dq,
            dk,
            dv,
        }
    });
    threads.each(tasks.collect(), 3 * s.time(), |task: Backward<'_, T>| {
        dispatch(task);
    });
    [dq, dk, dv]
}
