//! Butcher tableaus: Runge–Kutta methods as data, checked where they are written.

use crate::Interpolant;
use crate::order_conditions::{MAX_ORDER, MAX_STAGES, near, satisfied};

/// The coefficients of a Runge–Kutta method of `s` stages,
/// `k_i = f(t + c_i h, x + h Σ_j a_ij k_j)`, `x' = x + h Σ_i b_i k_i`.
///
/// [`Tableau::new`] is for explicit methods, whose stages follow from those before them, and [`Tableau::implicit`] for
/// methods whose stages are the solutions of equations. Both are a `const fn` that checks every order condition up to the stated order (at most
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
        check_sizes(order, c, a, b);
        let mut i = 0;
        while i < a.len() {
            assert!(
                a[i].len() == i,
                "expected i numbers in row i, as the method is explicit"
            );
            i += 1;
        }
        Self::checked(order, c, a, b)
    }

    /// Creates an implicit method of the given order, with nodes `c`, stage weights `a` and weights `b`. Its first stage
    /// is explicit, `k_0 = f(t, x)`, and row 0 is empty. The others are
    ///
    /// - one after the other (ESDIRK): row i holds i + 1 numbers, the last of which is the same in all rows, so that one
    ///   factorised matrix serves all stages;
    /// - or solved for together: each row holds a number for every stage, 0 for the first one.
    ///
    /// Between the ends of a step it is interpolated by [`Interpolant::Hermite`].
    ///
    /// ```
    /// use advect_solvers::Tableau;
    /// const TRAPEZOIDAL_RULE: Tableau = Tableau::implicit(2, &[0.0, 1.0], &[&[], &[0.5, 0.5]], &[0.5, 0.5]);
    /// assert!(!TRAPEZOIDAL_RULE.is_explicit());
    /// // R(z) = (1 + z/2) / (1 − z/2)
    /// let (re, im) = TRAPEZOIDAL_RULE.stability(-6.0, 0.0);
    /// assert!((re + 0.5).abs() < 1e-15 && im == 0.0);
    /// ```
    ///
    /// # Panics
    /// Where the numbers do not make a consistent method of that order and shape, or there are more than 16 stages. In a
    /// `const`, that is a compile error.
    #[allow(clippy::panic)]
    pub const fn implicit(
        order: usize,
        c: &'static [f64],
        a: &'static [&'static [f64]],
        b: &'static [f64],
    ) -> Self {
        check_sizes(order, c, a, b);
        assert!(
            a.len() >= 2 && a[0].is_empty(),
            "expected an explicit first stage and an implicit one"
        );
        let one_by_one = a[1].len() == 2;
        let mut i = 1;
        while i < a.len() {
            assert!(
                a[i].len() == if one_by_one { i + 1 } else { a.len() },
                "expected i + 1 numbers in row i, or as many as stages in all rows"
            );
            assert!(
                if one_by_one {
                    a[i][i] == a[1][1] && a[i][i] > 0.0
                } else {
                    a[i][0] == 0.0
                },
                "expected the same positive number on the diagonal, or no part of the first stage in stages that are \
                 solved for together"
            );
            i += 1;
        }
        Self::checked(order, c, a, b)
    }

    /// A method whose nodes and order are checked.
    #[allow(clippy::panic)]
    const fn checked(
        order: usize,
        c: &'static [f64],
        a: &'static [&'static [f64]],
        b: &'static [f64],
    ) -> Self {
        let mut i = 0;
        while i < a.len() {
            let mut sum = 0.0;
            let mut j = 0;
            while j < a[i].len() {
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

    /// Sets the interpolation within steps, by weights of the stages that depend on the place, exact to `order`.
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

    /// The stage weights that belong to one set of equations of an implicit method, row by row.
    pub(crate) fn implicit_block(&self) -> Vec<f64> {
        match self.a[1] {
            [_, gamma] => vec![*gamma],
            _ => self.a[1..]
                .iter()
                .flat_map(|row| row[1..].to_vec())
                .collect(),
        }
    }

    /// Returns `true` if each stage depends only on earlier ones.
    pub const fn is_explicit(&self) -> bool {
        self.b.len() == 1 || self.a[1].len() == 1
    }

    /// Returns `true` if the last stage is the first one of the next step: it is at t + h with the weights b. Implicit
    /// methods with this property are called stiffly accurate.
    #[doc(alias = "FSAL")]
    #[doc(alias = "stiffly accurate")]
    pub const fn first_same_as_last(&self) -> bool {
        let last = self.b.len() - 1;
        if last == 0 || self.c[last] != 1.0 {
            return false;
        }
        let row = self.a[last];
        let mut j = 0;
        while j <= last {
            let of_row = if j < row.len() { row[j] } else { 0.0 };
            if of_row != self.b[j] {
                return false;
            }
            j += 1;
        }
        true
    }
}

/// Checks that the numbers fit each other.
#[allow(clippy::panic)]
const fn check_sizes(order: usize, c: &[f64], a: &[&[f64]], b: &[f64]) {
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
