//! Against flow_matching 1.0.10 (`golden/schedules_flow_matching.json`): schedules and conversions.

use advect_core::testing::{assert_close, device};
use advect_core::{Generator, Time};
use advect_paths::Prediction;
use advect_paths::path::{Affine, Path};
use advect_paths::schedule::{
    CondOt, Cosine, LinearVariancePreserving, Polynomial, Schedule, VariancePreserving,
};
use approx::assert_relative_eq;
use candle_core::Tensor;
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/schedules_flow_matching.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn matrix(value: &Value) -> Tensor {
    let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
    Tensor::new(rows, device()).unwrap()
}

fn schedules() -> [(&'static str, Box<dyn Schedule>); 6] {
    let power = |n: f64| Box::new(Polynomial::new(n).unwrap());
    [
        ("polynomial_2", power(2.0)),
        ("polynomial_3", power(3.0)),
        ("linear_vp", Box::new(LinearVariancePreserving)),
        ("cond_ot", Box::new(CondOt::default())),
        ("vp_0.1_20", Box::new(VariancePreserving::default())),
        ("cosine", Box::new(Cosine)),
    ]
}

#[test]
fn schedules_agree() {
    let golden = golden();
    for (name, schedule) in schedules() {
        let expected = &golden["schedules"][name];
        let columns = ["alpha", "sigma", "d_alpha", "d_sigma"].map(|c| numbers(&expected[c]));
        for (i, t) in numbers(&golden["t"]).into_iter().enumerate() {
            let ours = [
                schedule.alpha(t),
                schedule.sigma(t),
                schedule.d_alpha(t),
                schedule.d_sigma(t),
            ];
            for (ours, column) in ours.into_iter().zip(&columns) {
                assert_relative_eq!(ours, column[i], max_relative = 1e-10, epsilon = 1e-13);
            }
        }
    }
}

#[test]
fn paths_and_conversions_agree() {
    let golden = golden();
    let (x0, x1) = (matrix(&golden["x0"]), matrix(&golden["x1"]));
    for (name, schedule) in schedules() {
        let expected = &golden["conversions"][name];
        if expected.is_null() {
            continue;
        }
        let t = Time::per_sample(&numbers(&expected["t"])).unwrap();
        let schedule = &*schedule;
        let point = Affine::new(schedule)
            .sample(&t, &x0, &x1, &mut Generator::from_seed(0))
            .unwrap();
        assert_close(&point.x, &matrix(&expected["x_t"]), 1e-12, 1e-13);
        assert_close(
            &point.velocity().unwrap(),
            &matrix(&expected["velocity"]),
            1e-12,
            1e-13,
        );
        for (to, column) in [
            (Prediction::Data, "target_from_velocity"),
            (Prediction::Noise, "epsilon_from_velocity"),
        ] {
            let ours = Prediction::Velocity
                .convert(to, schedule, &t, &point.x, &point.velocity().unwrap())
                .unwrap();
            assert_close(&ours, &matrix(&expected[column]), 1e-9, 1e-11);
        }
    }
}
