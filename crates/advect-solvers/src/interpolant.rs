//! The interpolation of a solution between the ends of a step.

use crate::order_conditions::MAX_STAGES;

/// The interpolation of a step from t to t + h at t + θh.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Interpolant {
    /// The cubic with the states and slopes of both ends (Hermite): order 3.
    Hermite,
    /// The quartic with the states and slopes of both ends and the state `x + h Σ_i m_i k_i` in the middle; the last
    /// stage is the slope at the end.
    Quartic(&'static [f64]),
    /// The polynomial `x + h Σ_i b_i(θ) k_i`, with the coefficients of θ, θ², … in `b_i` for each stage.
    Stages(&'static [&'static [f64]]),
}

impl Interpolant {
    /// The weights of the stages at θ, for a method with weights `b`; those of [`Interpolant::Hermite`] for one whose
    /// last stage is the slope at the end.
    pub(crate) const fn weights(&self, b: &[f64], theta: f64) -> [f64; MAX_STAGES] {
        let mut weights = [0.0; MAX_STAGES];
        let last = b.len() - 1;
        // Of the slopes at the start and at the end, of the end's and of the middle's increment.
        let [start, end, whole, middle] = match self {
            Interpolant::Hermite => hermite(theta),
            Interpolant::Quartic(_) => {
                let t2 = theta * theta;
                let (t3, t4) = (t2 * theta, t2 * t2);
                [
                    theta - 4.0 * t2 + 5.0 * t3 - 2.0 * t4,
                    t2 - 3.0 * t3 + 2.0 * t4,
                    -5.0 * t2 + 14.0 * t3 - 8.0 * t4,
                    16.0 * t2 - 32.0 * t3 + 16.0 * t4,
                ]
            }
            Interpolant::Stages(_) => [0.0; 4],
        };
        let mut i = 0;
        while i <= last {
            weights[i] = match self {
                Interpolant::Hermite => whole * b[i],
                Interpolant::Quartic(m) => whole * b[i] + middle * m[i],
                Interpolant::Stages(polynomials) => {
                    let polynomial = polynomials[i];
                    let mut sum = 0.0;
                    let mut j = polynomial.len();
                    while j > 0 {
                        sum = theta * (polynomial[j - 1] + sum);
                        j -= 1;
                    }
                    sum
                }
            };
            i += 1;
        }
        weights[0] += start;
        weights[last] += end;
        weights
    }
}

/// The cubic's weights: of h times the slopes at the start and at the end, and of the increment.
pub(crate) const fn hermite(theta: f64) -> [f64; 4] {
    let t2 = theta * theta;
    let t3 = t2 * theta;
    [theta - 2.0 * t2 + t3, t3 - t2, 3.0 * t2 - 2.0 * t3, 0.0]
}
