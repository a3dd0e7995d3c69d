//! The problems that other implementations solved.

use advect_core::testing::device;
use advect_core::{Field, Result, field_fn};
use candle_core::Tensor;
use serde_json::Value;

/// Two-dimensional problems are given as `f(x, y)`, on a state of shape (1, 2).
fn planar(f: fn(f64, f64) -> [f64; 2]) -> impl Field {
    field_fn(move |_, x| -> Result<Tensor> {
        let v = x.flatten_all()?.to_vec1::<f64>()?;
        Ok(Tensor::new(&[f(v[0], v[1])], x.device())?)
    })
}

/// The right-hand side of a row's equation.
pub(crate) fn problem(row: &Value) -> Box<dyn Field> {
    match text(row, "problem") {
        "decay" | "backward_decay" => Box::new(field_fn(|_, x| Ok(x.neg()?))),
        "rotation" => Box::new(planar(|x, y| [2.0 * y, -2.0 * x])),
        "forced" => Box::new(field_fn(|t, x| t.coefficient(f64::cos)?.times(x))),
        "lotka_volterra" => Box::new(planar(|a, b| [1.5 * a - a * b, -3.0 * b + a * b])),
        "van_der_pol" => Box::new(planar(|x, v| [v, 5.0 * (1.0 - x * x) * v - x])),
        other => panic!("unknown problem {other}"),
    }
}

pub(crate) fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap()
}

pub(crate) fn numbers(row: &Value, key: &str) -> Vec<f64> {
    serde_json::from_value(row[key].clone()).unwrap()
}

/// The initial state, `(1, n)`.
pub(crate) fn start(row: &Value) -> Tensor {
    let y0 = numbers(row, "y0");
    Tensor::from_slice(&y0, (1, y0.len()), device()).unwrap()
}

/// The states at the row's times.
pub(crate) fn expected(row: &Value) -> Tensor {
    let ys: Vec<Vec<f64>> = serde_json::from_value(row["ys"].clone()).unwrap();
    Tensor::new(ys, device()).unwrap()
}

pub(crate) fn rows(json: &str) -> Vec<Value> {
    let golden: Value = serde_json::from_str(json).unwrap();
    golden["rows"].as_array().unwrap().clone()
}
