//! Semidiscrete transport: quantiles in one dimension, duality with exact and entropic plans, and what the fit tells of itself.

use advect_core::testing::device;
use advect_core::{Error, Generator, Result};
use advect_transport::{Cost, ExactPlan, Semidiscrete, SemidiscretePlan, Sinkhorn};
use candle_core::{DType, Tensor};

const POINTS: [f64; 8] = [-1.0, -0.7, 0.0, 0.1, 0.9, 1.4, 1.5, 3.0];
const WEIGHTS: [f64; 8] = [0.1, 0.2, 0.05, 0.15, 0.1, 0.2, 0.15, 0.05];

fn column(values: &[f64], dtype: DType) -> Tensor {
    let x = Tensor::from_slice(values, (values.len(), 1), device()).unwrap();
    x.to_dtype(dtype).unwrap()
}

/// The end of each cell of the uniform law on (0, 1): its quantiles.
fn quantiles() -> Vec<f64> {
    let mut sum = 0.0;
    let sums = WEIGHTS.iter().map(|b| {
        sum += b;
        sum
    });
    sums.collect()
}

/// The potentials with which neighbours are equally good at the quantiles, of mean 0.
fn closed_form() -> Vec<f64> {
    let mut g = vec![0.0];
    for ((y, z), last) in POINTS.windows(2).zip(quantiles()).zip(0..) {
        let next: f64 = g[last] + (z - y[1]).powi(2) - (z - y[0]).powi(2);
        g.push(next);
    }
    centred(g)
}

fn centred(g: Vec<f64>) -> Vec<f64> {
    let mean: f64 = g.iter().zip(WEIGHTS).map(|(g, b)| g * b).sum();
    g.into_iter().map(|g| g - mean).collect()
}

fn uniform(n: usize, dtype: DType) -> impl FnMut(&mut Generator) -> Result<Tensor> {
    move |rng| rng.uniform(0.0..1.0, (n, 1), dtype, device())
}

fn normal(seed: u64, shape: (usize, usize)) -> Tensor {
    let mut rng = Generator::from_seed(seed);
    rng.normal(shape, DType::F64, device()).unwrap()
}

/// In one dimension cells are quantiles, and the dual is W₂².
#[test]
fn potentials_of_quantiles_give_their_cells() {
    let points = column(&POINTS, DType::F64);
    let plan = SemidiscretePlan::new(&points, &WEIGHTS, &closed_form(), 0.0).unwrap();
    let n = 20_000;
    let middles: Vec<f64> = (0..n).map(|i| (i as f64 + 0.5) / n as f64).collect();
    let x = column(&middles, DType::F64);
    let assigned = plan.assign(&x, &mut Generator::from_seed(0)).unwrap();
    let ends = quantiles();
    for (x, j) in middles.iter().zip(&assigned) {
        assert_eq!(*j, ends.partition_point(|end| end + 1e-12 < *x), "{x}");
    }
    let starts = std::iter::once(&0.0).chain(&ends);
    let cells = starts.zip(&ends).zip(POINTS);
    let third = |way: f64| way.powi(3) / 3.0;
    let squared: f64 = cells.map(|((a, b), y)| third(b - y) - third(a - y)).sum();
    let dual = plan.dual(&x).unwrap();
    assert!((dual / squared - 1.0).abs() < 1e-8, "{dual} {squared}");
}

#[test]
fn the_ascent_finds_the_potentials_of_quantiles() {
    let fit = |dtype: DType| {
        let points = column(&POINTS, dtype);
        let mut rng = Generator::from_seed(1);
        let source = uniform(256, dtype);
        let solver = Semidiscrete::new(2000).unwrap();
        solver
            .fit_weighted(&points, &WEIGHTS, source, &mut rng)
            .unwrap()
    };
    let (plan, again) = (fit(DType::F64), fit(DType::F64));
    assert_eq!(plan.potentials(), again.potentials());
    let (found, expected) = (centred(plan.potentials()), closed_form());
    for (a, b) in found.iter().zip(&expected) {
        assert!((a - b).abs() < 0.01, "{found:?} {expected:?}");
    }
    // The error falls, and the last part knows it.
    let errors = plan.errors();
    assert_eq!(errors.len(), 10);
    assert!(
        errors[9] < 0.01 && errors[9] < errors[0] / 5.0,
        "{errors:?}"
    );
    let x = uniform(50_000, DType::F64)(&mut Generator::from_seed(2)).unwrap();
    let error = plan.chi_square(&x).unwrap();
    assert!((error - errors[9]).abs() < 0.005, "{error} {errors:?}");
    for (a, b) in fit(DType::F32).potentials().iter().zip(plan.potentials()) {
        assert!((a - b).abs() < 0.02);
    }
}

/// The potentials of an exact plan from samples have its cost as their dual, and any others less.
#[test]
fn exact_plans_have_no_gap() {
    for (n, m, d) in [(40, 15, 2), (25, 30, 20)] {
        let (x, y) = (normal(3, (n, d)), (normal(4, (m, d)) * 2.0).unwrap());
        let cost = Cost::squared_euclidean(&x, &y).unwrap();
        let exact = ExactPlan::uniform(&cost).unwrap();
        let (weights, least) = (vec![1.0 / m as f64; m], exact.cost(&cost));
        let dual = |potentials: &[f64]| {
            let plan = SemidiscretePlan::new(&y, &weights, potentials, 0.0).unwrap();
            plan.dual(&x).unwrap()
        };
        let best = dual(exact.potentials().1);
        assert!((best / least - 1.0).abs() < 1e-12, "{best} {least}");
        assert!(dual(&vec![0.0; m]) < least);
    }
}

/// With a regularisation, Sinkhorn's potentials have the cost and the divergence of its plan as their dual.
#[test]
fn entropic_plans_have_no_gap() {
    let (x, y) = (normal(5, (30, 3)), normal(6, (8, 3)));
    let (rows, epsilon) = (vec![1.0 / 30.0; 30], 0.7);
    let cost = Cost::squared_euclidean(&x, &y).unwrap();
    let solver = Sinkhorn::new(epsilon).unwrap().tolerance(1e-13).unwrap();
    let entropic = solver.solve_weighted(&cost, &rows, &WEIGHTS).unwrap();
    let divergence: f64 = entropic
        .entries()
        .map(|e| e.mass * (e.mass / (rows[e.row] * WEIGHTS[e.column])).ln())
        .sum();
    let least = entropic.cost(&cost) + epsilon * divergence;
    let potentials = entropic.potentials().1.iter().zip(WEIGHTS);
    let potentials: Vec<f64> = potentials.map(|(g, b)| g - epsilon * b.ln()).collect();
    let plan = SemidiscretePlan::new(&y, &WEIGHTS, &potentials, epsilon).unwrap();
    let dual = plan.dual(&x).unwrap();
    assert!((dual / least - 1.0).abs() < 1e-10, "{dual} {least}");
    assert!(
        entropic
            .column_ratios()
            .iter()
            .all(|r| (r - 1.0).abs() < 1e-10)
    );
    assert!(
        entropic
            .row_ratios()
            .iter()
            .all(|r| (r - 1.0).abs() < 1e-10)
    );
    // Draws have the plan's probabilities.
    let first = x
        .narrow(0, 0, 1)
        .unwrap()
        .broadcast_as((20_000, 3))
        .unwrap();
    let mut shares = [0.0; 8];
    for j in plan.assign(&first, &mut Generator::from_seed(7)).unwrap() {
        shares[j] += 1.0 / 20_000.0;
    }
    for (share, mass) in shares.iter().zip(entropic.row(0)) {
        assert!((share - 30.0 * mass).abs() < 0.015, "{shares:?}");
    }
}

#[test]
fn entropic_potentials_are_found() {
    let (y, epsilon) = ((normal(8, (20, 2)) * 2.0).unwrap(), 0.5);
    let source = |rng: &mut Generator| rng.normal((128, 2), DType::F64, device());
    let solver = Semidiscrete::new(1000)
        .unwrap()
        .regularization(epsilon)
        .unwrap();
    let plan = solver
        .fit(&y, source, &mut Generator::from_seed(9))
        .unwrap();
    let error = plan.chi_square(&normal(10, (20_000, 2))).unwrap();
    assert!(
        error < 2e-3 && plan.errors()[0] > 10.0 * error,
        "{error} {:?}",
        plan.errors()
    );
}

/// Wherever the points are, and however far apart: the start knows of their mean and scale.
#[test]
fn far_points_are_as_easy_as_near_ones() {
    let points = normal(11, (200, 5));
    let source = |rng: &mut Generator| rng.normal((256, 5), DType::F64, device());
    let error = |scale: f64, offset: f64| {
        let y = ((&points * scale).unwrap() + offset).unwrap();
        let plan = Semidiscrete::new(200)
            .unwrap()
            .fit(&y, source, &mut Generator::from_seed(12));
        *plan.unwrap().errors().last().unwrap()
    };
    let near = error(1.0, 0.0);
    assert!(near < 0.5, "{near}");
    for (scale, offset) in [(1.0, 1000.0), (20.0, 0.0), (0.01, -3.0)] {
        let far = error(scale, offset);
        assert!(
            (far / near - 1.0).abs() < 0.2,
            "{scale} {offset}: {far} {near}"
        );
    }
}

/// Equal points share their cell by their weights, points without a weight have none, and one point takes all.
#[test]
fn equal_points_share_a_cell() {
    let points = column(&[0.0, 1.0, -0.0, 5.0, 1.0, 1.0], DType::F32);
    let weights = [0.1, 0.125, 0.4, 0.0, 0.25, 0.125];
    let solver = Semidiscrete::new(500).unwrap();
    let mut rng = Generator::from_seed(13);
    let plan = solver
        .fit_weighted(&points, &weights, uniform(64, DType::F32), &mut rng)
        .unwrap();
    let g = plan.potentials();
    assert!(g[0] == g[2] && g[1] == g[4] && g[4] == g[5] && g[3] == f64::NEG_INFINITY);
    let x = uniform(20_000, DType::F32)(&mut rng).unwrap();
    let mut shares = [0.0; 6];
    for j in plan.assign(&x, &mut rng).unwrap() {
        shares[j] += 1.0 / 20_000.0;
    }
    for (share, weight) in shares.iter().zip(weights) {
        assert!((share - weight).abs() < 0.03, "{shares:?}");
    }
    // The quantile at which the cells meet: a half.
    let sides = plan
        .assign(&column(&[0.4, 0.6], DType::F32), &mut rng)
        .unwrap();
    assert!([0, 2].contains(&sides[0]) && [1, 4, 5].contains(&sides[1]));

    let single = column(&[2.0, 2.0], DType::F32);
    let plan = solver
        .fit(&single, uniform(2, DType::F32), &mut rng)
        .unwrap();
    assert!(plan.errors().iter().all(|error| error.abs() < 1e-12));
}

#[test]
fn what_does_not_fit_is_a_typed_error() {
    let points = column(&POINTS, DType::F64);
    let solver = Semidiscrete::new(3).unwrap();
    let mut rng = Generator::from_seed(0);
    let range = |error: Error, name: &str| {
        assert!(
            matches!(&error, Error::Range { argument, .. } if argument == name),
            "{error}"
        );
    };
    range(Semidiscrete::new(0).unwrap_err(), "steps");
    range(solver.rate(0.0).unwrap_err(), "rate");
    range(solver.regularization(-1.0).unwrap_err(), "regularization");
    for bad in [[-0.1, 0.3], [0.1, 0.3], [0.0, 0.0]] {
        let weights = [&bad[..], &WEIGHTS[2..]].concat();
        let fit = solver.fit_weighted(&points, &weights, uniform(4, DType::F64), &mut rng);
        range(fit.unwrap_err(), "weights");
    }
    let mut fails = |points: &Tensor, source: Tensor| {
        let source = |_: &mut Generator| Ok(source.clone());
        solver.fit(points, source, &mut rng).unwrap_err()
    };
    range(fails(&points, column(&[0.5], DType::F64)), "source");
    assert!(matches!(
        fails(&points, normal(0, (4, 2))),
        Error::Shape { argument, .. } if argument == "source"
    ));
    assert!(matches!(
        fails(&points, column(&[0.5, f64::NAN], DType::F64)),
        Error::NonFinite { argument, .. } if argument == "source"
    ));
    assert!(matches!(
        fails(&points.narrow(0, 0, 0).unwrap(), points.clone()),
        Error::Empty { argument } if argument == "points"
    ));
    assert!(matches!(
        fails(&column(&[0.5, f64::INFINITY], DType::F64), points.clone()),
        Error::NonFinite { argument, .. } if argument == "points"
    ));
    let plan = |potentials: &[f64]| SemidiscretePlan::new(&points, &WEIGHTS, potentials, 0.0);
    assert!(
        matches!(plan(&[0.0; 3]), Err(Error::Shape { argument, .. }) if argument == "potentials")
    );
    assert!(plan(&[f64::NAN; 8]).is_err());
    let plan = plan(&[0.0; 8]).unwrap();
    assert!(
        plan.assign(&normal(0, (4, 2)), &mut Generator::from_seed(0))
            .is_err()
    );
    range(
        plan.chi_square(&column(&[0.5], DType::F64)).unwrap_err(),
        "x",
    );
}

/// From two samples the estimate of the error is the sum of `p_j q_j/b_j − 1`, of the probabilities of each.
#[test]
fn errors_of_entropic_plans_are_products_of_probabilities() {
    let points = Tensor::new(&[[-1f64], [1.0]], device()).unwrap();
    let plan = SemidiscretePlan::new(&points, &[0.25, 0.75], &[0.3, -0.2], 0.7).unwrap();
    let x = Tensor::new(&[[0.3f64], [-0.8]], device()).unwrap();
    let right = |x: f64| {
        let weight = |b: f64, g: f64, y: f64| b * ((g - (x - y).powi(2)) / 0.7).exp();
        let (left, right) = (weight(0.25, 0.3, -1.0), weight(0.75, -0.2, 1.0));
        right / (left + right)
    };
    let (p, q) = (right(0.3), right(-0.8));
    let expected = (1.0 - p) * (1.0 - q) / 0.25 + p * q / 0.75 - 1.0;
    let found = plan.chi_square(&x).unwrap();
    assert!((found - expected).abs() < 1e-12, "{found} {expected}");
}
