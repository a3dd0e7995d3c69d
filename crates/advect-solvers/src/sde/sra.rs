//! Stochastic Runge–Kutta methods for additive noise (Rößler, Runge–Kutta methods for the strong approximation of
//! solutions of stochastic differential equations, SIAM J. Numer. Anal. 48, 2010, section 6.3: SRA1 and SRA3).

use advect_core::{Field, Result};
use candle_core::Tensor;

use super::{Additive, BrownianPath, Noise, drift, shared, sum};
use crate::Interval;
use crate::stepper::{Embedded, Method, Step, Stepper};

/// Rößler's method SRA1, `y = x + ¾ h f(t, x) + 3/2 g(t + h) I/h`,
/// `x' = x + h (f(t, x) + 2 f(t + ¾h, y))/3 + g(t + h) (ΔW − I/h) + g(t) I/h` with `I = ∫ (W(u) − W(t)) du` over the
/// step: strong order 1.5, two evaluations per step. For additive noise the senses of Itô and Stratonovich agree.
///
/// The error estimate is the difference from the Euler–Maruyama method, of strong order 1, as in Rackauckas and Nie,
/// Adaptive methods for stochastic differential equations via natural embeddings and rejection sampling with memory,
/// 2017.
///
/// ```
/// use advect_core::{Key, field_fn};
/// use advect_solvers::sde::{Additive, BrownianPath, Sra1};
/// use advect_solvers::{Solver, controller::Fixed};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx = dt + 2t dW from 0 has x(1) = 1 + 2 (W(1) − ∫ W dt), which one step finds.
/// let one = field_fn(|_, x| Ok(x.ones_like()?));
/// let x0 = Tensor::new(&[0f64], &Device::Cpu)?;
/// let path = BrownianPath::new(Key::from_seed(0), &x0, 0.0, 1.0)?.areas();
/// let motion = path.increment_with_integral(0.0, 1.0)?;
/// let exact = (motion.value - motion.integral)?.affine(2.0, 1.0)?;
/// let solver = Solver::new(Sra1::new(Additive(|t| 2.0 * t), path), Fixed::steps(1)?);
/// let end = solver.solve(&one, &x0, 0.0, 1.0)?.end()?;
/// assert!((end - exact)?.abs()?.max_all()?.to_scalar::<f64>()? < 1e-14);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "SRA1")]
pub struct Sra1<G> {
    noise: Additive<G>,
    path: BrownianPath,
}

/// Rößler's method SRA3, `y₂ = x + h f₁`, `y₃ = x + h (f₁ + f₂)/4 + (g(t + h) + ½ g(t)) I/h`,
/// `x' = x + h (f₁ + f₂ + 4 f₃)/6 + g(t + h) (ΔW − I/h) + g(t) I/h`, with `f₁ = f(t, x)`, `f₂ = f(t + h, y₂)`,
/// `f₃ = f(t + ½h, y₃)` and `I = ∫ (W(u) − W(t)) du` over the step: strong order 1.5 and of order 3 without noise,
/// three evaluations per step. For additive noise the senses of Itô and Stratonovich agree.
///
/// Where the noise is small, it is more precise than [`Sra1`]. The error estimate is again the difference from the
/// Euler–Maruyama method.
///
/// ```
/// use advect_core::{Key, field_fn};
/// use advect_solvers::sde::{Additive, BrownianPath, Sra3};
/// use advect_solvers::{Solver, controller::Fixed};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = field_fn(|_, x| Ok(x.neg()?));
/// let x0 = Tensor::new(&[1f64], &Device::Cpu)?;
/// let path = BrownianPath::new(Key::from_seed(0), &x0, 0.0, 1.0)?;
/// let solver = Solver::new(Sra3::new(Additive(|_| 0.0), path), Fixed::steps(1)?);
/// let end = solver.solve(&decay, &x0, 0.0, 1.0)?.end()?.to_vec1::<f64>()?;
/// assert!((end[0] - 1.0 / 3.0).abs() < 1e-15); // 1 − h + h²/2 − h³/6
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "SRA3")]
pub struct Sra3<G> {
    noise: Additive<G>,
    path: BrownianPath,
}

/// Additive noise over a step.
struct Kicks {
    /// `g(t + h) ΔW`.
    whole: Tensor,
    /// `g(t + h) I/h`.
    late: Tensor,
    /// `g(t) I/h`.
    early: Tensor,
    /// `(g(t + h) − g(t)) (ΔW − I/h)`.
    change: Tensor,
}

impl Kicks {
    fn new<G: Fn(f64) -> f64>(
        noise: &Additive<G>,
        path: &BrownianPath,
        (t, end): (f64, f64),
        x: &Tensor,
    ) -> Result<Self> {
        let motion = path.increment_with_integral(t, end)?;
        let mean = (motion.integral / (end - t))?;
        let rest = (&motion.value - &mean)?;
        let (after, before) = (noise.apply(end, x, &rest)?, noise.apply(t, x, &rest)?);
        Ok(Kicks {
            whole: noise.apply(end, x, &motion.value)?,
            late: noise.apply(end, x, &mean)?,
            early: noise.apply(t, x, &mean)?,
            change: (after - before)?,
        })
    }

    /// The step `x + Σ_i w_i f_i + g(t + h) (ΔW − I/h) + g(t) I/h` whose weights are those of slopes times h, and its
    /// difference from the Euler–Maruyama method.
    fn step(&self, x: &Tensor, slopes: &[(f64, &Tensor)]) -> Result<Step> {
        let kicks = [
            (1.0, &self.whole),
            (-1.0, &self.late),
            (1.0, &self.early),
            (1.0, x),
        ];
        let end = sum(&[slopes, &kicks].concat())?;
        let mut difference = slopes.to_vec();
        let (h, first) = (slopes.iter().map(|(w, _)| w).sum::<f64>(), slopes[0].1);
        difference.extend([(-h, first), (1.0, &self.change)]);
        let mut step = Step::new(end, first.clone());
        step.error = Some(sum(&difference)?);
        Ok(step)
    }
}

impl<G: Fn(f64) -> f64> Stepper for Sra1<G> {
    fn step(
        &self,
        field: &dyn Field,
        interval: &Interval,
        x: &Tensor,
        slope: Option<&Tensor>,
    ) -> Result<Step> {
        let (t, end) = shared(interval)?;
        let h = end - t;
        let kicks = Kicks::new(&self.noise, &self.path, (t, end), x)?;
        let f = drift(field, t, x, slope)?;
        let inner = sum(&[(0.75 * h, &f), (1.5, &kicks.late), (1.0, x)])?;
        let f_inner = drift(field, t + 0.75 * h, &inner, None)?;
        kicks.step(x, &[(h / 3.0, &f), (2.0 * h / 3.0, &f_inner)])
    }
}

impl<G: Fn(f64) -> f64> Stepper for Sra3<G> {
    fn step(
        &self,
        field: &dyn Field,
        interval: &Interval,
        x: &Tensor,
        slope: Option<&Tensor>,
    ) -> Result<Step> {
        let (t, end) = shared(interval)?;
        let h = end - t;
        let kicks = Kicks::new(&self.noise, &self.path, (t, end), x)?;
        let f1 = drift(field, t, x, slope)?;
        let y2 = sum(&[(h, &f1), (1.0, x)])?;
        let f2 = drift(field, end, &y2, None)?;
        let y3 = sum(&[
            (0.25 * h, &f1),
            (0.25 * h, &f2),
            (1.0, &kicks.late),
            (0.5, &kicks.early),
            (1.0, x),
        ])?;
        let f3 = drift(field, t + 0.5 * h, &y3, None)?;
        let (sixth, most) = (h / 6.0, 2.0 * h / 3.0);
        kicks.step(x, &[(sixth, &f1), (sixth, &f2), (most, &f3)])
    }
}

macro_rules! additive {
    ($($Method:ident)*) => {$(
        impl<G> $Method<G> {
            /// Creates the method with a noise, and the Brownian path that drives it, whose areas it enables.
            pub fn new(noise: Additive<G>, path: BrownianPath) -> Self {
                let path = path.areas();
                $Method { noise, path }
            }
        }

        impl<G> Method for $Method<G> {
            fn order(&self) -> f64 {
                1.5
            }
        }

        /// The embedded method is of strong order 1: its error in a step is of order 1.5.
        impl<G: Fn(f64) -> f64> Embedded for $Method<G> {
            fn error_order(&self) -> f64 {
                0.5
            }
        }
    )*};
}
additive!(Sra1 Sra3);
