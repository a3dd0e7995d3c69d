//! Draws of binary units.

use advect_core::{Generator, Result};
use candle_core::{CpuStorage, DType, Device, Storage, Tensor};
use rand_distr::StandardUniform;

/// Draws ones with the given probabilities, and zeros otherwise: a one where a uniform number, rounded down to the precision of the probabilities, is less than
/// the probability.
pub(crate) fn bernoulli(probabilities: &Tensor, rng: &mut Generator) -> Result<Tensor> {
    let p = probabilities.detach();
    if p.device().is_cpu() && matches!(p.dtype(), DType::F32 | DType::F64) {
        return on_host(&p.contiguous()?, rng);
    }
    let uniform = rng.uniform(0.0..1.0, p.shape(), p.dtype(), p.device())?;
    Ok(uniform.lt(&p)?.to_dtype(p.dtype())?)
}

/// The same in one pass.
fn on_host(p: &Tensor, rng: &mut Generator) -> Result<Tensor> {
    let (storage, layout) = p.storage_and_layout();
    let range = match layout.contiguous_offsets() {
        Some((start, end)) => start..end,
        None => return Ok(p.zeros_like()?),
    };
    let shape = p.shape();
    match &*storage {
        Storage::Cpu(CpuStorage::F32(p)) => {
            // Uniform numbers of 24 bits: ⌊2²⁴ u⌋ is below 2²⁴ p where 2²⁴ u is below ⌈2²⁴ p⌉, which needs neither a branch nor a call.
            const SCALE: f64 = 16_777_216.0;
            /// To add it and to subtract it rounds numbers below 2⁵¹ to whole ones.
            const LARGE: f64 = 6_755_399_441_055_744.0;
            // (Choices, which become vector instructions; numbers made of truth values would not.)
            let draw = |u: f64, p: f32| {
                let p = f64::from(p) * SCALE;
                let nearest = (p + LARGE) - LARGE;
                let above = if nearest < p { nearest + 1.0 } else { nearest };
                if u * SCALE < above { 1.0f32 } else { 0.0 }
            };
            let drawn = rng.values_with(&StandardUniform, &p[range], draw)?;
            Ok(Tensor::from_vec(drawn, shape, &Device::Cpu)?)
        }
        Storage::Cpu(CpuStorage::F64(p)) => {
            let draw = |u: f64, p: f64| if u < p { 1.0f64 } else { 0.0 };
            let drawn = rng.values_with(&StandardUniform, &p[range], draw)?;
            Ok(Tensor::from_vec(drawn, shape, &Device::Cpu)?)
        }
        _ => Ok(p.zeros_like()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The draws are those of uniform numbers of the dtype, at ends and beside them too.
    #[test]
    fn as_uniform_numbers_are_drawn() -> Result<()> {
        let p = Generator::from_seed(0).uniform(0.0..1.0, (3, 7001), DType::F64, &Device::Cpu)?;
        for dtype in [DType::F32, DType::F64] {
            let own = Generator::from_seed(1).uniform(0.0..1.0, (3, 7001), dtype, &Device::Cpu)?;
            let p = p.to_dtype(dtype)?;
            let ends = [p.zeros_like()?, p.ones_like()?, (&p * f64::NAN)?];
            let views = [p.t()?, p.narrow(1, 5, 100)?, p.narrow(1, 0, 0)?];
            for p in [p, own.clone(), (own * (1.0 + 1e-7))?]
                .iter()
                .chain(&ends)
                .chain(&views)
            {
                let drawn = bernoulli(p, &mut Generator::from_seed(1))?;
                let mut rng = Generator::from_seed(1);
                let uniform = rng.uniform(0.0..1.0, p.shape(), dtype, &Device::Cpu)?;
                let expected = uniform.lt(p)?.to_dtype(dtype)?;
                assert_eq!(drawn.dims(), p.dims());
                let numbers = |x: &Tensor| x.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>();
                assert_eq!(numbers(&drawn)?, numbers(&expected)?);
            }
        }
        Ok(())
    }
}
