//! Exact plans: their marginals, their optimality by duality, and POT.

use advect_core::testing::device;
use advect_core::{Error, Generator};
use advect_transport::{Cost, ExactPlan, assignment};
use candle_core::{DType, Tensor};
use proptest::prelude::*;
use rand_distr::{StandardNormal, StandardUniform};

/// Checks marginals, complementary slackness, and that the potentials prove the cost.
fn check(plan: &ExactPlan, cost: &Cost, rows: &[f64], columns: &[f64]) {
    let (mut a, mut b) = (vec![0.0; rows.len()], vec![0.0; columns.len()]);
    let (f, g) = plan.potentials();
    let scale = (0..cost.rows())
        .flat_map(|i| cost.row(i))
        .filter(|c| c.is_finite());
    let scale = scale.fold(1e-300, |a: f64, c| a.max(c.abs()));
    for e in plan.entries() {
        assert!(e.mass > 0.0);
        a[e.row] += e.mass;
        b[e.column] += e.mass;
        let reduced = cost.row(e.row)[e.column] - f[e.row] - g[e.column];
        assert!(reduced.abs() < 1e-10 * scale, "{reduced}");
    }
    for (i, f) in f.iter().enumerate() {
        for (c, g) in cost.row(i).iter().zip(g) {
            assert!(c - f - g > -1e-10 * scale);
        }
    }
    for (sums, weights) in [(&a, rows), (&b, columns)] {
        let total: f64 = weights.iter().sum();
        for (sum, weight) in sums.iter().zip(weights) {
            assert!((sum - weight / total).abs() < 1e-15, "{sum} {weight}");
        }
    }
    assert!(plan.entries().len() < cost.rows() + cost.columns());
    assert!(
        plan.entries()
            .windows(2)
            .all(|e| (e[0].row, e[0].column) < (e[1].row, e[1].column))
    );
}

fn matrix(n: usize, m: usize, rng: &mut Generator, ties: bool) -> Cost {
    let mut values = rng.values(&StandardNormal, n * m).unwrap();
    if ties {
        values.iter_mut().for_each(|v| *v = (2.0 * *v).round());
    }
    Cost::new(n, m, values).unwrap()
}

proptest! {
    #[test]
    fn plans_are_optimal(n in 1usize..30, m in 1usize..30, seed in any::<u64>(), ties in any::<bool>(), zeros in any::<bool>()) {
        let mut rng = Generator::from_seed(seed);
        let cost = matrix(n, m, &mut rng, ties);
        let plan = ExactPlan::uniform(&cost).unwrap();
        check(&plan, &cost, &vec![1.0 / n as f64; n], &vec![1.0 / m as f64; m]);
        let mut weights = |n: usize| {
            let mut weights = rng.values(&StandardUniform, n).unwrap();
            if ties {
                weights.iter_mut().for_each(|w| *w = (4.0 * *w).ceil());
            }
            if zeros && n > 2 {
                weights[n / 2] = 0.0;
            }
            let sum: f64 = weights.iter().sum();
            // As numbers of 32 bits that were divided by their sum.
            weights.iter().map(|w| f64::from((w / sum) as f32)).collect::<Vec<_>>()
        };
        let (a, b) = (weights(n), weights(m));
        let plan = ExactPlan::weighted(&cost, &a, &b).unwrap();
        check(&plan, &cost, &a, &b);
    }

    #[test]
    fn equal_numbers_of_points_are_assigned(n in 1usize..40, seed in any::<u64>()) {
        let cost = matrix(n, n, &mut Generator::from_seed(seed), false);
        let pairs: Vec<_> = ExactPlan::uniform(&cost).unwrap().entries().iter().map(|e| (e.row, e.column)).collect();
        prop_assert_eq!(pairs, assignment(&cost).unwrap());
    }
}

/// `ot.emd2` of POT 0.9.7: the costs `(i − 1.5 j)² + (7 i j mod 5)` with weights in proportion to `1 + i mod 3` and `1 + j mod 4`, and
/// with equal ones.
#[test]
fn pot_agrees() {
    for (n, m, weighted, uniform) in POT {
        let value =
            |i: usize, j: usize| (i as f64 - 1.5 * j as f64).powi(2) + (7 * i * j % 5) as f64;
        let values = (0..n).flat_map(|i| (0..m).map(move |j| value(i, j)));
        let cost = Cost::new(n, m, values.collect()).unwrap();
        let weights = |n: usize, period: usize| {
            let weights: Vec<f64> = (0..n).map(|i| (1 + i % period) as f64).collect();
            let sum: f64 = weights.iter().sum();
            weights.iter().map(|w| w / sum).collect::<Vec<_>>()
        };
        let plan = ExactPlan::weighted(&cost, &weights(n, 3), &weights(m, 4)).unwrap();
        assert!(
            (plan.cost(&cost) / weighted - 1.0).abs() < 1e-12,
            "{}",
            plan.cost(&cost)
        );
        let plan = ExactPlan::uniform(&cost).unwrap();
        assert!(
            (plan.cost(&cost) / uniform - 1.0).abs() < 1e-12,
            "{}",
            plan.cost(&cost)
        );
    }
}

/// Rows, columns, the cost with weights, the cost without.
const POT: [(usize, usize, f64, f64); 3] = [
    (4, 7, 16.607142857142854, 13.964285714285712),
    (20, 13, 2.5504549214226633, 2.1884615384615373),
    (60, 60, 307.3333333333335, 294.54166666666674),
];

#[test]
fn few_points_against_many() {
    let mut rng = Generator::from_seed(0);
    let x = rng.normal((5, 2), DType::F32, device()).unwrap();
    let y = rng.normal((960, 2), DType::F32, device()).unwrap();
    let (n, m) = ([0.2; 5], [1.0 / 960.0; 960]);
    let cost = Cost::squared_euclidean(&x, &y).unwrap();
    let plan = ExactPlan::uniform(&cost).unwrap();
    check(&plan, &cost, &n, &m);
    let back = Cost::squared_euclidean(&y, &x).unwrap();
    let other = ExactPlan::uniform(&back).unwrap();
    check(&other, &back, &m, &n);
    assert!((plan.cost(&cost) - other.cost(&back)).abs() < 1e-12);
}

#[test]
fn weights_of_32_bits_are_accepted_and_others_told() {
    let cost = matrix(3, 2, &mut Generator::from_seed(0), false);
    let third = f64::from(1f32 / 3.0);
    let plan = ExactPlan::weighted(&cost, &[third; 3], &[0.5; 2]).unwrap();
    check(&plan, &cost, &[third; 3], &[0.5; 2]);
    // A point without weight is left out, whatever it costs.
    let far = Cost::new(2, 2, vec![f64::INFINITY, f64::INFINITY, 1.0, 2.0]).unwrap();
    let plan = ExactPlan::weighted(&far, &[0.0, 1.0], &[0.25, 0.75]).unwrap();
    assert_eq!(plan.cost(&far), 1.75);
    assert!(
        matches!(ExactPlan::uniform(&far), Err(Error::Range { argument, .. }) if argument == "cost")
    );
    for bad in [
        [0.3, 0.3, 0.3],
        [0.5, 0.6, -0.1],
        [f64::NAN, 0.5, 0.5],
        [0.0; 3],
    ] {
        let error = ExactPlan::weighted(&cost, &bad, &[0.5; 2]).unwrap_err();
        assert!(matches!(error, Error::Range { argument, .. } if argument == "rows"));
    }
    let error = ExactPlan::weighted(&cost, &[third; 3], &[0.5; 3]).unwrap_err();
    assert!(matches!(error, Error::Shape { argument, .. } if argument == "columns"));
}

#[test]
fn costs_of_many_magnitudes_leave_the_small_ones_exact() {
    // Weights 2 : 1 : 1 are an assignment of four rows, two of them equal.
    let mut rng = Generator::from_seed(3);
    for huge in [1e3, 1e15, 1e25, 1e200, f64::INFINITY] {
        let small = rng.values(&StandardUniform, 12).unwrap();
        let allowed = |k: usize| k % 4 == k / 4 || k % 4 == 3 || k == 0;
        let three: Vec<f64> = (0..12)
            .map(|k| if allowed(k) { small[k] } else { huge })
            .collect();
        let four = [&three[..4], &three[..]].concat();
        let (three, four) = (
            Cost::new(3, 4, three).unwrap(),
            Cost::new(4, 4, four).unwrap(),
        );
        let plan = ExactPlan::weighted(&three, &[0.5, 0.25, 0.25], &[0.25; 4]);
        match plan {
            Ok(plan) => {
                let pairs = assignment(&four).unwrap();
                assert_eq!(plan.cost(&three), four.total(&pairs) / 4.0, "{huge}");
            }
            Err(_) => assert!(assignment(&four).is_err() && huge == f64::INFINITY),
        }
    }
}

#[test]
fn views_are_accepted() {
    let mut rng = Generator::from_seed(0);
    let x = rng
        .normal((2, 7), DType::F64, device())
        .unwrap()
        .t()
        .unwrap();
    let y = Tensor::new(&[[1f64, 2.0]], device())
        .unwrap()
        .broadcast_as((3, 2))
        .unwrap();
    let cost = Cost::squared_euclidean(&x, &y).unwrap();
    check(
        &ExactPlan::uniform(&cost).unwrap(),
        &cost,
        &[1.0 / 7.0; 7],
        &[1.0 / 3.0; 3],
    );
}
