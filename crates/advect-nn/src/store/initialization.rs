//! Initial values, drawn from a key.

use advect_core::{Error, Generator, Key, Result, check};
use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::Init;
use candle_nn::init::NormalOrUniform;

/// Numbers of a parameter beyond which it is taken for a mistake.
const MOST: u64 = 1 << 36;

/// Checks that parameters are floats and fit in memory.
pub(crate) fn check_parameter(name: &str, shape: &Shape, dtype: DType) -> Result<()> {
    if check::float_dtype("dtype", dtype).is_err() {
        let accepted = "f16, bf16, f32 or f64, a dtype of parameters";
        return Err(Error::dtype(name.to_string(), dtype, accepted));
    }
    let sizes = shape.dims().iter().map(|&size| size.max(1));
    let count = sizes
        .into_iter()
        .try_fold(1usize, |count, size| count.checked_mul(size));
    // They are made in f64, and copied once.
    let fits = |&count: &usize| {
        count as u64 <= MOST && Vec::<[f64; 2]>::new().try_reserve_exact(count).is_ok()
    };
    match count.filter(fits) {
        Some(_) => Ok(()),
        None => {
            let accepted = format!("a shape of at most {MOST} numbers that fit in memory");
            Err(Error::shape(name.to_string(), shape.dims(), accepted))
        }
    }
}

/// A tensor initialised as candle's [`Init`] says, with the numbers of `key` instead of candle's
/// unseeded ones.
pub(crate) fn initialize(
    key: Key,
    shape: Shape,
    init: Init,
    dtype: DType,
    device: &Device,
) -> Result<Tensor> {
    let mut rng = Generator::from(key);
    let mut normal = |mean: f64, std: f64, shape: Shape| -> Result<Tensor> {
        Ok(rng
            .normal(shape, DType::F64, &Device::Cpu)?
            .affine(std, mean)?)
    };
    let mut rng = Generator::from(key);
    let mut uniform = |low: f64, high: f64, shape: Shape| -> Result<Tensor> {
        Ok(rng
            .uniform(0.0..1.0, shape, DType::F64, &Device::Cpu)?
            .affine(high - low, low)?)
    };
    let values = match init {
        Init::Const(value) => Tensor::full(value, shape, &Device::Cpu)?,
        Init::Randn { mean, stdev } => normal(mean, stdev, shape)?,
        Init::Uniform { lo, up } => uniform(lo, up, shape)?,
        Init::Kaiming {
            dist,
            fan,
            non_linearity,
        } => {
            let std = non_linearity.gain() / (fan.for_shape(&shape) as f64).sqrt();
            match dist {
                NormalOrUniform::Normal => normal(0.0, std, shape)?,
                NormalOrUniform::Uniform => uniform(-3f64.sqrt() * std, 3f64.sqrt() * std, shape)?,
            }
        }
    };
    Ok(values.to_dtype(dtype)?.to_device(device)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(init: Init) -> (f64, f64) {
        let x = initialize(
            Key::from_seed(1),
            (200, 100).into(),
            init,
            DType::F64,
            &Device::Cpu,
        );
        let x = x.unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / x.len() as f64;
        (mean, variance.sqrt())
    }

    #[test]
    fn every_kind_has_its_moments() {
        let close = |(mean, std): (f64, f64), m: f64, s: f64| {
            assert!(
                (mean - m).abs() < 0.03 * (s + m.abs()) && (std - s).abs() <= 0.03 * s,
                "{mean} {std}"
            );
        };
        close(moments(Init::Const(2.0)), 2.0, 0.0);
        close(
            moments(Init::Randn {
                mean: 1.0,
                stdev: 0.5,
            }),
            1.0,
            0.5,
        );
        close(
            moments(Init::Uniform { lo: -1.0, up: 3.0 }),
            1.0,
            4.0 / 12f64.sqrt(),
        );
        // Kaiming for ReLU: the standard deviation is √(2 / fan_in).
        close(
            moments(candle_nn::init::DEFAULT_KAIMING_NORMAL),
            0.0,
            (2.0 / 100.0f64).sqrt(),
        );
        close(
            moments(candle_nn::init::DEFAULT_KAIMING_UNIFORM),
            0.0,
            (2.0 / 100.0f64).sqrt(),
        );
    }
}
