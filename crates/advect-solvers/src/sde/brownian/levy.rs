//! Lévy areas of a path, cell by cell.

use std::f64::consts::PI;

use advect_core::{Error, Generator, Result, shape};
use candle_core::{Device, Tensor};

use super::BrownianPath;
use crate::sde::sum;

/// The increment of a path of several motions over an interval, and the Lévy area of each pair of them.
///
/// ```
/// use advect_core::Key;
/// use advect_solvers::sde::BrownianPath;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let motions = Tensor::zeros((1, 2), DType::F64, &Device::Cpu)?;
/// let path = BrownianPath::new(Key::from_seed(1), &motions, 0.0, 1.0)?.cells(2)?.areas();
/// let at = |s, t| -> advect_core::Result<(Vec<f64>, f64)> {
///     let motion = path.increment_with_levy_area(s, t)?;
///     Ok((motion.value.flatten_all()?.to_vec1()?, motion.area.flatten_all()?.to_vec1::<f64>()?[1]))
/// };
/// // Areas add up, with that of the triangle between the two increments.
/// let ((v, a), (w, b), (_, whole)) = (at(0.0, 0.5)?, at(0.5, 1.0)?, at(0.0, 1.0)?);
/// assert!((whole - (a + b + 0.5 * (v[0] * w[1] - v[1] * w[0]))).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LevyIncrement {
    /// The increment `W(t) − W(s)`, of shape `(batch, m)`.
    pub value: Tensor,
    /// The Lévy areas `A_jk = ½ ∫ (W_j − W_j(s)) dW_k − (W_k − W_k(s)) dW_j`, of shape `(batch, m, m)`, with
    /// `A_kj = −A_jk`.
    pub area: Tensor,
}

/// `a bᵀ − b aᵀ` for each sample, from vectors `(batch, m)`.
fn wedge(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let product = a.unsqueeze(2)?.broadcast_mul(&b.unsqueeze(1)?)?;
    antisymmetric(&product)
}

/// `M − Mᵀ` for each sample.
fn antisymmetric(matrix: &Tensor) -> Result<Tensor> {
    Ok((matrix - matrix.transpose(1, 2)?)?)
}

impl LevyIncrement {
    /// Chen's relation: this interval and the one after it, put together.
    fn then(&self, next: &LevyIncrement) -> Result<LevyIncrement> {
        let between = wedge(&self.value, &next.value)?;
        Ok(LevyIncrement {
            value: (&self.value + &next.value)?,
            area: sum(&[(1.0, &self.area), (1.0, &next.area), (0.5, &between)])?,
        })
    }

    /// The same interval backwards in time.
    fn reversed(&self) -> Result<LevyIncrement> {
        Ok(LevyIncrement {
            value: self.value.neg()?,
            area: self.area.neg()?,
        })
    }
}

impl BrownianPath {
    /// Returns `W(t) − W(s)` and its Lévy areas, for a path of shape `(batch, m)` with [`BrownianPath::areas`], and
    /// for times at which cells begin or end.
    ///
    /// Each cell has its areas, drawn given its increment and its time integral: the first `⌈√cells⌉` terms of the
    /// Fourier series of the bridge (Kloeden and Platen, Numerical Solution of Stochastic Differential Equations,
    /// section 5.8), and a normal remainder with the variance of the others (Mrongowius and Rößler, On the
    /// approximation and simulation of iterated stochastic integrals and the corresponding Lévy areas in terms of a
    /// multidimensional Brownian motion, 2022). Longer intervals add up their cells, so that all steps that end on
    /// cells see the same areas. The law's error is that of a method of strong order 1.
    ///
    /// # Errors
    /// [`Error::Range`] for times outside of the span or within a cell, and for a path without areas; [`Error::Shape`]
    /// for a path of another shape than `(batch, m)`.
    #[doc(alias = "iterated integral")]
    pub fn increment_with_levy_area(&self, s: f64, t: f64) -> Result<LevyIncrement> {
        if t < s {
            return self.increment_with_levy_area(t, s)?.reversed();
        }
        let &[batch, count] = self.shape.dims() else {
            return Err(Error::shape(
                "path",
                self.shape.dims(),
                "(batch, m), with Lévy areas",
            ));
        };
        let (first, last) = (self.boundary("s", s)?, self.boundary("t", t)?);
        let zeros = |shape: &[usize]| Tensor::zeros(shape, self.dtype, &Device::Cpu);
        let mut whole = LevyIncrement {
            value: zeros(&[batch, count])?,
            area: zeros(&[batch, count, count])?,
        };
        for cell in first..last {
            whole = whole.then(&self.levy_cell(cell, (batch, count))?)?;
        }
        Ok(LevyIncrement {
            value: whole.value.to_device(&self.device)?,
            area: whole.area.to_device(&self.device)?,
        })
    }

    /// With the bridge `½ a₀ + Σ_r a_r cos(2πrt/h) + b_r sin(2πrt/h)`, whose mean is H = ½ a₀ = −Σ_r a_r, and
    /// `a_r, b_r = √h/(√2 πr) (X_r, Y_r)`, the areas are `H wᵀ − w Hᵀ + h/2π Σ_r (X_r Y_rᵀ − Y_r X_rᵀ)/r`.
    fn levy_cell(&self, cell: usize, (batch, count): (usize, usize)) -> Result<LevyIncrement> {
        let (w, mean) = self.cell_with_area(cell)?;
        let h = self.width();
        let terms = (self.cells as f64).sqrt().ceil() as usize;
        let tail = (1..=terms).fold(PI * PI / 6.0, |tail, r| tail - (r as f64).powi(-2));

        // Beside the numbers of the tree, which are under the cell's own key.
        let mut generator = Generator::resume(self.key.child(cell as u64).child(0), 0);
        let mut draw = |shape: &[usize]| self.normal(&mut generator, shape);
        let (x, y) = (draw(&[batch, terms, count])?, draw(&[batch, terms, count])?);
        let beyond = draw(&[batch, count])?;
        let remainder = draw(&[batch, count, count])?;

        let weights = (1..=terms).map(|r| 1.0 / r as f64).collect::<Vec<_>>();
        let weights =
            Tensor::from_vec(weights, (1, terms, 1), &Device::Cpu)?.to_dtype(self.dtype)?;
        // X given Σ_r X_r/r = −π √(2/h) H: a draw without the condition, moved by what it misses (Matheron's rule).
        let series = x.broadcast_mul(&weights)?.sum(1)?;
        let missing = sum(&[
            (-PI * (2.0 / h).sqrt(), &mean),
            (-1.0, &series),
            (-tail.sqrt(), &beyond),
        ])?;
        let share = (weights.broadcast_mul(&missing.unsqueeze(1)?)? * (6.0 / (PI * PI)))?;
        let scaled = (x + share)?.broadcast_mul(&weights)?;
        let loops =
            shape::wide(&scaled.transpose(1, 2)?.contiguous()?)?.matmul(&shape::wide(&y)?)?;
        let loops = antisymmetric(&loops.to_dtype(self.dtype)?)?;
        let rest = antisymmetric(&remainder)?;
        let area = sum(&[
            (1.0, &wedge(&mean, &w)?),
            (h / (2.0 * PI), &loops),
            (0.5 * h * tail.sqrt() / PI, &rest),
        ])?;
        Ok(LevyIncrement { value: w, area })
    }
}
