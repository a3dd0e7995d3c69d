//! A stochastic Runge–Kutta method for diagonal and scalar noise (Rößler, Runge–Kutta methods for the strong
//! approximation of solutions of stochastic differential equations, SIAM J. Numer. Anal. 48, 2010, section 6.2:
//! SRI1W1).

use advect_core::{Field, Result, Time, check};
use candle_core::Tensor;

use super::{BrownianPath, Pointwise, drift, shared, sum};
use crate::Interval;
use crate::stepper::{Embedded, Method, Step, Stepper};

/// Rößler's method SRI1W1 in Itô's sense, for [`Diagonal`](super::Diagonal) and [`Scalar`](super::Scalar) noise:
/// strong order 1.5, with two evaluations of f and four of g per step.
///
/// With `I₁ = ΔW`, `I₁₁ = ½(ΔW² − h)`, `I₁₁₁ = ⅙(ΔW³ − 3h ΔW)` and `I₁₀ = ∫ (W(u) − W(t)) du` over the step, it is
/// `x' = x + h (f₁ + 2 f₂)/3 + Σ_i (β¹_i I₁ + β²_i I₁₁/√h + β³_i I₁₀/h + β⁴_i I₁₁₁/h) g_i`, where
///
/// - `f₁ = f(t, x)`, `g₁ = g(t, x)`,
/// - `f₂ = f(t + ¾h, x + ¾h f₁ + 3/2 g₁ I₁₀/h)`,
/// - `g₂ = g(t + ¼h, x + ¼h f₁ + ½√h g₁)`,
/// - `g₃ = g(t + h, x + h f₁ − √h g₁)`,
/// - `g₄ = g(t + ¼h, x + ¼h f₁ + √h (−5 g₁ + 3 g₂ + ½ g₃))`,
///
/// and `β¹ = (−1, 4/3, 2/3, 0)`, `β² = (−1, 4/3, −1/3, 0)`, `β³ = (2, −4/3, −2/3, 0)`, `β⁴ = (−2, 5/3, −2/3, 1)`. For
/// an equation in Stratonovich's sense, take the drift of [`ito_drift`](super::ito_drift).
///
/// The error estimate is the difference from the method with the drift of Euler and without β³ and β⁴, of strong order
/// 1 (Rackauckas and Nie, Adaptive methods for stochastic differential equations via natural embeddings and rejection
/// sampling with memory, 2017).
///
/// ```
/// use advect_core::{Key, field_fn};
/// use advect_solvers::sde::{BrownianPath, Diagonal, Sriw1};
/// use advect_solvers::{Solver, controller::Adaptive};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx = x dW in Itô's sense, so that x(t) = exp(W(t) − t/2).
/// let still = field_fn(|_, x| Ok(x.zeros_like()?));
/// let noise = Diagonal(field_fn(|_, x| Ok(x.clone())));
/// let x0 = Tensor::new(&[1f64, 1.0, 1.0], &Device::Cpu)?;
/// let path = BrownianPath::new(Key::from_seed(2), &x0, 0.0, 1.0)?.areas();
/// let exact = (path.increment(0.0, 1.0)? - 0.5)?.exp()?;
/// let adaptive = Adaptive::new(1e-4, 1e-4)?.min_step(path.resolution())?;
/// let end = Solver::new(Sriw1::new(noise, path), adaptive).solve(&still, &x0, 0.0, 1.0)?.end()?;
/// let error = (end - exact)?.abs()?.max_all()?.to_scalar::<f64>()?;
/// assert!(error < 1e-3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "SRIW1")]
#[doc(alias = "SRI1W1")]
pub struct Sriw1<N> {
    noise: N,
    path: BrownianPath,
}

impl<N> Sriw1<N> {
    /// Creates the method with a noise, and the Brownian path that drives it, whose areas it enables.
    pub fn new(noise: N, path: BrownianPath) -> Self {
        let path = path.areas();
        Sriw1 { noise, path }
    }
}

impl<N> Method for Sriw1<N> {
    fn order(&self) -> f64 {
        1.5
    }
}

const BETA1: [f64; 4] = [-1.0, 4.0 / 3.0, 2.0 / 3.0, 0.0];
const BETA2: [f64; 4] = [-1.0, 4.0 / 3.0, -1.0 / 3.0, 0.0];
const BETA3: [f64; 4] = [2.0, -4.0 / 3.0, -2.0 / 3.0, 0.0];
const BETA4: [f64; 4] = [-2.0, 5.0 / 3.0, -2.0 / 3.0, 1.0];

impl<N: Pointwise> Stepper for Sriw1<N> {
    fn step(
        &self,
        field: &dyn Field,
        interval: &Interval,
        x: &Tensor,
        slope: Option<&Tensor>,
    ) -> Result<Step> {
        let (t, end) = shared(interval)?;
        let h = end - t;
        // Backwards in time Itô's sense follows the direction, in which the step is of length |h|.
        let (length, root) = (h.abs(), h.abs().sqrt());
        let motion = self.path.increment_with_integral(t, end)?;
        let i1 = self.noise.spread(&motion.value, x)?;
        let i10 = (self.noise.spread(&motion.integral, x)? / h)?;
        let i11 = (i1.sqr()?.affine(1.0, -length)? * (0.5 / root))?;
        let i111 =
            (i1.sqr()?.affine(1.0, -3.0 * length)? * &i1)?.affine(1.0 / (6.0 * length), 0.0)?;

        let g = |t: f64, terms: &[(f64, &Tensor)]| -> Result<Tensor> {
            let at = sum(&[terms, &[(1.0, x)]].concat())?;
            let g = self.noise.field().at(&Time::Shared(t), &at)?;
            check::alike("g", &g, "x", x)?;
            Ok(g)
        };
        let f1 = drift(field, t, x, slope)?;
        let g1 = g(t, &[])?;
        let kick = (&g1 * &i10)?;
        let inner = sum(&[(0.75 * h, &f1), (1.5, &kick), (1.0, x)])?;
        let f2 = drift(field, t + 0.75 * h, &inner, None)?;
        let (early, quarter) = (t + 0.25 * h, 0.25 * h);
        let g2 = g(early, &[(quarter, &f1), (0.5 * root, &g1)])?;
        let g3 = g(end, &[(h, &f1), (-root, &g1)])?;
        let g4 = g(
            early,
            &[
                (quarter, &f1),
                (-5.0 * root, &g1),
                (3.0 * root, &g2),
                (0.5 * root, &g3),
            ],
        )?;

        let weighted = |a: (&[f64; 4], &Tensor), b: (&[f64; 4], &Tensor)| -> Result<Tensor> {
            let mut total = x.zeros_like()?;
            for (i, g) in [&g1, &g2, &g3, &g4].into_iter().enumerate() {
                total = (total + (g * sum(&[(a.0[i], a.1), (b.0[i], b.1)])?)?)?;
            }
            Ok(total)
        };
        let first = weighted((&BETA1, &i1), (&BETA2, &i11))?;
        let second = weighted((&BETA3, &i10), (&BETA4, &i111))?;
        let (third, most) = (h / 3.0, 2.0 * h / 3.0);
        let end = sum(&[
            (third, &f1),
            (most, &f2),
            (1.0, &first),
            (1.0, &second),
            (1.0, x),
        ])?;
        let mut step = Step::new(end, f1);
        step.error = Some(sum(&[
            (most, &f2),
            (-most, &step.slopes[0]),
            (1.0, &second),
        ])?);
        Ok(step)
    }
}

/// The embedded method is of strong order 1: its error in a step is of order 1.5.
impl<N: Pointwise> Embedded for Sriw1<N> {
    fn error_order(&self) -> f64 {
        0.5
    }
}
