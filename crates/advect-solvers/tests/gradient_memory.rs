//! The memory that gradients take on the CPU, measured by an allocator that counts. It sees no other device's memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use advect_core::{Result, field_fn};
use advect_ops::{Activation, linear};
use advect_solvers::Solver;
use advect_solvers::adjoint::{Adjoint, Backsolve, Checkpointed, Unrolled};
use advect_solvers::controller::Fixed;
use advect_solvers::implicit::{ImplicitEuler, ImplicitRungeKutta, MatrixFree};
use advect_solvers::stepper::Rk4;
use candle_core::{DType, Device, Tensor, Var};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const BATCH: usize = 256;
const DIM: usize = 32;

/// The peak of a gradient through so many steps, in states of the integration.
fn peak(gradient: &impl Adjoint) -> usize {
    let weight = (Tensor::eye(DIM, DType::F32, &Device::Cpu).unwrap() * 0.1).unwrap();
    let weight = Var::from_tensor(&weight).unwrap();
    let parameters = [weight.as_tensor().clone()];
    let shared = weight.as_tensor().clone();
    let field = Arc::new(field_fn(move |_, x| -> Result<Tensor> {
        linear(x, &shared, None, Activation::Tanh)
    }));
    let x0 = Tensor::ones((BATCH, DIM), DType::F32, &Device::Cpu).unwrap();
    let x0 = Var::from_tensor(&x0).unwrap();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let solution = gradient
        .solve(&field, &parameters, &x0, &[0.0, 1.0])
        .unwrap();
    let loss = solution.end().unwrap().sqr().unwrap().sum_all().unwrap();
    let gradients = loss.backward().unwrap();
    assert!(gradients.get(&weight).is_some());
    (MEMORY.peak_usage() - before) / (BATCH * DIM * 4)
}

/// The peak of a step of an implicit method without matrices, in states, where 60 directions and more are wanted.
fn peak_of_products(directions: usize) -> usize {
    const PLACES: usize = 20_000;
    let heat = field_fn(|_, x: &Tensor| -> Result<Tensor> {
        let neighbours = (x.roll(1, 1)? + x.roll(-1, 1)?)?;
        Ok(((neighbours - (x * 2.0)?)? * 300.0)?)
    });
    let values = (0..PLACES).map(|i| f64::from(u8::from(i % 7 < 2)));
    let x = Tensor::from_iter(values, &Device::Cpu).unwrap();
    let x = x.unsqueeze(0).unwrap();
    let free = MatrixFree::by_differences().restart(directions).unwrap();
    let solver = Solver::new(ImplicitEuler.with_jacobian(free), Fixed::steps(1).unwrap());
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let solution = solver.solve(&heat, &x, 0.0, 1.0).unwrap();
    assert!(solution.end().is_ok());
    (MEMORY.peak_usage() - before) / (PLACES * 8)
}

/// One test alone: others would allocate beside it.
#[test]
fn memory_is_that_of_a_step_and_of_the_checkpoints() {
    let solver = |steps: usize| Solver::new(Rk4, Fixed::steps(steps).unwrap());
    let unrolled = |steps: usize| {
        let unrolled = Unrolled::new(solver(steps));
        // On a stack that is large enough for the graph.
        let run = move || peak(&unrolled.max_evaluations(10_000).unwrap());
        let large = std::thread::Builder::new().stack_size(256 << 20);
        large.spawn(run).unwrap().join().unwrap()
    };
    let checkpointed =
        |steps: usize, count: usize| peak(&Checkpointed::new(solver(steps), count).unwrap());
    let backsolve = |steps: usize| peak(&Backsolve::new(solver(steps)));
    let table = [
        ("unrolled, 100 steps", unrolled(100)),
        ("unrolled, 1,000 steps", unrolled(1000)),
        ("10 checkpoints, 100 steps", checkpointed(100, 10)),
        ("10 checkpoints, 1,000 steps", checkpointed(1000, 10)),
        ("50 checkpoints, 1,000 steps", checkpointed(1000, 50)),
        ("backsolve, 100 steps", backsolve(100)),
        ("backsolve, 1,000 steps", backsolve(1000)),
    ];
    for (name, states) in table {
        eprintln!("{name}: {states} states");
    }
    let [_, unrolled, few, ten, fifty, short, long] = table.map(|(_, states)| states);
    assert!(unrolled > 5000);
    assert!(ten < 60 && ten <= few + 5 && (35..=45).contains(&(fifty - ten)));
    assert!(long < 60 && long <= short + 2);

    // A matrix is 20,000 states.
    let [few, many] = [10, 30].map(peak_of_products);
    eprintln!("products with 10 directions: {few} states, with 30: {many}");
    assert!((18..=22).contains(&(many - few)) && few < 50);
}
