//! Methods whose steps may depend on the path ahead of them.

use advect_core::Jvp;

use super::{
    Additive, Commutative, EulerMaruyama, Milstein, MilsteinDerivativeFree, Pointwise, Sra1, Sra3,
    Sriw1, StratonovichHeun,
};
use crate::stepper::Stepper;

/// A stochastic method that converges on each path, so that steps may be chosen by looking ahead on it.
///
/// Error control looks ahead: it rejects a step because of the increment over it, so accepted steps are not a fair
/// sample of all steps. A method whose error vanishes on each path is not misled. The Euler–Maruyama method for noise
/// that depends on the state is: it leaves out `½ ∂g/∂x g (ΔW² − h)`, which is 0 in the mean over all steps, but
/// negative over steps with small increments. With such steps it converges to another solution. So does any method
/// without Lévy areas for noise that does not commute (Gaines and Lyons, Variable step size control in the numerical
/// solution of stochastic differential equations, SIAM J. Appl. Math. 57, 1997; Foster and Jelinčič, On the
/// convergence of adaptive approximations for stochastic differential equations, 2023).
///
/// The trait has nothing to implement. Implement it for a method of your own that has all terms of first order on each
/// path.
///
/// ```compile_fail
/// # use advect_solvers::sde::{BrownianPath, Diagonal, EulerMaruyama, Halved};
/// # fn f<G: advect_core::Field>(noise: Diagonal<G>, path: BrownianPath) {
/// Halved::new(EulerMaruyama::new(noise, path));
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is misled by steps that depend on the path ahead",
    label = "error control makes such steps",
    note = "use `Milstein`, `StratonovichHeun` or `Sriw1` for diagonal or scalar noise, and fixed steps for general noise"
)]
pub trait Pathwise: Stepper {}

impl<G: Fn(f64) -> f64> Pathwise for EulerMaruyama<Additive<G>> {}
impl<N: Pointwise<Field: Jvp>> Pathwise for Milstein<N> {}
impl<N: Pointwise> Pathwise for MilsteinDerivativeFree<N> {}
impl<N: Commutative> Pathwise for StratonovichHeun<N> {}
impl<G: Fn(f64) -> f64> Pathwise for Sra1<G> {}
impl<G: Fn(f64) -> f64> Pathwise for Sra3<G> {}
impl<N: Pointwise> Pathwise for Sriw1<N> {}
