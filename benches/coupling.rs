//! Pairing up batches: `cargo bench --bench coupling`.
#![allow(clippy::unwrap_used, missing_docs)]

use advect::prelude::*;
use advect::transport::Sinkhorn;
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

/// To the tolerance that POT stops at.
fn sinkhorn(c: &mut Criterion) {
    let (x0, x1) = (
        points(0, 256, 2).unwrap(),
        (points(1, 256, 2).unwrap() + 1.0).unwrap(),
    );
    let mut rng = Generator::from_seed(0);
    let coupling = EntropicOt::from(Sinkhorn::new(1.0).unwrap());
    c.bench_function("coupling/sinkhorn_reg1/n256_d2", |b| {
        b.iter(|| {
            let pairs = coupling.pair(&x0, &x1, &mut rng).unwrap();
            (pairs.source(&x0).unwrap(), pairs.target(&x1).unwrap())
        });
    });
}

criterion_group!(benches, exact_ot, sinkhorn);
criterion_main!(benches);
