//! Bounds on the expected data.

use advect_core::{Coefficient, Result, check};
use advect_samplers::threshold::Threshold;
use candle_core::{DType, Tensor};

use crate::Config;

/// A bound on the expected data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Clip {
    /// Each element is clamped to ±c.
    Static(f64),
    /// Each sample is clamped to ±s and divided by s, a quantile of its absolute values, but at least 1 and at most a number (Saharia et
    /// al. 2022, section 2.3, where s has no upper bound).
    Dynamic { part: f64, most: f64 },
}

impl Clip {
    /// Reads `thresholding`, and of the classes that have it, `clip_sample`.
    pub(super) fn read(c: &mut Config, clips: bool) -> Result<Option<Self>> {
        let dynamic = Clip::Dynamic {
            part: c.optional("dynamic_thresholding_ratio", 0.995)?,
            most: c.optional("sample_max_value", 1.0)?,
        };
        let thresholds = c.optional("thresholding", false)?;
        let (mut clamps, mut range) = (false, 1.0);
        if clips {
            clamps = c.optional("clip_sample", true)?;
            range = c.optional("clip_sample_range", 1.0)?;
        }
        let clip = match (thresholds, clamps) {
            (true, _) => dynamic,
            (false, true) => Clip::Static(range),
            (false, false) => return Ok(None),
        };
        match clip {
            Clip::Static(range) if !(range > 0.0 && range.is_finite()) => {
                Err(c.wrong("clip_sample_range", range, "a finite number above 0"))
            }
            Clip::Dynamic { part, .. } if !(0.0..=1.0).contains(&part) => {
                Err(c.wrong("dynamic_thresholding_ratio", part, "a number in [0, 1]"))
            }
            Clip::Dynamic { most, .. } if !(most >= 1.0 && most.is_finite()) => {
                Err(c.wrong("sample_max_value", most, "a finite number, at least 1"))
            }
            clip => Ok(Some(clip)),
        }
    }
}

/// A quantile, interpolated linearly between the nearest two values.
fn quantile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let place = part * (values.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(values.len() - 1);
    values[below] + (place - below as f64) * (values[above] - values[below])
}

impl Threshold for Clip {
    fn apply(&self, data: &Tensor) -> Result<Tensor> {
        match *self {
            Clip::Static(range) => Ok(data.clamp(-range, range)?),
            Clip::Dynamic { part, most } => {
                let batch = check::batch("data", data)?;
                let rows = data.detach().abs()?.reshape((batch, ()))?;
                let rows = rows.to_dtype(DType::F64)?.to_vec2::<f64>()?;
                let bounds = rows
                    .into_iter()
                    .map(|row| quantile(row, part).clamp(1.0, most));
                // Clamped to ±s and over s: over s, and clamped to ±1.
                let factors = Coefficient::PerSample(bounds.map(f64::recip).collect());
                Ok(factors.times(data)?.clamp(-1.0, 1.0)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn samples_are_bounded_by_their_quantiles() {
        let x = Tensor::new(&[[0.5f64, -2.0, 4.0], [0.1, 0.2, -0.3]], &Device::Cpu).unwrap();
        let bounded = |most| Clip::Dynamic { part: 0.5, most }.apply(&x).unwrap();
        let rows = |x: Tensor| x.to_vec2::<f64>().unwrap();
        assert_eq!(rows(bounded(9.0)), [[0.25, -1.0, 1.0], [0.1, 0.2, -0.3]]);
        assert_eq!(rows(bounded(1.6))[0], [0.3125, -1.0, 1.0]);
        assert_eq!(
            rows(bounded(1.0)),
            rows(Clip::Static(1.0).apply(&x).unwrap())
        );
    }
}
