//! Dropping features.

use advect_core::{Generator, Key, Result};
use advect_ops::Value;
use candle_core::DType;

/// Sets each number to 0 with a probability, and divides the others by that of staying (Srivastava et al. 2014); which,
/// the key says.
pub(crate) fn drop_features<V: Value>(x: &V, probability: f64, key: Key) -> Result<V> {
    if probability == 0.0 {
        return Ok(x.clone());
    }
    let primal = x.primal();
    let (shape, device) = (primal.shape(), primal.device());
    let uniform = Generator::from(key).uniform(0.0..1.0, shape, DType::F32, device)?;
    let kept = uniform.ge(probability)?.to_dtype(primal.dtype())?;
    let factor = match probability < 1.0 {
        true => 1.0 / (1.0 - probability),
        false => 0.0,
    };
    x.times(&V::constant((kept * factor)?))
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;

    #[test]
    fn what_stays_makes_up_for_what_goes() {
        let x = Tensor::full(3f64, 10_000, &Device::Cpu).unwrap();
        let y = drop_features(&x, 0.25, Key::from_seed(0)).unwrap();
        let y = y.to_vec1::<f64>().unwrap();
        let gone = y.iter().filter(|y| **y == 0.0).count();
        assert!(y.iter().all(|&y| y == 0.0 || (y - 4.0).abs() < 1e-12));
        // Five standard deviations of a binomial number.
        assert!(gone.abs_diff(2500) < 217, "{gone}");
        let all = drop_features(&x, 1.0, Key::from_seed(0)).unwrap();
        assert_eq!(all.to_vec1::<f64>().unwrap(), [0.0; 10_000]);
    }
}
