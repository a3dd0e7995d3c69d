//! Against torchcfm 1.0.7 (`golden/cfm_torchcfm.json`): the paths of I-CFM, target CFM, SB-CFM and VP-CFM.

use advect_core::testing::{assert_close, device};
use advect_core::{Generator, Time};
use advect_paths::path::{Affine, ConstantSigma, Path, PathPoint, SchrodingerBridge};
use advect_paths::schedule::{CondOt, Cosine};
use candle_core::Tensor;
use serde_json::Value;

struct Golden {
    all: Value,
    t: Time,
    x0: Tensor,
    x1: Tensor,
    z: Tensor,
}

impl Golden {
    fn new() -> Self {
        let all: Value = serde_json::from_str(include_str!("golden/cfm_torchcfm.json")).unwrap();
        let times: Vec<f64> = serde_json::from_value(all["t"].clone()).unwrap();
        let tensor = |name: &str| matrix(&all[name]);
        Golden {
            t: Time::per_sample(&times).unwrap(),
            x0: tensor("x0"),
            x1: tensor("x1"),
            z: tensor("epsilon"),
            all,
        }
    }

    fn agrees(&self, row: &str, point: &PathPoint) {
        self.agrees_to(row, point, 1e-12);
    }

    fn agrees_to(&self, row: &str, point: &PathPoint, tolerance: f64) {
        let expected = &self.all["rows"][row];
        assert_close(&point.x, &matrix(&expected["x_t"]), 1e-13, 1e-13);
        let velocity = point.velocity().unwrap();
        assert_close(&velocity, &matrix(&expected["u_t"]), tolerance, tolerance);
    }
}

fn matrix(value: &Value) -> Tensor {
    let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
    Tensor::new(rows, device()).unwrap()
}

#[test]
fn i_cfm_agrees() {
    let g = Golden::new();
    let path = ConstantSigma::new(0.1).unwrap();
    g.agrees(
        "i_cfm_sigma0.1",
        &path.at_noise(&g.t, &g.x0, &g.x1, &g.z).unwrap(),
    );
}

#[test]
fn target_cfm_agrees() {
    // There the noise is the source.
    let g = Golden::new();
    let path = Affine::new(CondOt::new(0.1).unwrap());
    let point = path.sample(&g.t, &g.z, &g.x1, &mut Generator::from_seed(0));
    g.agrees("target_cfm_sigma0.1", &point.unwrap());
}

#[test]
fn schrodinger_bridge_agrees() {
    let g = Golden::new();
    let path = SchrodingerBridge::new(0.5).unwrap();
    let point = path.at_noise(&g.t, &g.x0, &g.x1, &g.z).unwrap();
    // torchcfm adds 1e-8 to 2 t (1 − t).
    g.agrees_to("sb_cfm_sigma0.5", &point, 1e-6);
    // The score is −(x − μ)/σ_t².
    let row = &g.all["rows"]["sb_cfm_sigma0.5"];
    let sigmas: Vec<f64> = serde_json::from_value(row["sigma"].clone()).unwrap();
    let variance = Tensor::new(sigmas, device()).unwrap().sqr().unwrap();
    let score = ((matrix(&row["mu"]) - &point.x).unwrap())
        .broadcast_div(&variance.unsqueeze(1).unwrap())
        .unwrap();
    assert_close(&point.score().unwrap(), &score, 1e-10, 1e-10);
    // torchcfm adds 1e-8 to σ².
    let expected: Vec<f64> = serde_json::from_value(row["lambda_t"].clone()).unwrap();
    for (t, expected) in g.t.values().unwrap().into_iter().zip(expected) {
        let ours = path.score_weight(t);
        assert!((ours - expected).abs() < 1e-7 * expected, "λ({t})");
    }
}

#[test]
fn vp_cfm_agrees() {
    let g = Golden::new();
    let point = Affine::new(Cosine).sample(&g.t, &g.x0, &g.x1, &mut Generator::from_seed(0));
    g.agrees("vp_cfm_sigma0", &point.unwrap());
}
