//! Against POT 0.9.7 (`golden/transport_pot.json`: uniform weights, squared Euclidean cost).

use advect_core::testing::device;
use advect_transport::{Cost, assignment};
use approx::assert_relative_eq;
use candle_core::Tensor;
use serde_json::Value;

fn matrix(value: &Value) -> Tensor {
    let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
    Tensor::new(rows, device()).unwrap()
}

#[test]
fn exact_costs_and_permutations() {
    let golden: Value = serde_json::from_str(include_str!("golden/transport_pot.json")).unwrap();
    let mut compared = 0;
    for row in golden["rows"].as_array().unwrap() {
        let Some(permutation) = row["permutation"].as_array() else {
            continue;
        };
        let cost = Cost::squared_euclidean(&matrix(&row["x"]), &matrix(&row["y"])).unwrap();
        let pairs = assignment(&cost).unwrap();
        let columns: Vec<usize> = pairs.iter().map(|pair| pair.1).collect();
        let expected: Vec<usize> = permutation
            .iter()
            .map(|v| v.as_u64().unwrap() as usize)
            .collect();
        assert_eq!(columns, expected);
        let mean = cost.total(&pairs) / pairs.len() as f64;
        assert_relative_eq!(
            mean,
            row["exact_cost"].as_f64().unwrap(),
            max_relative = 1e-12
        );
        compared += 1;
    }
    assert_eq!(compared, 3);
}
