//! Fields by reference, where one is taken by value.

use candle_core::Tensor;

use crate::{Conditional, ConditionalJvp, Field, Jvp, Result, Time};

/// A reference to a field, as a field: closures are fields, so references to fields can't be of themselves. What the field can do, so can
/// the reference: derivatives along directions, and conditions.
///
/// ```
/// use advect_core::{Borrowed, Field, Time};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// fn by_value(field: impl Field) -> advect_core::Result<Tensor> {
///     field.at(&Time::Shared(0.0), &Tensor::new(&[2f64], &Device::Cpu)?)
/// }
/// let field: Box<dyn Field> = Box::new(|_: &Time, x: &Tensor| Ok((x * 3.0)?));
/// assert_eq!(by_value(Borrowed(&*field))?.to_vec1::<f64>()?, [6.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Borrowed<'a, F: ?Sized>(pub &'a F);

// A reference, whatever it refers to.
impl<F: ?Sized> Clone for Borrowed<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: ?Sized> Copy for Borrowed<'_, F> {}

impl<X, F: Field<X> + ?Sized> Field<X> for Borrowed<'_, F> {
    fn at(&self, t: &Time, x: &X) -> Result<X> {
        self.0.at(t, x)
    }

    fn condition(&self) -> Option<&Tensor> {
        self.0.condition()
    }
}

impl<F: Jvp + ?Sized> Jvp for Borrowed<'_, F> {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        self.0.jvp(t, x, dt, dx)
    }

    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        self.0.jvp_each(t, x, dx)
    }
}

impl<F: Conditional + ?Sized> Conditional for Borrowed<'_, F> {
    fn at_given(&self, t: &Time, x: &Tensor, condition: &Tensor) -> Result<Tensor> {
        self.0.at_given(t, x, condition)
    }

    fn no_condition(&self, x: &Tensor) -> Result<Tensor> {
        self.0.no_condition(x)
    }
}

impl<F: ConditionalJvp + ?Sized> ConditionalJvp for Borrowed<'_, F> {
    fn jvp_given(
        &self,
        t: &Time,
        x: &Tensor,
        condition: &Tensor,
        dt: f64,
        dx: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        self.0.jvp_given(t, x, condition, dt, dx)
    }

    fn jvp_each_given(
        &self,
        t: &Time,
        x: &Tensor,
        condition: &Tensor,
        dx: &[Tensor],
    ) -> Result<(Tensor, Vec<Tensor>)> {
        self.0.jvp_each_given(t, x, condition, dx)
    }
}
