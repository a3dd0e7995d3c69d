//! Changes of the size of images.

use advect_core::Result;
use advect_nn::{ConvolutionLayer, Cost, ResamplingFilter};
use advect_ops::{Convolution, Value, avg_pool, upsample_nearest};
use candle_core::Tensor;
use candle_nn::VarBuilder;

/// A change of size without parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resample {
    Keep,
    /// The means of four pixels each.
    Halve,
    /// Each pixel four times.
    Double,
    /// By the filter of four taps of Song et al. 2021.
    FirHalve,
    FirDouble,
}

impl Resample {
    pub(crate) fn apply<V: Value>(self, x: &V) -> Result<V> {
        match self {
            Resample::Keep => Ok(x.clone()),
            Resample::Halve => avg_pool(x, 2),
            Resample::Double => upsample_nearest(x, 2),
            Resample::FirHalve => fir(x.primal())?.halve(x),
            Resample::FirDouble => fir(x.primal())?.double(x),
        }
    }

    /// Changes a size.
    pub(crate) fn resize(self, size: &mut [usize]) {
        for size in size {
            match self {
                Resample::Keep => {}
                Resample::Halve | Resample::FirHalve => *size /= 2,
                Resample::Double | Resample::FirDouble => *size = size.saturating_mul(2),
            }
        }
    }
}

/// The filter of four taps, for images like x.
fn fir(x: &Tensor) -> Result<ResamplingFilter> {
    ResamplingFilter::new(&[1.0, 3.0, 3.0, 1.0], x.dtype(), x.device())
}

/// A convolution that sees every second place of 3 × 3 pixels.
#[derive(Debug, Clone)]
pub(crate) struct Halving {
    layer: ConvolutionLayer,
    padding: usize,
}

impl Halving {
    /// Creates a layer with parameters `conv.…`. Without padding, zeros are put below and to the right only.
    pub(crate) fn new(channels: usize, padding: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        let halves = Convolution {
            stride: [2, 2],
            ..Convolution::padded(padding)
        };
        let builder = builder.pp("conv");
        Ok(Halving {
            layer: ConvolutionLayer::new(channels, channels, &[3, 3], halves, &builder)?,
            padding,
        })
    }

    pub(crate) fn forward<V: Value>(&self, x: &V) -> Result<V> {
        if self.padding > 0 {
            return self.layer.forward(x);
        }
        let wide = |x: &Tensor| Ok(x.pad_with_zeros(2, 0, 1)?.pad_with_zeros(3, 0, 1)?);
        self.layer.forward(&x.map_linear(wide)?)
    }

    pub(crate) fn cost(&self, size: &mut [usize]) -> Cost {
        let more = usize::from(self.padding == 0);
        size.iter_mut().for_each(|size| *size += more);
        self.layer.cost(size)
    }
}

/// Each pixel four times, and a convolution with 3 × 3 pixels.
#[derive(Debug, Clone)]
pub(crate) struct Doubling {
    layer: ConvolutionLayer,
}

impl Doubling {
    /// Creates a layer with parameters `conv.…`.
    pub(crate) fn new(channels: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        let (padded, builder) = (Convolution::padded(1), builder.pp("conv"));
        let layer = ConvolutionLayer::new(channels, channels, &[3, 3], padded, &builder)?;
        Ok(Doubling { layer })
    }

    pub(crate) fn forward<V: Value>(&self, x: &V) -> Result<V> {
        self.layer.forward(&Resample::Double.apply(x)?)
    }

    pub(crate) fn cost(&self, size: &mut [usize]) -> Cost {
        Resample::Double.resize(size);
        self.layer.cost(size)
    }
}
