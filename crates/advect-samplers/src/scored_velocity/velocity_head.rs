//! The velocity of a field with two heads.

use advect_core::{Field, Jvp, Result, Time, check, shape};
use candle_core::Tensor;

use super::one_for_each;

/// The velocity of a [`TwoHeads`](crate::TwoHeads): the first half of its field's values.
#[derive(Debug, Clone, Copy)]
pub struct VelocityHead<'a, F>(pub(super) &'a F);

fn first(value: &Tensor, x: &Tensor) -> Result<Tensor> {
    check::same_kind("field", value, "x", x)?;
    Ok(shape::halves("field", value, x)?.0)
}

impl<F: Field> Field for VelocityHead<'_, F> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        first(&self.0.at(t, x)?, x)
    }

    fn condition(&self) -> Option<&Tensor> {
        self.0.condition()
    }
}

impl<F: Jvp> Jvp for VelocityHead<'_, F> {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let (value, slope) = self.0.jvp(t, x, dt, dx)?;
        Ok((first(&value, x)?, first(&slope, x)?))
    }

    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        let (value, slopes) = self.0.jvp_each(t, x, dx)?;
        one_for_each("field", &slopes, dx)?;
        let slopes = slopes.iter().map(|slope| first(slope, x));
        Ok((first(&value, x)?, slopes.collect::<Result<_>>()?))
    }
}
