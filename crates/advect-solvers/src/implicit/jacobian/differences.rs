//! Jacobians by differences of the field (Dennis and Schnabel, Numerical Methods for Unconstrained Optimization and
//! Nonlinear Equations, section 5.4).

use advect_core::{Field, Result};

use super::{Jacobian, Linearized};
use crate::implicit::{Coordinates, Matrices};

/// Jacobians by forward differences, `∂f/∂x_j ≈ (f(x + δ_j e_j) − f(x)) / δ_j`: an evaluation of the field for each
/// element of a sample and one more, for all samples at once. They count among the evaluations of an integration.
///
/// With u the unit roundoff of the state's dtype, `δ_j = √u · m_j` where m_j is the larger of |x_j|, of its change in a
/// step along the slope, and of the absolute tolerance. About half of the digits of the dtype are right: 8 in f64, 3 to 4
/// in f32, which is enough for Newton's iteration. The samples must not depend on each other.
///
/// ```
/// use advect_core::{Time, field_fn};
/// use advect_solvers::implicit::{Differences, Jacobian, Linearized};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let field = field_fn(|_, x| Ok(x.sqr()?));
/// let x = Tensor::new(&[[3f64, -5.0]], &Device::Cpu)?;
/// let slope = x.sqr()?;
/// let at = Linearized::new(&Time::Shared(0.0), &x, &slope, &[3.0, 5.0]);
/// let found = Differences.matrices(&field, &at)?;
/// for (value, exact) in found.at(0).iter().zip([6.0, 0.0, 0.0, -10.0]) {
///     assert!((value - exact).abs() < 1e-6);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "finite differences")]
#[doc(alias = "num_jac")]
pub struct Differences;

impl<X: Coordinates> Jacobian<X> for Differences {
    fn matrices(&self, field: &dyn Field<X>, at: &Linearized<'_, X>) -> Result<Matrices> {
        let (samples, width) = at.x.extent()?;
        let (x, direction) = (at.x.to_numbers()?, at.slope.to_numbers()?);
        // The slope at hand may be that of an iteration, and be as far from f as the rates of the field make it.
        let slope = field.at(at.t, at.x)?;
        slope.alike("field", "x", at.x)?;
        let slope = slope.to_numbers()?;
        let fraction = at.x.unit_roundoff().sqrt();
        let mut values = vec![0.0; samples * width * width];
        for j in 0..width {
            let mut moved = x.clone();
            for i in (j..x.len()).step_by(width) {
                // Away from 0, or along the slope: not to where a concentration is negative.
                let direction = if x[i] == 0.0 { direction[i] } else { x[i] };
                moved[i] += (fraction * at.magnitudes[i]).copysign(direction);
            }
            let moved = at.x.with_numbers(moved)?;
            let there = field.at(at.t, &moved)?;
            there.alike("field", "x", at.x)?;
            // The dtype rounds both, so that the change is not quite what it was made to be.
            let (moved, there) = (moved.to_numbers()?, there.to_numbers()?);
            for sample in 0..samples {
                let first = sample * width;
                let change = moved[first + j] - x[first + j];
                for i in 0..width {
                    let difference = there[first + i] - slope[first + i];
                    values[(first + i) * width + j] = difference / change;
                }
            }
        }
        Matrices::new(samples, width, values)
    }
}
