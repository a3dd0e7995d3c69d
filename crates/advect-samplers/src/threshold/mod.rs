//! Thresholds: bounds on the expected data, which guidance may drive out of the data's range.
//!
//! | threshold | bounds |
//! | --- | --- |
//! | [`StaticThreshold`] | each element to \[−c, c\] |
//! | [`DynamicThreshold`] | each sample to a percentile of its absolute values, and scales it back to \[−c, c\] |

mod dynamic_threshold;
mod static_threshold;

use advect_core::{Field, Result, Time, check, forward_to};
use candle_core::Tensor;

pub use dynamic_threshold::DynamicThreshold;
pub use static_threshold::StaticThreshold;

/// A bound on data.
#[doc(alias = "clip_denoised")]
pub trait Threshold {
    /// Returns the bounded data, in the same shape.
    ///
    /// # Errors
    /// [`Error::DType`](advect_core::Error::DType) unless the data is a float; the errors of candle.
    fn apply(&self, data: &Tensor) -> Result<Tensor>;
}

forward_to!([] Threshold {
    fn apply(&self, data: &Tensor) -> Result<Tensor>;
});

/// A field of [`Prediction::Data`](advect_paths::Prediction::Data) with a [`Threshold`], which has the same
/// prediction. Noise and velocity then follow from the bounded data.
///
/// ```
/// use advect_core::{Field, Generator, Time, field_fn};
/// use advect_paths::{Prediction, schedule::Cosine};
/// use advect_samplers::grid::UniformTime;
/// use advect_samplers::rule::{Ddim, Rule};
/// use advect_samplers::threshold::{StaticThreshold, Thresholded};
/// use advect_samplers::{Model, Sampler};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // A network that predicts v, and goes too far.
/// let net = field_fn(|t, x| Ok((x - 9.0)?));
/// let denoiser = Prediction::V.field(&net, Prediction::Data, &Cosine);
/// let bounded = Thresholded::new(&denoiser, StaticThreshold::new(1.0)?);
/// let model = Model::new(&bounded, Prediction::Data, &Cosine);
/// let x0 = Tensor::new(&[[0.5f64, -2.0]], &Device::Cpu)?;
/// let x = Ddim::new().on(UniformTime::new(8)?).sample(&model, &x0, &mut Generator::from_seed(0))?;
/// assert_eq!(x.to_vec2::<f64>()?, [[1.0, 1.0]]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholded<F, T> {
    denoiser: F,
    threshold: T,
}

impl<F: Field, T: Threshold> Thresholded<F, T> {
    /// Creates a field from a denoiser and a threshold.
    pub fn new(denoiser: F, threshold: T) -> Self {
        Thresholded {
            denoiser,
            threshold,
        }
    }
}

impl<F: Field, T: Threshold> Field for Thresholded<F, T> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        check::float("x", x)?;
        let data = self.denoiser.at(t, x)?;
        check::alike("field", &data, "x", x)?;
        // A bound would hide what is not finite.
        check::finite("field", &data)?;
        self.threshold.apply(&data)
    }

    fn condition(&self) -> Option<&Tensor> {
        self.denoiser.condition()
    }
}
