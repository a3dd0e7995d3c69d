//! Exact Wasserstein distances of unequal samples and of samples with weights: closed forms, and POT.

use advect_core::testing::device;
use advect_core::{Error, Generator};
use advect_metrics::*;
use candle_core::{DType, Tensor};

/// `x_i = (sin 3i, cos 5i, sin 7i)` and `y_j = 2 (cos 2j, sin 11j, cos j) + 1`.
fn points(n: usize, m: usize) -> (Tensor, Tensor) {
    let x = (0..n).flat_map(|i| {
        let i = i as f64;
        [(3.0 * i).sin(), (5.0 * i).cos(), (7.0 * i).sin()]
    });
    let y = (0..m).flat_map(|j| {
        let j = j as f64;
        [(2.0 * j).cos(), (11.0 * j).sin(), j.cos()].map(|v| 2.0 * v + 1.0)
    });
    let tensor = |values: Vec<f64>, n| Tensor::from_vec(values, (n, 3), device()).unwrap();
    (tensor(x.collect(), n), tensor(y.collect(), m))
}

/// Weights in proportion to `1 + i mod period`.
fn weights(n: usize, period: usize) -> Vec<f64> {
    let weights: Vec<f64> = (0..n).map(|i| (1 + i % period) as f64).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / sum).collect()
}

/// `ot.emd2` of POT 0.9.7, with the metrics `euclidean` and `sqeuclidean`.
#[test]
fn pot_agrees() {
    for (n, m, expected) in POT {
        let (x, y) = points(n, m);
        let (a, b) = (weights(n, 3), weights(m, 4));
        let found = [
            wasserstein1(&x, &y).unwrap(),
            wasserstein2(&x, &y).unwrap(),
            wasserstein1_weighted(&x, &a, &y, &b).unwrap(),
            wasserstein2_weighted(&x, &a, &y, &b).unwrap(),
        ];
        for (found, expected) in found.into_iter().zip(expected) {
            assert!(
                (found / expected - 1.0).abs() < 1e-12,
                "{n} × {m}: {found} {expected}"
            );
        }
    }
}

/// Sizes; W₁, W₂, and both with weights.
const POT: [(usize, usize, [f64; 4]); 3] = [
    (
        5,
        96,
        [
            2.2475288527289563,
            2.4986503969535856,
            2.540785353886007,
            2.759927800703732,
        ],
    ),
    (
        30,
        30,
        [
            2.0474935662474367,
            2.266430321280865,
            2.25362403028058,
            2.4395044649738793,
        ],
    ),
    (
        40,
        25,
        [
            2.0256702104564828,
            2.2360756739623726,
            2.2630773225253984,
            2.4621301581514436,
        ],
    ),
];

/// On a line the plan is monotone; equal samples in a second coordinate make the general solver do the same work.
#[test]
fn a_line_is_a_line_in_a_plane() {
    let mut rng = Generator::from_seed(0);
    for (n, m) in [(30, 30), (7, 30), (30, 12)] {
        let x = rng.normal((n, 1), DType::F64, device()).unwrap();
        let y = rng.normal((m, 1), DType::F64, device()).unwrap();
        let plane = |x: &Tensor| x.pad_with_zeros(1, 0, 1).unwrap();
        for metric in [wasserstein1, wasserstein2] {
            let (line, plane) = (
                metric(&x, &y).unwrap(),
                metric(&plane(&x), &plane(&y)).unwrap(),
            );
            assert!((line / plane - 1.0).abs() < 1e-13, "{line} {plane}");
        }
        // Weights of 32 bits are as good as none.
        let equal = |n: usize| vec![f64::from(1.0 / n as f32); n];
        let weighted = wasserstein2_weighted(&x, &equal(n), &y, &equal(m)).unwrap();
        assert!((weighted / wasserstein2(&x, &y).unwrap() - 1.0).abs() < 1e-13);
    }
}

#[test]
fn a_sample_of_weight_zero_is_left_out() {
    let (x, y) = points(6, 4);
    let far = (x.narrow(0, 0, 1).unwrap() + 1e6).unwrap();
    let more = Tensor::cat(&[&x, &far], 0).unwrap();
    let mut a = weights(6, 3);
    let without = wasserstein1_weighted(&x, &a, &y, &weights(4, 4)).unwrap();
    a.push(0.0);
    let with = wasserstein1_weighted(&more, &a, &y, &weights(4, 4)).unwrap();
    assert!((with / without - 1.0).abs() < 1e-14);
    let error = wasserstein2_weighted(&x, &a, &y, &weights(4, 4)).unwrap_err();
    assert!(matches!(error, Error::Shape { argument, .. } if argument == "x_weights"));
    a.pop();
    a[0] += 0.1;
    let error = wasserstein2_weighted(&y, &weights(4, 4), &x, &a).unwrap_err();
    assert!(matches!(error, Error::Range { argument, .. } if argument == "y_weights"));
}
