//! Where products with Jacobians come from.

use advect_core::{Field, Jvp, Result};
use candle_core::Tensor;

use crate::controller::Norm;
use crate::implicit::equations::ratios;
use crate::implicit::{ByJvp, Coordinates, Differences, Linearized};

/// A source of products of the Jacobian with directions, `∂f/∂x · v`, for all samples at once.
#[doc(alias = "jtimes")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no source of products with Jacobians",
    note = "`Differences` and `ByJvp(field)` are"
)]
pub trait JacobianProduct<X> {
    /// Returns the product with a direction, where `at.slope` is the value of the field.
    ///
    /// # Errors
    /// The errors of the field.
    fn product(&self, field: &dyn Field<X>, at: &Linearized<'_, X>, direction: &X) -> Result<X>;
}

/// By a difference, `∂f/∂x · v ≈ (f(x + σ v) − f(x)) / σ`: one evaluation for each product. For each sample,
/// `σ = √u / ‖v / m‖` with the unit roundoff u of the state's dtype, the magnitudes m and the root mean square.
impl<X: Coordinates> JacobianProduct<X> for Differences {
    fn product(&self, field: &dyn Field<X>, at: &Linearized<'_, X>, direction: &X) -> Result<X> {
        let (_, width) = at.x.extent()?;
        let mut moved = at.x.to_numbers()?;
        let direction = direction.to_numbers()?;
        let fraction = at.x.unit_roundoff().sqrt();
        let each = direction.chunks(width).zip(at.magnitudes.chunks(width));
        let sizes: Vec<f64> = each
            .map(|(v, m)| match Norm::Rms.of_ratios(ratios(v, m)) {
                0.0 => 0.0,
                norm => fraction / norm,
            })
            .collect();
        for (e, (x, v)) in moved.iter_mut().zip(&direction).enumerate() {
            *x += sizes[e / width] * v;
        }
        let there = field.at(at.t, &at.x.with_numbers(moved)?)?;
        there.alike("field", "x", at.x)?;
        let mut change = there.to_numbers()?;
        for (e, (there, here)) in change.iter_mut().zip(at.slope.to_numbers()?).enumerate() {
            *there = match sizes[e / width] {
                0.0 => 0.0,
                size => (*there - here) / size,
            };
        }
        at.x.with_numbers(change)
    }
}

/// Exactly, by the field's forward mode. These products don't count among the evaluations of an integration.
impl<F: Jvp> JacobianProduct<Tensor> for ByJvp<F> {
    fn product(
        &self,
        _: &dyn Field,
        at: &Linearized<'_, Tensor>,
        direction: &Tensor,
    ) -> Result<Tensor> {
        let (_, product) = self.0.jvp(at.t, at.x, 0.0, direction)?;
        Ok(product.detach())
    }
}
