//! Ordinary and stochastic equations: `cargo bench --bench solvers`.
#![allow(clippy::unwrap_used, missing_docs)]

use advect::prelude::*;
use advect::solvers::sde::{BrownianPath, Diagonal, EulerMaruyama};
use advect_benches::{frozen_mlp, points};
use criterion::{Criterion, criterion_group, criterion_main};

/// a' = 1.5 a − a b, b' = −3 b + a b.
fn lotka_volterra(_: &Time, x: &Tensor) -> Result<Tensor> {
    let (a, b) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
    let both = (&a * &b)?;
    Ok(Tensor::cat(
        &[((a * 1.5)? - &both)?, (both - (b * 3.0)?)?],
        1,
    )?)
}

fn ordinary(c: &mut Criterion) {
    let solver = Solver::new(Dopri5, Adaptive::new(1e-8, 1e-8).unwrap());
    for batch in [1, 1000] {
        let mut rng = Generator::from_seed(0);
        let x = rng
            .uniform(1.0..2.0, (batch, 2), DType::F64, &Device::Cpu)
            .unwrap();
        c.bench_function(&format!("ode/lotka_volterra_dopri5_1e-8/b{batch}"), |b| {
            b.iter(|| {
                solver
                    .solve(&field_fn(lotka_volterra), &x, 0.0, 10.0)
                    .unwrap()
                    .end()
                    .unwrap()
            });
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
