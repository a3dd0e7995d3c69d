//! What objectives add to the time of their network, forwards and backwards: `cargo bench --bench objectives`.
#![allow(clippy::unwrap_used, missing_docs)]

use advect::candle::Var;
use advect::objectives::objective::{ddpm, edm, interpolant_velocity};
use advect::paths::path::gamma::Parabola;
use advect::paths::preconditioner::{EdmPreconditioner, Preconditioned};
use advect::prelude::*;
use advect_benches::{mlp, points, store};
use criterion::{Criterion, criterion_group, criterion_main};

fn objectives(c: &mut Criterion) {
    for dim in [2, 64] {
        let store = store();
        let net = mlp(&store, dim, 256).unwrap();
        let (x0, x1) = (points(0, 256, dim).unwrap(), points(1, 256, dim).unwrap());
        let mut rng = Generator::from_seed(0);
        let t = Time::per_sample(&Uniform.sample(256, &mut rng).unwrap()).unwrap();
        let mut group = c.benchmark_group(format!("objective/w256_b256_d{dim}"));
        group.bench_function("network_alone", |b| {
            b.iter(|| {
                let sum = net.at(&t, &x0).unwrap().sum_all().unwrap();
                sum.backward().unwrap()
            });
        });
        let times = UniformWithin::new(0.0, 0.999).unwrap();
        let interpolant = Interpolant::new(Cosine, Parabola);
        let objectives: [(&str, Box<dyn Objective>); 5] = [
            ("flow_matching", Box::new(rectified_flow())),
            (
                "ot_cfm_sigma",
                Box::new(flow_matching(ConstantSigma::new(0.1).unwrap())),
            ),
            ("interpolant", Box::new(interpolant_velocity(interpolant))),
            ("ddpm", Box::new(ddpm(DiscreteDiffusion::default()))),
            (
                "score_matching",
                Box::new(score_matching(VariancePreserving::default()).times(times)),
            ),
        ];
        // The losses themselves, of a field that costs nothing.
        let free = Var::from_tensor(&x0).unwrap();
        let field = field_fn(|_, _| Ok(free.as_tensor().clone()));
        for (name, objective) in &objectives {
            group.bench_function(format!("{name}_alone"), |b| {
                b.iter(|| {
                    let loss = objective.loss(&field, &x0, &x1, &mut rng).unwrap();
                    loss.backward().unwrap()
                });
            });
        }
        for (name, objective) in &objectives {
            group.bench_function(*name, |b| {
                b.iter(|| {
                    let loss = objective.loss(&net, &x0, &x1, &mut rng).unwrap();
                    loss.backward().unwrap()
                });
            });
        }
        let (levels, preconditioner) = (EdmSchedule::default(), EdmPreconditioner::default());
        let denoiser = Preconditioned::new(&net, &preconditioner, &levels);
        let objective = edm(levels, 0.5).unwrap();
        group.bench_function("edm", |b| {
            b.iter(|| {
                let loss = objective.loss(&denoiser, &x0, &x1, &mut rng).unwrap();
                loss.backward().unwrap()
            });
        });
    }
}

criterion_group!(benches, objectives);
criterion_main!(benches);
