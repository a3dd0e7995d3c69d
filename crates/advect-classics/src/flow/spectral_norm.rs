//! Weights of bounded spectral norm (Miyato, Kataoka, Koyama and Yoshida 2018, "Spectral normalization for generative adversarial networks"; Gouk et al. 2021).

use advect_core::{Error, Result, shape};
use candle_core::{DType, Device, Tensor};

/// Steps of the power iteration. The norm is exact long before the vectors, on which its gradient depends.
const POWERS: usize = 200;

/// A weight `(outputs, inputs)`, divided by its spectral norm over the bound where that is above 1; differentiable, with singular vectors as constants.
pub(crate) fn bounded(weight: &Tensor, bound: f64) -> Result<Tensor> {
    let (left, right, norm) = singular_vectors(weight)?;
    if norm <= bound {
        return Ok(weight.clone());
    }
    let norm = (left.matmul(weight)? * right)?.sum_all()?;
    Ok((weight.broadcast_div(&norm)? * bound)?)
}

/// The singular vectors `(1, outputs)` and `(1, inputs)` of the largest singular value of a weight, and the value, by power iterations on the host.
fn singular_vectors(weight: &Tensor) -> Result<(Tensor, Tensor, f64)> {
    let (outputs, inputs) = weight.dims2()?;
    let w = shape::cast(&weight.detach(), DType::F64)?.to_vec2::<f64>()?;
    let normalize = |v: &mut Vec<f64>| {
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        v.iter_mut().for_each(|x| *x /= norm.max(f64::MIN_POSITIVE));
        norm
    };
    // A start that no symmetry makes orthogonal to the vector sought.
    let mut right: Vec<f64> = (0..inputs)
        .map(|i| 1.0 + 0.37 * ((i * i + i) as f64).sin())
        .collect();
    normalize(&mut right);
    let (mut left, mut norm) = (vec![0.0; outputs], 0.0);
    for _ in 0..POWERS {
        for (y, row) in left.iter_mut().zip(&w) {
            *y = row.iter().zip(&right).map(|(w, x)| w * x).sum();
        }
        normalize(&mut left);
        let column = |j| w.iter().zip(&left).map(|(row, y)| row[j] * y).sum();
        let mut next: Vec<f64> = (0..inputs).map(column).collect();
        norm = normalize(&mut next);
        let changes = next.iter().zip(&right).map(|(a, b)| (a - b).abs());
        let change = changes.fold(0.0, f64::max);
        right = next;
        if change <= 1e-11 {
            break;
        }
    }
    let row = |values: Vec<f64>| {
        let count = values.len();
        let row = Tensor::from_vec(values, (1, count), &Device::Cpu)?;
        Ok::<_, Error>(row.to_dtype(weight.dtype())?.to_device(weight.device())?)
    };
    Ok((row(left)?, row(right)?, norm))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_largest_singular_value_becomes_the_bound() {
        // Singular values 3 and 1.
        let weight = Tensor::new(&[[2f64, 1.0], [1.0, 2.0]], &Device::Cpu).unwrap();
        let (_, _, norm) = singular_vectors(&weight).unwrap();
        assert!((norm - 3.0).abs() < 1e-14);
        let (_, _, norm) = singular_vectors(&bounded(&weight, 0.9).unwrap()).unwrap();
        assert!((norm - 0.9).abs() < 1e-14);
        let small = (weight * 0.1).unwrap();
        let same = bounded(&small, 0.9).unwrap();
        assert_eq!(
            same.to_vec2::<f64>().unwrap(),
            small.to_vec2::<f64>().unwrap()
        );
    }
}
