//! Measures of sets of features, `(n, d)`, for comparisons of image models.

mod block_mean;
mod density_coverage;
mod extrapolated;
mod feature_statistics;
mod frechet;
mod gaussian_moments;
mod inception_score;
mod kernel_distance;
mod neighbourhoods;
mod precision_recall;

pub use block_mean::BlockMean;
pub use density_coverage::{DensityCoverage, density_coverage};
pub use extrapolated::{ExtrapolatedFrechet, extrapolated_frechet_distance};
pub use feature_statistics::FeatureStatistics;
pub use frechet::{FrechetBootstrap, bootstrap_frechet_distance, frechet_distance};
pub use gaussian_moments::GaussianMoments;
pub use inception_score::inception_score;
pub use kernel_distance::{kernel_distance, kernel_distance_by_blocks};
pub use precision_recall::{PrecisionRecall, precision_recall};

use advect_core::{Error, Generator, Result, check};
use candle_core::{DType, Device, Tensor};

/// Features as rows, f64, on the host: finite, and of more than no dimensions.
fn rows(argument: &'static str, features: &Tensor) -> Result<Tensor> {
    let count = check::batch(argument, features)?;
    check::float(argument, features)?;
    check::finite(argument, features)?;
    let rows = features.detach().reshape((count, ()))?;
    Ok(rows.to_device(&Device::Cpu)?.to_dtype(DType::F64)?)
}

/// Two sets of features of the same dimension.
fn row_pair(
    (x_name, x): (&'static str, &Tensor),
    (y_name, y): (&'static str, &Tensor),
) -> Result<(Tensor, Tensor)> {
    let (x, y) = (rows(x_name, x)?, rows(y_name, y)?);
    let dim = x.dim(1)?;
    match y.dim(1)? == dim {
        true => Ok((x, y)),
        false => {
            let accepted = format!("(n, {dim}), features of the dimension of {x_name}");
            Err(Error::shape(y_name, y.dims(), accepted))
        }
    }
}

/// `size` different rows, drawn at random.
fn subset(rows: &Tensor, size: usize, rng: &mut Generator) -> Result<Tensor> {
    let order = rng.permutation(rows.dim(0)?, &Device::Cpu)?;
    Ok(rows.index_select(&order.narrow(0, 0, size)?, 0)?)
}
