//! Filters with which images are halved and doubled.

use advect_core::{Error, Result, check};
use advect_ops::{Convolution, Value, conv2d};
use candle_core::{Device, Tensor};
use candle_nn::VarBuilder;

use crate::resample::Resample;

/// A separable filter of 2n taps `f`, normalised to `Σ f = 1`, with which images are halved, `y_m = Σ_j f_j
/// x_(2m + j − n + 1)`, and doubled by the transposed map, times 2 along each side.
#[derive(Debug, Clone)]
pub(crate) enum Filter {
    /// Two equal taps: means of squares, and repeated pixels.
    Box,
    /// Other taps.
    Taps(Taps),
}

/// Weights of convolutions of one channel.
#[derive(Debug, Clone)]
pub(crate) struct Taps {
    /// The filter of halving, `(1, 1, 2n, 2n)`.
    halving: Tensor,
    /// The filters of the four pixels that come from one, `(4, 1, 2r + 1, 2r + 1)`.
    doubling: Tensor,
    n: usize,
}

/// The most taps.
const MOST: usize = 16;

/// Checks taps. Returns them with a sum of 1.
pub(crate) fn normalized(taps: &[f64]) -> Result<Vec<f64>> {
    let sum: f64 = taps.iter().sum();
    let even = !taps.is_empty() && taps.len().is_multiple_of(2) && taps.len() <= MOST;
    if !even || !sum.is_finite() || sum.abs() < 1e-6 {
        let accepted = format!("an even number of taps, up to {MOST}, whose sum is not 0");
        return Err(Error::range(
            "resample_filter",
            format!("{taps:?}"),
            accepted,
        ));
    }
    Ok(taps.iter().map(|tap| tap / sum).collect())
}

/// The products of taps along both sides, `(1, 1, 2n, 2n)` in f64, as EDM's networks have them in their state.
pub(crate) fn plane(taps: &[f64]) -> Result<Tensor> {
    let taps = normalized(taps)?;
    let products: Vec<f64> = (taps.iter())
        .flat_map(|a| taps.iter().map(move |b| a * b))
        .collect();
    let shape = (1, 1, taps.len(), taps.len());
    Ok(Tensor::from_vec(products, shape, &Device::Cpu)?)
}

impl Filter {
    /// Creates a filter for images of the dtype and device of a builder.
    pub(crate) fn new(taps: &[f64], builder: &VarBuilder<'_>) -> Result<Self> {
        let taps = normalized(taps)?;
        if taps == [0.5, 0.5] {
            return Ok(Filter::Box);
        }
        let n = taps.len() / 2;
        let like = |x: Tensor| -> Result<Tensor> {
            Ok(x.to_dtype(builder.dtype())?.to_device(builder.device())?)
        };
        // The pixel 2m + a is the sum of x_(m − k) f_(2k + a + n − 1); k = r − j for place j of the kernel.
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
        let doubling = Tensor::from_vec(weights, (4, 1, side, side), &Device::Cpu)?;
        Ok(Filter::Taps(Taps {
            halving: like(plane(&taps)?)?,
            doubling: like(doubling)?,
            n,
        }))
    }

    /// The number of zeros around images that are halved.
    pub(crate) fn padding(&self) -> usize {
        match self {
            Filter::Box => 0,
            Filter::Taps(taps) => taps.n - 1,
        }
    }

    /// Changes the size of images `(batch, channels, height, width)`.
    pub(crate) fn apply<V: Value>(&self, change: Resample, x: &V) -> Result<V> {
        match (self, change) {
            (Filter::Box, _) | (_, Resample::Keep) => change.apply(x),
            (Filter::Taps(taps), Resample::Halve) => taps.halve(x, self.padding()),
            (Filter::Taps(taps), Resample::Double) => taps.double(x),
        }
    }

    /// Halves images that are padded already.
    pub(crate) fn halve_padded<V: Value>(&self, x: &V) -> Result<V> {
        match self {
            Filter::Box => Resample::Halve.apply(x),
            Filter::Taps(taps) => taps.halve(x, 0),
        }
    }
}

impl Taps {
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

    fn double<V: Value>(&self, x: &V) -> Result<V> {
        let [batch, channels, height, width] = dims(x.primal())?;
        let padded = Convolution::padded(self.n / 2);
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
