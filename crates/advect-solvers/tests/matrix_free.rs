//! Newton's equations by products with the Jacobian, against those by matrices: solutions, gradients, cost and failures.

use std::sync::Arc;

use advect_core::testing::device;
use advect_core::{Error, Field, Jvp, Result, Time, field_fn};
use advect_solvers::adjoint::{Adjoint, Checkpointed, Unrolled};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::implicit::{
    AdditiveRungeKutta, ByJvp, Differences, ImplicitEuler, ImplicitRungeKutta, JacobianProduct,
    KenCarp4, Kvaerno3, Kvaerno5, Linearized, MatrixFree, RadauIia5, Rodas5P, Rosenbrock,
    preconditioner_fn,
};
use advect_solvers::stepper::{Embedded, Stepper};
use advect_solvers::{Solution, Solver, Status};
use candle_core::{DType, Tensor, Var};

/// The Brusselator with diffusion on a line (Hairer and Wanner, Solving Ordinary Differential Equations II, eq. IV.10.15):
/// `u' = a + u² v − (b + 1) u + α ∂²u/∂x²`, `v' = b u − u² v + α ∂²v/∂x²`, with u = 1 and v = 3 at the ends.
#[derive(Clone)]
struct Brusselator {
    places: usize,
    /// a, b and α.
    parameters: Var,
}

impl Brusselator {
    fn new(places: usize) -> Self {
        Brusselator {
            places,
            parameters: Var::new(&[1f64, 3.0, 0.02], device()).unwrap(),
        }
    }

    /// All u, then all v.
    fn start(&self, samples: usize) -> Tensor {
        let place = |i: usize| (i + 1) as f64 / (self.places + 1) as f64;
        let u = (0..self.places).map(|i| 1.0 + (std::f64::consts::TAU * place(i)).sin());
        let row: Vec<f64> = u.chain(std::iter::repeat_n(3.0, self.places)).collect();
        let row = Tensor::from_vec(row, (1, 2 * self.places), device()).unwrap();
        row.repeat((samples, 1)).unwrap()
    }

    fn parameter(&self, i: usize) -> Result<Tensor> {
        Ok(self.parameters.narrow(0, i, 1)?.unsqueeze(0)?)
    }

    /// α (w_(i−1) − 2 w_i + w_(i+1)) / Δx², with a value at both ends.
    fn diffusion(&self, w: &Tensor, end: f64) -> Result<Tensor> {
        let n = self.places;
        let ends = (w.narrow(1, 0, 1)?.zeros_like()? + end)?;
        let before = Tensor::cat(&[&ends, &w.narrow(1, 0, n - 1)?], 1)?;
        let after = Tensor::cat(&[&w.narrow(1, 1, n - 1)?, &ends], 1)?;
        let curvature = (((before + after)? - (w * 2.0)?)? * ((n + 1) * (n + 1)) as f64)?;
        Ok(curvature.broadcast_mul(&self.parameter(2)?)?)
    }

    fn parts(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let n = self.places;
        Ok((x.narrow(1, 0, n)?, x.narrow(1, n, n)?))
    }

    /// The part that is stiff.
    fn diffused(&self, x: &Tensor, ends: [f64; 2]) -> Result<Tensor> {
        let (u, v) = self.parts(x)?;
        let (u, v) = (self.diffusion(&u, ends[0])?, self.diffusion(&v, ends[1])?);
        Ok(Tensor::cat(&[u, v], 1)?)
    }
}

impl Field for Brusselator {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        let (u, v) = self.parts(x)?;
        let (bu, uuv) = (u.broadcast_mul(&self.parameter(1)?)?, (u.sqr()? * &v)?);
        let of_u = ((&uuv - &bu)? - u)?.broadcast_add(&self.parameter(0)?)?;
        let reaction = Tensor::cat(&[of_u, (bu - uuv)?], 1)?;
        Ok((reaction + self.diffused(x, [1.0, 3.0])?)?)
    }
}

impl Jvp for Brusselator {
    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let ((u, v), (du, dv)) = (self.parts(x)?, self.parts(dx)?);
        let bdu = du.broadcast_mul(&self.parameter(1)?)?;
        let of_product = (((&u * &v)? * (&du * 2.0)?)? + (u.sqr()? * dv)?)?;
        let of_u = ((&of_product - &bdu)? - du)?;
        let reaction = Tensor::cat(&[of_u, (bdu - of_product)?], 1)?;
        Ok((self.at(t, x)?, (reaction + self.diffused(dx, [0.0, 0.0])?)?))
    }
}

fn numbers(x: &Tensor) -> Vec<f64> {
    let x = x.to_dtype(DType::F64).unwrap();
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    let pairs = numbers(a).into_iter().zip(numbers(b));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn solve(stepper: &dyn Embedded, field: &Brusselator, tolerance: f64) -> Solution {
    let adaptive = Adaptive::new(tolerance, tolerance).unwrap();
    let solution = Solver::new(stepper, adaptive).solve(field, &field.start(1), 0.0, 1.0);
    let solution = solution.unwrap();
    assert_eq!(solution.status, Status::Reached);
    println!("{:?}", solution.statistics);
    solution
}

/// The equations of 500 elements, to a hundredth of the tolerance.
#[test]
fn the_solution_is_that_of_matrices() {
    let field = Brusselator::new(250);
    let tolerance = 1e-5;
    let dense = solve(&Kvaerno5, &field, tolerance);
    let free = MatrixFree::by_differences();
    let differences = solve(&Kvaerno5.with_jacobian(free), &field, tolerance);
    let free = MatrixFree::new(ByJvp(&field));
    let by_jvp = solve(&Kvaerno5.with_jacobian(free), &field, tolerance);
    assert!(distance(&dense.last_state, &differences.last_state) < 0.1 * tolerance);
    assert!(distance(&dense.last_state, &by_jvp.last_state) < 0.1 * tolerance);
    let (dense, differences, by_jvp) =
        (dense.statistics, differences.statistics, by_jvp.statistics);
    assert_eq!(
        (dense.products, by_jvp.jacobians, by_jvp.factorizations),
        (0, 0, 0)
    );
    assert!(differences.accepted.abs_diff(dense.accepted) <= 1);
    // A product is an evaluation by differences, and none in forward mode.
    assert!(differences.evaluations > differences.products);
    assert!(by_jvp.evaluations < differences.evaluations - differences.products / 2);
    let stages = 6 * (by_jvp.accepted + by_jvp.rejected);
    assert!(by_jvp.products < 60 * stages, "{by_jvp:?}");
    assert!(by_jvp.evaluations < 4 * stages, "{by_jvp:?}");
}

/// Coupled stages, filtered error estimates, and the stiff part of a field.
#[test]
fn all_methods_go_without_matrices() {
    let field = Brusselator::new(20);
    let exact = solve(&Kvaerno5, &field, 1e-9).last_state;
    let free = || MatrixFree::new(ByJvp(&field));
    let stiff = field_fn(|_, x: &Tensor| field.diffused(x, [1.0, 3.0]));
    let pairs: [(Box<dyn Embedded>, Box<dyn Embedded>); 4] = [
        (
            Box::new(ImplicitEuler),
            Box::new(ImplicitEuler.with_jacobian(free())),
        ),
        (Box::new(Kvaerno3), Box::new(Kvaerno3.with_jacobian(free()))),
        (
            Box::new(RadauIia5),
            Box::new(RadauIia5.with_jacobian(free())),
        ),
        (
            Box::new(KenCarp4.with_stiff(&stiff)),
            Box::new(
                KenCarp4
                    .with_stiff(&stiff)
                    .with_jacobian(MatrixFree::by_differences()),
            ),
        ),
    ];
    for (dense, free) in pairs {
        let tolerance = if dense.order() > 1.0 { 1e-5 } else { 1e-3 };
        let (dense, free) = (
            solve(&dense, &field, tolerance),
            solve(&free, &field, tolerance),
        );
        assert!(distance(&free.last_state, &exact) < 100.0 * tolerance);
        let difference = distance(&free.last_state, &dense.last_state) / tolerance;
        println!("{difference} tolerances");
        assert!(difference < 2.0, "{difference}");
        let (dense, free) = (dense.statistics, free.statistics);
        assert!(free.products > 0 && dense.products == 0 && free.jacobians == 0);
        assert!(
            free.accepted.abs_diff(dense.accepted) <= 2,
            "{dense:?}, {free:?}"
        );
    }
}

/// The inverse of diffusion alone makes the number of products independent of the number of places.
#[test]
fn preconditioners_and_restarts_change_the_cost_alone() {
    let tolerance = 1e-5;
    let mut counts = Vec::new();
    for places in [50, 200] {
        let field = Brusselator::new(places);
        let plain = MatrixFree::new(ByJvp(&field));
        let inverse =
            preconditioner_fn(move |_: &Linearized<'_, Tensor>, s: &[f64], r: &Tensor| {
                let strength = 0.02 * s[0] * ((places + 1) * (places + 1)) as f64;
                let solved: Vec<f64> = numbers(r)
                    .chunks(places)
                    .flat_map(|r| tridiagonal(strength, r))
                    .collect();
                Ok(Tensor::from_vec(solved, r.shape(), device())?)
            });
        let better = plain.with_preconditioner(inverse);
        let often = plain.restart(5).unwrap();
        let plain = solve(&Kvaerno5.with_jacobian(plain), &field, tolerance);
        let better = solve(&Kvaerno5.with_jacobian(better), &field, tolerance);
        assert!(distance(&plain.last_state, &better.last_state) < 0.1 * tolerance);
        counts.push([plain.statistics.products, better.statistics.products]);
        if places == 50 {
            let often = solve(&Kvaerno5.with_jacobian(often), &field, tolerance);
            assert!(distance(&plain.last_state, &often.last_state) < 0.1 * tolerance);
            assert!(often.statistics.products > plain.statistics.products);
        }
    }
    let [[plain, better], [plain_fine, better_fine]] = counts[..] else {
        panic!("{counts:?}")
    };
    assert!(2 * plain < plain_fine && 3 * better < plain, "{counts:?}");
    assert!(better_fine < better + better / 5, "{counts:?}");
}

/// Solves `(1 + 2 s) x_i − s (x_(i−1) + x_(i+1)) = r_i` by elimination.
fn tridiagonal(s: f64, r: &[f64]) -> Vec<f64> {
    let (mut diagonal, mut x) = (vec![1.0 + 2.0 * s; r.len()], r.to_vec());
    for i in 1..r.len() {
        let factor = s / diagonal[i - 1];
        diagonal[i] -= factor * s;
        x[i] += factor * x[i - 1];
    }
    for i in (0..r.len()).rev() {
        let after = x.get(i + 1).copied().unwrap_or(0.0);
        x[i] = (x[i] + s * after) / diagonal[i];
    }
    x
}

/// Samples of a batch are solved for together, and stop when each is solved.
#[test]
fn samples_do_not_depend_on_each_other() {
    let field = field_fn(|t: &Time, x: &Tensor| {
        let goal = t.coefficient(f64::cos)?.times(&x.ones_like()?)?;
        let rates = Tensor::new(&[[1e4f64, 1.0, 0.0]], x.device())?.to_dtype(x.dtype())?;
        Ok((((x - goal)?.broadcast_mul(&rates)? + x.powf(3.0)?)? * -1.0)?)
    });
    let x = Tensor::new(
        &[[1f64, 0.5, 0.2], [-2.0, 3.0, 1.0], [0.0, 0.0, 0.1]],
        device(),
    )
    .unwrap();
    for stepper in [
        Box::new(Kvaerno5.with_jacobian(MatrixFree::by_differences())) as Box<dyn Embedded>,
        Box::new(RadauIia5.with_jacobian(MatrixFree::by_differences())),
    ] {
        let solver = Solver::new(stepper, Adaptive::new(1e-7, 1e-7).unwrap());
        let each = solver
            .integration(&field, &x, 0.0, 2.0)
            .each_sample()
            .run()
            .unwrap();
        let end = each.end().unwrap();
        for i in 0..3 {
            let alone = solver
                .solve(&field, &x.narrow(0, i, 1).unwrap(), 0.0, 2.0)
                .unwrap();
            let difference = distance(&alone.end().unwrap(), &end.narrow(0, i, 1).unwrap());
            assert!(difference < 2e-7, "{i}: {difference}");
            let (a, b) = (alone.statistics.accepted, each.statistics[i].accepted);
            assert!(a.abs_diff(b) <= 2, "{i}: {a}, {b}");
        }
    }
    for (dtype, tolerance) in [(DType::F32, 1e-4), (DType::F16, 2e-2)] {
        let solver = Solver::new(
            Kvaerno3.with_jacobian(MatrixFree::by_differences()),
            Adaptive::new(tolerance, tolerance).unwrap(),
        );
        let narrow = solver
            .solve(&field, &x.to_dtype(dtype).unwrap(), 0.0, 2.0)
            .unwrap();
        let wide = solver.solve(&field, &x, 0.0, 2.0).unwrap();
        let difference = distance(&narrow.end().unwrap(), &wide.end().unwrap());
        assert!(difference < 20.0 * tolerance, "{difference}");
    }
}

/// The gradients of a loss by a, b, α and the initial state.
fn gradients(strategy: &impl Adjoint, field: &Brusselator, x: &Var) -> Result<Vec<f64>> {
    let parameters = [field.parameters.as_tensor().clone()];
    let solution = strategy.solve(&Arc::new(field.clone()), &parameters, x, &[0.0, 0.5])?;
    let gradients = solution.end()?.sin()?.sum_all()?.backward()?;
    let all = [&field.parameters, x].map(|v| numbers(gradients.get(v).unwrap()));
    Ok(all.concat())
}

#[test]
fn gradients_are_those_of_matrices() {
    let field = Brusselator::new(16);
    let x = Var::from_tensor(&field.start(2)).unwrap();
    fn unrolled(stepper: impl Stepper + Clone, (field, x): (&Brusselator, &Var)) -> Vec<f64> {
        let solver = Solver::new(stepper, Fixed::steps(4).unwrap());
        let strategy = Unrolled::new(solver).max_evaluations(100_000).unwrap();
        gradients(&strategy, field, x).unwrap()
    }
    let to = (&field, &x);
    let free = || MatrixFree::new(ByJvp(field.clone()));
    let dense = unrolled(Kvaerno5, to);
    let by_differences = Kvaerno5.with_jacobian(MatrixFree::by_differences());
    let pairs = [
        (dense.clone(), unrolled(Kvaerno5.with_jacobian(free()), to)),
        (dense.clone(), unrolled(by_differences, to)),
        (
            unrolled(RadauIia5, to),
            unrolled(RadauIia5.with_jacobian(free()), to),
        ),
    ];
    for (dense, free) in &pairs {
        for (a, b) in dense.iter().zip(free) {
            assert!((a - b).abs() < 1e-7 * (1.0 + a.abs()), "{a}, {b}");
        }
    }
    let solver = Solver::new(Kvaerno5.with_jacobian(free()), Fixed::steps(4).unwrap());
    let again = gradients(&Checkpointed::new(solver, 2).unwrap(), &field, &x).unwrap();
    for (a, b) in dense.iter().zip(&again) {
        assert!((a - b).abs() < 1e-7 * (1.0 + a.abs()), "{a}, {b}");
    }
}

/// Along a direction in all parameters, of 500 elements.
#[test]
fn gradients_are_those_of_differences() {
    let field = Brusselator::new(250);
    let x = Var::from_tensor(&field.start(1)).unwrap();
    let solver = Solver::new(
        Kvaerno5.with_jacobian(MatrixFree::new(ByJvp(field.clone()))),
        Fixed::steps(5).unwrap(),
    );
    let loss = |h: f64| {
        let direction = Tensor::new(&[0.3f64, -1.0, 0.01], device()).unwrap();
        let original = field.parameters.as_tensor().copy().unwrap();
        field
            .parameters
            .set(&(&original + (direction * h).unwrap()).unwrap())
            .unwrap();
        let solution = solver.solve(&field, x.as_tensor(), 0.0, 0.5).unwrap();
        field.parameters.set(&original).unwrap();
        numbers(&solution.end().unwrap())
            .iter()
            .map(|x| x.sin())
            .sum::<f64>()
    };
    let difference = (loss(1e-4) - loss(-1e-4)) / 2e-4;
    let found = gradients(&Checkpointed::new(solver.clone(), 5).unwrap(), &field, &x).unwrap();
    let along = 0.3 * found[0] - found[1] + 0.01 * found[2];
    assert!(
        (along / difference - 1.0).abs() < 1e-6,
        "{along}, not {difference}"
    );
}

/// x³ sin t, which depends on time.
struct Swing;

impl Field for Swing {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        t.coefficient(f64::sin)?.times(&x.powf(3.0)?)
    }
}

impl Jvp for Swing {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let by_time = t.coefficient(|t| dt * t.cos())?.times(&x.powf(3.0)?)?;
        let along = t.coefficient(|t| 3.0 * t.sin())?.times(&(x.sqr()? * dx)?)?;
        Ok((self.at(t, x)?, (along + by_time)?))
    }
}

/// Whatever the length of the direction is.
#[test]
fn products_are_those_of_the_jacobian() {
    let x = Tensor::new(&[[2f64, -1.0], [0.5, 3.0]], device()).unwrap();
    let t = Time::Shared(0.7);
    let slope = Swing.at(&t, &x).unwrap();
    let at = Linearized::new(&t, &x, &slope, &[2.0, 1.0, 0.5, 3.0]);
    for size in [1e-9, 1.0, 1e9] {
        let v = Tensor::new(&[[size, 3.0 * size], [0.0, 0.0]], device()).unwrap();
        let exact = Swing.jvp(&t, &x, 0.0, &v).unwrap().1;
        let by_jvp = ByJvp(Swing).product(&Swing, &at, &v).unwrap();
        assert!(distance(&by_jvp, &exact) <= 1e-15 * size);
        let differences = Differences.product(&Swing, &at, &v).unwrap();
        assert!(distance(&differences, &exact) <= 1e-5 * size);
    }
}

/// A source whose products are made by a closure.
struct Made<F>(F);

impl<F: Fn(&Tensor) -> Tensor> JacobianProduct<Tensor> for Made<F> {
    fn product(&self, _: &dyn Field, _: &Linearized<'_, Tensor>, v: &Tensor) -> Result<Tensor> {
        Ok((self.0)(v))
    }
}

#[test]
fn bad_input_and_failures_are_told() {
    let free = MatrixFree::by_differences();
    let refused = |of: Result<MatrixFree>, name: &str| {
        let error = of.unwrap_err();
        assert!(
            matches!(&error, Error::Range { argument, .. } if argument == name),
            "{error}"
        );
    };
    refused(free.restart(0), "directions");
    refused(free.max_iterations(0), "iterations");
    for fraction in [0.0, -1.0, 1.5, f64::NAN] {
        refused(free.fraction(fraction), "fraction");
    }

    let fast = field_fn(|_, x: &Tensor| Ok((x * -1e3)?));
    let x = Tensor::new(&[[1f64, 2.0]], device()).unwrap();
    let fixed = || Fixed::size(0.5).unwrap();
    let status = |product: fn(&Tensor) -> Tensor| {
        let stepper = ImplicitEuler.with_jacobian(MatrixFree::new(Made(product)));
        let solution = Solver::new(stepper, fixed()).solve(&fast, &x, 0.0, 1.0);
        solution.map(|solution| (solution.status, solution.failed_sample))
    };
    assert_eq!(
        status(|v| (v * -1e3).unwrap()).unwrap(),
        (Status::Reached, None)
    );
    // NaN, a singular matrix 1 − h λ, a Jacobian of the wrong sign, and a product of the wrong shape.
    assert_eq!(
        status(|v| (v * f64::NAN).unwrap()).unwrap(),
        (Status::NonFinite, Some(0))
    );
    assert_eq!(
        status(|v| (v * 2.0).unwrap()).unwrap(),
        (Status::SingularMatrix, Some(0))
    );
    assert_eq!(
        status(|v| (v * 1e3).unwrap()).unwrap(),
        (Status::NoConvergence, Some(0))
    );
    let error = status(|v| v.narrow(1, 0, 1).unwrap()).unwrap_err();
    assert!(
        matches!(&error, Error::Shape { argument, .. } if argument == "product"),
        "{error}"
    );
    let wrong = preconditioner_fn(|_: &Linearized<'_, Tensor>, _: &[f64], r: &Tensor| {
        Ok(r.narrow(1, 0, 1)?)
    });
    let stepper = Kvaerno3.with_jacobian(free.with_preconditioner(wrong));
    let error = Solver::new(stepper, fixed())
        .solve(&fast, &x, 0.0, 1.0)
        .unwrap_err();
    assert!(
        matches!(&error, Error::Shape { argument, .. } if argument == "preconditioner"),
        "{error}"
    );

    // Too few products, by steps that can't be shorter, and by a gradient.
    let field = Brusselator::new(100);
    let few = MatrixFree::new(ByJvp(field.clone()))
        .max_iterations(3)
        .unwrap();
    let stepper = Kvaerno3.with_jacobian(few);
    let solver = Solver::new(stepper.clone(), Fixed::steps(1).unwrap());
    let solution = solver.solve(&field, &field.start(1), 0.0, 1.0).unwrap();
    assert_eq!(solution.status, Status::NoConvergence);
    let message = solution.end().unwrap_err().to_string();
    assert!(message.contains("matrix-free"), "{message}");
    // Shorter steps need fewer.
    let solver = Solver::new(stepper, Adaptive::new(1e-3, 1e-3).unwrap());
    let solution = solver.solve(&field, &field.start(1), 0.0, 0.1).unwrap();
    assert_eq!(solution.status, Status::Reached);
    assert!(solution.statistics.rejected > 0);

    // A method that computes with the matrix.
    let stepper = Rodas5P.with_jacobian(free);
    let error = Solver::new(stepper, fixed())
        .solve(&fast, &x, 0.0, 1.0)
        .unwrap_err();
    assert!(error.to_string().contains("Differences"), "{error}");
}

/// Where products suffice for the steps and not for the transposed equations, there is no gradient.
#[test]
fn gradients_without_an_end_are_refused() {
    let field = Brusselator::new(30);
    let x = Var::from_tensor(&field.start(1)).unwrap();
    let few = MatrixFree::new(ByJvp(field.clone()))
        .max_iterations(12)
        .unwrap();
    let solver = Solver::new(
        Kvaerno3.with_jacobian(few),
        Adaptive::new(1e-2, 1e-2).unwrap(),
    );
    let error = gradients(&Unrolled::new(solver), &field, &x).unwrap_err();
    assert!(error.to_string().contains("transposed"), "{error}");
}
