//! Pieces of a path, put together and taken apart.

use advect_core::Result;
use candle_core::Tensor;

use crate::sde::sum;

/// A path over an interval: its increment, and its space–time Lévy area `H = ∫ (W(u) − W(s)) du / h − W/2`, where h
/// is the interval's length, if areas are drawn.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) value: Tensor,
    pub(super) area: Option<Tensor>,
}

/// A path over the first part of an interval: its length, increment and integral.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) length: f64,
    pub(super) value: Tensor,
    pub(super) integral: Option<Tensor>,
}

impl Known {
    /// All of an interval of this length.
    pub(super) fn part(&self, length: f64) -> Result<Part> {
        let integral = |area: &Tensor| sum(&[(length, area), (0.5 * length, &self.value)]);
        Ok(Part {
            length,
            value: self.value.clone(),
            integral: self.area.as_ref().map(integral).transpose()?,
        })
    }

    /// A place within an interval that is not halved further: the exact law of the value, and the mean of the integral,
    /// given what is known of the interval.
    pub(super) fn inside(&self, to: f64, length: f64, z: &Tensor) -> Result<Part> {
        let theta = to / length;
        let bridge = theta * (1.0 - theta);
        let (value, integral) = match &self.area {
            None => {
                let deviation = (length * bridge).sqrt();
                (sum(&[(theta, &self.value), (deviation, z)])?, None)
            }
            Some(area) => {
                let deviation = (length * (bridge - 3.0 * bridge * bridge)).max(0.0).sqrt();
                let value = sum(&[(theta, &self.value), (6.0 * bridge, area), (deviation, z)])?;
                let cubic = theta * theta * (3.0 - 2.0 * theta);
                let expected = [
                    (length * theta * theta / 2.0, &self.value),
                    (length * cubic, area),
                ];
                (value, Some(sum(&expected)?))
            }
        };
        Ok(Part {
            length: to,
            value,
            integral,
        })
    }
}

impl Part {
    /// Nothing, of a path like this.
    pub(super) fn empty(like: &Known) -> Result<Self> {
        let zero = like.value.zeros_like()?;
        Ok(Part {
            length: 0.0,
            integral: like.area.as_ref().map(|_| zero.clone()),
            value: zero,
        })
    }

    /// Returns this part and the one after it, put together.
    pub(super) fn then(&self, next: &Part) -> Result<Part> {
        let integral = match (&self.integral, &next.integral) {
            (Some(a), Some(b)) => Some(sum(&[(1.0, a), (next.length, &self.value), (1.0, b)])?),
            _ => None,
        };
        Ok(Part {
            length: self.length + next.length,
            value: (&self.value + &next.value)?,
            integral,
        })
    }

    /// Returns the part after `first` in this one, which begins with it.
    pub(super) fn less(&self, first: Part) -> Result<Part> {
        if first.length == 0.0 {
            return Ok(self.clone());
        }
        let length = self.length - first.length;
        let integral = match (&self.integral, &first.integral) {
            (Some(a), Some(b)) => Some(sum(&[(1.0, a), (-1.0, b), (-length, &first.value)])?),
            _ => None,
        };
        Ok(Part {
            length,
            value: (&self.value - &first.value)?,
            integral,
        })
    }
}
