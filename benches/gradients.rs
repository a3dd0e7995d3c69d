//! Gradients through integrations: `cargo bench --bench gradients`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use advect::prelude::*;
use advect::solvers::adjoint::{Adjoint, Backsolve, Checkpointed, Unrolled};
use advect::solvers::stepper::Rk4ThreeEighths;
use advect_benches::{mlp, points, store};
use criterion::{Criterion, criterion_group, criterion_main};

fn gradients(c: &mut Criterion, name: &str, gradient: &impl Adjoint) {
    let store = store();
    let field = Arc::new(mlp(&store, 2, 64).unwrap());
    let parameters = store.tensors();
    let x = points(3, 512, 2).unwrap();
    c.bench_function(name, |b| {
        b.iter(|| {
            let solution = gradient
                .solve(&field, &parameters, &x, &[0.0, 1.0])
                .unwrap();
            let loss = solution.end().unwrap().sqr().unwrap().mean_all().unwrap();
            loss.backward().unwrap()
        });
    });
}

fn all(c: &mut Criterion) {
    let adaptive = Solver::new(Dopri5, Adaptive::new(1e-5, 1e-5).unwrap());
    let backsolve = Backsolve::new(adaptive);
    gradients(c, "grad/adjoint_dopri5_1e-5_mlp64/b512", &backsolve);
    let fixed = Solver::new(Rk4ThreeEighths, Fixed::steps(20).unwrap());
    let unrolled = Unrolled::new(fixed.clone());
    gradients(c, "grad/unrolled_rk4_20_mlp64/b512", &unrolled);
    let checkpointed = Checkpointed::new(fixed, 20).unwrap();
    gradients(c, "grad/checkpointed_rk4_20_mlp64/b512", &checkpointed);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = all
}
criterion_main!(benches);
