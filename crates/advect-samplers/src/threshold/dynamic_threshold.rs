//! A bound that adapts to each sample (Saharia et al., Photorealistic text-to-image diffusion models with deep
//! language understanding, 2022, section 2.3).

use advect_core::{Coefficient, Error, Result, check};
use candle_core::{DType, Tensor};

use super::Threshold;

/// A dynamic threshold: each sample is clamped to \[−s, s\] and divided by s/c, where s is a percentile of its
/// absolute values, or c if that is more. Samples within \[−c, c\] stay as they are, and others don't saturate.
///
/// ```
/// use advect_samplers::threshold::{DynamicThreshold, Threshold};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // The median of the absolute values is 2.
/// let x = Tensor::new(&[[0.5f64, -2.0, 4.0], [0.1, 0.2, -0.3]], &Device::Cpu)?;
/// let bounded = DynamicThreshold::new(0.5)?.apply(&x)?;
/// assert_eq!(bounded.to_vec2::<f64>()?, [[0.25, -1.0, 1.0], [0.1, 0.2, -0.3]]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "dynamic thresholding")]
#[doc(alias = "Imagen")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DynamicThreshold {
    percentile: f64,
    limit: f64,
}

impl DynamicThreshold {
    /// Creates a threshold with a percentile as a part of 1, 0.995 in the paper, for data from −1 to 1.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is above 0 and at most 1.
    pub fn new(percentile: f64) -> Result<Self> {
        if !(percentile > 0.0 && percentile <= 1.0) {
            let accepted = "a number above 0 and at most 1";
            return Err(Error::range("percentile", percentile, accepted));
        }
        Ok(DynamicThreshold {
            percentile,
            limit: 1.0,
        })
    }

    /// Sets the limit c, for data from −c to c.
    ///
    /// # Errors
    /// [`Error::Range`] unless c is above 0.
    pub fn limit(self, limit: f64) -> Result<Self> {
        Ok(DynamicThreshold {
            limit: check::positive("limit", limit)?,
            ..self
        })
    }

    /// The percentile of values, interpolated linearly between the nearest two.
    fn quantile(&self, values: &mut [f64]) -> f64 {
        let place = self.percentile * (values.len() - 1) as f64;
        let below = place.floor() as usize;
        let (_, &mut low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
        let high = above.iter().copied().fold(f64::INFINITY, f64::min);
        match high.is_finite() {
            true => low + (place - below as f64) * (high - low),
            false => low,
        }
    }
}

impl Threshold for DynamicThreshold {
    fn apply(&self, data: &Tensor) -> Result<Tensor> {
        let batch = check::batch("data", data)?;
        check::float("data", data)?;
        let rows = data.detach().abs()?.reshape((batch, ()))?;
        let mut rows = rows.to_dtype(DType::F64)?.to_vec2::<f64>()?;
        let factor = |row: &mut Vec<f64>| self.limit / self.quantile(row).max(self.limit);
        let factors = Coefficient::PerSample(rows.iter_mut().map(factor).collect());
        Ok(factors.times(data)?.clamp(-self.limit, self.limit)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated() {
        let quantile = |p: f64, mut v: Vec<f64>| DynamicThreshold::new(p).unwrap().quantile(&mut v);
        assert_eq!(quantile(0.5, vec![4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(quantile(1.0, vec![4.0, 1.0, 3.0]), 4.0);
        assert!((quantile(0.9, vec![0.0, 1.0]) - 0.9).abs() < 1e-15);
        assert_eq!(quantile(0.3, vec![7.0]), 7.0);
    }

    #[test]
    fn bad_settings_are_refused() {
        for percentile in [0.0, 1.1, f64::NAN] {
            assert!(DynamicThreshold::new(percentile).is_err());
        }
        assert!(
            DynamicThreshold::new(0.9)
                .and_then(|t| t.limit(0.0))
                .is_err()
        );
    }
}
