//! Entropic plans: against POT, against closed forms, and where plain iterations would fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use advect_core::{Error, Generator};
use advect_transport::{Cost, Plan, Sinkhorn, assignment};
use approx::assert_relative_eq;
use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use serde_json::Value;

fn matrix(value: &Value) -> Tensor {
    let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
    Tensor::new(rows, &Device::Cpu).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn clouds(seed: u64, n: usize, m: usize, spread: f64) -> Cost {
    let mut rng = Generator::from_seed(seed);
    let x = (rng.normal((n, 2), DType::F64, &Device::Cpu).unwrap() * spread).unwrap();
    let y =
        ((rng.normal((m, 2), DType::F64, &Device::Cpu).unwrap() + 1.0).unwrap() * spread).unwrap();
    Cost::squared_euclidean(&x, &y).unwrap()
}

/// The largest deviations of rows and columns, in sum.
fn marginal_errors(plan: &Plan) -> (f64, f64) {
    let (n, m) = (plan.rows(), plan.columns());
    let rows = (0..n).map(|i| (plan.row(i).iter().sum::<f64>() - 1.0 / n as f64).abs());
    let columns =
        (0..m).map(|j| ((0..n).map(|i| plan.row(i)[j]).sum::<f64>() - 1.0 / m as f64).abs());
    (rows.sum(), columns.sum())
}

#[test]
fn plans_of_pot() {
    let golden: Value = serde_json::from_str(include_str!("golden/transport_pot.json")).unwrap();
    for row in golden["rows"].as_array().unwrap() {
        let cost = Cost::squared_euclidean(&matrix(&row["x"]), &matrix(&row["y"])).unwrap();
        let solver = Sinkhorn::new(row["sinkhorn_reg"].as_f64().unwrap()).unwrap();
        let solver = solver
            .tolerance(1e-12)
            .unwrap()
            .max_iterations(100_000)
            .unwrap();
        let plan = solver.solve(&cost).unwrap();
        assert!(plan.converged(), "{}", plan.error());
        let expected = row["sinkhorn_cost"].as_f64().unwrap();
        // Their third plan stopped after 20,000 iterations, 1e-6 short: 400,000 lead to 34.5111225, towards ours.
        let hard = plan.rows() == 50;
        let (tolerance, floor) = if hard { (2e-7, 1e-6) } else { (1e-9, 1e-12) };
        assert_relative_eq!(plan.cost(&cost), expected, max_relative = tolerance);
        for (i, expected) in row["sinkhorn_plan_rows"]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
        {
            for (ours, theirs) in plan.row(i).iter().zip(numbers(expected)) {
                assert_relative_eq!(*ours, theirs, max_relative = 1e-7, epsilon = floor);
            }
        }
    }
}

#[test]
fn unbalanced_plans_of_pot() {
    let golden: Value =
        serde_json::from_str(include_str!("golden/sinkhorn_unbalanced_pot.json")).unwrap();
    for row in golden["rows"].as_array().unwrap() {
        let cost = Cost::squared_euclidean(&matrix(&row["x"]), &matrix(&row["y"])).unwrap();
        let solver = Sinkhorn::new(row["reg"].as_f64().unwrap()).unwrap();
        let solver = solver.unbalanced(row["reg_m"].as_f64().unwrap()).unwrap();
        let solver = solver.tolerance(1e-13).unwrap();
        let plan = solver.solve_weighted(&cost, &numbers(&row["a"]), &numbers(&row["b"]));
        let plan = plan.unwrap();
        assert!(plan.converged());
        for (i, expected) in row["plan"].as_array().unwrap().iter().enumerate() {
            for (ours, theirs) in plan.row(i).iter().zip(numbers(expected)) {
                assert_relative_eq!(*ours, theirs, max_relative = 1e-8, epsilon = 1e-12);
            }
        }
    }
}

#[test]
fn potentials_make_the_plan() {
    let cost = clouds(0, 20, 30, 1.0);
    let plan = Sinkhorn::new(0.3).unwrap().solve(&cost).unwrap();
    let (f, g) = plan.potentials();
    for (i, f) in f.iter().enumerate() {
        for (j, g) in g.iter().enumerate() {
            let expected = ((f + g - cost.row(i)[j]) / 0.3).exp();
            assert_relative_eq!(plan.row(i)[j], expected, max_relative = 1e-9);
        }
    }
    let (rows, columns) = marginal_errors(&plan);
    assert!(rows <= 1e-9 && columns < 1e-13, "{rows} {columns}");
}

#[test]
fn strong_regularisation_forgets_the_cost_and_weak_finds_the_assignment() {
    let cost = clouds(1, 40, 40, 1.0);
    let plan = Sinkhorn::new(1e6).unwrap().solve(&cost).unwrap();
    assert!(
        plan.values()
            .iter()
            .all(|p| (p * 1600.0 - 1.0).abs() < 1e-4)
    );

    // exp(−c/ε) is 0 for all but the nearest points: iterations on it would divide by 0.
    let exact = assignment(&cost).unwrap();
    let plan = Sinkhorn::new(2e-3).unwrap().tolerance(1e-4).unwrap();
    let plan = plan.max_iterations(200_000).unwrap().solve(&cost).unwrap();
    assert!(
        plan.converged(),
        "{} after {}",
        plan.error(),
        plan.iterations()
    );
    let least = cost.total(&exact) / 40.0;
    assert!((plan.cost(&cost) - least).abs() < 0.01 * least);
}

#[test]
fn far_clouds_do_not_underflow() {
    let cost = clouds(2, 30, 30, 1e3);
    let plan = Sinkhorn::new(1e5).unwrap().solve(&cost).unwrap();
    assert!(plan.converged());
    let (rows, columns) = marginal_errors(&plan);
    assert!(rows <= 1e-9 && columns < 1e-12);
}

#[test]
fn running_out_of_iterations_is_reported() {
    for regularization in [0.05, 1e-4] {
        let solver = Sinkhorn::new(regularization)
            .unwrap()
            .max_iterations(5)
            .unwrap();
        let plan = solver.solve(&clouds(3, 50, 50, 1.0)).unwrap();
        assert!(!plan.converged() && plan.iterations() == 5 && plan.error() > 1e-9);
        assert!(plan.values().iter().all(|p| p.is_finite()));
    }
}

/// Altschuler, Weed and Rigollet 2017, lemma 7: rounding moves no more than twice the marginals' error.
#[test]
fn rounded_plans_have_their_marginals() {
    for (seed, iterations) in [(0, 1), (1, 3), (2, 40), (3, 10_000)] {
        let cost = clouds(seed, 30, 50, 1.0);
        let rows: Vec<f64> = (1..=30).map(|i| f64::from(i) / 465.0).collect();
        let columns = [0.02; 50];
        let solver = Sinkhorn::new(0.5).unwrap();
        let solver = solver.max_iterations(iterations).unwrap();
        let plan = solver.solve_weighted(&cost, &rows, &columns).unwrap();
        let sums = |plan: &Plan| -> (Vec<f64>, Vec<f64>) {
            let row = |i| plan.row(i).iter().sum();
            let column = |j| (0..30).map(|i| plan.row(i)[j]).sum();
            ((0..30).map(row).collect(), (0..50).map(column).collect())
        };
        let off = |(r, c): (Vec<f64>, Vec<f64>)| -> f64 {
            let sides = (r.iter().zip(&rows)).chain(c.iter().zip(&columns));
            sides.map(|(sum, goal)| (sum - goal).abs()).sum()
        };
        let error = off(sums(&plan));
        assert_eq!(error > 1e-8, iterations <= 40, "{error}");
        let rounded = plan.clone().rounded();
        assert!(off(sums(&rounded)) < 1e-14);
        assert!(rounded.values().iter().all(|p| *p >= 0.0));
        let pairs = plan.values().iter().zip(rounded.values());
        let moved: f64 = pairs.map(|(a, b)| (a - b).abs()).sum();
        assert!(moved <= 2.0 * error + 1e-14, "{moved} {error}");
    }
}

#[test]
fn unbalanced_transport_leaves_outliers_out() {
    let x = Tensor::new(&[[0.0f64], [1.0], [100.0]], &Device::Cpu).unwrap();
    let y = Tensor::new(&[[0.1f64], [1.1]], &Device::Cpu).unwrap();
    let cost = Cost::squared_euclidean(&x, &y).unwrap();
    let plan = Sinkhorn::new(0.1)
        .unwrap()
        .unbalanced(1.0)
        .unwrap()
        .solve(&cost)
        .unwrap();
    assert!(plan.converged(), "{} {}", plan.error(), plan.iterations());
    let sent: Vec<f64> = (0..3).map(|i| plan.row(i).iter().sum()).collect();
    assert!(sent[2] < 1e-30 && sent[0] > 0.1, "{sent:?}");
}

#[test]
fn mild_imbalance_converges_as_fast_as_none() {
    let cost = clouds(5, 64, 64, 0.5);
    for penalty in [1.0, 10.0, 1e2, 1e4] {
        let solver = Sinkhorn::new(0.5).unwrap().unbalanced(penalty).unwrap();
        let plan = solver.max_iterations(1000).unwrap().solve(&cost).unwrap();
        assert!(plan.converged(), "{penalty}: {}", plan.error());
    }
    // In the limit the plan is the balanced one.
    let solver = Sinkhorn::new(0.5).unwrap();
    let (loose, tight) = (solver.unbalanced(1e9).unwrap(), solver);
    let (loose, tight) = (loose.solve(&cost).unwrap(), tight.solve(&cost).unwrap());
    assert!((loose.mass() - 1.0).abs() < 1e-6);
    for (a, b) in loose.values().iter().zip(tight.values()) {
        assert!((a - b).abs() < 1e-7, "{a} {b}");
    }
}

#[test]
fn bad_arguments_are_typed_errors() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(Sinkhorn::new(bad), Err(Error::Range { .. })));
        assert!(Sinkhorn::new(1.0).unwrap().tolerance(bad).is_err());
    }
    let solver = Sinkhorn::new(1.0).unwrap();
    assert!(solver.max_iterations(0).is_err() && solver.unbalanced(0.0).is_err());
    let cost = clouds(4, 2, 3, 1.0);
    let third = [1.0 / 3.0; 3];
    for rows in [
        vec![1.0],
        vec![0.5, 0.6],
        vec![1.5, -0.5],
        vec![0.0, 1.0],
        vec![f64::NAN, 1.0],
    ] {
        let error = solver.solve_weighted(&cost, &rows, &third).unwrap_err();
        assert!(error.to_string().starts_with("rows: "), "{error}");
    }
    let huge = Cost::new(1, 2, vec![0.0, 1e289]).unwrap();
    assert!(Sinkhorn::new(1e-300).unwrap().solve(&huge).is_err());
}

proptest! {
    #[test]
    fn plans_have_their_marginals(
        n in 1usize..40,
        m in 1usize..40,
        seed in any::<u64>(),
        log_regularization in -1.0f64..2.0,
    ) {
        let cost = clouds(seed, n, m, 1.0);
        let solver = Sinkhorn::new(10f64.powf(log_regularization)).unwrap();
        let plan = solver.solve(&cost).unwrap();
        // A plan that has hardly any entropy may take forever.
        prop_assert!(plan.converged() || log_regularization < 0.5);
        prop_assert!(plan.values().iter().all(|p| p.is_finite() && *p >= 0.0));
        let (rows, columns) = marginal_errors(&plan);
        if plan.converged() {
            prop_assert!(rows <= 1.01e-9 && columns < 1e-12, "{} {}", rows, columns);
        }
    }
}
