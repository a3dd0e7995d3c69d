//! Initial value problems `dx/dt = f(t, x)` whose solutions are known in closed form.
//!
//! Each is a field on states of shape `(batch, dim)` and returns its state at any time.

use candle_core::Tensor;

use super::device;
use crate::{Field, Result, Time};

/// A differential equation with a known solution.
pub trait Problem: Field {
    /// Returns the solution at time `t`, in f64, of shape `(batch, dim)`, on the [`device`] of tests. The problem's
    /// initial state is the solution at its initial time.
    ///
    /// # Errors
    /// Errors of candle.
    fn solution(&self, t: f64) -> Result<Tensor>;
}

/// A linear, autonomous problem: a rotation by `omega` radians per unit of time, `x' = ω y`, `y' = −ω x`, from (1, 0.5)
/// and (−0.3, 2).
///
/// ```
/// use advect_core::testing::problems::{Problem, Rotation};
/// # fn main() -> advect_core::Result<()> {
/// let half_turn = Rotation { omega: std::f64::consts::PI }.solution(1.0)?.to_vec2::<f64>()?;
/// assert!((half_turn[0][0] + 1.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// The angular velocity, in radians per unit of time.
    pub omega: f64,
}

impl Field for Rotation {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        let (a, b) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
        Ok(Tensor::cat(&[(b * self.omega)?, (a * -self.omega)?], 1)?)
    }
}

impl Problem for Rotation {
    fn solution(&self, t: f64) -> Result<Tensor> {
        let (sin, cos) = (self.omega * t).sin_cos();
        let turn = |x: f64, y: f64| [cos * x + sin * y, cos * y - sin * x];
        Ok(Tensor::new(&[turn(1.0, 0.5), turn(-0.3, 2.0)], device())?)
    }
}

/// A nonlinear, non-autonomous problem: `x' = x² cos t`, with `x(t) = 1 / (1/x(0) − sin t)`, from 0.7, −0.5 and 0.3. A
/// method passes its order conditions here only if its nodes and its nonlinear terms are right.
///
/// ```
/// use advect_core::testing::problems::{Forced, Problem};
/// # fn main() -> advect_core::Result<()> {
/// assert_eq!(Forced.solution(0.0)?.to_vec2::<f64>()?, [[0.7], [-0.5], [0.3]]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Forced;

impl Field for Forced {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        t.coefficient(f64::cos)?.times(&x.sqr()?)
    }
}

impl Problem for Forced {
    fn solution(&self, t: f64) -> Result<Tensor> {
        let at = |x: f64| [1.0 / (1.0 / x - t.sin())];
        Ok(Tensor::new(&[at(0.7), at(-0.5), at(0.3)], device())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, derivative};

    fn solves_its_equation(problem: &impl Problem) {
        for t in [0.1, 0.7, 1.0] {
            let x = problem.solution(t).unwrap();
            let slope = problem.at(&Time::Shared(t), &x).unwrap();
            let n = x.elem_count();
            let element = |t: f64, i: usize| {
                problem
                    .solution(t)
                    .unwrap()
                    .flatten_all()
                    .unwrap()
                    .to_vec1::<f64>()
                    .unwrap()[i]
            };
            let numeric: Vec<f64> = (0..n)
                .map(|i| derivative(|t| element(t, i), t, 1e-3))
                .collect();
            let numeric = Tensor::from_vec(numeric, x.shape(), device()).unwrap();
            assert_close(&slope, &numeric, 1e-8, 1e-9);
        }
    }

    #[test]
    fn solutions_solve_their_equations() {
        solves_its_equation(&Rotation { omega: 2.0 });
        solves_its_equation(&Forced);
    }
}
