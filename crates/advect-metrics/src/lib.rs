//! Distances between samples, and other measures of their quality.
//!
//! | metric | compares |
//! | --- | --- |
//! | [`wasserstein2`], [`wasserstein1`] | two samples, exactly, by optimal transport |
//! | [`wasserstein2_weighted`], [`wasserstein1_weighted`] | two samples with weights |
//! | [`sliced_wasserstein2`] | two samples, along random directions |
//! | [`energy_distance`] | two samples |
//! | [`mmd2`], [`mmd2_weighted`] | two samples, by a Gaussian kernel |
//! | [`nearest_neighbour_two_sample`] | two samples, by whether their points can be told apart |
//! | [`nearest_neighbour_labels`] | samples with their classes, by the labels of their nearest neighbours |
//! | [`path_energy`], [`normalized_path_energy_error`] | the energy of trajectories; beside that of the cheapest possible ones |
//! | [`straightness`], [`field_straightness`] | trajectories with lines of constant speed between their ends |
//! | [`transport_cost`] | pairs of samples, by any function of their way |
//!
//! Image models are compared by features of their images, `(n, d)`; `advect-features` has networks that make them:
//!
//! | metric of features | tells |
//! | --- | --- |
//! | [`frechet_distance`], [`extrapolated_frechet_distance`], [`bootstrap_frechet_distance`] | the distance of means and covariances (FID), at infinitely many samples (FID∞), with a standard error |
//! | [`kernel_distance`], [`kernel_distance_by_blocks`] | the distance by a cubic kernel (KID), without bias |
//! | [`precision_recall`], [`density_coverage`] | fidelity and variety apart, by nearest neighbours |
//! | [`inception_score`] | how clear and how varied a classifier finds the images |
//! | [`FeatureStatistics`], [`GaussianMoments`] | mean and covariance, batch by batch, and their files |
//!
//! All of them are computed in f64 on the host, whatever the dtype and device of the samples.
//!
//! ```
//! use candle_core::{Device, Tensor};
//! # fn main() -> advect_core::Result<()> {
//! let x = Tensor::new(&[[0.0f32, 0.0], [1.0, 0.0]], &Device::Cpu)?;
//! let y = Tensor::new(&[[1.0f32, 3.0], [0.0, 3.0]], &Device::Cpu)?;
//! assert_eq!(advect_metrics::wasserstein2(&x, &y)?, 3.0);
//! # Ok(())
//! # }
//! ```

mod energy;
mod features;
mod linear_algebra;
mod mmd;
mod nearest_neighbour;
mod path_energy;
mod quantiles;
mod sample_mean;
mod scaled;
mod sliced;
mod straightness;
mod trajectories;
mod transport_cost;
mod wasserstein;

pub use energy::energy_distance;
pub use features::{
    BlockMean, DensityCoverage, ExtrapolatedFrechet, FeatureStatistics, FrechetBootstrap,
    GaussianMoments, PrecisionRecall, bootstrap_frechet_distance, density_coverage,
    extrapolated_frechet_distance, frechet_distance, inception_score, kernel_distance,
    kernel_distance_by_blocks, precision_recall,
};
pub use mmd::{median_bandwidth, mmd2, mmd2_weighted};
pub use nearest_neighbour::{nearest_neighbour_labels, nearest_neighbour_two_sample};
pub use path_energy::{normalized_path_energy_error, path_energy};
pub use sample_mean::SampleMean;
pub use sliced::sliced_wasserstein2;
pub use straightness::{field_straightness, straightness};
pub use transport_cost::transport_cost;
pub use wasserstein::{wasserstein1, wasserstein1_weighted, wasserstein2, wasserstein2_weighted};

use advect_transport::Points;

/// The mean of `f(|x_i − y_j|²)` over all pairs.
fn mean_between(x: &Points, y: &Points, f: impl Fn(f64) -> f64) -> f64 {
    sum_of_pairs(x, y, f) / (x.count() as f64 * y.count() as f64)
}

/// The mean of `f(|x_i − x_j|²)` over all pairs of different points.
fn mean_within(x: &Points, f: impl Fn(f64) -> f64) -> f64 {
    let n = x.count() as f64;
    (sum_of_pairs(x, x, &f) - n * f(0.0)) / (n * (n - 1.0))
}

fn sum_of_pairs(x: &Points, y: &Points, f: impl Fn(f64) -> f64) -> f64 {
    let mut row = vec![0.0; y.count()];
    let mut sum = 0.0;
    for i in 0..x.count() {
        x.squared_distances(y, i, &mut row);
        sum += row.iter().map(|&d| f(d)).sum::<f64>();
    }
    sum
}

/// Checks that clouds have at least two points each, as an average over pairs within a cloud needs.
fn at_least_two(x: &Points, y: &Points) -> advect_core::Result<()> {
    for (name, points) in [("x", x), ("y", y)] {
        if points.count() < 2 {
            return Err(advect_core::Error::range(
                name,
                "a batch of one sample",
                "a batch of at least two samples",
            ));
        }
    }
    Ok(())
}

/// Checks that a result did not overflow.
fn finite(argument: &'static str, value: f64) -> advect_core::Result<f64> {
    if value.is_finite() {
        return Ok(value);
    }
    let given = format!("a result of {value}");
    let accepted = "an argument for which the result is finite";
    Err(advect_core::Error::range(argument, given, accepted))
}
