//! Two-dimensional toy distributions.
//!
//! | distribution | looks like |
//! | --- | --- |
//! | [`EightGaussians`] | eight blobs on a circle |
//! | [`TwoMoons`] | two interleaved half circles |
//! | [`Checkerboard`] | the dark squares of a board |
//! | [`Spirals`] | two spiral arms |
//! | [`Pinwheel`] | bent arms around a centre |
//! | [`Rings`] | circles within circles |
//! | [`SwissRoll`] | one rolled-up line |
//! | [`SCurve`] | an S |

mod checkerboard;
#[cfg(test)]
mod contract;
mod eight_gaussians;
mod pinwheel;
mod rings;
mod s_curve;
mod spirals;
mod swiss_roll;
mod two_moons;

use advect_core::{Generator, Result, check};
use candle_core::{DType, Device, Tensor};
use rand_distr::{Distribution, StandardNormal, StandardUniform};

pub use checkerboard::Checkerboard;
pub use eight_gaussians::EightGaussians;
pub use pinwheel::Pinwheel;
pub use rings::Rings;
pub use s_curve::SCurve;
pub use spirals::Spirals;
pub use swiss_roll::SwissRoll;
pub use two_moons::TwoMoons;

/// The source of the numbers of one sample.
pub type Rng<'a> = &'a mut dyn rand::Rng;

/// A distribution of points in the plane.
///
/// Your own distribution is one impl:
///
/// ```
/// use advect_core::{Generator, Result};
/// use advect_data::toy::{Rng, Toy, uniform};
/// use candle_core::{DType, Device};
///
/// /// Uniform on two line segments.
/// struct Equals;
///
/// impl Toy for Equals {
///     fn check(&self) -> Result<()> { Ok(()) }
///     fn point(&self, index: usize, rng: Rng<'_>) -> [f64; 2] {
///         [uniform(rng), (index % 2) as f64]
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let points = Equals.sample(10, DType::F32, &Device::Cpu, &mut Generator::from_seed(0))?;
/// assert_eq!(points.get(3)?.to_vec1::<f32>()?[1], 1.0);
/// # Ok(())
/// # }
/// ```
pub trait Toy {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for one outside its range.
    fn check(&self) -> Result<()>;

    /// One point, by parameters that [`Toy::check`] accepts. Distributions of several equal parts take them in turn by `index`, so that a sample
    /// holds each in equal numbers (±1); all else comes from `rng`.
    fn point(&self, index: usize, rng: Rng<'_>) -> [f64; 2];

    /// Returns `count` points, `(count, 2)`. Their order is not random where there are parts: see [`Toy::point`].
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0 points, more than fit the memory, or bad parameters; [`Error::DType`](advect_core::Error::DType) unless the dtype is a float;
    /// [`Error::NonFinite`](advect_core::Error::NonFinite) where parameters are so extreme that a point overflows.
    fn sample(
        &self,
        count: usize,
        dtype: DType,
        device: &Device,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        check::at_least_one("count", count)?;
        check::float_dtype("dtype", dtype)?;
        check::memory("count", &[count, 2], DType::F64)?;
        self.check()?;
        let mut stream = rng.stream();
        let points: Vec<f64> = (0..count)
            .flat_map(|i| self.point(i, &mut stream))
            .collect();
        let points = Tensor::from_vec(points, (count, 2), &Device::Cpu)?.to_dtype(dtype)?;
        // Extreme parameters can overflow, above all in narrow dtypes.
        check::finite("points", &points)?;
        Ok(points.to_device(device)?)
    }
}

/// Returns a uniform number in [0, 1).
pub fn uniform(rng: Rng<'_>) -> f64 {
    StandardUniform.sample(rng)
}

/// Returns a standard normal number.
pub fn normal(rng: Rng<'_>) -> f64 {
    StandardNormal.sample(rng)
}

/// A point plus normal noise of standard deviation `std` in both coordinates.
fn blur([x, y]: [f64; 2], std: f64, rng: Rng<'_>) -> [f64; 2] {
    [x + std * normal(rng), y + std * normal(rng)]
}
