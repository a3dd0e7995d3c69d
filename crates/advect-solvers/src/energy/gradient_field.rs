//! The gradient of an energy, as a field.
//!
//! candle's backward pass cannot be differentiated, but the derivative of an energy along a direction can: with
//! `v · ∇_x E = ∂E/∂x v`, the vector–Jacobian product of `∇_x E` with v is one backward pass through the right-hand side.

use std::sync::Arc;

use advect_core::{Error, Field, Jvp, Result, Time, check};
use advect_ops::{backward, with_gradient, with_graph};
use candle_core::{Tensor, Var};

use super::Energy;
use crate::detached::{check_constant, has_other_variables, undifferentiable};

/// The field `∇_x E(t, x)` of an [`Energy`], differentiable by x and by the listed parameters: a conservative score
/// network or velocity, trained like any other. Its value takes one backward pass, and so does its gradient, through
/// [`Energy::jvp`].
///
/// As a [`Jvp`] it gives the Hessian times a direction, by one backward pass, for the divergences of evaluations; these
/// products have no derivatives of their own, and a loss made of them fails.
///
/// ```
/// use advect_core::{Field, Result, Time};
/// use advect_solvers::energy::{Energy, GradientField};
/// use candle_core::{Device, Tensor, Var};
///
/// /// `½ k |x|²`.
/// struct Spring(Tensor);
/// impl Energy for Spring {
///     fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
///         Ok((x.sqr()?.sum(1)?.broadcast_mul(&self.0)? * 0.5)?)
///     }
///     fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
///         Ok((self.at(t, x)?, (x * dx)?.sum(1)?.broadcast_mul(&self.0)?))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let k = Var::new(3f64, &Device::Cpu)?;
/// let force = GradientField::new(Spring(k.as_tensor().clone()), &[k.as_tensor().clone()])?;
/// let x = Tensor::new(&[[1f64, -2.0]], &Device::Cpu)?;
/// let value = force.at(&Time::Shared(0.0), &x)?;
/// assert_eq!(value.to_vec2::<f64>()?, [[3.0, -6.0]]);
/// // |k x|² has the derivative 2 k |x|² by k.
/// let gradients = value.sqr()?.sum_all()?.backward()?;
/// assert_eq!(gradients.get(&k).unwrap().to_scalar::<f64>()?, 30.0);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "EBM")]
#[doc(alias = "energy-based model")]
#[derive(Debug)]
pub struct GradientField<E> {
    energy: Arc<E>,
    parameters: Vec<Tensor>,
}

impl<E> Clone for GradientField<E> {
    /// Returns the gradient of the same energy, which is shared.
    fn clone(&self) -> Self {
        GradientField {
            energy: self.energy.clone(),
            parameters: self.parameters.clone(),
        }
    }
}

impl<E> GradientField<E> {
    /// Creates the gradient of an energy, with the parameters of the energy with respect to which it is
    /// differentiated: the variables of a parameter store, or none for a frozen network.
    ///
    /// # Errors
    /// [`Error::Range`] for a parameter that is computed from others.
    pub fn new(energy: E, parameters: &[Tensor]) -> Result<Self> {
        crate::adjoint::check_parameters(parameters)?;
        Ok(GradientField {
            energy: Arc::new(energy),
            parameters: parameters.to_vec(),
        })
    }

    /// Returns the energy.
    pub fn energy(&self) -> &E {
        &self.energy
    }
}

/// The gradient by x of the sum over samples of a scalar function, 0 where it is constant; and whether the function
/// depends on other variables.
fn gradient(f: impl Fn(&Tensor) -> Result<Tensor>, x: &Tensor) -> Result<(Tensor, bool)> {
    let batch = check::batch("x", x)?;
    check::float("x", x)?;
    let var = Var::from_tensor(&x.detach())?;
    let value = with_graph(|| f(var.as_tensor()))?;
    if value.dims() != [batch] {
        let accepted = format!("({batch},), one number per sample");
        return Err(Error::shape("energy", value.dims(), accepted));
    }
    let found = match value.track_op() {
        true => backward(&value.sum_all()?)?.remove(var.as_tensor()),
        false => None,
    };
    let others = value.track_op() && has_other_variables(&value, &var);
    match found {
        Some(gradient) => Ok((gradient.detach(), others)),
        None => {
            check_constant("energy", f, x, &value)?;
            Ok((x.detach().zeros_like()?, others))
        }
    }
}

impl<E: Energy + Send + Sync + 'static> Field for GradientField<E> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let (value, _) = gradient(|x| self.energy.at(t, x), x)?;
        let mut inputs = vec![x.clone()];
        inputs.extend_from_slice(&self.parameters);
        let (this, t) = (self.clone(), t.clone());
        with_gradient(&value, &inputs, move |g, inputs| {
            this.pull_back(&t, &inputs[0], g)
        })
    }
}

impl<E: Energy> GradientField<E> {
    /// The gradients of `g · ∇_x E` by x and by the parameters.
    fn pull_back(&self, t: &Time, x: &Tensor, g: &Tensor) -> Result<Vec<Tensor>> {
        let var = Var::from_tensor(x)?;
        let along = |x: &Tensor| Ok(self.energy.jvp(t, x, 0.0, &g.detach())?.1);
        let value = with_graph(|| along(var.as_tensor()))?;
        let mut gradients = match value.track_op() {
            true => Some(backward(&value.sum_all()?)?),
            false => None,
        };
        let mut take = |of: &Tensor| gradients.as_mut().and_then(|all| all.remove(of));
        let by_x = match take(var.as_tensor()) {
            Some(gradient) => gradient,
            None => {
                check_constant("energy", along, x, &value)?;
                x.zeros_like()?
            }
        };
        let by_parameters: Vec<Option<Tensor>> = self.parameters.iter().map(take).collect();
        // A constant that is added to the energy has no gradient, but not all parameters are such.
        let tracked = self.parameters.iter().any(Tensor::track_op);
        if tracked && by_parameters.iter().all(Option::is_none) {
            return Err(Error::detached(
                "parameters",
                "the energy's gradient depends on none of them; list those that the energy computes with, and not those of \
                 a frozen twin",
            ));
        }
        let mut all = vec![by_x];
        for (gradient, parameter) in by_parameters.into_iter().zip(&self.parameters) {
            all.push(match gradient {
                Some(gradient) => gradient,
                None => parameter.detach().zeros_like()?,
            });
        }
        Ok(all)
    }
}

impl<E: Energy + Send + Sync + 'static> Jvp for GradientField<E> {
    /// Returns the value, and the Hessian of the energy times `dx`. `dt` must be 0.
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        if dt != 0.0 {
            let accepted = "0, because this gradient has no derivative by time";
            return Err(Error::range("dt", dt, accepted));
        }
        check::alike("dx", dx, "x", x)?;
        let dx = dx.detach();
        let (product, others) = gradient(|x| Ok(self.energy.jvp(t, x, 0.0, &dx)?.1), x)?;
        let product = match others || x.track_op() {
            true => undifferentiable(
                &product,
                "GradientField",
                "a product with the Hessian has no derivatives; train a Jvp of your own for a loss that contains one, or \
                 detach it",
            )?,
            false => product,
        };
        Ok((self.at(t, x)?, product))
    }
}
