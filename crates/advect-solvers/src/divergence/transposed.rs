//! Divergences by backward mode.

use advect_core::{Error, Field, Jvp, Result, Time, check};
use candle_core::{Tensor, Var};

/// A field with its Jacobian transposed, by candle's `backward`: any [`Field`] made of differentiable operations, which
/// need not know forward mode.
///
/// A matrix and its transpose have the same trace, so every [`Divergence`](super::Divergence) of it is one of the field, and
/// Hutchinson's `v · Jᵀ v` is the same number as `v · J v`, probe for probe. It is for evaluation: what comes is no part of a
/// graph. Wrap frozen networks, or the gradients of their parameters are computed for nothing.
///
/// ```
/// use advect_core::{Time, Field};
/// use advect_solvers::divergence::{Divergence, Exact, Transposed};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let square = |_: &Time, x: &Tensor| Ok(x.sqr()?);
/// let x = Tensor::new(&[[3.0f64, 5.0]], &Device::Cpu)?;
/// let found = Exact::default().at(&Transposed::new(&square), &Time::Shared(0.0), &x)?;
/// assert_eq!(found.divergence.to_vec1::<f64>()?, [2.0 * 3.0 + 2.0 * 5.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Transposed<'a, F: ?Sized>(&'a F);

impl<'a, F: Field + ?Sized> Transposed<'a, F> {
    /// The field with its Jacobian transposed.
    pub fn new(field: &'a F) -> Self {
        Transposed(field)
    }
}

impl<F: Field + ?Sized> Field for Transposed<'_, F> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.0.at(t, x)
    }
}

impl<F: Field + ?Sized> Jvp for Transposed<'_, F> {
    /// The value, and the transposed Jacobian times `dx`; `dt` is 0.
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        if dt != 0.0 {
            let accepted = "0: a transposed Jacobian has no direction of time";
            return Err(Error::range("dt", dt, accepted));
        }
        let (value, mut products) = self.jvp_each(t, x, std::slice::from_ref(dx))?;
        let product = match products.pop() {
            Some(product) => product,
            None => x.zeros_like()?,
        };
        Ok((value, product))
    }

    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        for dx in dx {
            check::alike("dx", dx, "x", x)?;
        }
        let x = Var::from_tensor(&x.detach())?;
        let value = self.0.at(t, x.as_tensor())?;
        check::alike("value", &value, "x", &x)?;
        let product = |dx: &Tensor| -> Result<Tensor> {
            let gradients = (&value * dx.detach())?.sum_all()?.backward()?;
            // A field that does not depend on x has no gradient.
            match gradients.get(&x) {
                Some(gradient) => Ok(gradient.detach()),
                None => Ok(x.zeros_like()?),
            }
        };
        let products: Result<Vec<Tensor>> = dx.iter().map(product).collect();
        Ok((value.detach(), products?))
    }
}
