//! Pairing up batches: `cargo bench --bench coupling`.
#![allow(clippy::unwrap_used, missing_docs)]

use advect::prelude::*;
use advect::transport::{Cost, ExactPlan, Sinkhorn};
use advect_benches::points;
use criterion::{Criterion, criterion_group, criterion_main};

fn exact_ot(c: &mut Criterion) {
    for (n, d) in [(256, 2), (1024, 2), (256, 3072)] {
        let (x0, x1) = (
            points(0, n, d).unwrap(),
            (points(1, n, d).unwrap() + 1.0).unwrap(),
        );
        let mut rng = Generator::from_seed(0);
        c.bench_function(&format!("coupling/exact_ot/n{n}_d{d}"), |b| {
            b.iter(|| {
                let pairs = ExactOt.pair(&x0, &x1, &mut rng).unwrap();
                (pairs.source(&x0).unwrap(), pairs.target(&x1).unwrap())
            });
        });
    }
}

/// Points that tie: each should take at most twice the time of `coupling/exact_ot/n1024_d2`.
fn ties(c: &mut Criterion) {
    let n = 1024;
    let (x, y) = (
        points(0, n, 2).unwrap(),
        (points(1, n, 2).unwrap() + 1.0).unwrap(),
    );
    let zeros = x.zeros_like().unwrap();
    let whole = |x: &Tensor, step: f64| (x / step).unwrap().floor().unwrap();
    let head = y.narrow(0, 0, n / 2).unwrap();
    let one = y.narrow(0, 0, 1).unwrap().broadcast_as((n / 2, 2)).unwrap();
    let half = Tensor::cat(&[&one, &head], 0).unwrap();
    let line = |x: &Tensor| {
        let first = x.narrow(1, 0, 1).unwrap();
        Tensor::cat(&[&first, &first], 1).unwrap()
    };
    let sorted = |x: &Tensor| {
        let first = x.narrow(1, 0, 1).unwrap().flatten_all().unwrap();
        let first = first.sort_last_dim(true).unwrap().0;
        first.unsqueeze(1).unwrap()
    };
    let rounded = |x: &Tensor| ((x * 10.0).unwrap().round().unwrap() / 10.0).unwrap();
    let black_or_white = |seed: u64| points(seed, n, 16).unwrap().gt(0.0).unwrap();
    let pixels = |seed: u64| black_or_white(seed).to_dtype(x.dtype()).unwrap();
    let cases = [
        ("zeros", zeros.clone(), zeros),
        ("few_values", whole(&x, 3.0), whole(&y, 3.0)),
        ("tenths", whole(&x, 0.1), whole(&y, 0.1)),
        ("rounded_to_tenths", rounded(&x), rounded(&y)),
        ("pixels", pixels(0), pixels(1)),
        ("half_of_y_equal", x.clone(), half.clone()),
        ("half_of_x_equal", half, x.clone()),
        ("collinear", line(&x), line(&y)),
        ("sorted", sorted(&x), sorted(&y)),
    ];
    let mut rng = Generator::from_seed(0);
    for (name, x0, x1) in cases {
        c.bench_function(&format!("coupling/exact_ot/ties_{name}"), |b| {
            b.iter(|| ExactOt.pair(&x0, &x1, &mut rng).unwrap());
        });
    }
}

/// Unequal sizes, and weights.
fn plans(c: &mut Criterion) {
    for (n, m) in [(5, 960), (256, 256), (512, 1024)] {
        let (x, y) = (points(0, n, 2).unwrap(), points(1, m, 2).unwrap());
        let cost = Cost::squared_euclidean(&x, &y).unwrap();
        c.bench_function(&format!("coupling/exact_plan/n{n}_m{m}"), |b| {
            b.iter(|| ExactPlan::uniform(&cost).unwrap());
        });
    }
}

/// To the tolerance that POT stops at.
fn sinkhorn(c: &mut Criterion) {
    for n in [256, 1024] {
        let (x0, x1) = (
            points(0, n, 2).unwrap(),
            (points(1, n, 2).unwrap() + 1.0).unwrap(),
        );
        let mut rng = Generator::from_seed(0);
        let coupling = EntropicOt::from(Sinkhorn::new(1.0).unwrap());
        c.bench_function(&format!("coupling/sinkhorn_reg1/n{n}_d2"), |b| {
            b.iter(|| {
                let pairs = coupling.pair(&x0, &x1, &mut rng).unwrap();
                (pairs.source(&x0).unwrap(), pairs.target(&x1).unwrap())
            });
        });
    }
}

criterion_group!(benches, exact_ot, ties, plans, sinkhorn);
criterion_main!(benches);
