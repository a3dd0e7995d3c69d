//! The generalised minimal residual method (Saad and Schultz, GMRES: A generalized minimal residual algorithm for solving
//! nonsymmetric linear systems, SIAM J. Sci. Stat. Comput. 7, 1986), with restarts, for all samples at once.

use advect_core::Result;

use super::krylov_space::{Extended, KrylovSpace};

/// The settings of the method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::implicit) struct Gmres {
    /// The number of directions that are kept at once.
    pub(in crate::implicit) restart: usize,
    /// The largest number of iterations for one set of equations, each with a product for every stage.
    pub(in crate::implicit) iterations: usize,
    /// The part of Newton's goal that is left to the linear equations.
    pub(in crate::implicit) fraction: f64,
}

/// The end of the method for one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::implicit) enum Outcome {
    Solved,
    /// The part of the residual that was left.
    Left(f64),
    Singular,
    NonFinite,
}

impl Gmres {
    /// Solves `A x = b` for each sample, until `‖b − A x‖` is at most its goal. `apply` multiplies a vector of all samples by A.
    pub(in crate::implicit) fn solve(
        &self,
        apply: &mut dyn FnMut(&[f64]) -> Result<Vec<f64>>,
        right: &[f64],
        goals: &[f64],
    ) -> Result<(Vec<f64>, Vec<Outcome>)> {
        let size = right.len() / goals.len().max(1);
        let of = |i: usize| i * size..(i + 1) * size;
        let mut x = vec![0.0; right.len()];
        let mut residual = right.to_vec();
        let mut outcomes = vec![Outcome::Left(1.0); goals.len()];
        let begun: Vec<f64> = (0..goals.len()).map(|i| length(&right[of(i)])).collect();
        let mut left = self.iterations;
        loop {
            let mut spaces: Vec<Option<KrylovSpace>> = Vec::with_capacity(goals.len());
            for (i, outcome) in outcomes.iter_mut().enumerate() {
                let length = length(&residual[of(i)]);
                if let Outcome::Left(part) = outcome {
                    *part = length / begun[i];
                    *outcome = match length {
                        // A goal that is a part of such a length is infinite too.
                        _ if !length.is_finite() => Outcome::NonFinite,
                        _ if length <= goals[i] => Outcome::Solved,
                        _ => *outcome,
                    };
                }
                let open = matches!(outcome, Outcome::Left(_)) && left > 0;
                spaces.push(open.then(|| KrylovSpace::new(&residual[of(i)], length)));
            }
            if spaces.iter().all(Option::is_none) {
                return Ok((x, outcomes));
            }
            let mut growing: Vec<bool> = spaces.iter().map(Option::is_some).collect();
            for _ in 0..self.restart.min(left) {
                let mut directions = vec![0.0; right.len()];
                for (i, space) in spaces.iter().enumerate().filter(|(i, _)| growing[*i]) {
                    if let Some(direction) = space.as_ref().and_then(KrylovSpace::last) {
                        directions[of(i)].copy_from_slice(direction);
                    }
                }
                let products = apply(&directions)?;
                left -= 1;
                for (i, space) in spaces.iter_mut().enumerate() {
                    let Some(space) = space.as_mut().filter(|_| growing[i]) else {
                        continue;
                    };
                    let extended = space.extend(products[of(i)].to_vec());
                    growing[i] = extended == Extended::Open && space.residual() > goals[i];
                    outcomes[i] = match extended {
                        Extended::NonFinite => Outcome::NonFinite,
                        _ if space.residual() <= goals[i] => Outcome::Solved,
                        Extended::Complete => Outcome::Singular,
                        Extended::Open => Outcome::Left(space.residual() / begun[i]),
                    };
                }
                if !growing.contains(&true) {
                    break;
                }
            }
            for (i, space) in spaces.iter().enumerate() {
                if let Some(space) = space.as_ref().filter(|_| outcomes[i] != Outcome::NonFinite) {
                    space.add_to(&mut x[of(i)]);
                }
            }
            if left == 0 || !outcomes.iter().any(|o| matches!(o, Outcome::Left(_))) {
                return Ok((x, outcomes));
            }
            let products = apply(&x)?;
            left -= 1;
            for ((r, b), product) in residual.iter_mut().zip(right).zip(products) {
                *r = b - product;
            }
        }
    }
}

/// The Euclidean norm.
pub(super) fn length(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two matrices of 30 rows, of which one is the unit matrix but for a row.
    fn apply(x: &[f64]) -> Vec<f64> {
        let row = |e: usize| match e {
            0..30 => {
                let after = if e < 29 { 0.7 * x[e + 1] } else { 0.2 * x[0] };
                (2.0 + e as f64 / 10.0) * x[e] - after
            }
            59 => 4.0 * x[59] - x[30],
            _ => x[e],
        };
        (0..60).map(row).collect()
    }

    fn settings(restart: usize, iterations: usize) -> Gmres {
        Gmres {
            restart,
            iterations,
            fraction: 0.05,
        }
    }

    #[test]
    fn solves_each_sample_with_and_without_restarts() {
        let known: Vec<f64> = (0..60).map(|e| (e as f64).sin()).collect();
        let right = apply(&known);
        for restart in [3, 30] {
            let mut count = 0;
            let mut product = |x: &[f64]| {
                count += 1;
                Ok(apply(x))
            };
            let gmres = settings(restart, 200);
            let (x, outcomes) = gmres.solve(&mut product, &right, &[1e-10, 1e-10]).unwrap();
            assert_eq!(outcomes, [Outcome::Solved; 2]);
            for (x, known) in x.iter().zip(&known) {
                assert!((x - known).abs() < 1e-9, "{x}, not {known}");
            }
            // The polynomial of least residual: 30 products suffice without a restart.
            assert!(restart == 3 || count <= 30, "{count}");
        }
    }

    #[test]
    fn says_where_it_fails() {
        let right = vec![1.0; 2];
        let solve = |matrix: fn(&[f64]) -> Vec<f64>, iterations: usize| {
            let gmres = settings(2, iterations);
            let mut product = |x: &[f64]| Ok(matrix(x));
            gmres.solve(&mut product, &right, &[1e-12]).unwrap().1[0]
        };
        assert_eq!(solve(|_| vec![0.0, 0.0], 10), Outcome::Singular);
        assert_eq!(
            solve(|x| vec![x[0] + x[1], x[0] + x[1]], 10),
            Outcome::Solved
        );
        assert_eq!(solve(|_| vec![f64::NAN, 0.0], 10), Outcome::NonFinite);
        assert_eq!(
            solve(|x| vec![f64::INFINITY * x[0], 1.0], 10),
            Outcome::NonFinite
        );
        let Outcome::Left(part) = solve(|x| vec![x[0], 3.0 * x[1]], 1) else {
            panic!("expected a residual that is left");
        };
        // The least residual along (1, 3): 1 − (1 + 3)² / (2 · 10) of the square.
        assert!((part - 0.2f64.sqrt()).abs() < 1e-12, "{part}");
    }
}
