//! What samplers add to the time of their network: `cargo bench --bench samplers`.
//!
//! Each is about 20 evaluations of a network that takes about a millisecond for 64 samples of 64 dimensions: `network` is the network
//! alone, `NAME_alone` a sampler with a field that costs nothing, and `NAME` both.
#![allow(clippy::unwrap_used, missing_docs)]

use advect::prelude::*;
use advect_benches::{mlp, points, store};
use criterion::{Criterion, criterion_group, criterion_main};

fn all() -> Vec<(&'static str, Box<dyn Sampler>)> {
    let grid = |steps| UniformLogSnr::new(steps).unwrap();
    let open = || UniformTime::within(20, 0.05, 0.95).unwrap();
    let g = ForwardDiffusion::new(1.0).unwrap();
    let sde = DpmSolver::order(3).and_then(|s| s.stochastic(1.0)).unwrap();
    let heun = Solver::new(Heun, Fixed::steps(10).unwrap());
    let churn = Edm::heun().churn(3.0).unwrap();
    let corrected = PredictorCorrector::new(Ddim::new(), 1, 0.1).unwrap();
    vec![
        ("ddpm", Box::new(Ancestral::new().on(grid(20)))),
        ("ddim", Box::new(Ddim::new().on(grid(20)))),
        (
            "edm_heun_churn",
            Box::new(churn.on(Karras::new(10).unwrap())),
        ),
        (
            "dpm_solver_2m",
            Box::new(DpmSolver::order(2).unwrap().on(grid(20))),
        ),
        ("dpm_solver_3m_sde", Box::new(sde.on(grid(20)))),
        ("uni_pc_3", Box::new(UniPc::order(3).unwrap().on(grid(20)))),
        ("plms", Box::new(Plms.on(grid(20)))),
        ("reverse_sde", Box::new(ReverseSde::new(g).on(open()))),
        (
            "annealed_langevin",
            Box::new(AnnealedLangevin::new(2, 1e-5).unwrap().on(grid(10))),
        ),
        (
            "predictor_corrector",
            Box::new(corrected.on(UniformTime::within(10, 0.05, 0.95).unwrap())),
        ),
        (
            "probability_flow_heun",
            Box::new(ProbabilityFlow::new(heun).within(0.05, 0.95).unwrap()),
        ),
    ]
}

fn samplers(c: &mut Criterion) {
    let store = store();
    let net = mlp(&store, 64, 640).unwrap();
    let net = net.on(&store.frozen()).unwrap();
    let x = points(0, 64, 64).unwrap();
    let mut group = c.benchmark_group("sampler/mlp640_b64_d64_n20");
    let network = |c: &mut criterion::BenchmarkGroup<'_, _>| {
        c.bench_function("network", |b| {
            b.iter(|| {
                for i in 0..20 {
                    net.at(&Time::Shared(0.05 * f64::from(i)), &x).unwrap();
                }
            });
        });
    };
    network(&mut group);
    let free = field_fn(|_, x| Ok(x.clone()));
    let mut rng = Generator::from_seed(0);
    for (name, sampler) in all() {
        let mut bench = |name: &str, field: &dyn Field| {
            let model = Model::new(field, Prediction::V, &Cosine);
            group.bench_function(name, |b| {
                b.iter(|| sampler.sample(&model, &x, &mut rng).unwrap());
            });
        };
        bench(&format!("{name}_alone"), &free);
        bench(name, &net);
    }
}

criterion_group!(benches, samplers);
criterion_main!(benches);
