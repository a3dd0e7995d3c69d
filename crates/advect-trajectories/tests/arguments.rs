//! Snapshots that don't fit are told, by the argument's name.

use advect_core::testing::device;
use advect_core::{Error, Generator};
use advect_paths::coupling::{EntropicOt, Independent};
use advect_trajectories::path::{NaturalCubic, SnapshotPath, Spline};
use advect_trajectories::{Comparison, Snapshots};
use candle_core::{DType, Tensor};

fn ones(count: usize, dim: usize) -> Tensor {
    Tensor::ones((count, dim), DType::F64, device()).unwrap()
}

fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn snapshots() {
    let new = |times: &[f64], samples: &[Tensor]| message(Snapshots::new(times, samples));
    assert!(new(&[0.0], &[ones(3, 2)]).starts_with("times: got 1 times"));
    assert!(new(&[0.0, 0.0], &[ones(3, 2), ones(3, 2)]).starts_with("times: got 0 after 0"));
    assert!(new(&[1.0, 0.0], &[ones(3, 2), ones(3, 2)]).starts_with("times: got 0 after 1"));
    assert!(new(&[0.0, f64::NAN], &[ones(3, 2), ones(3, 2)]).starts_with("times: got NaN"));
    assert!(new(&[0.0, 1.0], &[ones(3, 2)]).starts_with("samples: got shape [1]"));
    let other = new(&[0.0, 1.5], &[ones(3, 2), ones(3, 5)]);
    assert!(
        other.contains("time 1.5") && other.contains("[3, 5]"),
        "{other}"
    );
    let empty = Tensor::zeros((0, 2), DType::F64, device()).unwrap();
    assert!(new(&[0.0, 1.0], &[ones(3, 2), empty]).contains("time 1"));
    let nan = (ones(3, 2) * f64::NAN).unwrap();
    assert!(new(&[0.0, 1.0], &[ones(3, 2), nan]).contains("time 1"));
    let single = ones(3, 2).to_dtype(DType::F32).unwrap();
    assert!(new(&[0.0, 1.0], &[ones(3, 2), single]).contains("dtype"));
    let table = Tensor::ones((4, 1), DType::F64, device()).unwrap();
    assert!(message(Snapshots::from_table(&table)).starts_with("table: got shape [4, 1]"));
}

fn three() -> Snapshots {
    Snapshots::new(&[0.0, 1.0, 2.0], &[ones(3, 2), ones(4, 2), ones(1, 2)]).unwrap()
}

#[test]
fn settings() {
    for k in [0, 2, 7] {
        assert!(message(three().without(k)).starts_with(&format!("k: got {k}")));
    }
    assert!(message(three().weighted(5, &[1.0])).starts_with("k: got 5"));
    assert!(message(three().weighted(0, &[1.0])).starts_with("weights: got shape [1]"));
    assert!(message(three().weighted(0, &[1.0, -1.0, 1.0])).starts_with("weights: got -1"));
    assert!(message(three().weighted(0, &[0.0; 3])).starts_with("the sum of weights: got 0"));
    assert!(message(three().masses(&[1.0, 2.0])).starts_with("masses: got shape [2]"));
    assert!(message(three().masses(&[1.0, 0.0, 2.0])).starts_with("masses: got 0"));
    assert!(message(three().at_times(&[0.0, 1.0, 1.0])).starts_with("times: got 1 after 1"));
    let mut rng = Generator::from_seed(0);
    assert!(message(Comparison::new(&ones(3, 2), three().at(2), &mut rng)).starts_with("seen: "));
    assert!(message(Spline::new(Independent, NaturalCubic, 0)).starts_with("batch: got 0"));
    let repeated = EntropicOt::new(1.0).unwrap().with_replacement();
    let spline = Spline::new(repeated, NaturalCubic, 16).unwrap();
    assert!(message(spline.sample(&three(), &mut rng)).starts_with("pairs: "));
}

#[test]
fn draws_follow_the_weights() {
    let x = Tensor::new(&[[0f64], [1.0], [2.0]], device()).unwrap();
    let snapshots = Snapshots::new(&[0.0, 1.0], &[x.clone(), x]).unwrap();
    let snapshots = snapshots.weighted(0, &[1.0, 0.0, 3.0]).unwrap();
    let drawn = snapshots
        .at(0)
        .draw(4000, &mut Generator::from_seed(0))
        .unwrap();
    let drawn = drawn.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let share = |value: f64| drawn.iter().filter(|x| **x == value).count() as f64 / 4000.0;
    assert!(share(1.0) == 0.0 && (share(2.0) - 0.75).abs() < 4.0 * (0.1875f64 / 4000.0).sqrt());
}
