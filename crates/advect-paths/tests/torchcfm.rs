//! Against torchcfm 1.0.7 (`golden/cfm_torchcfm.json`): the path of I-CFM.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use advect_core::Time;
use advect_core::testing::assert_close;
use advect_paths::path::ConstantSigma;
use candle_core::{Device, Tensor};
use serde_json::Value;

#[test]
fn i_cfm_agrees() {
    let golden: Value = serde_json::from_str(include_str!("golden/cfm_torchcfm.json")).unwrap();
    let matrix = |value: &Value| {
        let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
        Tensor::new(rows, &Device::Cpu).unwrap()
    };
    let times: Vec<f64> = serde_json::from_value(golden["t"].clone()).unwrap();
    let (x0, x1, z) = (
        matrix(&golden["x0"]),
        matrix(&golden["x1"]),
        matrix(&golden["epsilon"]),
    );
    let expected = &golden["rows"]["i_cfm_sigma0.1"];
    let point = ConstantSigma::new(0.1)
        .unwrap()
        .with_noise(&Time::per_sample(&times).unwrap(), &x0, &x1, &z)
        .unwrap();
    assert_close(&point.x, &matrix(&expected["x_t"]), 1e-13, 1e-14);
    assert_close(&point.velocity, &matrix(&expected["u_t"]), 1e-13, 1e-14);
}
