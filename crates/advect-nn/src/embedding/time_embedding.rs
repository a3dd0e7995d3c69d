//! Time as input of a network.

use advect_core::{Error, Result, Time, check, shape};
use advect_ops::{Dual, Value, fourier_frequencies, sinusoidal_frequencies, sinusoids};
use candle_core::{DType, Tensor};

use super::TimeFeatures;
use super::time_features::{by_tensor, embed, like};

/// Features of time that a network receives in addition to its state.
///
/// ```
/// use advect_nn::TimeEmbedding;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::zeros((1, 2), DType::F64, &Device::Cpu)?;
/// let features = TimeEmbedding::Fourier { frequencies: 2 }.embed(&Tensor::new(&[1f64], &Device::Cpu)?, &x)?;
/// let expected = [-1.0, 1.0, 0.0, 0.0]; // cos π, cos 2π, sin π, sin 2π
/// for (a, b) in features.flatten_all()?.to_vec1::<f64>()?.iter().zip(expected) {
///     assert!((a - b).abs() < 1e-15);
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "timestep_embedding")]
#[doc(alias = "positional encoding")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeEmbedding {
    /// No features: the network does not depend on time.
    None,
    /// One feature: t itself.
    Identity,
    /// `cos(kπt), sin(kπt)` for k = 1 … `frequencies`: a Fourier series on twice the unit interval, so that both ends
    /// differ.
    #[doc(alias = "Fourier features")]
    Fourier {
        /// The number of frequencies, half the number of features; 1 to 2¹⁹.
        frequencies: usize,
    },
    /// `cos(ω_k t)`, then `sin(ω_k t)`, for `ω_k = 10000^(−k / n)`, k = 0 … n − 1, n half the number of features; a last
    /// one, if that is odd, is 0 (Vaswani et al. 2017, section 3.5; the order and the n of the exponent are those of Dhariwal and
    /// Nichol's code. That of Ho et al. 2020 has sines first, and n − 1).
    #[doc(alias = "positional encoding")]
    #[doc(alias = "timestep_embedding")]
    Sinusoidal {
        /// The number of features, 2 to 2²⁰.
        features: usize,
    },
}

/// The most features of time.
const MOST: usize = 1 << 20;

impl TimeEmbedding {
    /// Returns the number of features.
    pub fn dim(&self) -> usize {
        match self {
            TimeEmbedding::None => 0,
            TimeEmbedding::Identity => 1,
            TimeEmbedding::Fourier { frequencies } => frequencies.saturating_mul(2),
            TimeEmbedding::Sinusoidal { features } => *features,
        }
    }

    /// Returns the features of times `(1,)` or `(batch,)` in f64, as a [`Network`](crate::Network) gets them: `(1,
    /// dim)` or `(batch, dim)`, with the dtype and device of `x`. They are computed in f64, and differentiable in times
    /// that are tracked.
    ///
    /// # Errors
    /// [`Error::DType`] unless `x` is a float, [`Error::Range`] for a number of features out of its range.
    pub fn embed<V: Value>(&self, t: &V, x: &Tensor) -> Result<V> {
        embed(self, t, x)
    }

    /// The features in f64.
    fn features<V: Value>(&self, t: &V) -> Result<V> {
        self.check()?;
        match self {
            TimeEmbedding::None => t.map_linear(|t| Ok(t.unsqueeze(1)?.narrow(1, 0, 0)?)),
            TimeEmbedding::Identity => t.map_linear(|t| shape::column(t, 2)),
            TimeEmbedding::Fourier { frequencies } => {
                sinusoids(t, &fourier_frequencies(*frequencies)?)
            }
            TimeEmbedding::Sinusoidal { features } => {
                let pairs = sinusoids(t, &sinusoidal_frequencies(features / 2, 10_000.0)?)?;
                let odd = features % 2;
                pairs.map_linear(|y| Ok(y.pad_with_zeros(1, 0, odd)?))
            }
        }
    }
}

impl TimeFeatures for TimeEmbedding {
    fn dim(&self) -> usize {
        TimeEmbedding::dim(self)
    }

    fn check(&self) -> Result<()> {
        let (argument, given, range) = match *self {
            TimeEmbedding::None | TimeEmbedding::Identity => return Ok(()),
            TimeEmbedding::Fourier { frequencies } => ("frequencies", frequencies, 1..=MOST / 2),
            TimeEmbedding::Sinusoidal { features } => ("features", features, 2..=MOST),
        };
        match range.contains(&given) {
            true => Ok(()),
            false => {
                let accepted = format!("a number from {} to {}", range.start(), range.end());
                Err(Error::range(argument, given, accepted))
            }
        }
    }

    fn of(&self, t: &Tensor) -> Result<Tensor> {
        self.features(t)
    }

    fn of_like(&self, t: &Tensor, x: &Tensor) -> Result<Tensor> {
        let plain = t.rank() == 1 && t.dtype() == DType::F64 && !t.track_op();
        if *self == TimeEmbedding::Identity && plain && x.dtype() == DType::F32 {
            // One tensor in place of three: small networks are evaluated in little more time than that.
            let column: Vec<f32> = t.to_vec1::<f64>()?.into_iter().map(|t| t as f32).collect();
            return Ok(Tensor::from_vec(column, (t.dims()[0], 1), x.device())?);
        }
        like(self.features(t)?, x)
    }

    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        match *t {
            // A single number is one small tensor, and needs no conversion.
            Time::Shared(t)
                if *self == TimeEmbedding::Identity && x.dtype() == DType::F32 && t.is_finite() =>
            {
                check::batch("x", x)?;
                Ok(Tensor::from_vec(vec![t as f32], (1, 1), x.device())?)
            }
            _ => by_tensor(self, t, x),
        }
    }

    fn of_dual(&self, t: &Dual) -> Result<Dual> {
        self.features(t)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn absurd_sizes_and_dtypes_are_refused() {
        let x = Tensor::zeros((2, 2), DType::F32, &Device::Cpu).unwrap();
        let t = Tensor::new(&[0.5f64], &Device::Cpu).unwrap();
        let moving = Dual::new(t.clone(), t.clone()).unwrap();
        let sizes = [0, MOST + 1, 1 << 62, usize::MAX];
        let embeddings = sizes.into_iter().flat_map(|size| {
            let features = if size == 0 { 1 } else { size };
            [
                TimeEmbedding::Fourier { frequencies: size },
                TimeEmbedding::Sinusoidal { features },
            ]
        });
        for embedding in embeddings {
            let (plain, dual) = (embedding.embed(&t, &x), embedding.embed(&moving, &x));
            assert!(matches!(plain, Err(Error::Range { .. })), "{embedding:?}");
            assert!(matches!(dual, Err(Error::Range { .. })), "{embedding:?}");
            assert!(
                matches!(embedding.check(), Err(Error::Range { .. })),
                "{embedding:?}"
            );
        }
        let integers = x.to_dtype(DType::U32).unwrap();
        for embedding in [
            TimeEmbedding::Identity,
            TimeEmbedding::Fourier { frequencies: 2 },
        ] {
            let error = embedding.embed(&t, &integers).unwrap_err();
            assert!(matches!(error, Error::DType { argument, .. } if argument == "x"));
        }
    }
}
