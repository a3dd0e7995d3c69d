//! Another direction, offset or scale of time.

use advect_core::{Result, check};

use super::TimeMap;

/// The linear map of time `a + b t`.
///
/// ```
/// use advect_paths::time_map::{LinearTime, TimeMap};
/// # fn main() -> advect_core::Result<()> {
/// // A network of a score SDE, which is told 999 s with diffusion time s = 1 − t.
/// let map = LinearTime::between(999.0, 0.0)?;
/// assert_eq!((map.at(0.0), map.at(1.0), map.slope(0.5)), (999.0, 0.0, -999.0));
/// assert_eq!(map, LinearTime::new(999.0, -999.0)?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearTime {
    offset: f64,
    scale: f64,
}

impl LinearTime {
    /// Creates a map with an offset a and a scale b. If b is below 0, time runs backwards.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless both are finite.
    pub fn new(offset: f64, scale: f64) -> Result<Self> {
        Ok(LinearTime {
            offset: check::finite_number("offset", offset)?,
            scale: check::finite_number("scale", scale)?,
        })
    }

    /// Creates a map from the network's times at both ends: at t = 0, the noise, and at t = 1, the data.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless both are finite.
    pub fn between(at_noise: f64, at_data: f64) -> Result<Self> {
        check::finite_number("at_noise", at_noise)?;
        check::finite_number("at_data", at_data)?;
        LinearTime::new(at_noise, at_data - at_noise)
    }
}

impl TimeMap for LinearTime {
    fn at(&self, t: f64) -> f64 {
        self.offset + self.scale * t
    }
    fn slope(&self, _: f64) -> f64 {
        self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_refused() {
        assert!(LinearTime::new(f64::NAN, 1.0).is_err());
        assert!(LinearTime::new(0.0, f64::INFINITY).is_err());
        assert!(LinearTime::between(f64::MAX, f64::MIN).is_err());
    }
}
