//! Lines of pixels with their channels side by side, and back.

use crate::cpu::Float;

/// Pixels and channels moved together.
const PIXELS: usize = 16;
const CHANNELS: usize = 4;

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
    let (whole_channels, whole) = (channels - channels % CHANNELS, count - count % PIXELS);
    for c in (0..whole_channels).step_by(CHANNELS) {
        let lines: [&[T]; CHANNELS] = std::array::from_fn(|i| &source[(c + i) * plane..][..count]);
        for x in (0..whole).step_by(PIXELS) {
            let mut block = [T::ZERO; PIXELS * CHANNELS];
            let lines = lines.map(|line| &line[x..x + PIXELS]);
            for (l, block) in block.chunks_exact_mut(CHANNELS).enumerate() {
                for (i, out) in block.iter_mut().enumerate() {
                    *out = lines[i][l];
                }
            }
            let out = out[x * stride..].chunks_mut(stride);
            for (out, block) in out.zip(block.chunks_exact(CHANNELS)) {
                out[c..c + CHANNELS].copy_from_slice(block);
            }
        }
        for x in whole..count {
            for (i, line) in lines.iter().enumerate() {
                out[x * stride + c + i] = line[x];
            }
        }
    }
    for c in whole_channels..channels {
        for x in 0..count {
            out[x * stride + c] = source[c * plane + x];
        }
    }
}

/// `out[c · plane + x] = source[x · stride + c]` for `count` pixels of `channels` channels, or plus that.
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
) {
    let (whole_channels, whole) = (channels - channels % CHANNELS, count - count % PIXELS);
    let put = |out: &mut T, x: T| *out = if add { *out + x } else { x };
    for c in (0..whole_channels).step_by(CHANNELS) {
        for x in (0..whole).step_by(PIXELS) {
            let mut block = [T::ZERO; PIXELS * CHANNELS];
            let pixels = source[x * stride..].chunks(stride);
            for (block, pixel) in block.chunks_exact_mut(CHANNELS).zip(pixels) {
                block.copy_from_slice(&pixel[c..c + CHANNELS]);
            }
            for i in 0..CHANNELS {
                let line = &mut out[(c + i) * plane + x..][..PIXELS];
                for (l, out) in line.iter_mut().enumerate() {
                    put(out, block[l * CHANNELS + i]);
                }
            }
        }
        for x in whole..count {
            for i in c..c + CHANNELS {
                put(&mut out[i * plane + x], source[x * stride + i]);
            }
        }
    }
    for c in whole_channels..channels {
        for x in 0..count {
            put(&mut out[c * plane + x], source[x * stride + c]);
        }
    }
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
                apart(&lines, stride, channels, count, &mut back, plane, add);
                for (i, (back, x)) in back.iter().zip(&source).enumerate() {
                    let moved = if add { x + 1.0 } else { *x };
                    assert_eq!(*back, if i % plane < count { moved } else { 1.0 });
                }
            }
        }
    }
}
