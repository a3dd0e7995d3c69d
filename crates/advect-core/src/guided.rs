//! Classifier-free guidance: `v = v_none + w (v_condition − v_none)`
//! (Ho and Salimans 2022, eq. 6, with w here being their w + 1).

use candle_core::Tensor;

use crate::{Conditional, Error, Field, Result, Time, check};

/// A [`Conditional`] field under classifier-free guidance of weight `w`:
/// `v(t, x) = v(t, x | none) + w · (v(t, x | condition) − v(t, x | none))`.
///
/// `w = 0` is the unconditional field, `w = 1` the conditional one, `w > 1` exaggerates the
/// condition. Both parts are evaluated in one batch of twice the size; `w = 1` needs one part only.
///
/// ```
/// use advect_core::{Conditional, Field, Guided, Result, Time};
/// use candle_core::{Device, Tensor};
///
/// struct Constant;
/// impl Conditional for Constant {
///     fn at_given(&self, _: &Time, _: &Tensor, condition: &Tensor) -> Result<Tensor> {
///         Ok(condition.clone())
///     }
///     fn no_condition(&self, x: &Tensor) -> Result<Tensor> {
///         Ok(x.ones_like()?)
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let x = Tensor::new(&[[0.0f32]], &Device::Cpu)?;
/// let condition = Tensor::new(&[[3.0f32]], &Device::Cpu)?;
/// let field = Guided::new(&Constant, &condition, 2.0)?;
/// assert_eq!(field.at(&Time::Shared(0.0), &x)?.to_vec2::<f32>()?, [[5.0]]); // 1 + 2 (3 - 1)
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Guided<'a, F: ?Sized> {
    field: &'a F,
    condition: &'a Tensor,
    weight: f64,
}

impl<'a, F: Conditional + ?Sized> Guided<'a, F> {
    /// Guides `field` towards `condition` with the given weight.
    ///
    /// # Errors
    /// [`Error::Range`] for a weight that is not finite.
    pub fn new(field: &'a F, condition: &'a Tensor, weight: f64) -> Result<Self> {
        if !weight.is_finite() {
            return Err(Error::range("weight", weight, "a finite number"));
        }
        Ok(Guided {
            field,
            condition,
            weight,
        })
    }
}

impl<F: Conditional + ?Sized> Field for Guided<'_, F> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        if self.weight == 1.0 {
            return self.field.given(self.condition).at(t, x);
        }
        let none = self.field.no_condition(x)?;
        let (condition, none) = check::condition("condition", self.condition, &none)?;
        let conditions = Tensor::cat(&[none, condition], 0)?;
        let times = match t {
            Time::Shared(t) => Time::Shared(*t),
            Time::PerSample(t) => Time::PerSample(Tensor::cat(&[t, t], 0)?),
        };
        let both = Tensor::cat(&[x, x], 0)?;
        let values = self.field.given(&conditions).at(&times, &both)?;
        let parts = values.chunk(2, 0)?;
        let (none, conditioned) = (&parts[0], &parts[1]);
        Ok((none + ((conditioned - none)? * self.weight)?)?)
    }
}
