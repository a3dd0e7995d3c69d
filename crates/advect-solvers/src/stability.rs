//! The stability functions of Runge–Kutta methods.

use crate::Tableau;
use crate::implicit::lu::Lu;

impl Tableau {
    /// Returns the real and the imaginary part of the stability function `R(z) = 1 + z bᵀ (I − z A)⁻¹ 𝟙` at a complex number
    /// z: a step for `dx/dt = λ x` multiplies x by R(h λ) (Hairer and Wanner, Solving Ordinary Differential Equations II,
    /// proposition IV.3.1). At a pole both are infinite.
    ///
    /// A method is A-stable if |R| ≤ 1 wherever the real part is not positive, and L-stable if besides R(−∞) = 0.
    pub fn stability(&self, re: f64, im: f64) -> (f64, f64) {
        // (I − z A) k = 1, as real equations of the real parts and the imaginary parts.
        let stages = self.stages();
        let mut matrix = vec![0.0; 4 * stages * stages];
        for (i, row) in self.matrix().iter().enumerate() {
            let at = |part: usize, of: usize, j: usize| {
                (part * stages + i) * 2 * stages + of * stages + j
            };
            for (j, a) in row.iter().enumerate() {
                matrix[at(0, 0, j)] -= re * a;
                matrix[at(0, 1, j)] += im * a;
                matrix[at(1, 0, j)] -= im * a;
                matrix[at(1, 1, j)] -= re * a;
            }
            matrix[at(0, 0, i)] += 1.0;
            matrix[at(1, 1, i)] += 1.0;
        }
        let Some(factors) = Lu::new(2 * stages, matrix) else {
            return (f64::INFINITY, f64::INFINITY);
        };
        let mut k: Vec<f64> = (0..2 * stages)
            .map(|i| if i < stages { 1.0 } else { 0.0 })
            .collect();
        factors.solve(&mut k);
        let sum = |k: &[f64]| -> f64 { self.weights().iter().zip(k).map(|(b, k)| b * k).sum() };
        let (real, imaginary) = (sum(&k[..stages]), sum(&k[stages..]));
        (1.0 + re * real - im * imaginary, re * imaginary + im * real)
    }

    /// The length of the interval of stability: the largest r with |R(x)| ≤ 1 for all x from −r to 0, to a precision of
    /// 1/64, and infinite beyond 64.
    pub(crate) fn real_stability(&self) -> f64 {
        let places = (1..=64 * 64).map(|i| f64::from(i) / 64.0);
        let unstable = |r: &f64| self.stability(-r, 0.0).0.abs() > 1.0 + 1e-9;
        places.into_iter().find(unstable).unwrap_or(f64::INFINITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::implicit::{
        ImplicitEuler, ImplicitRungeKutta, Kvaerno3, Kvaerno4, Kvaerno5, RadauIia5, TrapezoidalRule,
    };
    use crate::stepper::{Dopri5, Euler, Rk4, RungeKutta, Tsit5};

    fn size(tableau: &Tableau, re: f64, im: f64) -> f64 {
        let (re, im) = tableau.stability(re, im);
        re.hypot(im)
    }

    /// R has no poles on the left, so that it is nowhere larger there than on the imaginary axis.
    fn is_a_stable(tableau: &Tableau) -> bool {
        let axis = (-200..=200).map(|i| 10f64.powf(f64::from(i) / 50.0));
        let left = axis
            .clone()
            .flat_map(|y| [1.0, 1e-2, 1e2].map(|r| (-r * y, y)));
        let mut places = axis.map(|y| (0.0, y)).chain(left);
        places.all(|(re, im)| size(tableau, re, im) <= 1.0 + 1e-9)
    }

    /// The table of the module `implicit`.
    #[test]
    fn implicit_methods_are_stable_as_stated() {
        let l_stable = [
            ImplicitEuler::TABLEAU,
            Kvaerno3::TABLEAU,
            Kvaerno4::TABLEAU,
            Kvaerno5::TABLEAU,
            RadauIia5::TABLEAU,
        ];
        for tableau in &l_stable {
            assert!(is_a_stable(tableau), "{tableau:?}");
            // R is about a constant over z; farther out the rounding of 1 + z bᵀ k hides it.
            assert!(size(tableau, -1e6, 0.0) < 2e-5, "{tableau:?}");
            assert!(tableau.first_same_as_last() && tableau.real_stability().is_infinite());
        }
        let trapezoidal = TrapezoidalRule::TABLEAU;
        assert!(is_a_stable(&trapezoidal));
        assert!((size(&trapezoidal, -1e9, 0.0) - 1.0).abs() < 1e-7);
        assert!((size(&trapezoidal, 0.0, 3.0) - 1.0).abs() < 1e-14);
    }

    /// R(z) of closed form: `1/(1 − z)`, and for Radau IIA `(1 + 2z/5 + z²/20) / (1 − 3z/5 + 3z²/20 − z³/60)` (Hairer and
    /// Wanner II, table IV.3.1).
    #[test]
    fn stability_functions_have_their_closed_forms() {
        for z in [-30.0, -2.5, -0.1, 0.4] {
            let (euler, _) = ImplicitEuler::TABLEAU.stability(z, 0.0);
            assert!((euler - 1.0 / (1.0 - z)).abs() < 1e-13);
            let numerator = 1.0 + 0.4 * z + z * z / 20.0;
            let denominator = 1.0 - 0.6 * z + 3.0 * z * z / 20.0 - z.powi(3) / 60.0;
            let (radau, _) = RadauIia5::TABLEAU.stability(z, 0.0);
            assert!(
                (radau - numerator / denominator).abs() < 1e-12,
                "{z}: {radau}"
            );
        }
        // At a pole, 1/γ.
        assert!(ImplicitEuler::TABLEAU.stability(1.0, 0.0).0.is_infinite());
    }

    /// Known lengths: 2, 2.785 (Rk4) and 3.307 (Dopri5).
    #[test]
    fn explicit_methods_have_an_interval_of_stability() {
        for (tableau, length) in [
            (Euler::TABLEAU, 2.0),
            (Rk4::TABLEAU, 2.785),
            (Dopri5::TABLEAU, 3.307),
        ] {
            let found = tableau.real_stability();
            assert!((found - length).abs() < 0.02, "{found}, not {length}");
            assert!(!is_a_stable(&tableau));
        }
        assert!(Tsit5::TABLEAU.real_stability() > 3.0);
    }
}
