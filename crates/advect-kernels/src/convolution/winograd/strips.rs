//! Lines of pixels with their channels side by side, and back.

use crate::Float;
use crate::squares::{SIDE, columns};

/// `out[x · stride + c] = source[c · plane + x]` for `count` pixels of `channels` channels.
#[inline(always)]
pub(super) fn side_by_side<T: Float>(
    source: &[T],
    plane: usize,
    channels: usize,
    count: usize,
    out: &mut [T],
    stride: usize,
) {
    let (whole_channels, whole) = (channels - channels % SIDE, count - count % SIDE);
    for c in (0..whole_channels).step_by(SIDE) {
        let source = &source[c * plane..];
        for x in (0..whole).step_by(SIDE) {
            let pixels = columns(&source[x..], plane);
            let out = out[x * stride + c..].chunks_mut(stride);
            for (out, pixel) in out.zip(pixels) {
                out[..SIDE].copy_from_slice(&pixel);
            }
        }
        for x in whole..count {
            for i in 0..SIDE {
                out[x * stride + c + i] = source[i * plane + x];
            }
        }
    }
    for c in whole_channels..channels {
        for x in 0..count {
            out[x * stride + c] = source[c * plane + x];
        }
    }
}

/// `out[c · plane + x] = source[x · stride + c]` for `count` pixels of `channels` channels, or plus that. Returns whether all of
/// them are finite.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) fn apart<T: Float>(
    source: &[T],
    stride: usize,
    channels: usize,
    count: usize,
    out: &mut [T],
    plane: usize,
    add: bool,
) -> bool {
    // The sum of zeros, or NaN.
    let mut zeros = [T::ZERO; SIDE];
    let (whole_channels, whole) = (channels - channels % SIDE, count - count % SIDE);
    let put = |out: &mut T, x: T| *out = if add { *out + x } else { x };
    for c in (0..whole_channels).step_by(SIDE) {
        for x in (0..whole).step_by(SIDE) {
            let lines = columns(&source[x * stride + c..], stride);
            for (i, line) in lines.into_iter().enumerate() {
                let out = &mut out[(c + i) * plane + x..][..SIDE];
                zeros
                    .iter_mut()
                    .zip(line)
                    .for_each(|(zero, x)| *zero += x * T::ZERO);
                out.iter_mut().zip(line).for_each(|(out, x)| put(out, x));
            }
        }
        for x in whole..count {
            for i in c..c + SIDE {
                zeros[0] += source[x * stride + i] * T::ZERO;
                put(&mut out[i * plane + x], source[x * stride + i]);
            }
        }
    }
    for c in whole_channels..channels {
        for x in 0..count {
            zeros[0] += source[x * stride + c] * T::ZERO;
            put(&mut out[c * plane + x], source[x * stride + c]);
        }
    }
    zeros == [T::ZERO; SIDE]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (channels, count, stride) in [(1, 1, 1), (4, 16, 16), (7, 37, 16), (18, 50, 32)] {
            let plane = count + 3;
            let source: Vec<f32> = (0..channels * plane).map(|i| i as f32).collect();
            let mut lines = vec![-1.0; count * stride];
            side_by_side(&source, plane, channels, count, &mut lines, stride);
            for x in 0..count {
                for c in 0..stride {
                    let expected = if c < channels {
                        source[c * plane + x]
                    } else {
                        -1.0
                    };
                    assert_eq!(lines[x * stride + c], expected);
                }
            }
            for add in [false, true] {
                let mut back = vec![1.0; source.len()];
                let finite = apart(&lines, stride, channels, count, &mut back, plane, add);
                assert!(finite);
                for (i, (back, x)) in back.iter().zip(&source).enumerate() {
                    let moved = if add { x + 1.0 } else { *x };
                    assert_eq!(*back, if i % plane < count { moved } else { 1.0 });
                }
                for place in [0, (count - 1) * stride + channels - 1] {
                    let mut lines = lines.clone();
                    lines[place] = f32::INFINITY;
                    let finite = apart(&lines, stride, channels, count, &mut back, plane, add);
                    assert!(!finite);
                }
            }
        }
    }
}
