//! Features of images, for comparisons of generative models: networks whose hidden values take the place of pixels in the metrics of
//! `advect-metrics`.
//!
//! | extractor | for | features |
//! | --- | --- | --- |
//! | [`InceptionV3`] | any images; the FID, the KID and the Inception score of papers | 2048, logits 1008 |
//! | [`Classifier`] | grey images of 28 × 28 pixels, trained on MNIST or Fashion-MNIST and shipped with the crate | 64, logits 10 |
//!
//! Distances by different extractors have nothing to do with each other: those by a [`Classifier`] compare with such distances only, never
//! with a FID of the literature. The weights of Inception-v3 are not shipped.
//!
//! ```
//! use advect_features::{Classifier, FeatureExtractor};
//! use advect_metrics::frechet_distance;
//! use candle_core::{DType, Device, Tensor};
//! # fn main() -> advect_core::Result<()> {
//! let classifier = Classifier::mnist(&Device::Cpu)?;
//! let images = Tensor::zeros((3, 1, 28, 28), DType::U8, &Device::Cpu)?;
//! assert_eq!(classifier.features(&images)?.dims(), [3, 64]);
//! // Of 3 images in 64 dimensions no distance can be told.
//! let features = classifier.features(&images)?;
//! assert!(frechet_distance(&features, &features).is_err());
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod classifier;
mod feature_extractor;
mod inception;
mod resize;

pub use classifier::Classifier;
pub use feature_extractor::FeatureExtractor;
pub use inception::{InceptionV3, Preprocessing};

use advect_core::{Error, Result, check};
use candle_core::{DType, Tensor};

/// Checks that images are bytes `(n, channels, height, width)`, with one of these numbers of channels. Returns n.
fn check_images(images: &Tensor, channels: &[usize]) -> Result<usize> {
    let count = check::batch("images", images)?;
    if images.dtype() != DType::U8 {
        return Err(Error::dtype("images", images.dtype(), "u8"));
    }
    match images.rank() == 4 && channels.contains(&images.dims()[1]) {
        true => Ok(count),
        false => {
            let accepted = format!("(n, channels, height, width) with channels in {channels:?}");
            Err(Error::shape("images", images.dims(), accepted))
        }
    }
}
