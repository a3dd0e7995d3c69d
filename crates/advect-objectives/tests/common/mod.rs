//! What the tests share: a mixture of Gaussians whose marginal fields are known, and a path's law when its source is
//! normal.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use advect_core::Generator;
use advect_core::testing::device;
use advect_paths::closed_form::{Covariance, GaussianMixture, Law};
use advect_paths::path::gamma::Gamma;
use advect_paths::schedule::Schedule;
use candle_core::{DType, Tensor};

/// Three Gaussians in the plane, of unit size together.
pub fn mixture() -> GaussianMixture {
    let means = [[0.8f64, 0.3], [-0.9, 0.4], [0.0, -1.0]];
    let means = Tensor::new(&means, device()).unwrap();
    let covariances = vec![
        Covariance::full(vec![0.2, 0.1, 0.1, 0.3]).unwrap(),
        Covariance::diagonal(vec![0.1, 0.4]).unwrap(),
        Covariance::isotropic(0.2).unwrap(),
    ];
    GaussianMixture::new(&[0.3, 0.4, 0.3], &means, covariances).unwrap()
}

/// Normal sources and targets of the mixture.
pub fn pairs(n: usize, rng: &mut Generator) -> (Tensor, Tensor) {
    let x0 = rng.normal((n, 2), DType::F64, device()).unwrap();
    let x1 = mixture().sample(n, DType::F64, device(), rng).unwrap();
    (x0, x1)
}

/// The affine path of the same marginals as `α x1 + σ x0 + γ z`, for normal x0: `σ² + γ²` is its noise's variance.
#[derive(Clone, Copy)]
pub struct Blurred<S, G>(pub S, pub G);

impl<S: Schedule, G: Gamma> Schedule for Blurred<S, G> {
    fn alpha(&self, t: f64) -> f64 {
        self.0.alpha(t)
    }
    fn sigma(&self, t: f64) -> f64 {
        self.0.sigma(t).hypot(self.1.gamma(t))
    }
    fn d_alpha(&self, t: f64) -> f64 {
        self.0.d_alpha(t)
    }
    fn d_sigma(&self, t: f64) -> f64 {
        self.sigma_d_sigma(t) / self.sigma(t)
    }
    fn sigma_d_sigma(&self, t: f64) -> f64 {
        self.0.sigma_d_sigma(t) + self.1.gamma(t) * self.1.d_gamma(t)
    }
}

/// The mean of a tensor.
pub fn mean(x: &Tensor) -> f64 {
    let x = x.to_dtype(DType::F64).unwrap();
    x.mean_all().unwrap().to_scalar().unwrap()
}
