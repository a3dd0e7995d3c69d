//! Inverses and determinants of small matrices, with gradients.

use advect_core::{Error, Result, shape};
use advect_ops::with_gradient;
use candle_core::{DType, Device, Tensor};

/// The inverse of a matrix and the logarithm of its determinant's size, by elimination with pivots; `None` if it is singular.
fn eliminate(mut a: Vec<f64>, n: usize) -> Option<(Vec<f64>, f64)> {
    let unit = |k: usize| f64::from(u8::from(k / n == k % n));
    let mut inverse: Vec<f64> = (0..n * n).map(unit).collect();
    let mut log_determinant = 0.0;
    for k in 0..n {
        let size = |i: &usize| a[i * n + k].abs();
        let pivot = (k..n).max_by(|i, j| size(i).total_cmp(&size(j)))?;
        let value = a[pivot * n + k];
        if value == 0.0 || !value.is_finite() {
            return None;
        }
        log_determinant += value.abs().ln();
        for j in 0..n {
            a.swap(pivot * n + j, k * n + j);
            inverse.swap(pivot * n + j, k * n + j);
        }
        for j in 0..n {
            a[k * n + j] /= value;
            inverse[k * n + j] /= value;
        }
        for i in (0..n).filter(|&i| i != k) {
            let factor = a[i * n + k];
            for j in 0..n {
                a[i * n + j] -= factor * a[k * n + j];
                inverse[i * n + j] -= factor * inverse[k * n + j];
            }
        }
    }
    Some((inverse, log_determinant))
}

/// The inverses of matrices `(batch, n, n)`, and the logarithms of their determinants' sizes, `(batch,)`; part of no graph.
fn inverses(argument: &'static str, matrices: &Tensor) -> Result<(Tensor, Tensor)> {
    let (batch, n, _) = matrices.dims3()?;
    let values = shape::cast(&matrices.detach().flatten_all()?, DType::F64)?.to_vec1::<f64>()?;
    let (mut all, mut logarithms) = (Vec::with_capacity(values.len()), Vec::new());
    for a in values.chunks(n * n) {
        let singular = || Error::range(argument, "a singular matrix", "an invertible one");
        let (inverse, log_determinant) = eliminate(a.to_vec(), n).ok_or_else(singular)?;
        all.extend(inverse);
        logarithms.push(log_determinant);
    }
    let like =
        |x: Tensor| Ok::<_, Error>(x.to_dtype(matrices.dtype())?.to_device(matrices.device())?);
    Ok((
        like(Tensor::from_vec(all, (batch, n, n), &Device::Cpu)?)?,
        like(Tensor::from_vec(logarithms, batch, &Device::Cpu)?)?,
    ))
}

/// The inverse of a matrix `(n, n)`, differentiable: `d W⁻¹ = −W⁻¹ dW W⁻¹`.
pub(crate) fn inverse(argument: &'static str, matrix: &Tensor) -> Result<Tensor> {
    let (inverse, _) = inverses(argument, &matrix.unsqueeze(0)?)?;
    let inverse = inverse.squeeze(0)?;
    let transposed = inverse.t()?.contiguous()?;
    with_gradient(&inverse, std::slice::from_ref(matrix), move |g, _| {
        let left = transposed.matmul(&g.contiguous()?)?;
        Ok(vec![left.matmul(&transposed)?.neg()?])
    })
}

/// `log |det|` of matrices `(batch, n, n)`, `(batch,)`, differentiable: `d log |det J| = tr(J⁻¹ dJ)`.
pub(crate) fn log_determinants(argument: &'static str, matrices: &Tensor) -> Result<Tensor> {
    let (inverses, logarithms) = inverses(argument, matrices)?;
    let transposed = inverses.transpose(1, 2)?.contiguous()?;
    with_gradient(&logarithms, std::slice::from_ref(matrices), move |g, _| {
        Ok(vec![transposed.broadcast_mul(&shape::column(g, 3)?)?])
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use advect_core::testing::{assert_close, gradient};
    use candle_core::Var;

    #[test]
    fn gradients_of_inverses_and_determinants() {
        let matrix = Tensor::new(
            &[[0f64, 2.0, 0.3], [1.0, 0.1, -0.4], [0.5, 0.2, 2.0]],
            &Device::Cpu,
        )
        .unwrap();
        let weights = Tensor::new(
            &[[1f64, -2.0, 0.5], [0.3, 1.0, 1.0], [-1.0, 0.2, 0.7]],
            &Device::Cpu,
        )
        .unwrap();
        let of_inverse = |m: &Tensor| {
            (inverse("m", m).unwrap() * &weights)
                .unwrap()
                .sum_all()
                .unwrap()
        };
        let of_determinant = |m: &Tensor| {
            log_determinants("m", &m.unsqueeze(0).unwrap())
                .unwrap()
                .sum_all()
                .unwrap()
        };
        let var = Var::from_tensor(&matrix).unwrap();
        for f in [&of_inverse as &dyn Fn(&Tensor) -> Tensor, &of_determinant] {
            let found = f(&var).backward().unwrap();
            let expected = gradient(|m| Ok(f(m).to_scalar::<f64>()?), &matrix, 1e-3).unwrap();
            assert_close(found.get(&var).unwrap(), &expected, 1e-9, 1e-10);
        }
        let product = matrix.matmul(&inverse("m", &matrix).unwrap()).unwrap();
        assert_close(
            &product,
            &Tensor::eye(3, DType::F64, &Device::Cpu).unwrap(),
            0.0,
            1e-15,
        );
        assert!(inverse("m", &matrix.zeros_like().unwrap()).is_err());
    }
}
