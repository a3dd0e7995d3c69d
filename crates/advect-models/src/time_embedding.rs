//! How a network is told the time.

use std::f64::consts::PI;

use advect_core::{Result, Time, check, shape};
use candle_core::{DType, Device, Tensor};

/// Features of time that a network receives beside its state.
///
/// ```
/// use advect_core::Time;
/// use advect_models::TimeEmbedding;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::zeros((1, 2), DType::F64, &Device::Cpu)?;
/// let features = TimeEmbedding::Fourier { frequencies: 2 }.embed(&Time::Shared(1.0), &x)?;
/// let expected = [-1.0, 1.0, 0.0, 0.0]; // cos π, cos 2π, sin π, sin 2π
/// for (a, b) in features.flatten_all()?.to_vec1::<f64>()?.iter().zip(expected) {
///     assert!((a - b).abs() < 1e-15);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeEmbedding {
    /// t itself: one feature.
    Identity,
    /// `cos(kπt), sin(kπt)` for k = 1 … `frequencies`: a Fourier series on twice the unit interval, so
    /// that both ends differ.
    Fourier {
        /// The number of frequencies, half the number of features.
        frequencies: usize,
    },
}

impl TimeEmbedding {
    /// The number of features.
    pub fn dim(&self) -> usize {
        match self {
            TimeEmbedding::Identity => 1,
            TimeEmbedding::Fourier { frequencies } => 2 * frequencies,
        }
    }

    /// The features of each sample's time, `(batch, dim)`, with the batch size, dtype and device of `x`.
    /// Computed in f64; differentiable in times that are tracked.
    ///
    /// # Errors
    /// [`Error::Shape`](advect_core::Error::Shape) if there is not one time per sample.
    pub fn embed(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let batch = check::batch("x", x)?;
        t.fits(batch)?;
        let t = match t {
            Time::Shared(t) => Tensor::new(&[*t], &Device::Cpu)?,
            Time::PerSample(t) => t.to_dtype(DType::F64)?,
        };
        let t = shape::column(&t, 2)?;
        let features = match self {
            TimeEmbedding::Identity => t,
            TimeEmbedding::Fourier { frequencies } => {
                let omega: Vec<f64> = (1..=*frequencies).map(|k| PI * k as f64).collect();
                let phase =
                    t.broadcast_mul(&Tensor::from_vec(omega, (1, *frequencies), t.device())?)?;
                Tensor::cat(&[phase.cos()?, phase.sin()?], 1)?
            }
        };
        let features = features.to_dtype(x.dtype())?.to_device(x.device())?;
        Ok(features.broadcast_as((batch, self.dim()))?)
    }
}
