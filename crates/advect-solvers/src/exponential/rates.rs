//! Rates of decay, and functions of them.

use advect_core::{Error, Result, check};
use candle_core::{DType, Device, Tensor};

use crate::sde::sum;

/// The rates A of a linear part `−A x`: one number, or one for each element of the state. Gradients don't go through
/// them.
///
/// ```
/// use advect_solvers::exponential::{ExponentialEuler, Rates};
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Fixed};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = −A x with rates 1 and 1000, in one step.
/// let rates = Rates::diagonal(&Tensor::new(&[1f64, 1000.0], &Device::Cpu)?)?;
/// let still = field_fn(|_, x| Ok(x.zeros_like()?));
/// let x0 = Tensor::new(&[[1f64, 1.0], [2.0, 2.0]], &Device::Cpu)?;
/// let solver = Solver::new(ExponentialEuler::new(rates), Fixed::steps(1)?);
/// let end = solver.solve(&still, &x0, 0.0, 1.0)?.end()?.to_vec2::<f64>()?;
/// assert!((end[1][0] - 2.0 * (-1f64).exp()).abs() < 1e-15 && end[1][1].abs() < 1e-300);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    values: Vec<f64>,
    shape: Vec<usize>,
}

impl Rates {
    /// Creates one rate for all elements; 0 and negative rates, of growth, are fine.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless finite.
    pub fn uniform(rate: f64) -> Result<Self> {
        Ok(Rates {
            values: vec![check::finite_number("rate", rate)?],
            shape: Vec::new(),
        })
    }

    /// Creates a rate for each element, from a tensor that broadcasts to the state: `(dim,)` for states `(batch, dim)`.
    ///
    /// # Errors
    /// A typed error unless the rates are floats, and finite.
    pub fn diagonal(rates: &Tensor) -> Result<Self> {
        check::float("rates", rates)?;
        check::finite("rates", rates)?;
        let rates = rates.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
        Ok(Rates {
            values: rates.flatten_all()?.to_vec1()?,
            shape: rates.dims().to_vec(),
        })
    }

    /// A function of each rate, as a tensor of the dtype and on the device of x that broadcasts to its shape.
    pub(crate) fn map(&self, x: &Tensor, f: impl Fn(f64) -> f64) -> Result<Tensor> {
        let values: Vec<f64> = self.values.iter().map(|a| f(*a)).collect();
        let factor = Tensor::from_vec(values, self.shape.as_slice(), &Device::Cpu)?;
        if factor.broadcast_as(x.shape()).is_err() {
            let accepted = format!("one that broadcasts to the state's, {:?}", x.dims());
            return Err(Error::shape("rates", &self.shape, accepted));
        }
        Ok(factor.to_dtype(x.dtype())?.to_device(x.device())?)
    }

    /// The sum of products of functions of `z = −A h` and states.
    pub(crate) fn combine(
        &self,
        h: f64,
        terms: &[(&dyn Fn(f64) -> f64, &Tensor)],
    ) -> Result<Tensor> {
        let products: Result<Vec<Tensor>> = (terms.iter())
            .map(|(f, x)| Ok(x.broadcast_mul(&self.map(x, |a| f(-a * h))?)?))
            .collect();
        let products = products?;
        let terms: Vec<_> = products.iter().map(|product| (1.0, product)).collect();
        sum(&terms)
    }
}

/// `φ_k(z) = Σ_n zⁿ/(n + k)!` for k up to 3: φ₀ = exp, φ₁ = (eᶻ − 1)/z, and `φ_k = (φ_{k−1} − 1/(k − 1)!)/z`, which
/// loses digits for small z.
pub(crate) fn phi(k: u32, z: f64) -> f64 {
    match k {
        0 => z.exp(),
        1 if z != 0.0 => z.exp_m1() / z,
        _ if z.abs() >= 1.0 => {
            let below: f64 = (1..k).map(f64::from).product();
            (phi(k - 1, z) - 1.0 / below) / z
        }
        _ => {
            let first = 1.0 / (1..=k).map(f64::from).product::<f64>();
            let next = |term: &f64, n: u32| term * z / f64::from(n + k);
            let mut term = first;
            let mut total = first;
            for n in 1..20 {
                term = next(&term, n);
                total += term;
            }
            total
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the integrals `φ_k(z) = ∫ e^{(1 − v) z} v^{k−1}/(k − 1)! dv` over v from 0 to 1, by Simpson's rule.
    #[test]
    fn functions_are_their_integrals() {
        for z in [
            -700.0, -30.0, -2.0, -1.0, -0.999, -0.3, -1e-9, 0.0, 1e-5, 0.5, 1.0, 3.0,
        ] {
            for k in 1..=3u32 {
                let below: f64 = (1..k).map(f64::from).product();
                let at = |v: f64| ((1.0 - v) * z).exp() * v.powi(k as i32 - 1) / below;
                let n = 20_000;
                let h = 1.0 / f64::from(n);
                let simpson = (0..n).map(|i| {
                    let v = f64::from(i) * h;
                    (at(v) + 4.0 * at(v + 0.5 * h) + at(v + h)) * h / 6.0
                });
                let (expected, value) = (simpson.sum::<f64>(), phi(k, z));
                assert!(
                    (value - expected).abs() < 1e-8 * expected.abs(),
                    "{k}, {z}: {value}, {expected}"
                );
            }
        }
        assert_eq!(phi(0, -2.0), (-2f64).exp());
        // The two ways agree where they meet.
        for k in 2..=3 {
            assert!((phi(k, 1.0) - phi(k, 1f64.next_down())).abs() < 1e-15);
        }
    }

    #[test]
    fn bad_rates_are_refused() {
        assert!(Rates::uniform(f64::NAN).is_err());
        let nan = Tensor::new(&[1.0, f64::INFINITY], &Device::Cpu).unwrap();
        assert!(Rates::diagonal(&nan).is_err());
        let integers = Tensor::new(&[1u32], &Device::Cpu).unwrap();
        assert!(Rates::diagonal(&integers).is_err());
        let three = Rates::diagonal(&Tensor::ones(3, DType::F64, &Device::Cpu).unwrap()).unwrap();
        let x = Tensor::zeros((2, 2), DType::F64, &Device::Cpu).unwrap();
        let error = three.map(&x, |a| a).unwrap_err();
        assert!(error.to_string().starts_with("rates: "), "{error}");
    }
}
