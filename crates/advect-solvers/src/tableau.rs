//! Butcher tableaus: Runge–Kutta methods as data, checked where they are written.

use crate::Interpolant;
use crate::order_conditions::{MAX_ORDER, MAX_STAGES, near, satisfied};

/// The coefficients of an explicit Runge–Kutta method of `s` stages,
/// `k_i = f(t + c_i h, x + h Σ_j a_ij k_j)`, `x' = x + h Σ_i b_i k_i`.
///
/// [`Tableau::new`] is a `const fn` that checks every order condition up to the stated order (at most
/// 8: 200 rooted trees), so that a wrong digit in a `const` tableau does not compile where it is used:
///
/// ```compile_fail
/// use advect_solvers::Tableau;
/// // Heun's method with a slip: the nodes are not the row sums.
/// const WRONG: Tableau = Tableau::new(2, &[0.0, 1.0], &[&[], &[0.9]], &[0.5, 0.5]);
/// let _ = WRONG;
/// ```
///
/// Source of the conditions: Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I,
/// 2nd ed., theorem II.2.13.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tableau {
    order: usize,
    c: &'static [f64],
    a: &'static [&'static [f64]],
    b: &'static [f64],
    error: Option<&'static [f64]>,
    embedded_order: usize,
    interpolant: Interpolant,
}

impl Tableau {
    /// Creates a method of the given order with nodes `c`, stage weights `a` (row i holds i numbers) and weights `b`.
    /// Between the ends of a step it is interpolated by [`Interpolant::Hermite`].
    ///
    /// # Panics
    /// Where the numbers do not make a consistent explicit method of that order, or there are more than 16 stages. In
    /// a `const`, as all tableaus should be, that is a compile error.
    #[allow(clippy::panic)]
    pub const fn new(
        order: usize,
        c: &'static [f64],
        a: &'static [&'static [f64]],
        b: &'static [f64],
    ) -> Self {
        assert!(
            !b.is_empty() && b.len() <= MAX_STAGES,
            "expected between 1 and 16 stages"
        );
        assert!(
            c.len() == b.len() && a.len() == b.len(),
            "expected as many rows and nodes as weights"
        );
        assert!(
            order >= 1 && order <= MAX_ORDER,
            "expected an order from 1 to 8"
        );
        let mut i = 0;
        while i < a.len() {
            assert!(
                a[i].len() == i,
                "expected i numbers in row i, as the method is explicit"
            );
            let mut sum = 0.0;
            let mut j = 0;
            while j < i {
                sum += a[i][j];
                j += 1;
            }
            assert!(
                near(sum, c[i]),
                "expected nodes that are the sums of their rows"
            );
            i += 1;
        }
        assert!(
            satisfied(a, b, 1.0, order),
            "expected coefficients that satisfy all conditions of the stated order"
        );
        Tableau {
            order,
            c,
            a,
            b,
            error: None,
            embedded_order: 0,
            interpolant: Interpolant::Hermite,
        }
    }

    /// Adds an error estimate `h Σ_i e_i k_i`, where `e = b − b̂` for embedded weights `b̂` of order
    /// `embedded_order`.
    ///
    /// # Panics
    /// Where `b − e` does not satisfy the order conditions of that order.
    #[allow(clippy::panic)]
    pub const fn with_error(mut self, embedded_order: usize, error: &'static [f64]) -> Self {
        assert!(
            error.len() == self.b.len(),
            "expected as many error weights as stages"
        );
        assert!(
            embedded_order >= 1 && embedded_order <= MAX_ORDER,
            "expected an order from 1 to 8"
        );
        let mut embedded = [0.0; MAX_STAGES];
        let mut i = 0;
        while i < error.len() {
            embedded[i] = self.b[i] - error[i];
            i += 1;
        }
        let (embedded, _) = embedded.split_at(error.len());
        assert!(
            satisfied(self.a, embedded, 1.0, embedded_order),
            "expected embedded weights that satisfy all conditions of their stated order"
        );
        self.error = Some(error);
        self.embedded_order = embedded_order;
        self
    }

    /// Sets the interpolation of steps by weights of the stages that depend on the place, exact to `order`.
    ///
    /// # Panics
    /// Where there is not a polynomial for each stage, or the weights don't satisfy the conditions of that order within
    /// the step, or are not b at its end.
    #[allow(clippy::panic)]
    pub const fn with_interpolant(mut self, order: usize, interpolant: Interpolant) -> Self {
        assert!(
            order >= 1 && order <= self.order,
            "expected an interpolant of order 1 up to the order of the method"
        );
        let mut eighth = 1;
        while eighth <= 8 {
            let theta = eighth as f64 / 8.0;
            let weights = interpolant.weights(self.b, theta);
            let (weights, _) = weights.split_at(self.b.len());
            assert!(
                satisfied(self.a, weights, theta, order),
                "expected an interpolant that satisfies all conditions of its stated order"
            );
            let mut i = 0;
            while eighth == 8 && i < weights.len() {
                assert!(
                    near(weights[i], self.b[i]),
                    "expected an interpolant that is the weights b at the end of the step"
                );
                i += 1;
            }
            eighth += 1;
        }
        self.interpolant = interpolant;
        self
    }

    /// Returns the interpolation of a step.
    pub const fn interpolant(&self) -> Interpolant {
        self.interpolant
    }

    /// Returns the order of convergence.
    pub const fn order(&self) -> usize {
        self.order
    }

    /// Returns the lower of the orders of the method and of the embedded one, or 0 without an error estimate.
    pub const fn error_order(&self) -> usize {
        if self.embedded_order < self.order {
            self.embedded_order
        } else {
            self.order
        }
    }

    /// Returns the number of stages.
    pub const fn stages(&self) -> usize {
        self.b.len()
    }

    /// Returns the nodes c.
    pub const fn nodes(&self) -> &'static [f64] {
        self.c
    }

    /// Returns the stage weights a, row by row.
    pub const fn matrix(&self) -> &'static [&'static [f64]] {
        self.a
    }

    /// Returns the weights b.
    pub const fn weights(&self) -> &'static [f64] {
        self.b
    }

    /// Returns the error weights e = b − b̂, if there is an error estimate.
    pub const fn error_weights(&self) -> Option<&'static [f64]> {
        self.error
    }

    /// Returns `true` if the last stage is the first one of the next step: it is at t + h with the weights b.
    pub const fn first_same_as_last(&self) -> bool {
        let last = self.b.len() - 1;
        if last == 0 || self.c[last] != 1.0 || self.b[last] != 0.0 {
            return false;
        }
        let mut j = 0;
        while j < last {
            if self.a[last][j] != self.b[j] {
                return false;
            }
            j += 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stepper::{Dopri5, RungeKutta};

    /// One digit off in any coefficient of a fifth-order method is found.
    #[test]
    fn a_wrong_digit_is_found() {
        let good = Dopri5::TABLEAU;
        for stage in 0..good.stages() {
            let mut b = good.b.to_vec();
            b[stage] += 1e-6;
            assert!(!satisfied(good.a, &b, 1.0, 5), "b[{stage}]");
        }
        // The last row is used by the embedded method only.
        for i in 1..good.stages() - 1 {
            for j in 0..i {
                let mut row = good.a[i].to_vec();
                row[j] += 1e-6;
                let mut a = good.a.to_vec();
                a[i] = row.leak();
                let bad = Tableau {
                    a: a.leak(),
                    ..good
                };
                // The first column counts in the row sums only, which `new` checks.
                assert!(j == 0 || !satisfied(bad.a, bad.b, 1.0, 5), "a[{i}][{j}]");
            }
        }
    }

    #[test]
    fn stated_orders_are_not_understated() {
        let exceeds = |tableau: Tableau| satisfied(tableau.a, tableau.b, 1.0, tableau.order + 1);
        assert!(!exceeds(crate::stepper::Euler::TABLEAU));
        assert!(!exceeds(crate::stepper::Heun::TABLEAU));
        assert!(!exceeds(crate::stepper::Rk4::TABLEAU));
        assert!(!exceeds(crate::stepper::Bosh3::TABLEAU));
        assert!(!exceeds(crate::stepper::Tsit5::TABLEAU));
    }
}
