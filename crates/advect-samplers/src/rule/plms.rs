//! Pseudo linear multistep (Liu et al., Pseudo numerical methods for diffusion models on manifolds, 2022, with the start that
//! Stable Diffusion made usual).

use advect_core::Result;
use candle_core::Tensor;

use super::Rule;
use crate::{Run, Transition};

/// DDIM's steps, `x' = (α'/α) x + (σ' − α' σ/α) e`, with the noise e extrapolated from up to four levels by the
/// weights of Adams and Bashforth for equal steps, and with Heun's method in the first step. The rule is of order 2,
/// for grids of equal steps, and is known as PNDM without its Runge–Kutta steps. It computes the data as a small
/// difference of large numbers, for which 16 bits are not enough.
///
/// ```
/// use advect_core::{Generator, field_fn};
/// use advect_paths::{Prediction, schedule::Cosine};
/// use advect_samplers::grid::Respaced;
/// use advect_samplers::rule::{Plms, Rule};
/// use advect_samplers::{Model, Sampler};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let sampler = Plms.on(Respaced::leading(1000, 50)?);
/// // The denoiser of data that is all 2.
/// let model = Model::new(field_fn(|_, x| Ok(x.affine(0.0, 2.0)?)), Prediction::Data, Cosine);
/// let noise = Tensor::new(&[[0.3f64, -1.0]], &Device::Cpu)?;
/// let x = sampler.sample(&model, &noise, &mut Generator::from_seed(0))?.to_vec2::<f64>()?;
/// assert!((x[0][0] - 2.0).abs() < 0.01 && (x[0][1] - 2.0).abs() < 0.01);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "PNDM")]
#[doc(alias = "PLMS")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plms;

/// Weights of the last noise, the one before, ….
const WEIGHTS: [&[f64]; 4] = [
    &[1.0],
    &[1.5, -0.5],
    &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
    &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
];

impl Rule for Plms {
    /// The noise of earlier levels, the latest first.
    type Memory = Vec<Tensor>;

    fn step(
        &self,
        run: &mut Run<'_>,
        memory: &mut Vec<Tensor>,
        transition: &Transition,
        x: &Tensor,
    ) -> Result<Tensor> {
        let (from, to) = (transition.from, transition.to);
        transition.requires_data()?;
        let of_x = to.alpha / from.alpha;
        let of_noise = to.sigma - of_x * from.sigma;
        let estimate = run.evaluate(from.time, x)?;
        memory.insert(0, estimate.noise()?);
        memory.truncate(WEIGHTS.len());
        if memory.len() == 1 && !to.is_clean() {
            let ahead = estimate.mix(0.0, of_noise, &[(of_x, x)])?;
            let second = run.evaluate(to.time, &ahead)?;
            let half = 0.5 * of_noise;
            return second.mix(0.0, half, &[(half, &memory[0]), (of_x, x)]);
        }
        let weights = WEIGHTS[memory.len() - 1].iter().zip(&*memory);
        let mut terms: Vec<_> = weights.map(|(w, e)| ((w * of_noise).into(), e)).collect();
        terms.push((of_x.into(), x));
        advect_ops::combine(&terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exact for polynomials through the last places: `Σ_k w_k (−k)^i = ∫₀¹ s^i ds`.
    #[test]
    fn weights_integrate_polynomials() {
        for weights in WEIGHTS {
            for i in 0..weights.len() as i32 {
                let places = weights.iter().zip(0..);
                let sum: f64 = places.map(|(w, k)| w * f64::from(-k).powi(i)).sum();
                assert!(
                    (sum - 1.0 / f64::from(i + 1)).abs() < 1e-14,
                    "{weights:?} {i}"
                );
            }
        }
    }
}
