//! Implicit methods, for stiff equations: those whose solution changes slowly while its neighbours change fast. The steps of
//! explicit methods are short there, however smooth the solution is.
//!
//! | stepper | order | implicit stages | stability | error estimate |
//! | --- | --- | --- | --- | --- |
//! | [`ImplicitEuler`] | 1 | 1 | L | order 1 |
//! | [`TrapezoidalRule`] | 2 | 1 | A | order 1 |
//! | [`Kvaerno3`] | 3 | 3, one by one | L | order 2 |
//! | [`Kvaerno4`] | 4 | 4, one by one | L | order 3 |
//! | [`Kvaerno5`] | 5 | 6, one by one | L | order 4 |
//! | [`RadauIia5`] | 5 | 3 together | L | order 3 |
//! | [`Rodas5P`] | 5 | 8 linear | L | order 4 |
//! | [`KenCarp3`], [`KenCarp4`], of a stiff part and the rest | 3, 4 | 3, 5, one by one | L | order 2, 3 |
//!
//! Those of Rosenbrock's type become steppers by [`Rosenbrock::by_differences`], those of Kennedy and Carpenter by
//! [`AdditiveRungeKutta::with_stiff`], which names the stiff part; the others are steppers as they are. All take fixed or
//! adaptive steps, events and a clock for each sample. All but Rosenbrock's have dense output, and exact gradients by
//! [`Unrolled`](crate::adjoint::Unrolled) and [`Checkpointed`](crate::adjoint::Checkpointed);
//! [`Backsolve`](crate::adjoint::Backsolve) takes them for its way back too. Their stages are the solutions of equations, found
//! by Newton's iteration with a dense matrix for each sample, so that a step takes some n³ operations for n elements of a
//! sample. For large states [`MatrixFree`] solves them by products with the Jacobian instead. Samples must not depend on each
//! other; what does is one sample, of shape `(1, …)`.
//!
//! The matrix is made of the field's [`Jacobian`], which is kept from step to step while the iteration converges. By
//! itself each method takes it by [`Differences`];
//! [`with_jacobian`](ImplicitRungeKutta::with_jacobian) names another source: the field's derivatives in forward mode
//! ([`ByJvp`]), a [`system`](mod@crate::system) written on numbers, a closure ([`jacobian_fn`]), or products alone ([`MatrixFree`]).
//!
//! With an [`Adaptive`](crate::controller::Adaptive) controller the equations are solved to a hundredth of the tolerance, those of
//! coupled stages to a thousandth, with [`Fixed`](crate::controller::Fixed) steps up to rounding. Where they are not solved, adaptive steps are halved; where they
//! can't be shorter, or are fixed, the integration ends with [`Status::NoConvergence`](crate::Status::NoConvergence),
//! [`Status::SingularMatrix`](crate::Status::SingularMatrix) or [`Status::NonFinite`](crate::Status::NonFinite).
//!
//! Source of all but the coefficients: Hairer and Wanner, Solving Ordinary Differential Equations II, section IV.8.

mod additive;
mod attempt;
mod coordinates;
mod equations;
mod gradient;
mod guess;
mod implicit_euler;
mod implicit_runge_kutta;
mod implicit_stepper;
mod jacobian;
mod kept;
mod krylov;
mod kvaerno3;
mod kvaerno4;
mod kvaerno5;
pub(crate) mod lu;
mod matrices;
mod newton;
mod radau_iia5;
mod rosenbrock;
mod trapezoidal_rule;
mod values;

pub use additive::{AdditiveRungeKutta, AdditiveStepper, KenCarp3, KenCarp4};
pub use coordinates::Coordinates;
pub use gradient::Solved;
pub use implicit_euler::ImplicitEuler;
pub use implicit_runge_kutta::{EmbeddedImplicit, ImplicitRungeKutta};
pub use implicit_stepper::ImplicitStepper;
pub use jacobian::{ByJvp, Differences, Jacobian, JacobianFn, Linearized, jacobian_fn};
pub use krylov::{
    JacobianProduct, Krylov, MatrixFree, Preconditioner, PreconditionerFn, Unpreconditioned,
    preconditioner_fn,
};
pub use kvaerno3::Kvaerno3;
pub use kvaerno4::Kvaerno4;
pub use kvaerno5::Kvaerno5;
pub use matrices::Matrices;
pub use radau_iia5::RadauIia5;
pub use rosenbrock::{Rodas5P, Rosenbrock, RosenbrockStepper, RosenbrockTableau};
pub use trapezoidal_rule::TrapezoidalRule;
