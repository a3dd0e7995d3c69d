//! Random features of noise (Karras et al. 2024, eq. 75).

use std::f64::consts::{SQRT_2, TAU};

use advect_core::Result;
use advect_nn::buffer;
use advect_ops::{Value, sinusoids};
use candle_core::{DType, Device, Tensor};
use candle_nn::{Init, VarBuilder};

/// The features `√2 cos(ω_k c + φ_k)`, whose squares have a mean of 1.
#[derive(Debug, Clone)]
pub(super) struct Fourier {
    frequencies: Tensor,
    phases: Tensor,
}

impl Fourier {
    /// Frequencies are normal with a standard deviation of 2π, phases uniform. A state may have others.
    pub(super) fn new(features: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        let normal = Init::Randn {
            mean: 0.0,
            stdev: TAU,
        };
        let turn = Init::Uniform { lo: 0.0, up: TAU };
        Ok(Fourier {
            frequencies: buffer(features, "freqs", normal, builder)?,
            phases: buffer(features, "phases", turn, builder)?,
        })
    }

    /// The features of labels `(n,)`, with the dtype and device of another tensor: `(n, features)`.
    pub(super) fn of<V: Value>(&self, labels: &V, like: &Tensor) -> Result<V> {
        let wide = |x: &Tensor| x.to_device(&Device::Cpu)?.to_dtype(DType::F64);
        let frequencies = wide(&self.frequencies)?.to_vec1::<f64>()?;
        let phases = wide(&self.phases)?.reshape((1, ()))?;
        // cos(a + φ) = cos φ cos a − sin φ sin a.
        let (cosines, sines) = (phases.cos()?, phases.sin()?);
        let count = frequencies.len();
        sinusoids(labels, &frequencies)?.map_linear(|waves| {
            let cosines = waves.narrow(1, 0, count)?.broadcast_mul(&cosines)?;
            let sines = waves.narrow(1, count, count)?.broadcast_mul(&sines)?;
            let features = ((cosines - sines)? * SQRT_2)?;
            Ok(features.to_dtype(like.dtype())?.to_device(like.device())?)
        })
    }
}
