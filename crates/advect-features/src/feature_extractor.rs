//! Networks that extract features of images.

use advect_core::{Result, check};
use advect_metrics::FeatureStatistics;
use candle_core::Tensor;

/// A network that extracts features of images: numbers whose distances measure dissimilarity, as distances of pixels do
/// not.
///
/// Images are bytes, as in their files: what a model generates is rounded to them first, by `Normalization::bytes` of `advect-data`. This is how the
/// metrics of papers are defined, and the rounding changes them.
///
/// ```
/// use advect_features::FeatureExtractor;
/// use candle_core::{DType, Device, Tensor};
///
/// /// The mean brightness of each channel.
/// struct Brightness;
/// impl FeatureExtractor for Brightness {
///     fn features(&self, images: &Tensor) -> advect_core::Result<Tensor> {
///         Ok(images.to_dtype(DType::F32)?.mean((2, 3))?)
///     }
/// }
///
/// # fn main() -> advect_core::Result<()> {
/// let images = Tensor::new(&[[[[0u8, 10]]], [[[50, 50]]], [[[0, 0]]]], &Device::Cpu)?;
/// assert_eq!(Brightness.features_by(&images, 2)?.to_vec2::<f32>()?, [[5.0], [50.0], [0.0]]);
/// assert_eq!(Brightness.statistics(&images, 2)?.count(), 3);
/// # Ok(())
/// # }
/// ```
pub trait FeatureExtractor {
    /// Returns the features `(n, d)` of images `(n, channels, height, width)`, u8.
    ///
    /// # Errors
    /// [`Error::DType`](advect_core::Error::DType) unless the images are bytes, [`Error::Shape`](advect_core::Error::Shape) unless their shape is one that the
    /// network takes.
    fn features(&self, images: &Tensor) -> Result<Tensor>;

    /// Returns the features of images, computed from `batch` of them at a time.
    ///
    /// # Errors
    /// As [`FeatureExtractor::features`]; [`Error::Range`](advect_core::Error::Range) for a batch of 0.
    fn features_by(&self, images: &Tensor, batch: usize) -> Result<Tensor> {
        let mut parts = Vec::new();
        each_batch(images, batch, |images| {
            parts.push(self.features(images)?);
            Ok(())
        })?;
        Ok(Tensor::cat(&parts, 0)?)
    }

    /// Returns mean and covariance of the features of images, computed from `batch` of them at a time: all that a Fréchet distance needs, without
    /// the features themselves.
    ///
    /// # Errors
    /// As [`FeatureExtractor::features_by`].
    fn statistics(&self, images: &Tensor, batch: usize) -> Result<FeatureStatistics> {
        let mut statistics: Option<FeatureStatistics> = None;
        each_batch(images, batch, |images| {
            let features = self.features(images)?;
            match &mut statistics {
                Some(statistics) => statistics.add(&features)?,
                None => statistics = Some(FeatureStatistics::of(&features)?),
            }
            Ok(())
        })?;
        // There is a batch, as there are images.
        statistics.map_or_else(|| FeatureStatistics::new(1), Ok)
    }
}

fn each_batch(
    images: &Tensor,
    batch: usize,
    mut f: impl FnMut(&Tensor) -> Result<()>,
) -> Result<()> {
    check::at_least_one("batch", batch)?;
    let count = check::batch("images", images)?;
    (0..count)
        .step_by(batch)
        .try_for_each(|first| f(&images.narrow(0, first, batch.min(count - first))?))
}
