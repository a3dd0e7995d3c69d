//! Butcher tableaus: Runge–Kutta methods as data, checked where they are written.

/// The coefficients of an explicit Runge–Kutta method of `s` stages,
/// `k_i = f(t + c_i h, x + h Σ_j a_ij k_j)`, `x' = x + h Σ_i b_i k_i`.
///
/// [`Tableau::new`] is a `const fn` that checks every order condition up to the stated order (at most
/// 5), so that a wrong digit in a `const` tableau does not compile where it is used:
///
/// ```compile_fail
/// use advect_solvers::Tableau;
/// // Heun's method with a slip: the nodes are not the row sums.
/// const WRONG: Tableau = Tableau::new(2, &[0.0, 1.0], &[&[], &[0.9]], &[0.5, 0.5]);
/// let _ = WRONG;
/// ```
///
/// Source of the conditions: Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I,
/// 2nd ed., table II.2.1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tableau {
    order: usize,
    c: &'static [f64],
    a: &'static [&'static [f64]],
    b: &'static [f64],
    error: Option<&'static [f64]>,
    embedded_order: usize,
}

/// The rounding that a condition on coefficients given to 16 digits may show.
const TOLERANCE: f64 = 1e-12;

impl Tableau {
    /// A method of the given order with nodes `c`, stage weights `a` (row i holds i numbers) and
    /// weights `b`.
    ///
    /// # Panics
    /// Where the numbers do not make a consistent explicit method of that order. In a `const`, as all
    /// tableaus should be, that is a compile error.
    #[allow(clippy::panic)]
    pub const fn new(
        order: usize,
        c: &'static [f64],
        a: &'static [&'static [f64]],
        b: &'static [f64],
    ) -> Self {
        let tableau = Tableau {
            order,
            c,
            a,
            b,
            error: None,
            embedded_order: 0,
        };
        assert!(!b.is_empty(), "at least one stage");
        assert!(
            c.len() == b.len() && a.len() == b.len(),
            "as many rows and nodes as weights"
        );
        assert!(
            order >= 1 && order <= 5,
            "conditions are known for orders 1 to 5"
        );
        let mut i = 0;
        while i < a.len() {
            assert!(
                a[i].len() == i,
                "row i of an explicit method holds i numbers"
            );
            let mut sum = 0.0;
            let mut j = 0;
            while j < i {
                sum += a[i][j];
                j += 1;
            }
            assert!(near(sum, c[i]), "the nodes are the row sums");
            i += 1;
        }
        assert!(tableau.satisfies(b, order), "the order conditions hold");
        tableau
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
            "as many error weights as stages"
        );
        assert!(
            embedded_order >= 1 && embedded_order <= 5,
            "conditions are known for orders 1 to 5"
        );
        let mut embedded = [0.0; 32];
        let mut i = 0;
        while i < error.len() {
            embedded[i] = self.b[i] - error[i];
            i += 1;
        }
        let (embedded, _) = embedded.split_at(error.len());
        assert!(
            self.satisfies(embedded, embedded_order),
            "the embedded order conditions hold"
        );
        self.error = Some(error);
        self.embedded_order = embedded_order;
        self
    }

    /// The order of convergence.
    pub const fn order(&self) -> usize {
        self.order
    }

    /// The lower of the orders of the method and of the embedded one; 0 without an error estimate.
    pub const fn error_order(&self) -> usize {
        if self.embedded_order < self.order {
            self.embedded_order
        } else {
            self.order
        }
    }

    /// The number of stages.
    pub const fn stages(&self) -> usize {
        self.b.len()
    }

    /// The nodes c.
    pub const fn nodes(&self) -> &'static [f64] {
        self.c
    }

    /// The stage weights a, row by row.
    pub const fn matrix(&self) -> &'static [&'static [f64]] {
        self.a
    }

    /// The weights b.
    pub const fn weights(&self) -> &'static [f64] {
        self.b
    }

    /// The error weights e = b − b̂, if there is an error estimate.
    pub const fn error_weights(&self) -> Option<&'static [f64]> {
        self.error
    }

    /// Whether the last stage is the first one of the next step: it sits at t + h with the weights b.
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

    /// Whether weights `b` satisfy the conditions of all rooted trees up to `order` (at most 5).
    const fn satisfies(&self, b: &[f64], order: usize) -> bool {
        let s = b.len();
        // Sums over stages: per tree, Σ_i b_i Φ_i against 1/γ. Stage vectors of the smaller trees:
        // c, (ac), (ac²), (a(ac)) at stage i.
        let mut sums = [0.0; 17];
        let mut i = 0;
        while i < s {
            let c = self.c[i];
            let (mut ac, mut ac2, mut ac3, mut acac, mut aac, mut aac2, mut aaac) =
                (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
            let mut j = 0;
            while j < i {
                let (w, cj) = (self.a[i][j], self.c[j]);
                let (mut ac_j, mut ac2_j, mut aac_j) = (0.0, 0.0, 0.0);
                let mut k = 0;
                while k < j {
                    let (v, ck) = (self.a[j][k], self.c[k]);
                    let mut ac_k = 0.0;
                    let mut l = 0;
                    while l < k {
                        ac_k += self.a[k][l] * self.c[l];
                        l += 1;
                    }
                    ac_j += v * ck;
                    ac2_j += v * ck * ck;
                    aac_j += v * ac_k;
                    k += 1;
                }
                ac += w * cj;
                ac2 += w * cj * cj;
                ac3 += w * cj * cj * cj;
                acac += w * cj * ac_j;
                aac += w * ac_j;
                aac2 += w * ac2_j;
                aaac += w * aac_j;
                j += 1;
            }
            let terms = [
                1.0,
                c,
                c * c,
                ac,
                c * c * c,
                c * ac,
                ac2,
                aac,
                c * c * c * c,
                c * c * ac,
                ac * ac,
                c * ac2,
                ac3,
                c * aac,
                acac,
                aac2,
                aaac,
            ];
            let mut n = 0;
            while n < terms.len() {
                sums[n] += b[i] * terms[n];
                n += 1;
            }
            i += 1;
        }
        const DENSITIES: [f64; 17] = [
            1.0, 2.0, 3.0, 6.0, 4.0, 8.0, 12.0, 24.0, 5.0, 10.0, 20.0, 15.0, 20.0, 30.0, 40.0,
            60.0, 120.0,
        ];
        let trees = match order {
            1 => 1,
            2 => 2,
            3 => 4,
            4 => 8,
            _ => 17,
        };
        let mut n = 0;
        while n < trees {
            if !near(sums[n], 1.0 / DENSITIES[n]) {
                return false;
            }
            n += 1;
        }
        true
    }
}

const fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < TOLERANCE
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
            assert!(!good.satisfies(&b, 5), "b[{stage}]");
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
                assert!(j == 0 || !bad.satisfies(bad.b, 5), "a[{i}][{j}]");
            }
        }
    }

    #[test]
    fn stated_orders_are_not_understated() {
        assert!(!crate::stepper::Euler::TABLEAU.satisfies(&[1.0], 2));
        assert!(!crate::stepper::Heun::TABLEAU.satisfies(&[0.5, 0.5], 3));
        assert!(!crate::stepper::Rk4::TABLEAU.satisfies(crate::stepper::Rk4::TABLEAU.b, 5));
    }
}
