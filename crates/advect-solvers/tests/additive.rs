//! Methods that are implicit in a part of the field: orders, stiff problems, gradients.

use std::sync::Arc;

use advect_core::testing::{device, measured_order};
use advect_core::{Error, Field, Result, Time, field_fn};
use advect_solvers::adjoint::{Adjoint, Checkpointed, Unrolled};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::implicit::{
    AdditiveRungeKutta, KenCarp3, KenCarp4, Matrices, Rodas5P, Rosenbrock, jacobian_fn,
};
use advect_solvers::stepper::{Embedded, Stepper};
use advect_solvers::{Save, Solver, Status};
use candle_core::{Tensor, Var};

fn numbers(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn state(values: &[f64]) -> Tensor {
    Tensor::from_slice(values, (1, values.len()), device()).unwrap()
}

/// The part of x' = x² cos t + x/2 − x³ that is solved for implicitly.
fn cubic(t: &Time, x: &Tensor) -> Result<Tensor> {
    Ok((t.coefficient(f64::cos)?.times(&x.sqr()?)? - x.powf(3.0)?)?)
}

fn whole(t: &Time, x: &Tensor) -> Result<Tensor> {
    Ok((cubic(t, x)? + (x * 0.5)?)?)
}

/// Against many steps of another method.
#[test]
fn orders_are_as_stated() {
    let x = state(&[0.7, -0.5, 1.4]);
    let exact = Solver::new(Rodas5P.by_differences(), Fixed::steps(2000).unwrap());
    let exact = numbers(
        &exact
            .solve(&field_fn(whole), &x, 0.0, 1.0)
            .unwrap()
            .end()
            .unwrap(),
    );
    let error = |stepper: &dyn Stepper, n: usize| {
        let solver = Solver::new(stepper, Fixed::steps(n).unwrap());
        let end = solver
            .solve(&field_fn(whole), &x, 0.0, 1.0)
            .unwrap()
            .end()
            .unwrap();
        let pairs = numbers(&end).into_iter().zip(&exact);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    let stiff = field_fn(cubic);
    let methods: [(&dyn Stepper, f64); 3] = [
        (&KenCarp3.with_stiff(&stiff), 3.0),
        (&KenCarp4.with_stiff(&stiff), 4.0),
        (&Rodas5P.by_differences(), 5.0),
    ];
    for (stepper, order) in methods {
        assert_eq!(stepper.order(), order);
        let measured = measured_order(&[24, 32, 48, 64], |n| error(stepper, n));
        assert!((measured - order).abs() < 0.3, "{order}: {measured}");
    }
}

/// Rates of 10⁵ in the stiff part take no more steps than the rest asks for; one that is not told of them does.
#[test]
fn stiff_parts_do_not_shorten_steps() {
    let stiff = field_fn(|t: &Time, x: &Tensor| {
        let goal = t.coefficient(f64::cos)?.times(&x.ones_like()?)?;
        Ok(((x - goal)? * -1e5)?)
    });
    let whole = field_fn(|t, x| Ok((stiff.at(t, x)? + (x.sin()? * 2.0)?)?));
    let nothing = field_fn(|_, x: &Tensor| Ok(x.zeros_like()?));
    let adaptive = Adaptive::new(1e-5, 1e-5).unwrap().max_steps(2000).unwrap();
    let exact = jacobian_fn(|_: &Time, _: &Tensor| Ok(Matrices::one([[-1e5]])));
    let x = state(&[2.0]);
    for (stepper, quick) in [
        (
            Box::new(KenCarp3.with_stiff(&stiff)) as Box<dyn Embedded>,
            true,
        ),
        (Box::new(KenCarp4.with_stiff(&stiff)), true),
        (
            Box::new(KenCarp4.with_stiff(&stiff).with_jacobian(exact)),
            true,
        ),
        (Box::new(Rodas5P.by_differences()), true),
        (Box::new(KenCarp4.with_stiff(&nothing)), false),
    ] {
        let solution = Solver::new(stepper, adaptive)
            .solve(&whole, &x, 0.0, 3.0)
            .unwrap();
        let steps = solution.statistics.accepted + solution.statistics.rejected;
        match quick {
            true => {
                // x = cos t + 2 λ⁻¹ sin x, up to λ⁻²
                let error = numbers(&solution.end().unwrap())[0] - 3f64.cos();
                assert!(error.abs() < 5e-5 && steps < 250, "{error}, {steps} steps");
            }
            false => assert_eq!(solution.status, Status::StepLimit),
        }
    }
}

/// The gradient of a numerical solution, through both parts, against finite differences.
#[test]
fn gradients_go_through_both_parts() {
    let theta = Var::new(&[3.0f64, 0.7], device()).unwrap();
    let x = Var::new(&[[1.0f64, 0.5], [-0.3, 2.0]], device()).unwrap();
    let rate = |i: usize| theta.as_tensor().narrow(0, i, 1).unwrap();
    let stiff = {
        let rate = rate(0);
        Arc::new(field_fn(move |_, x: &Tensor| {
            Ok(x.powf(3.0)?.broadcast_mul(&rate)?.neg()?)
        }))
    };
    let whole = {
        let (stiff, rate) = (stiff.clone(), rate(1));
        Arc::new(field_fn(move |t: &Time, x: &Tensor| {
            let drive = x.cos()?.broadcast_mul(&rate)?;
            Ok((stiff.at(t, x)? + drive)?)
        }))
    };
    let solver = Solver::new(KenCarp4.with_stiff(stiff), Fixed::steps(6).unwrap());
    let loss = |adjoint: &dyn Fn() -> Tensor| adjoint().sqr().unwrap().sum_all().unwrap();
    let parameters = [theta.as_tensor().clone()];
    let unrolled = Unrolled::new(solver.clone())
        .max_evaluations(10_000)
        .unwrap();
    let checkpointed = Checkpointed::new(solver.clone(), 2).unwrap();
    let ends: [&dyn Fn() -> Tensor; 2] = [
        &|| {
            unrolled
                .solve(&whole, &parameters, &x, &[0.0, 1.0])
                .unwrap()
                .end()
                .unwrap()
        },
        &|| {
            checkpointed
                .solve(&whole, &parameters, &x, &[0.0, 1.0])
                .unwrap()
                .end()
                .unwrap()
        },
    ];
    let mut expected = Vec::new();
    for v in [&theta, &x] {
        let original = v.as_tensor().copy().unwrap();
        for i in 0..original.elem_count() {
            let moved = |h: f64| {
                let mut values = numbers(&original);
                values[i] += h;
                v.set(&Tensor::from_vec(values, original.shape(), device()).unwrap())
                    .unwrap();
                let value = loss(ends[0]).to_scalar::<f64>().unwrap();
                v.set(&original).unwrap();
                value
            };
            expected.push((moved(1e-5) - moved(-1e-5)) / 2e-5);
        }
    }
    for end in ends {
        let gradients = loss(end).backward().unwrap();
        let found = [&theta, &x]
            .map(|v| numbers(gradients.get(v).unwrap()))
            .concat();
        for (a, b) in found.iter().zip(&expected) {
            assert!(
                (a - b).abs() < 1e-7 * (1.0 + b.abs()),
                "{found:?}, not {expected:?}"
            );
        }
    }
}

#[test]
fn rosenbrock_methods_refuse_what_they_do_not_have() {
    let x = Var::new(&[[1.0f64]], device()).unwrap();
    let decay = Arc::new(field_fn(|_, x: &Tensor| Ok(x.neg()?)));
    let solver = Solver::new(Rodas5P.by_differences(), Fixed::steps(4).unwrap());
    let end = Unrolled::new(solver.clone())
        .solve(&decay, &[], &x, &[0.0, 1.0])
        .unwrap()
        .end()
        .unwrap();
    let error = end.sum_all().unwrap().backward().unwrap_err().to_string();
    assert!(error.contains("Rosenbrock"), "{error}");
    let dense = solver
        .integration(&decay, x.as_tensor(), 0.0, 1.0)
        .save(Save::Dense)
        .run();
    assert!(matches!(dense, Err(Error::Range { .. })));
    let broken = jacobian_fn(|_: &Time, _: &Tensor| Ok(Matrices::one([[f64::NAN]])));
    let solver = Solver::new(Rodas5P.with_jacobian(broken), Fixed::steps(4).unwrap());
    let solution = solver
        .solve(&decay, &x.as_tensor().detach(), 0.0, 1.0)
        .unwrap();
    assert_eq!(solution.status, Status::NonFinite);
}
