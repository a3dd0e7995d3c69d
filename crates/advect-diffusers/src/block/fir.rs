//! Resampling by a filter of four taps, `[1, 3, 3, 1] / 8` along each side (Karras et al., Analyzing and improving the image
//! quality of StyleGAN, 2020; as in Song et al. 2021, appendix H.1). Beyond the edges images are 0.

use advect_core::{Error, Result};
use advect_ops::{Convolution, Value, conv2d};
use candle_core::Tensor;

/// Filters images and keeps every second pixel of each side.
pub(crate) fn fir_halve<V: Value>(x: &V) -> Result<V> {
    let taps = [1.0, 3.0, 3.0, 1.0].map(|tap: f64| tap / 8.0);
    let halves = Convolution {
        stride: [2, 2],
        ..Convolution::padded(1)
    };
    by_channel(x, &[&taps], halves, |y, [n, c, h, w]| {
        Ok(y.reshape((n, c, h / 2, w / 2))?)
    })
}

/// Puts zeros between the pixels of images and filters them, with four times the weight: twice the size.
///
/// What falls on zeros is left out: along a side, pixel 2i is `(x_(i−1) + 3 x_i) / 4`, and pixel 2i + 1 is `(3 x_i + x_(i+1)) / 4`.
pub(crate) fn fir_double<V: Value>(x: &V) -> Result<V> {
    let even = [1.0, 3.0, 0.0].map(|tap: f64| tap / 4.0);
    let odd = [0.0, 3.0, 1.0].map(|tap: f64| tap / 4.0);
    by_channel(
        x,
        &[&even, &odd],
        Convolution::padded(1),
        |y, [n, c, h, w]| {
            // The four kinds of pixels, `(n c, 2, 2, h, w)`, in their places.
            let y = y.reshape((n * c, 2, 2, h, w))?.permute((0, 3, 1, 4, 2))?;
            Ok(y.reshape((n, c, 2 * h, 2 * w))?)
        },
    )
}

/// Convolves each channel for itself with the products of filters of both sides, and gives the value another shape.
fn by_channel<V: Value>(
    x: &V,
    filters: &[&[f64]],
    convolution: Convolution,
    shape: impl Fn(&Tensor, [usize; 4]) -> Result<Tensor>,
) -> Result<V> {
    let images = x.primal();
    let &[n, c, h, w] = images.dims() else {
        let accepted = "(batch, channels, height, width)";
        return Err(Error::shape("x", images.dims(), accepted));
    };
    let kernels = filters.iter().flat_map(|rows| {
        let kernel = |columns: &&[f64]| -> Vec<f64> {
            let row = |a: &f64| columns.iter().map(move |b| a * b).collect::<Vec<_>>();
            rows.iter().flat_map(row).collect()
        };
        filters.iter().flat_map(kernel).collect::<Vec<_>>()
    });
    let (count, side) = (filters.len().pow(2), filters[0].len());
    let weight = Tensor::from_vec(kernels.collect(), (count, 1, side, side), images.device())?;
    let weight = weight.to_dtype(images.dtype())?;
    let planes = x.map_linear(|x| Ok(x.reshape((n * c, 1, h, w))?))?;
    conv2d(&planes, &weight, None, &convolution)?.map_linear(|y| shape(y, [n, c, h, w]))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// The sums that define both, on two channels of 4 × 2 pixels.
    #[test]
    fn filters_are_their_definition() {
        let (h, w) = (4usize, 2usize);
        let value = |c: usize, i: usize, j: usize| {
            (c as f64 + 1.0) * (1.5 * i as f64 - 0.7) + (j * j) as f64
        };
        let pixels = (0..2 * h * w).map(|k| value(k / (h * w), k / w % h, k % w));
        let x = Tensor::from_vec(pixels.collect(), (1, 2, h, w), &Device::Cpu).unwrap();
        let inside = |i: isize, side: usize| usize::try_from(i).ok().filter(|&i| i < side);
        let taps = [1.0, 3.0, 3.0, 1.0];
        let halved = fir_halve(&x).unwrap();
        let doubled = fir_double(&x).unwrap();
        assert_eq!(
            (halved.dims(), doubled.dims()),
            (&[1, 2, 2, 1][..], &[1, 2, 8, 4][..])
        );
        let close = |y: &Tensor, at: [usize; 3], expected: f64| {
            let y = y
                .get(0)
                .unwrap()
                .get(at[0])
                .unwrap()
                .get(at[1])
                .unwrap()
                .get(at[2])
                .unwrap();
            let y = y.to_scalar::<f64>().unwrap();
            assert!((y - expected).abs() < 1e-13, "{at:?}: {y} {expected}");
        };
        for (c, i, j) in [(0, 0, 0), (1, 1, 0)] {
            let mut sum = 0.0;
            for (a, p) in taps.iter().zip(-1..) {
                for (b, q) in taps.iter().zip(-1..) {
                    if let (Some(i), Some(j)) = (inside(2 * i + p, h), inside(2 * j + q, w)) {
                        sum += a * b / 64.0 * value(c, i, j);
                    }
                }
            }
            close(&halved, [c, i as usize, j as usize], sum);
        }
        // Zeros between: pixel 2i of the wide image is pixel i, and two more come before.
        for (c, i, j) in [(0, 0, 0), (0, 3, 2), (1, 7, 3), (1, 4, 1)] {
            let mut sum = 0.0;
            for (a, p) in taps.iter().zip(-2..) {
                for (b, q) in taps.iter().zip(-2..) {
                    if let (Some(i), Some(j)) = (inside(i + p, 2 * h), inside(j + q, 2 * w))
                        && i % 2 == 0
                        && j % 2 == 0
                    {
                        sum += a * b / 16.0 * value(c, i / 2, j / 2);
                    }
                }
            }
            close(&doubled, [c, i as usize, j as usize], sum);
        }
    }
}
