//! Machines and comparisons that several tests use.

use advect_classics::boltzmann::{BinaryUnits, GaussianUnits, RestrictedBoltzmannMachine};
use advect_core::Generator;
use advect_core::testing::device;
use candle_core::{DType, Tensor};

pub(crate) type Machine<U> = RestrictedBoltzmannMachine<U>;

pub(crate) fn normal(shape: &[usize], scale: f64, seed: u64) -> Tensor {
    let numbers = Generator::from_seed(seed).normal(shape, DType::F64, device());
    (numbers.unwrap() * scale).unwrap()
}

/// A machine of 5 binary and 4 hidden units, with weights of a standard deviation.
pub(crate) fn binary(scale: f64) -> Machine<BinaryUnits> {
    let units = BinaryUnits::new(normal(&[5], 0.5, 1)).unwrap();
    Machine::new(units, normal(&[4, 5], scale, 2), normal(&[4], 0.5, 3)).unwrap()
}

/// A machine of 2 Gaussian and 3 hidden units.
pub(crate) fn gaussian() -> Machine<GaussianUnits> {
    let units = GaussianUnits::new(normal(&[2], 1.0, 4), normal(&[2], 0.4, 5)).unwrap();
    Machine::new(units, normal(&[3, 2], 1.0, 6), normal(&[3], 0.5, 7)).unwrap()
}

/// All states of binary units.
pub(crate) fn states(units: usize) -> Tensor {
    let row = |k: usize| (0..units).map(move |i| f64::from(u8::from(k >> i & 1 == 1)));
    let values: Vec<f64> = (0..1 << units).flat_map(row).collect();
    Tensor::from_vec(values, (1 << units, units), device()).unwrap()
}

pub(crate) fn scalar(x: &Tensor) -> f64 {
    x.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

pub(crate) fn vector(x: &Tensor) -> Vec<f64> {
    let x = x.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
    x.to_vec1().unwrap()
}

pub(crate) fn message<T: std::fmt::Debug>(result: advect_core::Result<T>) -> String {
    result.unwrap_err().to_string()
}

/// The means of columns lie within 5 standard errors of what they should be, for independent rows.
pub(crate) fn assert_means(x: &Tensor, expected: &[f64]) {
    let n = x.dims()[0] as f64;
    let means = x.mean(0).unwrap();
    let variances = x
        .broadcast_sub(&means)
        .unwrap()
        .sqr()
        .unwrap()
        .mean(0)
        .unwrap();
    for ((mean, variance), expected) in vector(&means).iter().zip(vector(&variances)).zip(expected)
    {
        let error = (variance / n).sqrt();
        assert!(
            (mean - expected).abs() < 5.0 * error,
            "{mean} ± {error}, expected {expected}"
        );
    }
}
