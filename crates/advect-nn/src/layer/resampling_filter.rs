//! Filters with which images are halved and doubled (Karras et al., Analyzing and improving the image quality of StyleGAN,
//! 2020; as in Song et al. 2021, appendix H.1).

use advect_core::{Error, Result, check};
use advect_ops::{Convolution, Value, avg_pool, conv2d, upsample_nearest};
use candle_core::{DType, Device, Tensor};

/// A separable filter with which images are halved and doubled. It has no parameters.
///
/// With 2n taps `f`, of sum 1, a side is halved to `y_m = Σ_j f_j x_(2m + j − n + 1)`, and doubled by the transposed map,
/// times 2. Beyond the edges images are 0. Two equal taps give means of squares, and repeated pixels.
///
/// ```
/// use advect_nn::ResamplingFilter;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[[[0f32, 8.0], [0.0, 8.0]]]], &Device::Cpu)?;
/// let filter = ResamplingFilter::new(&[1.0, 3.0, 3.0, 1.0], DType::F32, &Device::Cpu)?;
/// // (3 · 0 + 3 · 8)/8 along the rows, and (3 + 3)/8 of that along the columns.
/// assert_eq!(filter.halve(&x)?.flatten_all()?.to_vec1::<f32>()?, [2.25]);
/// // Rows inside are (3 · 0 + 1 · 8)/4 and (1 · 0 + 3 · 8)/4 between the pixels.
/// let doubled = filter.double(&x)?.get(0)?.get(0)?.to_vec2::<f32>()?;
/// assert_eq!(doubled[1], [0.0, 2.0, 6.0, 6.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "FIR")]
#[doc(alias = "resample_filter")]
#[doc(alias = "upfirdn2d")]
#[derive(Debug, Clone)]
pub struct ResamplingFilter {
    taps: Vec<f64>,
    /// None for two equal taps.
    kernels: Option<Kernels>,
}

/// Weights of convolutions of one channel.
#[derive(Debug, Clone)]
struct Kernels {
    /// The filter of halving, `(1, 1, 2n, 2n)`.
    halving: Tensor,
    /// The filters of the four pixels that come from one, `(4, 1, 2r + 1, 2r + 1)`.
    doubling: Tensor,
}

/// The most taps.
const MOST: usize = 16;

impl ResamplingFilter {
    /// Creates a filter for images of a dtype on a device. The taps are divided by their sum.
    ///
    /// # Errors
    /// [`Error::Range`] naming `taps` unless their number is even, from 2 to 16, and their sum is finite and not 0 but for
    /// rounding.
    pub fn new(taps: &[f64], dtype: DType, device: &Device) -> Result<Self> {
        let taps = normalized(taps)?;
        if taps == [0.5, 0.5] {
            return Ok(ResamplingFilter::mean());
        }
        let like = |x: Tensor| -> Result<Tensor> { Ok(x.to_dtype(dtype)?.to_device(device)?) };
        let kernels = Some(Kernels {
            halving: like(plane(&taps)?)?,
            doubling: like(doubling(&taps)?)?,
        });
        Ok(ResamplingFilter { taps, kernels })
    }

    /// Creates the filter of two equal taps, for images of any dtype.
    pub fn mean() -> Self {
        ResamplingFilter {
            taps: vec![0.5; 2],
            kernels: None,
        }
    }

    /// Returns the products of the taps along both sides, `(1, 1, 2n, 2n)` in f64.
    ///
    /// # Errors
    /// Errors of candle.
    pub fn plane(&self) -> Result<Tensor> {
        plane(&self.taps)
    }

    /// Returns images `(batch, channels, height, width)` of half the size, rounded down.
    ///
    /// # Errors
    /// [`Error::Shape`] naming `x` for another shape, or an odd side with two equal taps; [`Error::DType`] unless x is a float.
    pub fn halve<V: Value>(&self, x: &V) -> Result<V> {
        match &self.kernels {
            None => avg_pool(x, 2),
            Some(kernels) => kernels.halve(x, self.padding()),
        }
    }

    /// Returns images of half the size, given images with [`padding`](Self::padding) more pixels at each edge.
    ///
    /// # Errors
    /// As [`halve`](Self::halve).
    pub fn halve_padded<V: Value>(&self, x: &V) -> Result<V> {
        match &self.kernels {
            None => avg_pool(x, 2),
            Some(kernels) => kernels.halve(x, 0),
        }
    }

    /// Returns images of twice the size.
    ///
    /// # Errors
    /// [`Error::Shape`] naming `x` unless it is `(batch, channels, height, width)`; [`Error::DType`] unless it is a float.
    pub fn double<V: Value>(&self, x: &V) -> Result<V> {
        match &self.kernels {
            None => upsample_nearest(x, 2),
            Some(kernels) => kernels.double(x, self.taps.len() / 4),
        }
    }

    /// Returns n − 1, the number of zeros that are put at each edge of images that are halved.
    pub fn padding(&self) -> usize {
        self.taps.len() / 2 - 1
    }
}

/// Checks taps. Returns them with a sum of 1.
fn normalized(taps: &[f64]) -> Result<Vec<f64>> {
    let sum: f64 = taps.iter().sum();
    let even = !taps.is_empty() && taps.len().is_multiple_of(2) && taps.len() <= MOST;
    let size: f64 = taps.iter().map(|tap| tap.abs()).sum();
    if !even || !sum.is_finite() || sum.abs() <= 1e-6 * size {
        let accepted = format!("an even number of taps, up to {MOST}, whose sum is not 0");
        return Err(Error::range("taps", format!("{taps:?}"), accepted));
    }
    Ok(taps.iter().map(|tap| tap / sum).collect())
}

/// The products of taps along both sides.
fn plane(taps: &[f64]) -> Result<Tensor> {
    let row = |a: &f64| taps.iter().map(move |b| a * b).collect::<Vec<_>>();
    let products: Vec<f64> = taps.iter().flat_map(row).collect();
    let shape = (1, 1, taps.len(), taps.len());
    Ok(Tensor::from_vec(products, shape, &Device::Cpu)?)
}

/// The filters of the four pixels that come from one.
fn doubling(taps: &[f64]) -> Result<Tensor> {
    // The pixel 2m + a is the sum of x_(m − k) f_(2k + a + n − 1); k = r − j for place j of the kernel.
    let n = taps.len() / 2;
    let reach = n / 2;
    let side = 2 * reach + 1;
    let tap = |a: usize, j: usize| match (2 * reach + a + n).checked_sub(2 * j + 1) {
        Some(index) if index < 2 * n => 2.0 * taps[index],
        _ => 0.0,
    };
    let mut weights = Vec::with_capacity(4 * side * side);
    for (a, b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        for i in 0..side {
            weights.extend((0..side).map(|j| tap(a, i) * tap(b, j)));
        }
    }
    Ok(Tensor::from_vec(weights, (4, 1, side, side), &Device::Cpu)?)
}

impl Kernels {
    fn halve<V: Value>(&self, x: &V, padding: usize) -> Result<V> {
        let halves = Convolution {
            stride: [2, 2],
            ..Convolution::padded(padding)
        };
        let [batch, channels, ..] = dims(x.primal())?;
        let y = conv2d(&by_channel(x)?, &self.halving, None, &halves)?;
        y.map_linear(|y| {
            let [_, _, height, width] = dims(y)?;
            Ok(y.reshape((batch, channels, height, width))?)
        })
    }

    fn double<V: Value>(&self, x: &V, padding: usize) -> Result<V> {
        let [batch, channels, height, width] = dims(x.primal())?;
        let padded = Convolution::padded(padding);
        let y = conv2d(&by_channel(x)?, &self.doubling, None, &padded)?;
        y.map_linear(|y| {
            let pixels = y.reshape((batch * channels, 2, 2, height, width))?;
            let pixels = pixels.permute((0, 3, 1, 4, 2))?.contiguous()?;
            Ok(pixels.reshape((batch, channels, 2 * height, 2 * width))?)
        })
    }
}

/// Each channel as an image of its own.
fn by_channel<V: Value>(x: &V) -> Result<V> {
    x.map_linear(|x| {
        let [batch, channels, height, width] = dims(x)?;
        Ok(x.reshape((batch * channels, 1, height, width))?)
    })
}

fn dims(x: &Tensor) -> Result<[usize; 4]> {
    check::float("x", x)?;
    let dims = <[usize; 4]>::try_from(x.dims());
    dims.map_err(|_| Error::shape("x", x.dims(), "(batch, channels, height, width)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pixel of channel c.
    fn value(c: usize, i: usize, j: usize) -> f64 {
        (c as f64 + 1.0) * (1.5 * i as f64 - 0.7) + (j * j) as f64
    }

    /// A channel of an image, and 0 beyond its edges.
    fn at(c: usize, [h, w]: [usize; 2], i: isize, j: isize) -> f64 {
        match (usize::try_from(i), usize::try_from(j)) {
            (Ok(i), Ok(j)) if i < h && j < w => value(c, i, j),
            _ => 0.0,
        }
    }

    /// The sums that define both, on two channels of 4 × 2 pixels, for filters of 2, 4 and 6 taps.
    #[test]
    fn filters_are_their_definition() {
        let size @ [h, w] = [4, 2];
        let pixels = (0..2 * h * w).map(|k| value(k / (h * w), k / w % h, k % w));
        let x = Tensor::from_vec(pixels.collect(), (1, 2, h, w), &Device::Cpu).unwrap();
        for taps in [
            vec![1.0, 1.0],
            vec![1.0, 3.0, 3.0, 1.0],
            vec![1.0, 2.0, 4.0, 3.0, -1.0, 0.5],
        ] {
            let filter = ResamplingFilter::new(&taps, DType::F64, &Device::Cpu).unwrap();
            let (n, sum) = (taps.len() / 2, taps.iter().sum::<f64>());
            let halved = filter.halve(&x).unwrap();
            let doubled = filter.double(&x).unwrap();
            assert_eq!(halved.dims(), [1, 2, 2, 1]);
            assert_eq!(doubled.dims(), [1, 2, 8, 4]);
            let close = |y: &Tensor, c: usize, i: usize, expected: &[f64]| {
                let row = y.get(0).unwrap().get(c).unwrap().get(i).unwrap();
                for (y, expected) in row.to_vec1::<f64>().unwrap().iter().zip(expected) {
                    assert!((y - expected).abs() < 1e-12, "{taps:?}: {y} {expected}");
                }
            };
            // The offset of the first tap.
            let first = 1 - n as isize;
            for (c, i) in [(0, 0), (1, 1)] {
                let mut expected = 0.0;
                for (a, p) in taps.iter().zip(first..) {
                    for (b, q) in taps.iter().zip(first..) {
                        expected += a * b / (sum * sum) * at(c, size, 2 * i + p, q);
                    }
                }
                close(&halved, c, i as usize, &[expected]);
            }
            // Pixel k of an image goes to the places 2k + j − n + 1 with weight 2 f_j.
            for (c, row) in [(0, 0), (0, 3), (1, 7), (1, 4)] {
                let mut expected = [0.0; 4];
                for (j, expected) in expected.iter_mut().enumerate() {
                    for (i, k) in (0..h * w).map(|k| (k / w, k % w)) {
                        let place = |to: usize, from: usize| {
                            usize::try_from(to as isize - 2 * from as isize - first).ok()
                        };
                        let tap = |place: Option<usize>| place.and_then(|p| taps.get(p).copied());
                        if let (Some(a), Some(b)) = (tap(place(row, i)), tap(place(j, k))) {
                            *expected += 4.0 * a * b / (sum * sum) * value(c, i, k);
                        }
                    }
                }
                close(&doubled, c, row, &expected);
            }
        }
    }

    #[test]
    fn odd_numbers_of_taps_are_refused() {
        for taps in [&[][..], &[1.0], &[1.0, 2.0, 1.0], &[1.0, -1.0], &[1.0; 18]] {
            let error = ResamplingFilter::new(taps, DType::F32, &Device::Cpu).unwrap_err();
            assert!(error.to_string().starts_with("taps: got ["), "{error}");
        }
    }
}
