//! Against NVlabs/edm (`golden/preconditioners_edm.json`, f32): denoisers made of `F(x, c_noise) = 0.3 x + 0.1 c_noise`.

use advect_core::testing::{assert_close, device};
use advect_core::{Field, Result, Time, field_fn, shape};
use advect_paths::preconditioner::{
    EdmPreconditioner, Preconditioned, Preconditioner, VePreconditioner, VpPreconditioner,
};
use advect_paths::schedule::{Schedule, VarianceExploding, VariancePreserving};
use candle_core::Tensor;
use serde_json::Value;

fn network(t: &Time, x: &Tensor) -> Result<Tensor> {
    let label = shape::column(&t.tensor(x)?, x.rank())?;
    Ok((x * 0.3)?.broadcast_add(&(label * 0.1)?)?)
}

#[test]
fn denoisers_agree() {
    let golden: Value =
        serde_json::from_str(include_str!("golden/preconditioners_edm.json")).unwrap();
    let numbers = |value: &Value| -> Vec<f64> { serde_json::from_value(value.clone()).unwrap() };
    let tensor = |value: &Value| Tensor::from_vec(numbers(value), (3, 1, 2, 2), device()).unwrap();
    let x = tensor(&golden["x"]);
    let sigmas = numbers(&golden["sigma"]);
    let schedule = VarianceExploding::new(1e-3, 100.0).unwrap();
    let times: Vec<f64> = sigmas
        .iter()
        .map(|s| schedule.time_at_log_snr(-2.0 * s.ln()))
        .collect();
    let t = Time::per_sample(&times).unwrap();
    let rows: [(&str, Box<dyn Preconditioner>); 3] = [
        ("edm", Box::new(EdmPreconditioner::default())),
        ("vp", Box::new(VpPreconditioner::default())),
        ("ve", Box::new(VePreconditioner)),
    ];
    for (name, preconditioner) in &rows {
        let denoiser = Preconditioned::new(field_fn(network), &**preconditioner, &schedule);
        let expected = tensor(&golden["denoised"][*name]);
        assert_close(&denoiser.at(&t, &x).unwrap(), &expected, 5e-6, 1e-6);
    }
    // On a path that shrinks the data, the same denoiser is asked for the same picture, smaller.
    let vp = VariancePreserving::default();
    let times: Vec<f64> = sigmas
        .iter()
        .map(|s| vp.time_at_log_snr(-2.0 * s.ln()))
        .collect();
    let t = Time::per_sample(&times).unwrap();
    let smaller = t.coefficient(|t| vp.alpha(t)).unwrap().times(&x).unwrap();
    let preconditioner = EdmPreconditioner::default();
    let denoiser = Preconditioned::new(field_fn(network), &preconditioner, &vp);
    let expected = tensor(&golden["denoised"]["edm"]);
    assert_close(&denoiser.at(&t, &smaller).unwrap(), &expected, 5e-6, 1e-6);
}
