//! Ordinary and stochastic equations: `cargo bench --bench solvers`.
#![allow(clippy::unwrap_used, missing_docs)]

use advect::prelude::*;
use advect::solvers::sde::{BrownianPath, Diagonal, EulerMaruyama};
use advect::solvers::system::BoundSystem;
use advect_benches::{frozen_mlp, points};
use criterion::{Criterion, criterion_group, criterion_main};

/// a' = 1.5 a − a b, b' = −3 b + a b.
fn lotka_volterra() -> BoundSystem<2, 2> {
    let recorded = system(|_, [a, b], [p, q]| [p * a - a * b, a * b - q * b]).unwrap();
    recorded.with([1.5, 3.0]).unwrap()
}

/// The same by operations of tensors.
fn lotka_volterra_of_tensors(_: &Time, x: &Tensor) -> Result<Tensor> {
    let (a, b) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
    let both = (&a * &b)?;
    Ok(Tensor::cat(
        &[((a * 1.5)? - &both)?, (both - (b * 3.0)?)?],
        1,
    )?)
}

fn ordinary(c: &mut Criterion) {
    let solver = Solver::new(Dopri5, Adaptive::new(1e-8, 1e-8).unwrap());
    let end = |field: &dyn Field, x: &Tensor| {
        let solution = solver.solve(field, x, 0.0, 10.0).unwrap();
        solution.end().unwrap()
    };
    let field = lotka_volterra();
    let start = |batch: usize| {
        let mut rng = Generator::from_seed(0);
        rng.uniform(1.0..2.0, (batch, 2), DType::F64, &Device::Cpu)
            .unwrap()
    };
    let x = start(1).to_vec2::<f64>().unwrap();
    let x = [x[0][0], x[0][1]];
    c.bench_function("ode/lotka_volterra_dopri5_1e-8/b1", |b| {
        b.iter(|| solver.solve(&field, &x, 0.0, 10.0).unwrap().end().unwrap());
    });
    let x = start(1000);
    c.bench_function("ode/lotka_volterra_dopri5_1e-8/b1000", |b| {
        b.iter(|| end(&field, &x));
    });
    for batch in [1, 1000] {
        let x = start(batch);
        let name = format!("ode/lotka_volterra_of_tensors_dopri5_1e-8/b{batch}");
        c.bench_function(&name, |b| {
            b.iter(|| end(&field_fn(lotka_volterra_of_tensors), &x));
        });
    }
}

/// A field that costs nothing: what the solver takes itself, an evaluation.
fn overhead(c: &mut Criterion) {
    let x = points(3, 64, 2).unwrap();
    let slope = x.ones_like().unwrap();
    let free = field_fn(move |_, _| Ok(slope.clone()));
    let adaptive = Adaptive::new(1e-5, 1e-5).unwrap().max_step(0.01).unwrap();
    let solver = Solver::new(Dopri5, adaptive);
    let evaluations = solver
        .solve(&free, &x, 0.0, 1.0)
        .unwrap()
        .statistics
        .evaluations;
    c.bench_function(
        &format!("ode/overhead_dopri5/b64_d2_{evaluations}evaluations"),
        |b| {
            b.iter(|| solver.solve(&free, &x, 0.0, 1.0).unwrap());
        },
    );
}

fn stochastic(c: &mut Criterion) {
    let net = frozen_mlp(2, 64).unwrap();
    let x = points(3, 1024, 2).unwrap();
    let mut seed = 0;
    c.bench_function("sample/euler_maruyama100_mlp64/b1024", |b| {
        b.iter(|| {
            seed += 1;
            let path = BrownianPath::new(Key::from_seed(seed), &x, 0.0, 1.0).unwrap();
            let noise = Diagonal(field_fn(|_, x| Ok(x.ones_like()?.affine(0.5, 0.0)?)));
            let stepper = EulerMaruyama::new(noise, path.cells(100).unwrap());
            let solver = Solver::new(stepper, Fixed::steps(100).unwrap());
            solver.solve(&net, &x, 0.0, 1.0).unwrap().end().unwrap()
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = ordinary, overhead, stochastic
}
criterion_main!(benches);
