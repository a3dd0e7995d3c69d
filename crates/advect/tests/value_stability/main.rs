//! The exact bits of everything that is drawn, and of short runs of everything that steps.
//!
//! The same seed gives the same bits, from one release to the next. A change that makes one of these tests fail
//! changes the results of those who reproduce theirs by a seed: it needs a reason, and a line in the changelog.
//!
//! The numbers are those of x86-64 with fused multiplications; other processors may round the last bit otherwise.
#![cfg(target_arch = "x86_64")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod data;
mod randomness;
mod samplers;
mod solvers;
mod times;
mod training;

use advect::prelude::*;

const CPU: Device = Device::Cpu;

/// Compares values by their bits, and shows all that differ as they would be written here.
fn check(rows: &[(&str, Vec<f64>, &[f64])]) {
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let changed: Vec<String> = (rows.iter())
        .filter(|(_, values, expected)| bits(values) != bits(expected))
        .map(|(name, values, _)| format!("{name}: {values:?}"))
        .collect();
    assert!(changed.is_empty(), "\n{}", changed.join("\n"));
}

/// All elements in f64.
fn elements(x: &Tensor) -> Vec<f64> {
    let flat = x.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
    flat.to_vec1().unwrap()
}
