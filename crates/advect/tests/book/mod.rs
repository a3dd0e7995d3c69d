//! The code of the book: what its chapters show, the answers to their exercises, and the checks of its formulas.
//!
//! `cargo test -p advect --test all book` runs all of it. The pages include the parts between `ANCHOR` comments.

mod adjoint;
mod bridges;
mod classics;
mod coming_from;
mod diffusion;
mod few_steps;
mod flows;
mod interpolants;
mod likelihood;
mod matching;
mod misprints;
mod pages;
mod rectified;
mod score;
mod sdes;
mod snapshots;

use advect::prelude::*;

// ANCHOR: two_peaks
/// Two Gaussians of unequal weights in the plane.
fn two_peaks() -> Result<GaussianMixture> {
    let means = Tensor::new(&[[-2.0, 0.0], [2.0, 1.0]], &Device::Cpu)?;
    GaussianMixture::new(&[0.3, 0.7], &means, vec![Covariance::isotropic(0.25)?; 2])
}
// ANCHOR_END: two_peaks

// ANCHOR: linear
/// The field `x ↦ A x`, with its derivative.
struct LinearField(Tensor);

impl LinearField {
    fn new<const D: usize>(a: &[[f64; D]; D]) -> Result<Self> {
        Ok(LinearField(
            Tensor::new(a, &Device::Cpu)?.t()?.contiguous()?,
        ))
    }
}

impl Field for LinearField {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        Ok(x.matmul(&self.0)?)
    }
}

impl Jvp for LinearField {
    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.at(t, x)?, self.at(t, dx)?))
    }
}
// ANCHOR_END: linear

// ANCHOR: helpers
/// A normal law `N(mean, variance)` of numbers.
fn gaussian(mean: f64, variance: f64) -> Result<Gaussian> {
    Gaussian::new(
        &Tensor::new(&[mean], &Device::Cpu)?,
        Covariance::isotropic(variance)?,
    )
}

/// The sum of the elements, for tensors of one element its value.
fn number(x: &Tensor) -> Result<f64> {
    Ok(x.sum_all()?.to_scalar::<f64>()?)
}

/// The mean of the elements.
fn mean(x: &Tensor) -> Result<f64> {
    Ok(x.mean_all()?.to_scalar::<f64>()?)
}

/// The variance of the elements around their mean.
fn variance(x: &Tensor) -> Result<f64> {
    mean(&(x - mean(x)?)?.sqr()?)
}

/// The elements, in order.
fn values(x: &Tensor) -> Result<Vec<f64>> {
    Ok(x.flatten_all()?.to_vec1()?)
}

/// Fails unless two numbers differ by less than a tolerance.
#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64) {
    let difference = (found - expected).abs();
    assert!(
        difference < tolerance,
        "{found} instead of {expected}, {difference} off"
    );
}

/// A solver of good accuracy.
fn accurate() -> Result<Solver<Dopri5, Adaptive>> {
    Ok(Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9)?))
}

/// Standard normal numbers `(count, dim)`.
fn normal(count: usize, dim: usize, rng: &mut Generator) -> Result<Tensor> {
    rng.normal((count, dim), DType::F64, &Device::Cpu)
}
// ANCHOR_END: helpers
