//! Central finite differences.

use candle_core::{DType, Tensor};

use crate::Result;

/// Returns the derivative of a scalar function by central differences with one Richardson step: the error is O(h⁴) for
/// smooth `f`.
///
/// ```
/// use advect_core::testing::derivative;
/// assert!((derivative(f64::sin, 1.0, 1e-3) - 1f64.cos()).abs() < 1e-11);
/// ```
pub fn derivative(f: impl Fn(f64) -> f64, t: f64, h: f64) -> f64 {
    let central = |h: f64| (f(t + h) - f(t - h)) / (2.0 * h);
    (4.0 * central(h / 2.0) - central(h)) / 3.0
}

/// Returns the gradient of a scalar function of a tensor, element by element, in f64 and with the shape of `x`. It
/// evaluates `f` four times per element.
///
/// ```
/// use advect_core::testing::{assert_close, gradient};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[1.0f64, 2.0], &Device::Cpu)?;
/// let g = gradient(|x| Ok(x.sqr()?.sum_all()?.to_scalar::<f64>()?), &x, 1e-3)?;
/// assert_close(&g, &(&x * 2.0)?, 1e-9, 0.0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Errors of `f`.
pub fn gradient(f: impl Fn(&Tensor) -> Result<f64>, x: &Tensor, h: f64) -> Result<Tensor> {
    let values = x.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    let shifted = |i: usize, h: f64| -> Result<f64> {
        let mut values = values.clone();
        values[i] += h;
        f(&Tensor::from_vec(values, x.shape(), x.device())?.to_dtype(x.dtype())?)
    };
    let mut gradient = Vec::with_capacity(values.len());
    for i in 0..values.len() {
        let central =
            |h: f64| -> Result<f64> { Ok((shifted(i, h)? - shifted(i, -h)?) / (2.0 * h)) };
        gradient.push((4.0 * central(h / 2.0)? - central(h)?) / 3.0);
    }
    Ok(Tensor::from_vec(gradient, x.shape(), x.device())?)
}
