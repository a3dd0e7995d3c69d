//! Implicit Runge–Kutta methods as types with a tableau.

#[cfg(doc)]
use super::Differences;
use super::ImplicitStepper;
use crate::Tableau;

/// An implicit Runge–Kutta method: a type with an implicit [`Tableau`]. Together with a source of Jacobians it is a
/// stepper, [`ImplicitStepper`]; those of this crate are steppers themselves too, with Jacobians by [`Differences`].
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::implicit::{Differences, ImplicitRungeKutta};
/// use advect_solvers::{Solver, Tableau, controller::Fixed};
/// use candle_core::{Device, Tensor};
///
/// /// The implicit midpoint rule.
/// struct ImplicitMidpoint;
/// impl ImplicitRungeKutta for ImplicitMidpoint {
///     const TABLEAU: Tableau = Tableau::implicit(2, &[0.0, 0.5], &[&[], &[0.0, 0.5]], &[0.0, 1.0]);
/// }
///
/// # fn main() -> advect_core::Result<()> {
/// let decay = field_fn(|_, x| Ok((x * -6.0)?));
/// let x = Tensor::new(&[1f64], &Device::Cpu)?;
/// let solver = Solver::new(ImplicitMidpoint.with_jacobian(Differences), Fixed::steps(1)?);
/// let end = solver.solve(&decay, &x, 0.0, 1.0)?.end()?.to_vec1::<f64>()?;
/// assert!((end[0] + 0.5).abs() < 1e-9); // (1 − 3) / (1 + 3)
/// # Ok(())
/// # }
/// ```
pub trait ImplicitRungeKutta {
    /// The method's coefficients, by [`Tableau::implicit`].
    const TABLEAU: Tableau;

    /// The γ of the matrix `(I − h γ J)⁻¹` that the error estimate is multiplied by, if it is. The estimate of a method
    /// whose embedded one is not bounded for stiff equations needs it (Hairer and Wanner, Solving Ordinary Differential
    /// Equations II, eq. IV.8.20).
    const ERROR_FILTER: Option<f64> = None;

    /// Returns the method as a stepper with Jacobians from a source: [`ByJvp`](super::ByJvp), a closure by
    /// [`jacobian_fn`](super::jacobian_fn), or [`Differences`].
    fn with_jacobian<J>(self, jacobian: J) -> ImplicitStepper<Self, J>
    where
        Self: Sized,
    {
        ImplicitStepper::new(self, jacobian)
    }
}

/// An implicit Runge–Kutta method whose [`Tableau`] has error weights, so that its steps can be adaptive. It has nothing to
/// implement.
pub trait EmbeddedImplicit: ImplicitRungeKutta {}

/// Makes methods steppers with Jacobians by differences.
macro_rules! stepper_by_differences {
    ($method:ident) => {
        impl crate::stepper::Method for $method {
            fn order(&self) -> f64 {
                Self::TABLEAU.order() as f64
            }

            fn tableau(&self) -> Option<&'static crate::Tableau> {
                Some(const { &Self::TABLEAU })
            }
        }

        impl<X: crate::implicit::Coordinates> crate::stepper::Stepper<X> for $method {
            fn step(
                &self,
                field: &dyn advect_core::Field<X>,
                interval: &crate::Interval,
                x: &X,
                slope: Option<&X>,
            ) -> advect_core::Result<crate::stepper::Step<X>> {
                self.with_jacobian(crate::implicit::Differences)
                    .step(field, interval, x, slope)
            }

            fn step_with(
                &self,
                memory: &mut crate::stepper::Memory,
                field: &dyn advect_core::Field<X>,
                interval: &crate::Interval,
                x: &X,
                slope: Option<&X>,
            ) -> advect_core::Result<crate::stepper::Step<X>> {
                let stepper = self.with_jacobian(crate::implicit::Differences);
                stepper.step_with(memory, field, interval, x, slope)
            }

            fn advance(
                &self,
                field: &dyn advect_core::Field<X>,
                interval: &crate::Interval,
                x: &X,
            ) -> advect_core::Result<X> {
                self.with_jacobian(crate::implicit::Differences)
                    .advance(field, interval, x)
            }
        }

        impl crate::implicit::EmbeddedImplicit for $method {}

        impl<X: crate::implicit::Coordinates> crate::stepper::Embedded<X> for $method {
            fn error_order(&self) -> f64 {
                Self::TABLEAU.error_order() as f64
            }
        }
    };
}
pub(super) use stepper_by_differences;
