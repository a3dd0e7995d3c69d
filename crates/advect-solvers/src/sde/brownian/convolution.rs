//! Increments of a path with exponential decay, as an Ornstein–Uhlenbeck process takes them, cell by cell.

use advect_core::{Generator, Result};
use candle_core::{Device, Tensor};

use super::BrownianPath;
use crate::exponential::{Rates, phi};

impl BrownianPath {
    /// Returns `∫ e^{−A (t − u)} dW_u` over u from s to t, for a path with [`BrownianPath::areas`], and for times at
    /// which cells begin or end. Backwards in time u goes down from s to t.
    ///
    /// The integral of each cell is drawn given the cell's increment and time integral, so that it has its exact law,
    /// jointly with these. Longer intervals add up their cells. Integrals of one path with several rates are not exact
    /// jointly.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for times outside of the span or within a cell, and for a path
    /// without areas; [`Error::Shape`](advect_core::Error::Shape) for rates that don't broadcast to the path's shape.
    #[doc(alias = "Ornstein–Uhlenbeck")]
    pub fn decayed_increment(&self, s: f64, t: f64, rates: &Rates) -> Result<Tensor> {
        let (from, to) = (self.boundary("s", s)?, self.boundary("t", t)?);
        let mut total = Tensor::zeros(self.shape.clone(), self.dtype, &Device::Cpu)?;
        for i in 0..from.abs_diff(to) {
            total = match from < to {
                true => self.decayed_cell(from + i, self.width(), &total, rates)?,
                false => self.decayed_cell(from - i - 1, -self.width(), &total, rates)?,
            };
        }
        Ok(total.to_device(&self.device)?)
    }

    /// The integral of an interval and the cell after it, which is as long as h in its direction, from that of the
    /// interval.
    ///
    /// With `z = −A h` it is `O = ± φ₁ w + 12 (½φ₁ − φ₂) H + √v Z`, where w and H are the cell's increment and the
    /// mean of its bridge, whose variances are |h| and |h|/12, and v is what is left of the variance `|h| φ₁(2z)` of
    /// O.
    fn decayed_cell(&self, cell: usize, h: f64, before: &Tensor, rates: &Rates) -> Result<Tensor> {
        let (w, mean) = self.cell_with_area(cell)?;
        // Beside the numbers of the tree, which are under the cell's own key, and those of Lévy areas.
        let mut generator = Generator::resume(self.key.child(cell as u64).child(1), 0);
        let fresh = self.normal(&mut generator, self.shape.dims())?;
        rates.combine(
            h,
            &[
                (&|z| phi(0, z), before),
                (&|z| h.signum() * phi(1, z), &w),
                (&|z| 12.0 * tilt(z), &mean),
                (&|z| (h.abs() * residue(z)).sqrt(), &fresh),
            ],
        )
    }
}

/// `½ φ₁(z) − φ₂(z) = ∫ (v − ½) e^{vz} dv` over v from 0 to 1.
fn tilt(z: f64) -> f64 {
    0.5 * phi(1, z) - phi(2, z)
}

/// The squared distance of `e^{vz}` from the straight lines on 0 to 1: `φ₁(2z) − φ₁(z)² − 12 (½ φ₁(z) − φ₂(z))²`, and
/// for small z, where digits are lost, the sum of the squares of its other Legendre coefficients,
/// `e^z Σ_{k ≥ 2} (2k + 1) i_k(z/2)²` with the modified spherical Bessel functions i_k.
fn residue(z: f64) -> f64 {
    if z.abs() >= 1.0 {
        return (phi(1, 2.0 * z) - phi(1, z).powi(2) - 12.0 * tilt(z).powi(2)).max(0.0);
    }
    let y = 0.5 * z;
    let mut odd = 1.0;
    let mut total = 0.0;
    for k in 1..12 {
        let degree = 2.0 * f64::from(k) + 1.0;
        // y^k/(2k + 1)!!, and the series 1 + (y²/2)/(2k + 3) + (y²/2)²/(2! (2k + 3)(2k + 5)) + ….
        odd *= y / degree;
        let (mut term, mut series) = (1.0, 1.0);
        for j in 1..12 {
            let j = f64::from(j);
            term *= 0.5 * y * y / (j * (degree + 2.0 * j));
            series += term;
        }
        if k >= 2 {
            total += degree * (odd * series).powi(2);
        }
    }
    z.exp() * total
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against Simpson's rule for the distance itself.
    #[test]
    fn the_residue_is_a_squared_distance() {
        for z in [
            -40.0f64, -3.0, -1.0, -0.999, -0.1, -1e-3, 0.0, 0.01, 0.7, 1.0, 2.0,
        ] {
            let n = 2000;
            let h = 1.0 / f64::from(n);
            // Less the line through the values at the third points, for the sake of digits.
            let line = |v: f64| {
                let (a, b) = ((z / 3.0).exp(), (z / 1.5).exp());
                a + (b - a) * (3.0 * v - 1.0)
            };
            let at = |v: f64| match z.abs() < 0.1 {
                // e^{vz} − 1 − vz, of which no line is known to the distance.
                true => {
                    (2..12)
                        .rev()
                        .fold(0.0, |sum, k| (1.0 + sum) * v * z / f64::from(k))
                        * v
                        * z
                }
                false => (v * z).exp() - line(v),
            };
            let integral = |f: &dyn Fn(f64) -> f64| -> f64 {
                let cell = |i: i32| {
                    let v = f64::from(i) * h;
                    (f(v) + 4.0 * f(v + 0.5 * h) + f(v + h)) * h / 6.0
                };
                (0..n).map(cell).sum()
            };
            let mean = integral(&at);
            let slope = 12.0 * integral(&|v| at(v) * (v - 0.5));
            let expected = integral(&|v| (at(v) - mean - slope * (v - 0.5)).powi(2));
            let value = residue(z);
            assert!(
                (value - expected).abs() <= 1e-7 * expected,
                "{z}: {value:e}, {expected:e}"
            );
        }
    }
}
