//! Ordinary and stochastic equations: `cargo bench --bench solvers`.
#![allow(clippy::unwrap_used, missing_docs)]

use advect::prelude::*;
use advect::solvers::implicit::{ByJvp, ImplicitRungeKutta, Kvaerno5, RadauIia5};
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

/// x' = v, v' = 1000 (1 − x²) v − x.
fn van_der_pol() -> BoundSystem<2, 1> {
    let recorded = system(|_, [x, v], [mu]| [v, mu * (1.0 - x * x) * v - x]).unwrap();
    recorded.with([1e3]).unwrap()
}

/// The reactions A → B, 2 B → B + C, B + C → A + C.
fn robertson() -> BoundSystem<3, 3> {
    let recorded = system(|_, [a, b, c], [decay, growth, back]| {
        let (decay, growth, back) = (decay * a, growth * b * b, back * b * c);
        [back - decay, decay - growth - back, growth]
    });
    recorded.unwrap().with([0.04, 3e7, 1e4]).unwrap()
}

/// −1000 x and a perceptron.
#[derive(Clone)]
struct Stiff(Mlp);

impl Stiff {
    fn add(&self, slope: &Tensor, x: &Tensor) -> Result<Tensor> {
        Ok((slope - (x * 1e3)?)?)
    }
}

impl Field for Stiff {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.add(&self.0.at(t, x)?, x)
    }
}

impl Jvp for Stiff {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let (slope, along) = self.0.jvp(t, x, dt, dx)?;
        Ok((self.add(&slope, x)?, self.add(&along, dx)?))
    }
}

/// States of a batch around one.
fn around<const N: usize>(start: [f64; N], batch: usize) -> Tensor {
    let mut rng = Generator::from_seed(0);
    let factors = rng.uniform(0.9..1.1, (batch, N), DType::F64, &Device::Cpu);
    let start = Tensor::new(&start[..], &Device::Cpu).unwrap();
    factors.unwrap().broadcast_mul(&start).unwrap()
}

fn stiff(c: &mut Criterion) {
    let field = van_der_pol();
    let tolerances = Adaptive::new(1e-6, 1e-6).unwrap();
    let radau = Solver::new(RadauIia5.with_jacobian(field.clone()), tolerances);
    c.bench_function("ode/van_der_pol_1e3_1e-6/b1", |b| {
        b.iter(|| {
            radau
                .solve(&field, &[2.0, 0.0], 0.0, 2000.0)
                .unwrap()
                .end()
                .unwrap()
        });
    });
    let solver = Solver::new(Kvaerno5.with_jacobian(field.clone()), tolerances);
    let x = around([2.0, 0.0], 256);
    c.bench_function("ode/van_der_pol_1e3_1e-6/b256", |b| {
        b.iter(|| {
            solver
                .integration(&field, &x, 0.0, 2000.0)
                .each_sample()
                .run()
                .unwrap()
        });
    });
    let field = robertson();
    let tolerances = Adaptive::new(1e-6, 1e-10).unwrap();
    let solver = Solver::new(Kvaerno5.with_jacobian(field.clone()), tolerances);
    let x = around([1.0, 0.0, 0.0], 256);
    c.bench_function("ode/robertson_1e-6/b256", |b| {
        b.iter(|| {
            solver
                .integration(&field, &x, 0.0, 1e4)
                .each_sample()
                .run()
                .unwrap()
        });
    });
    let field = Stiff(frozen_mlp(2, 64).unwrap());
    let tolerances = Adaptive::new(1e-4, 1e-4).unwrap();
    let solver = Solver::new(Kvaerno5.with_jacobian(ByJvp(field.clone())), tolerances);
    let x = points(3, 256, 2).unwrap();
    c.bench_function("ode/stiff_mlp64_1e-4/b256", |b| {
        b.iter(|| solver.solve(&field, &x, 0.0, 1.0).unwrap().end().unwrap());
    });
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
    targets = ordinary, stiff, overhead, stochastic
}
criterion_main!(benches);
