//! Divergences by backward mode.

use advect_core::{Error, Field, Jvp, Result, Time, check};
use advect_ops::{backward, with_graph};
use candle_core::{Tensor, Var};

use crate::detached::{check_constant, has_other_variables, undifferentiable};

/// A field whose Jacobian is transposed, by candle's `backward`. Any [`Field`] made of differentiable operations will
/// do; it needs no forward mode.
///
/// A matrix and its transpose have the same trace, so every [`Divergence`](super::Divergence) of it is one of the field, and
/// Hutchinson's `v · Jᵀ v` is the same number as `v · J v`, probe for probe.
///
/// It is for evaluation: the products have no derivatives, and a loss made of those of a trained network, or of an x that
/// is tracked, fails in its backward pass with [`Error::Detached`]. The value has them. Wrap frozen networks, or the gradients
/// of their parameters are computed for nothing.
///
/// ```
/// use advect_core::{Time, Field, field_fn};
/// use advect_solvers::divergence::{Divergence, Exact, Transposed};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let square = field_fn(|_, x| Ok(x.sqr()?));
/// let x = Tensor::new(&[[3.0f64, 5.0]], &Device::Cpu)?;
/// let found = Exact::default().at(&Transposed::new(&square), &Time::Shared(0.0), &x)?;
/// assert_eq!(found.divergence.to_vec1::<f64>()?, [2.0 * 3.0 + 2.0 * 5.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Transposed<F>(F);

impl<F: Field> Transposed<F> {
    /// Creates the field whose Jacobian is transposed.
    pub fn new(field: F) -> Self {
        Transposed(field)
    }

    /// Returns the value, and the transposed Jacobian times a direction that is computed from the value: the
    /// gradient of a function of the field's value, by one evaluation and one backward pass. Neither has
    /// derivatives.
    ///
    /// ```
    /// use advect_core::{Time, field_fn};
    /// use advect_solvers::divergence::Transposed;
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// // The gradient of ½ f² = ½ x⁴ is f f' = 2 x³.
    /// let square = Transposed::new(field_fn(|_, x| Ok(x.sqr()?)));
    /// let x = Tensor::new(&[3f64], &Device::Cpu)?;
    /// let (value, gradient) = square.pullback(&Time::Shared(0.0), &x, |value| Ok(value.clone()))?;
    /// assert_eq!((value.to_vec1::<f64>()?, gradient.to_vec1::<f64>()?), (vec![9.0], vec![54.0]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of the field and of `direction`; typed errors naming what is not shaped like x; [`Error::Detached`] for a
    /// value that changes with x, though no graph connects the two.
    #[doc(alias = "vjp")]
    #[doc(alias = "vector-Jacobian product")]
    pub fn pullback(
        &self,
        t: &Time,
        x: &Tensor,
        direction: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let (inner, value) = self.tracked(t, x)?;
        let direction = direction(&value.detach())?;
        check::alike("direction", &direction, "x", x)?;
        let product = match product(&inner, &value, &direction)? {
            Some(product) => product,
            None => {
                check_constant("field", |x| self.0.at(t, x), x, &value)?;
                x.detach().zeros_like()?
            }
        };
        Ok((value.detach(), product))
    }

    /// The value at a variable of its own.
    fn tracked(&self, t: &Time, x: &Tensor) -> Result<(Var, Tensor)> {
        check::float("x", x)?;
        let inner = Var::from_tensor(&x.detach())?;
        let value = with_graph(|| self.0.at(t, inner.as_tensor()))?;
        check::alike("value", &value, "x", x)?;
        Ok((inner, value))
    }
}

/// The transposed Jacobian times `dx`, if a graph connects the value with its variable.
fn product(inner: &Var, value: &Tensor, dx: &Tensor) -> Result<Option<Tensor>> {
    if !value.track_op() {
        return Ok(None);
    }
    let mut gradients = backward(&(value * dx.detach())?.sum_all()?)?;
    let product = gradients.remove(inner.as_tensor());
    Ok(product.map(|product| product.detach()))
}

impl<F: Field> Field for Transposed<F> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.0.at(t, x)
    }

    fn condition(&self) -> Option<&Tensor> {
        self.0.condition()
    }
}

impl<F: Field> Jvp for Transposed<F> {
    /// Returns the value, and the transposed Jacobian times `dx`. `dt` must be 0.
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        if dt != 0.0 {
            let accepted = "0, because a transposed Jacobian has no direction of time";
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
        let (inner, value) = self.tracked(t, x)?;
        let trained = x.track_op() || (value.track_op() && has_other_variables(&value, &inner));
        let mut products = Vec::with_capacity(dx.len());
        for dx in dx {
            let product = match product(&inner, &value, dx)? {
                Some(product) => product,
                None => {
                    if products.is_empty() {
                        check_constant("field", |x| self.0.at(t, x), x, &value)?;
                    }
                    x.detach().zeros_like()?
                }
            };
            products.push(match trained {
                true => undifferentiable(&product, "Transposed", REASON)?,
                false => product,
            });
        }
        let value = match trained {
            true => self.0.at(t, x)?,
            false => value.detach(),
        };
        Ok((value, products))
    }
}

const REASON: &str = "a product with a transposed Jacobian has no derivatives; implement Jvp for the field to train by a loss \
                      that contains one, or detach it";
