//! Features of the noise label.

use std::f64::consts::TAU;

use advect_core::Result;
use advect_nn::buffer;
use advect_ops::{Value, sinusoidal_frequencies, sinusoids};
use candle_core::{DType, Device, Tensor};
use candle_nn::{Init, VarBuilder};

/// The features of noise that a [`SongUNet`](crate::SongUNet) computes: sines and cosines of its noise label.
#[doc(alias = "embedding_type")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum NoiseEmbedding {
    /// Frequencies from 1 to 1/10,000, both of which occur: DDPM++'s.
    #[doc(alias = "PositionalEmbedding")]
    #[default]
    Positional,
    /// Frequencies `2π z`, where z is normal with a standard deviation of 16, drawn when the network is created:
    /// NCSN++'s (Tancik et al. 2020, eq. 4).
    #[doc(alias = "FourierEmbedding")]
    #[doc(alias = "GaussianFourierProjection")]
    Fourier,
}

/// The sines and cosines of a network.
#[derive(Debug, Clone)]
pub(super) enum Waves {
    /// Sines come before cosines.
    Fixed(Vec<f64>),
    /// Cosines come before sines.
    CosinesFirst(Vec<f64>),
    /// Numbers of turns, which a state may replace; sines come first.
    Random(Tensor),
}

impl Waves {
    /// Song's.
    pub(super) fn song(
        kind: NoiseEmbedding,
        features: usize,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let count = features / 2;
        match kind {
            NoiseEmbedding::Positional => {
                // 10000^(−k / (n − 1)): the last one is the lowest.
                let steps = count.saturating_sub(1).max(1) as f64;
                let longest = 10_000f64.powf(count as f64 / steps);
                Ok(Waves::Fixed(sinusoidal_frequencies(count, longest)?))
            }
            NoiseEmbedding::Fourier => {
                let law = Init::Randn {
                    mean: 0.0,
                    stdev: 16.0,
                };
                let here = builder.pp("map_noise");
                Ok(Waves::Random(buffer(count, "freqs", law, &here)?))
            }
        }
    }

    /// Dhariwal's.
    pub(super) fn dhariwal(features: usize) -> Result<Self> {
        let frequencies = sinusoidal_frequencies(features / 2, 10_000.0)?;
        Ok(Waves::CosinesFirst(frequencies))
    }

    /// The features of labels `(1,)` or `(batch,)`, `(1, n)` or `(batch, n)`, with the dtype and device of x.
    pub(super) fn of<V: Value>(&self, labels: &V, x: &Tensor) -> Result<V> {
        let like =
            |y: &Tensor| -> Result<Tensor> { Ok(y.to_dtype(x.dtype())?.to_device(x.device())?) };
        let waves = match self {
            Waves::Fixed(frequencies) | Waves::CosinesFirst(frequencies) => {
                sinusoids(labels, frequencies)?
            }
            Waves::Random(turns) => {
                let turns = turns.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
                let frequencies: Vec<f64> = (turns.to_vec1::<f64>()?.iter())
                    .map(|turns| TAU * turns)
                    .collect();
                sinusoids(labels, &frequencies)?
            }
        };
        if matches!(self, Waves::CosinesFirst(_)) {
            return waves.map_linear(like);
        }
        waves.map_linear(|y| {
            let count = y.dims()[1] / 2;
            let (cosines, sines) = (y.narrow(1, 0, count)?, y.narrow(1, count, count)?);
            like(&Tensor::cat(&[sines, cosines], 1)?)
        })
    }
}
