//! The order conditions of Rosenbrock methods (Hairer and Wanner, Solving Ordinary Differential Equations II, section IV.7).
//!
//! The stages `u = h Γ k` of the implementation are those of the method with `Γ = (I/γ − C)⁻¹`, `α = A Γ` and `b = m Γ`. A branch
//! that is alone on its vertex has the matrix `β = α + Γ`, and branches together have α.

use super::RosenbrockTableau;
use crate::order_conditions::{MAX_STAGES, near, satisfied_with};

type Matrix = [[f64; MAX_STAGES]; MAX_STAGES];

/// Γ, row by row from `Γ/γ = I + C Γ`.
const fn of_stages(tableau: &RosenbrockTableau) -> Matrix {
    let mut inverse = [[0.0; MAX_STAGES]; MAX_STAGES];
    let mut i = 0;
    while i < tableau.m.len() {
        inverse[i] = combined(tableau.c[i], &inverse, tableau.gamma);
        inverse[i][i] = tableau.gamma;
        i += 1;
    }
    inverse
}

/// `factor · Σ_j w_j Γ_j`
const fn combined(weights: &[f64], rows: &Matrix, factor: f64) -> [f64; MAX_STAGES] {
    let mut sum = [0.0; MAX_STAGES];
    let mut j = 0;
    while j < weights.len() {
        let mut k = 0;
        while k < MAX_STAGES {
            sum[k] += factor * weights[j] * rows[j][k];
            k += 1;
        }
        j += 1;
    }
    sum
}

const fn sum(row: &[f64; MAX_STAGES]) -> f64 {
    let (mut sum, mut k) = (0.0, 0);
    while k < MAX_STAGES {
        sum += row[k];
        k += 1;
    }
    sum
}

/// Whether the nodes are the sums of the rows of α, and the factors of the derivative by time those of Γ, so that equations that
/// depend on time are solved as autonomous ones.
pub(super) const fn is_consistent(tableau: &RosenbrockTableau) -> bool {
    let gamma = of_stages(tableau);
    let mut i = 0;
    while i < tableau.m.len() {
        let alpha = combined(tableau.a[i], &gamma, 1.0);
        if !near(sum(&alpha), tableau.alpha[i]) || !near(sum(&gamma[i]), tableau.gammas[i]) {
            return false;
        }
        i += 1;
    }
    true
}

/// Whether the method with the weights `m − part · e` has an order.
pub(super) const fn has_order(tableau: &RosenbrockTableau, part: f64, order: usize) -> bool {
    let stages = tableau.m.len();
    let gamma = of_stages(tableau);
    let mut alpha = [[0.0; MAX_STAGES]; MAX_STAGES];
    let mut beta = gamma;
    let mut weights = [0.0; MAX_STAGES];
    let mut i = 0;
    while i < stages {
        alpha[i] = combined(tableau.a[i], &gamma, 1.0);
        let mut k = 0;
        while k < stages {
            beta[i][k] += alpha[i][k];
            weights[k] += (tableau.m[i] - part * tableau.e[i]) * gamma[i][k];
            k += 1;
        }
        i += 1;
    }
    let (mut of_alpha, mut of_beta): ([&[f64]; MAX_STAGES], [&[f64]; MAX_STAGES]) =
        ([&[]; MAX_STAGES], [&[]; MAX_STAGES]);
    let mut i = 0;
    while i < stages {
        (of_alpha[i], of_beta[i]) = (&alpha[i], &beta[i]);
        i += 1;
    }
    satisfied_with(
        &of_alpha,
        Some(&of_beta),
        weights.split_at(stages).0,
        1.0,
        order,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::implicit::{Rodas5P, Rosenbrock};

    /// A wrong digit in A or C is found by the conditions, and by the sums of rows.
    #[test]
    fn wrong_digits_are_found() {
        let right = Rodas5P::COEFFICIENTS;
        assert!(is_consistent(&right) && has_order(&right, 0.0, 5) && has_order(&right, 1.0, 4));
        assert!(!has_order(&right, 0.0, 6) && !has_order(&right, 1.0, 5));
        let moved = |of: &[&'static [f64]], i: usize, j: usize| {
            let mut row = of[i].to_vec();
            row[j] += 1e-6;
            let mut rows = of.to_vec();
            rows[i] = row.leak();
            &*rows.leak()
        };
        for i in 1..8 {
            // The stages from the sixth on are themselves as small as the error.
            for j in 0..i.min(5) {
                for a in [true, false] {
                    let mut wrong = right;
                    match a {
                        true => wrong.a = moved(right.a, i, j),
                        false => wrong.c = moved(right.c, i, j),
                    }
                    assert!(!is_consistent(&wrong), "{a} {i} {j}");
                    let orders = has_order(&wrong, 0.0, 5) && has_order(&wrong, 1.0, 4);
                    assert!(!orders, "{a} {i} {j}");
                }
            }
        }
        assert!(!has_order(
            &RosenbrockTableau {
                gamma: right.gamma + 1e-6,
                ..right
            },
            0.0,
            5
        ));
    }

    /// The implicit Euler method with one linear equation has order 1, and one of γ = 1/2 order 2.
    #[test]
    fn one_stage_has_order_one_or_two() {
        let of = |gamma: f64| RosenbrockTableau {
            order: 1,
            embedded_order: 0,
            gamma,
            alpha: &[0.0],
            gammas: if gamma == 1.0 { &[1.0] } else { &[0.5] },
            a: &[&[]],
            c: &[&[]],
            m: if gamma == 1.0 { &[1.0] } else { &[2.0] },
            e: &[0.0],
        };
        assert!(
            is_consistent(&of(1.0)) && has_order(&of(1.0), 0.0, 1) && !has_order(&of(1.0), 0.0, 2)
        );
        assert!(
            is_consistent(&of(0.5)) && has_order(&of(0.5), 0.0, 2) && !has_order(&of(0.5), 0.0, 3)
        );
    }
}
