//! Milstein's method for several Brownian motions (Kloeden and Platen, Numerical Solution of Stochastic Differential
//! Equations, section 10.3).

use advect_core::{Field, Result, Time, shape};
use candle_core::Tensor;

use super::general::product;
use super::{BrownianPath, Columns, Interpretation, drift, shared, sum};
use crate::Interval;
use crate::stepper::{Method, Step, Stepper};

/// Milstein's method for general noise, `x' = x + h f + g ΔW + Σ_k ∂g_k/∂x Σ_j g_j I_jk`, with the columns `g_j` of
/// the matrix g: strong order 1, whether or not the columns commute.
///
/// The iterated integrals are `I_jk = ∫∫ dW_j dW_k = ½ (ΔW_j ΔW_k − δ_jk |h|) + A_jk`, without the `|h|` in
/// Stratonovich's sense, with the Lévy areas A of [`BrownianPath::increment_with_levy_area`]: steps have to end on
/// cells of the path, so set [`BrownianPath::cells`] to the number of steps, or a multiple.
///
/// The noise is [`General`](super::General), whose derivatives are central differences of size `√|h|` (Rößler,
/// Runge–Kutta methods for the strong approximation of solutions of stochastic differential equations, SIAM J. Numer.
/// Anal. 48, 2010, section 6.1), with 2m + 1 evaluations of g for m motions, or [`GeneralJvp`](super::GeneralJvp),
/// with derivatives.
///
/// ```
/// use advect_core::{Key, Time, field_fn};
/// use advect_solvers::sde::{BrownianPath, General, Interpretation, MilsteinGeneral};
/// use advect_solvers::{Solver, controller::Fixed};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx₁ = dW₁, dx₂ = dW₂, dx₃ = ½ (x₁ dW₂ − x₂ dW₁): the third is the area that the first two sweep.
/// let still = field_fn(|_, x| Ok(x.zeros_like()?));
/// let noise = General(|_: &Time, x: &Tensor| {
///     let (x1, x2) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
///     let (one, zero) = (x1.ones_like()?, x1.zeros_like()?);
///     let first = Tensor::cat(&[&one, &zero, &(x2 * -0.5)?], 1)?;
///     let second = Tensor::cat(&[&zero, &one, &(x1 * 0.5)?], 1)?;
///     Ok(Tensor::stack(&[first, second], 2)?)
/// });
/// let motions = Tensor::zeros((4, 2), DType::F64, &Device::Cpu)?;
/// let path = BrownianPath::new(Key::from_seed(0), &motions, 0.0, 1.0)?.cells(8)?.areas();
/// let area = path.increment_with_levy_area(0.0, 1.0)?.area;
/// let stepper = MilsteinGeneral::new(noise, path, Interpretation::Ito);
/// let x0 = Tensor::zeros((4, 3), DType::F64, &Device::Cpu)?;
/// let end = Solver::new(stepper, Fixed::steps(8)?).solve(&still, &x0, 0.0, 1.0)?.end()?;
/// let (end, area) = (end.to_vec2::<f64>()?, area.to_vec3::<f64>()?);
/// assert!((end[2][2] - area[2][0][1]).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "Lévy area")]
pub struct MilsteinGeneral<N> {
    noise: N,
    path: BrownianPath,
    interpretation: Interpretation,
}

impl<N> MilsteinGeneral<N> {
    /// Creates the method with a noise, and the Brownian path that drives it, whose areas it enables.
    pub fn new(noise: N, path: BrownianPath, interpretation: Interpretation) -> Self {
        MilsteinGeneral {
            noise,
            path: path.areas(),
            interpretation,
        }
    }

    /// `I_jk` for each sample, of shape `(batch, m, m)`.
    fn integrals(&self, dw: &Tensor, area: &Tensor, h: f64) -> Result<Tensor> {
        let products = dw.unsqueeze(2)?.broadcast_mul(&dw.unsqueeze(1)?)?;
        let integrals = sum(&[(0.5, &products), (1.0, area)])?;
        match self.interpretation {
            Interpretation::Stratonovich => Ok(integrals),
            Interpretation::Ito => {
                let one = Tensor::eye(dw.dim(1)?, dw.dtype(), dw.device())?;
                Ok(integrals.broadcast_sub(&(one * (0.5 * h.abs()))?)?)
            }
        }
    }
}

impl<N> Method for MilsteinGeneral<N> {
    fn order(&self) -> f64 {
        1.0
    }
}

impl<N: Columns> Stepper for MilsteinGeneral<N> {
    fn step(
        &self,
        field: &dyn Field,
        interval: &Interval,
        x: &Tensor,
        slope: Option<&Tensor>,
    ) -> Result<Step> {
        let (t, end) = shared(interval)?;
        let h = end - t;
        let motion = self.path.increment_with_levy_area(t, end)?;
        let f = drift(field, t, x, slope)?;
        let at = Time::Shared(t);
        let g = self.noise.matrix(&at, x)?;
        let noise = product(&g, x, &motion.value)?;
        let integrals = self.integrals(&motion.value, &motion.area, h)?;
        let along = shape::wide(&g)?.matmul(&shape::wide(&integrals)?)?;
        let along = along.to_dtype(x.dtype())?;
        let correction = (self.noise).along(&at, x, &along, 1.0 / h.abs().sqrt())?;
        let x = sum(&[(h, &f), (1.0, &noise), (1.0, &correction), (1.0, x)])?;
        Ok(Step::new(x, f))
    }
}
