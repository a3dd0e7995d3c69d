//! Rosenbrock methods, which solve linear equations only.

mod order;
mod rodas5p;
mod rosenbrock_stepper;

use super::Differences;

pub use rodas5p::Rodas5P;
pub use rosenbrock_stepper::RosenbrockStepper;

/// The coefficients of a Rosenbrock method of s stages (Hairer and Wanner, Solving Ordinary Differential Equations II, eq.
/// IV.7.25):
///
/// `(I − h γ J) u_i = h γ (f(t + α_i h, x + Σ_j a_ij u_j) + Σ_j c_ij / h u_j + h γ_i ∂f/∂t)`, `x' = x + Σ_i m_i u_i`,
///
/// with the sums over the stages before, J and ∂f/∂t at (t, x), and the error estimate `Σ_i e_i u_i`. The conditions of both
/// orders, one for each rooted tree, are checked at compile time where the method is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RosenbrockTableau {
    /// The order of convergence.
    pub order: usize,
    /// The order of the embedded method.
    pub embedded_order: usize,
    /// The number γ that all stages have in common.
    pub gamma: f64,
    /// The nodes α.
    pub alpha: &'static [f64],
    /// The factors γ_i of the derivative by time.
    pub gammas: &'static [f64],
    /// The weights of states, row i with i numbers.
    pub a: &'static [&'static [f64]],
    /// The weights of earlier stages, row i with i numbers.
    pub c: &'static [&'static [f64]],
    /// The weights m.
    pub m: &'static [f64],
    /// The error weights e.
    pub e: &'static [f64],
}

impl RosenbrockTableau {
    /// Checks that the lists fit each other, and the order.
    #[allow(clippy::panic)]
    const fn check(&self) {
        let stages = self.m.len();
        assert!(
            stages > 0 && self.e.len() == stages && self.alpha.len() == stages,
            "expected as many nodes and error weights as weights"
        );
        assert!(
            self.gammas.len() == stages && self.a.len() == stages && self.c.len() == stages,
            "expected as many rows and factors of the derivative by time as weights"
        );
        assert!(self.gamma > 0.0, "expected γ above 0");
        let mut i = 0;
        while i < stages {
            assert!(
                self.a[i].len() == i && self.c[i].len() == i,
                "expected i numbers in row i"
            );
            i += 1;
        }
        assert!(
            order::is_consistent(self),
            "expected nodes and factors of the derivative by time that are sums of rows"
        );
        assert!(
            order::has_order(self, 0.0, self.order),
            "expected coefficients that satisfy the conditions of the order"
        );
        assert!(
            order::has_order(self, 1.0, self.embedded_order),
            "expected error weights of a method of the embedded order"
        );
    }
}

/// A Rosenbrock method: a type with a [`RosenbrockTableau`].
///
/// It needs no iteration, as the Jacobian is part of the method. So the Jacobian is taken at each step, and has to be
/// right: by [`Differences`] in f64, in narrower dtypes by [`ByJvp`](super::ByJvp) or a closure. A step costs an
/// evaluation for each stage and one for the derivative by time, `∂f/∂t`, which is taken by a difference.
///
/// Differences are not exact enough where an element is far below its tolerance and its rate still counts, as in Robertson's
/// reactions over 10¹¹ units of time: at a tolerance of 1e-8, Rodas5P takes 75,000 evaluations by differences, and 6,000 with the
/// exact Jacobian.
///
/// States within steps are refused, as for stochastic methods: [`Save::At`](crate::Save::At) ends a step where one is wanted.
/// Discrete gradients are refused as well, as they would need derivatives of the Jacobian; use a
/// [`Kvaerno5`](super::Kvaerno5), or [`Backsolve`](crate::adjoint::Backsolve) with an explicit method for the way back.
#[doc(alias = "Rosenbrock-Wanner")]
#[doc(alias = "linearly implicit")]
pub trait Rosenbrock {
    /// The method's coefficients.
    const COEFFICIENTS: RosenbrockTableau;

    /// Returns the method as a stepper with Jacobians by differences.
    fn by_differences(self) -> RosenbrockStepper<Self, Differences>
    where
        Self: Sized,
    {
        RosenbrockStepper::new(self, Differences)
    }

    /// Returns the method as a stepper with Jacobians from a source.
    fn with_jacobian<J>(self, jacobian: J) -> RosenbrockStepper<Self, J>
    where
        Self: Sized,
    {
        RosenbrockStepper::new(self, jacobian)
    }
}
