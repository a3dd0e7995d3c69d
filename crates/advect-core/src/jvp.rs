//! Forward-mode derivatives of fields.

use candle_core::Tensor;

use crate::{Conditional, Field, Given, Result, Time, check, forward_to};

/// A field with its derivative along a direction in time and state.
///
/// `jvp(t, x, dt, dx)` is the pair of the value `f(t, x)` and of `∂f/∂t dt + ∂f/∂x dx`, at about twice the cost of the
/// value. Implementations build both from differentiable operations, so that a loss that contains derivatives, such as
/// the divergence's estimate `v · ∂f/∂x v` (Hutchinson 1990), is trained by one ordinary `backward`.
///
/// ```
/// use advect_core::{Field, Jvp, Result, Time};
/// use candle_core::{Device, Tensor};
///
/// /// `f(t, x) = t x²`.
/// struct Square;
///
/// impl Field for Square {
///     fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
///         t.coefficient(|t| t)?.times(&x.sqr()?)
///     }
/// }
///
/// impl Jvp for Square {
///     fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
///         let along_x = t.coefficient(|t| 2.0 * t)?.times(&(x * dx)?)?;
///         Ok((self.at(t, x)?, (along_x + (x.sqr()? * dt)?)?))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let x = Tensor::new(&[3.0f64], &Device::Cpu)?;
/// let (value, along) = Square.jvp(&Time::Shared(0.5), &x, 1.0, &x.ones_like()?)?;
/// assert_eq!((value.to_vec1::<f64>()?, along.to_vec1::<f64>()?), (vec![4.5], vec![12.0]));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Jacobian-vector product")]
#[doc(alias = "forward mode")]
pub trait Jvp: Field {
    /// Returns the value at `(t, x)` and its derivative along `(dt, dx)`; `dx` is shaped like `x`, and `dt` is the same
    /// for all samples.
    ///
    /// # Errors
    /// As [`Field::at`], and [`Error`](crate::Error) naming the tangent if `dx` is not like `x`.
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)>;

    /// Returns the value at `(t, x)` and its derivatives along several directions of the state, each shaped like `x`.
    /// Divergences need them. Networks that can share the cost of the value among the directions override this.
    ///
    /// # Errors
    /// As [`Jvp::jvp`].
    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        each(|| self.at(t, x), |dx| self.jvp(t, x, 0.0, dx), dx)
    }
}

forward_to!([] Jvp {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)>;
    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)>;
});

/// Returns the value, and its derivatives one by one.
fn each(
    value: impl FnOnce() -> Result<Tensor>,
    jvp: impl Fn(&Tensor) -> Result<(Tensor, Tensor)>,
    dx: &[Tensor],
) -> Result<(Tensor, Vec<Tensor>)> {
    let pairs: Result<Vec<(Tensor, Tensor)>> = dx.iter().map(jvp).collect();
    let (values, along): (Vec<Tensor>, Vec<Tensor>) = pairs?.into_iter().unzip();
    let value = match values.into_iter().next() {
        Some(first) => first,
        None => value()?,
    };
    Ok((value, along))
}

/// A conditional field with its derivative along a direction; the condition does not change along it.
///
/// [`Conditional::given`] turns it into a [`Jvp`].
pub trait ConditionalJvp: Conditional {
    /// Does the same as [`Jvp::jvp`], given a condition.
    ///
    /// # Errors
    /// As [`Conditional::at_given`] and [`Jvp::jvp`].
    fn jvp_given(
        &self,
        t: &Time,
        x: &Tensor,
        condition: &Tensor,
        dt: f64,
        dx: &Tensor,
    ) -> Result<(Tensor, Tensor)>;

    /// Does the same as [`Jvp::jvp_each`], given a condition.
    ///
    /// # Errors
    /// As [`ConditionalJvp::jvp_given`].
    fn jvp_each_given(
        &self,
        t: &Time,
        x: &Tensor,
        condition: &Tensor,
        dx: &[Tensor],
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let value = || self.at_given(t, x, condition);
        each(value, |dx| self.jvp_given(t, x, condition, 0.0, dx), dx)
    }
}

forward_to!([] ConditionalJvp {
    fn jvp_given(&self, t: &Time, x: &Tensor, condition: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)>;
    fn jvp_each_given(&self, t: &Time, x: &Tensor, condition: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)>;
});

impl<F: ConditionalJvp> Jvp for Given<F> {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        check::same_device("condition", self.condition.device(), "x", x.device())?;
        self.field.jvp_given(t, x, &self.condition, dt, dx)
    }

    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        check::same_device("condition", self.condition.device(), "x", x.device())?;
        self.field.jvp_each_given(t, x, &self.condition, dx)
    }
}
