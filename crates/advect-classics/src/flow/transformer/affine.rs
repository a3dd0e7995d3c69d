//! A scale and a shift (Dinh et al. 2017, eq. 4 and 5; Papamakarios et al. 2017, eq. 3).

use advect_core::{Result, check};
use candle_core::Tensor;

use super::Transformer;

/// The function `y = x e^s + m` with the parameters m and S, `s = B tanh(S/B)` for a bound B on the logarithm of the scale, or `s = S` without one.
///
/// ```
/// use advect_classics::flow::{Affine, Transformer};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let parameters = Tensor::new(&[[[1f64], [2f64.ln()]]], &Device::Cpu)?; // m = 1, e^s = 2
/// let (y, slope) = Affine::unbounded().forward(&Tensor::new(&[[3f64]], &Device::Cpu)?, &parameters)?;
/// assert!((y.to_vec2::<f64>()?[0][0] - 7.0).abs() < 1e-14);
/// assert!((slope.to_vec2::<f64>()?[0][0] - 2f64.ln()).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    bound: f64,
}

impl Affine {
    /// Creates the function with a bound on the logarithm of the scale.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless the bound is above 0.
    pub fn new(bound: f64) -> Result<Self> {
        let bound = check::positive("bound", bound)?;
        Ok(Affine { bound })
    }

    /// Creates the function of the papers on autoregressive flows, whose scale is `e^S`.
    pub fn unbounded() -> Self {
        Affine {
            bound: f64::INFINITY,
        }
    }

    /// The shift m and the logarithm s of the scale.
    fn parts(&self, parameters: &Tensor) -> Result<(Tensor, Tensor)> {
        let part = |k| parameters.narrow(1, k, 1)?.squeeze(1);
        let scale = part(1)?;
        let scale = match self.bound.is_finite() {
            true => ((scale * (1.0 / self.bound))?.tanh()? * self.bound)?,
            false => scale,
        };
        Ok((part(0)?, scale))
    }
}

impl Default for Affine {
    /// The bound 2: scales from `e^(−2)` to `e²` in each layer.
    fn default() -> Self {
        Affine { bound: 2.0 }
    }
}

impl Transformer for Affine {
    fn parameters(&self) -> usize {
        2
    }

    fn forward(&self, x: &Tensor, parameters: &Tensor) -> Result<(Tensor, Tensor)> {
        let (shift, scale) = self.parts(parameters)?;
        Ok((((x * scale.exp()?)? + shift)?, scale))
    }

    fn inverse(&self, y: &Tensor, parameters: &Tensor) -> Result<(Tensor, Tensor)> {
        let (shift, scale) = self.parts(parameters)?;
        // Divided by what forward multiplies with: e^(−s) would be rounded by itself.
        Ok((((y - shift)? / scale.exp()?)?, scale.neg()?))
    }
}
