//! The Sinkhorn divergence: against iterations in the log domain, finite differences and limits.

use advect_core::testing::{assert_close, device};
use advect_core::{Error, Generator};
use advect_transport::{Cost, Sinkhorn, SinkhornDivergence};
use candle_core::{DType, Tensor, Var};

fn cloud(n: usize, shift: f64) -> Tensor {
    let point = |i: usize| {
        let i = i as f64;
        let second = (2.7 * i + 1.0 + shift).sin() + 0.3 * shift;
        [(1.3 * i + shift).sin(), second]
    };
    let points: Vec<f64> = (0..n).flat_map(point).collect();
    Tensor::from_vec(points, (n, 2), device()).unwrap()
}

fn number(x: Result<Tensor, Error>) -> f64 {
    let x = x.unwrap().to_dtype(DType::F64).unwrap();
    x.to_scalar::<f64>().unwrap()
}

/// ε, and the divergences with equal and with other weights, by plain iterations in NumPy to 1e-13.
const GOLDEN: [(f64, f64, f64); 4] = [
    (0.02, 0.3062561214020495, 0.4842202206247477),
    (0.1, 0.2759931159309553, 0.45365484367231845),
    (1.0, 0.1185864210625508, 0.26602002948622216),
    (10.0, 0.052901698531007235, 0.14429267293359493),
];

fn weights() -> (Vec<f64>, Vec<f64>) {
    let rising = (1..=6).map(|i| f64::from(i) / 21.0).collect();
    (rising, (1..=8).rev().map(|i| f64::from(i) / 36.0).collect())
}

#[test]
fn values_are_those_of_plain_iterations() {
    let (x, y, (a, b)) = (cloud(6, 0.0), cloud(8, 0.7), weights());
    for (epsilon, equal, weighted) in GOLDEN {
        let solver = Sinkhorn::new(epsilon).unwrap().tolerance(1e-8).unwrap();
        let divergence = SinkhornDivergence::from(solver);
        assert!((number(divergence.value(&x, &y)) - equal).abs() < 1e-9);
        assert!((number(divergence.weighted(&x, &a, &y, &b)) - weighted).abs() < 1e-9);
        assert!((number(divergence.value(&y, &x)) - equal).abs() < 1e-9);
        // In f32 it loses the rounding of the points alone.
        let single = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
        let found = divergence.value(&single(&x), &single(&y));
        assert!((number(found) - equal).abs() < 1e-6);
    }
}

/// ε; by POT 0.9.7's plans (`ot.sinkhorn`, in the log domain, to 1e-14) the divergence, its gradient by x at (0, 0), (3, 1) and (5, 0) by
/// PyTorch's backward pass through the iterations; and `ot.bregman.empirical_sinkhorn_divergence`, which leaves out the entropies.
const POT: [(f64, f64, [f64; 3], f64); 5] = [
    (
        0.05,
        0.2948215571099881,
        [
            0.09732918995585052,
            -0.09834534691351089,
            -0.16792234415159252,
        ],
        0.31267499296462137,
    ),
    (
        0.2,
        0.23744517691470424,
        [
            0.03144474366739955,
            -0.09382845093140192,
            -0.10273864079871445,
        ],
        0.307998729404962,
    ),
    (
        0.5,
        0.16659382808887602,
        [
            -0.022893671786987785,
            -0.094240247201726,
            -0.06661515140955754,
        ],
        0.24162090286249446,
    ),
    (
        2.0,
        0.08264659476055902,
        [
            -0.0312982257462214,
            -0.08164887251602307,
            -0.03635414112922297,
        ],
        0.1220648491765367,
    ),
    (
        5.0,
        0.05957831448777973,
        [
            -0.03670967845719822,
            -0.06919674807055017,
            -0.037408021264688715,
        ],
        0.07375338014440214,
    ),
];

#[test]
fn values_and_gradients_are_those_of_pot() {
    let (x, y) = (cloud(6, 0.0), cloud(8, 0.7));
    for (epsilon, value, gradient, sharp) in POT {
        let solver = Sinkhorn::new(epsilon).unwrap().tolerance(1e-10).unwrap();
        let u = Var::from_tensor(&x).unwrap();
        let found = SinkhornDivergence::from(solver).value(u.as_tensor(), &y);
        let gradients = found.as_ref().unwrap().backward().unwrap();
        let by_x = gradients.get(&u).unwrap().to_vec2::<f64>().unwrap();
        let found = number(found);
        assert!((found - value).abs() < 1e-9, "{epsilon}: {found}");
        for ((i, j), expected) in [(0, 0), (3, 1), (5, 0)].into_iter().zip(gradient) {
            assert!(
                (by_x[i][j] - expected).abs() < 1e-7,
                "{epsilon}: {}",
                by_x[i][j]
            );
        }
        let cost = |x: &Tensor, y: &Tensor| {
            let cost = Cost::squared_euclidean(x, y).unwrap();
            solver.solve(&cost).unwrap().cost(&cost)
        };
        let found = cost(&x, &y) - 0.5 * (cost(&x, &x) + cost(&y, &y));
        assert!((found - sharp).abs() < 1e-7, "{epsilon}: {found}");
    }
}

#[test]
fn gradients_are_finite_differences() {
    let (x, y, (a, b)) = (cloud(6, 0.0), cloud(8, 0.7), weights());
    for epsilon in [0.02, 1.0] {
        let solver = Sinkhorn::new(epsilon).unwrap().tolerance(1e-9).unwrap();
        let divergence = SinkhornDivergence::from(solver);
        let value = |x: &Tensor, y: &Tensor| number(divergence.weighted(x, &a, y, &b));
        let (u, v) = (Var::from_tensor(&x).unwrap(), Var::from_tensor(&y).unwrap());
        let loss = divergence.weighted(u.as_tensor(), &a, v.as_tensor(), &b);
        let gradients = loss.unwrap().backward().unwrap();
        let moved = |x: &Tensor, i: usize, j: usize, h: f64| {
            let mut rows = x.to_vec2::<f64>().unwrap();
            rows[i][j] += h;
            Tensor::new(rows, device()).unwrap()
        };
        let h = 1e-4;
        for (i, j) in [(0, 0), (3, 1), (5, 0)] {
            let by_x = gradients.get(&u).unwrap().to_vec2::<f64>().unwrap()[i][j];
            let difference = value(&moved(&x, i, j, h), &y) - value(&moved(&x, i, j, -h), &y);
            assert!((by_x - difference / (2.0 * h)).abs() < 1e-6, "{by_x}");
            let by_y = gradients.get(&v).unwrap().to_vec2::<f64>().unwrap()[i][j];
            let difference = value(&x, &moved(&y, i, j, h)) - value(&x, &moved(&y, i, j, -h));
            assert!((by_y - difference / (2.0 * h)).abs() < 1e-6, "{by_y}");
        }
    }
}

/// Equal samples in any order have no divergence and no gradient, for all ε, and in f32.
#[test]
fn equal_samples_are_at_rest() {
    let mut rng = Generator::from_seed(0);
    for dtype in [DType::F32, DType::F64] {
        let x = rng.normal((40, 3), dtype, device()).unwrap();
        let order = rng.permutation(40, device()).unwrap();
        let y = x.index_select(&order, 0).unwrap();
        for epsilon in [1e-3, 0.1, 10.0] {
            let u = Var::from_tensor(&x).unwrap();
            let divergence = SinkhornDivergence::new(epsilon).unwrap();
            let value = divergence.value(u.as_tensor(), &y).unwrap();
            let gradients = value.backward().unwrap();
            assert!(number(Ok(value.detach())).abs() < 1e-6);
            let gradient = gradients.get(&u).unwrap();
            assert_close(gradient, &gradient.zeros_like().unwrap(), 0.0, 1e-4);
        }
    }
}

/// As ε grows, the divergence becomes the squared distance of the means, and as it vanishes the squared Wasserstein distance.
#[test]
fn limits() {
    let (x, y) = (cloud(6, 0.0), cloud(6, 0.7));
    let far = (y.mean(0).unwrap() - x.mean(0).unwrap()).unwrap();
    let far = far
        .sqr()
        .unwrap()
        .sum_all()
        .unwrap()
        .to_scalar::<f64>()
        .unwrap();
    let wide = number(SinkhornDivergence::new(1e5).unwrap().value(&x, &y));
    assert!((wide - far).abs() < 1e-3 * far, "{wide} {far}");
    let cost = Cost::squared_euclidean(&x, &y).unwrap();
    let pairs = advect_transport::assignment(&cost).unwrap();
    let exact: f64 = pairs.iter().map(|(i, j)| cost.row(*i)[*j] / 6.0).sum();
    let narrow = number(SinkhornDivergence::new(1e-3).unwrap().value(&x, &y));
    assert!((narrow - exact).abs() < 2e-3, "{narrow} {exact}");
}

/// Points with next to no weight are as good as left out, for the value and its gradient.
#[test]
fn weights_that_vanish_are_none() {
    let x = Tensor::new(&[[0.0f64], [1.0]], device()).unwrap();
    let y = Tensor::new(&[[3.0f64]], device()).unwrap();
    let divergence = SinkhornDivergence::new(0.5).unwrap();
    for least in [0.0, 1e-300, 1e-200, 1e-150] {
        let u = Var::from_tensor(&x).unwrap();
        let found = divergence.weighted(u.as_tensor(), &[1.0, least], &y, &[1.0]);
        let gradients = found.as_ref().unwrap().backward().unwrap();
        let by_x = gradients.get(&u).unwrap().to_vec2::<f64>().unwrap();
        let value = number(found);
        assert!((value - 9.0).abs() < 1e-12, "{least}: {value}");
        assert!((by_x[0][0] + 6.0).abs() < 1e-12 && by_x[1][0] == 0.0);
    }
}

/// The value is of the weights by their sum, as the plans are: what they miss of 1 is multiplied by potentials otherwise.
#[test]
fn sums_of_weights_do_not_matter() {
    let mut rng = Generator::from_seed(7);
    let x = rng.normal((300, 1), DType::F64, device()).unwrap();
    let x = (x * 100.0).unwrap();
    let off = |by: f64| vec![(1.0 + by) / 300.0; 300];
    let divergence = SinkhornDivergence::new(1e5).unwrap();
    let found = divergence.weighted(&x, &off(1.65e-5), &x, &off(-1.65e-5));
    let found = number(found);
    assert!(found.abs() < 1e-3, "{found}");
}

#[test]
fn bad_arguments_are_told() {
    let divergence = SinkhornDivergence::new(1.0).unwrap();
    let message = |found: Result<Tensor, Error>| found.unwrap_err().to_string();
    let (x, y) = (cloud(3, 0.0), cloud(4, 1.0));
    assert!(SinkhornDivergence::new(0.0).is_err());
    let flat = y.narrow(1, 0, 1).unwrap();
    assert!(message(divergence.value(&x, &flat)).starts_with("y: got shape"));
    let single = y.to_dtype(DType::F32).unwrap();
    assert!(message(divergence.value(&x, &single)).starts_with("y: got dtype"));
    let nan = (&y * f64::NAN).unwrap();
    assert!(message(divergence.value(&x, &nan)).starts_with("y: "));
    let empty = y.narrow(0, 0, 0).unwrap();
    assert!(message(divergence.value(&empty, &y)).starts_with("x: "));
    let half = [0.25; 4];
    let third = [1.0 / 3.0; 3];
    let found = divergence.weighted(&x, &[0.5; 3], &y, &half);
    assert!(message(found).starts_with("x_weights: got a sum of 1.5"));
    let found = divergence.weighted(&x, &third, &y, &third);
    assert!(message(found).starts_with("y_weights: got shape"));
    let unbalanced = Sinkhorn::new(1.0).unwrap().unbalanced(1.0).unwrap();
    let found = SinkhornDivergence::from(unbalanced).value(&x, &y);
    assert!(message(found).starts_with("solver: "));
}
