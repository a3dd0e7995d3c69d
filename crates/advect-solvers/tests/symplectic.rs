//! Symplectic methods: order, areas, reversal, and the energy over long times.

use std::cell::Cell;

use advect_core::testing::{device, measured_order};
use advect_core::{
    Coefficient, Energy, Error, Field, Result, Time, field_fn, observer_fn, system_fn,
};
use advect_ops::ScaledError;
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::stepper::{Dopri8, Rk4, Stepper};
use advect_solvers::symplectic::{Hamiltonian, Leapfrog, Separable, Yoshida4, Yoshida6};
use advect_solvers::{AcceptedStep, Event, Solver, State};
use candle_core::{Tensor, Var};

/// A state of one number, cheap enough for a million steps.
#[derive(Debug, Clone)]
struct Number(f64);

impl State for Number {
    fn combine(terms: &[(Coefficient, &Self)]) -> Result<Self> {
        let term = |(c, x): &(Coefficient, &Self)| match c {
            Coefficient::Shared(c) => c * x.0,
            _ => f64::NAN,
        };
        Ok(Number(terms.iter().map(term).sum()))
    }

    fn check(&self, _: &'static str) -> Result<()> {
        Ok(())
    }

    fn alike(&self, _: &'static str, _: &'static str, _: &Self) -> Result<()> {
        Ok(())
    }

    fn not_finite(&self) -> Result<Option<usize>> {
        Ok((!self.0.is_finite()).then_some(0))
    }

    fn detach(&self) -> Self {
        self.clone()
    }

    fn unit_roundoff(&self) -> f64 {
        f64::EPSILON / 2.0
    }

    fn scaled_error(&self, _: &Self, _: &Self, _: f64, _: f64) -> Result<ScaledError> {
        Ok(ScaledError::default())
    }
}

type Pair = (Number, Number);

fn pair(q: f64, p: f64) -> Pair {
    (Number(q), Number(p))
}

/// `H = p²/2 − cos q`.
fn pendulum() -> impl Field<Pair> {
    Separable::new(
        system_fn(|_: &Time, p: &Number| Ok(p.clone())),
        system_fn(|_: &Time, q: &Number| Ok(Number(-q.0.sin()))),
    )
}

fn energy((q, p): &Pair) -> f64 {
    0.5 * p.0 * p.0 - q.0.cos()
}

fn solve(
    stepper: &dyn Stepper<Pair>,
    field: &dyn Field<Pair>,
    x: &Pair,
    to: f64,
    steps: usize,
) -> Pair {
    let solver = Solver::new(stepper, Fixed::steps(steps).unwrap());
    solver.solve(field, x, 0.0, to).unwrap().end().unwrap()
}

const ALL: [(&dyn Stepper<Pair>, f64); 3] = [(&Leapfrog, 2.0), (&Yoshida4, 4.0), (&Yoshida6, 6.0)];

/// The largest error of the energy in the first and in the last of a million steps, 15,000 swings in all.
fn drift(stepper: &dyn Stepper<Pair>, steps: usize) -> (f64, f64) {
    let start = pair(2.0, 0.0);
    let h0 = energy(&start);
    let (mut count, mut early, mut late) = (0, 0f64, 0f64);
    let observe = observer_fn(|step: &AcceptedStep<Pair>| {
        count += 1;
        let error = (energy(&step.x) - h0).abs();
        if count <= steps / 100 {
            early = early.max(error);
        } else if count > steps - steps / 100 {
            late = late.max(error);
        }
    });
    let solver = Solver::new(stepper, Fixed::size(0.1).unwrap());
    let field = pendulum();
    let run = solver.integration(&field, &start, 0.0, 0.1 * steps as f64);
    run.observe(observe).run().unwrap().end().unwrap();
    (early, late)
}

#[test]
fn the_energy_does_not_drift_in_a_million_steps() {
    for (stepper, bound) in [(ALL[0].0, 3e-3), (ALL[1].0, 3e-4), (ALL[2].0, 3e-5)] {
        let (early, late) = drift(stepper, 1_000_000);
        println!("order {}: {early:e}, {late:e}", stepper.order());
        assert!(
            early < bound && late < 1.01 * early + 1e-10,
            "{early}, {late}"
        );
    }
    // A method of order 4 that is not symplectic loses energy in proportion to time.
    let (early, late) = drift(&Rk4, 100_000);
    println!("Rk4: {early:e}, {late:e}");
    assert!(late > 20.0 * early, "{early}, {late}");
}

/// With a force and a velocity that depend on time, so that the times of stages count.
#[test]
fn orders_are_those_stated() {
    let field = Separable::new(
        system_fn(|t: &Time, p: &Number| {
            let t = t.values()?[0];
            Ok(Number((1.0 + 0.5 * (2.0 * t).sin()) * p.0))
        }),
        system_fn(|t: &Time, q: &Number| Ok(Number(t.values()?[0].cos() - q.0.sin()))),
    );
    let x = pair(1.0, 0.5);
    let exact = solve(&Dopri8, &field, &x, 3.0, 3000);
    for (stepper, order) in ALL {
        let error = |n: usize| {
            let end = solve(stepper, &field, &x, 3.0, n);
            (end.0.0 - exact.0.0).abs() + (end.1.0 - exact.1.0).abs()
        };
        let measured = measured_order(&[48, 64, 96, 128], error);
        assert!((measured - order).abs() < 0.25, "{measured}, not {order}");
    }
}

/// The determinant of a step's derivative is 1, by differences, and a step back undoes it.
#[test]
fn steps_keep_areas_and_can_be_undone() {
    let field = pendulum();
    for (stepper, _) in ALL {
        let at = |q: f64, p: f64| solve(stepper, &field, &pair(q, p), 0.7, 1);
        let (q, p, h) = (1.3, -0.4, 1e-5);
        let by = |dq: f64, dp: f64| {
            let (a, b) = (at(q + dq, p + dp), at(q - dq, p - dp));
            [(a.0.0 - b.0.0) / (2.0 * h), (a.1.0 - b.1.0) / (2.0 * h)]
        };
        let ([a, c], [b, d]) = (by(h, 0.0), by(0.0, h));
        assert!((a * d - b * c - 1.0).abs() < 1e-8, "{}", a * d - b * c);
        let there = solve(stepper, &field, &pair(q, p), 20.0, 50);
        let solver = Solver::new(stepper, Fixed::steps(50).unwrap());
        let back = solver
            .solve(&field, &there, 20.0, 0.0)
            .unwrap()
            .end()
            .unwrap();
        assert!((back.0.0 - q).abs() + (back.1.0 - p).abs() < 1e-12);
    }
    // Rk4's determinant is not 1.
    let at = |q: f64, p: f64| solve(&Rk4, &field, &pair(q, p), 0.7, 1);
    let (a, b) = (at(1.3 + 1e-5, -0.4), at(1.3 - 1e-5, -0.4));
    let (c, d) = (at(1.3, -0.4 + 1e-5), at(1.3, -0.4 - 1e-5));
    let determinant = (a.0.0 - b.0.0) * (c.1.0 - d.1.0) - (a.1.0 - b.1.0) * (c.0.0 - d.0.0);
    assert!((determinant / 4e-10 - 1.0).abs() > 1e-5);
}

/// n steps take n + 1 forces and n velocities, times the leapfrog steps in one.
#[test]
fn each_half_is_evaluated_only_where_it_is_used() {
    let (velocities, forces) = (Cell::new(0), Cell::new(0));
    let field = Separable::new(
        system_fn(|_: &Time, p: &Number| {
            velocities.set(velocities.get() + 1);
            Ok(p.clone())
        }),
        system_fn(|_: &Time, q: &Number| {
            forces.set(forces.get() + 1);
            Ok(Number(-q.0))
        }),
    );
    for ((stepper, _), parts) in ALL.into_iter().zip([1, 3, 7]) {
        let _ = solve(stepper, &field, &pair(1.0, 0.0), 1.0, 10);
        assert_eq!(
            (velocities.take(), forces.take()),
            (10 * parts, 10 * parts + 1)
        );
    }
    let _ = solve(&Rk4, &field, &pair(1.0, 0.0), 1.0, 10);
    assert_eq!((velocities.take(), forces.take()), (40, 40));
}

fn tensor(numbers: &[f64]) -> Tensor {
    Tensor::from_slice(numbers, (numbers.len(), 1), device()).unwrap()
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// `a (1 − cos q) + p²/2`.
struct Swing(Tensor);

impl Swing {
    fn halves(x: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?))
    }
}

impl Energy for Swing {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        let (q, p) = Swing::halves(x)?;
        let potential = q.cos()?.affine(-1.0, 1.0)?.broadcast_mul(&self.0)?;
        Ok((potential + (p.sqr()? * 0.5)?)?.squeeze(1)?)
    }

    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let ((q, p), (dq, dp)) = (Swing::halves(x)?, Swing::halves(dx)?);
        let along = ((q.sin()? * dq)?.broadcast_mul(&self.0)? + (p * dp)?)?;
        Ok((self.at(t, x)?, along.squeeze(1)?))
    }
}

/// A Hamiltonian's equations are those of its two fields, in f64 and f32, and solutions have gradients by its parameters.
#[test]
fn hamiltonians_are_their_gradients() {
    let a = Var::new(&[[0.7f64]], device()).unwrap();
    let swing = |a: &Tensor| Hamiltonian::new(Swing(a.clone()), std::slice::from_ref(a)).unwrap();
    let field = swing(a.as_tensor());
    let rate = a.as_tensor().detach();
    let two = Separable::new(
        field_fn(|_, p: &Tensor| Ok(p.clone())),
        field_fn(|_, q: &Tensor| Ok(q.sin()?.broadcast_mul(&rate)?.neg()?)),
    );
    let start = (tensor(&[1.0, -2.0]), tensor(&[0.3, 0.0]));
    let solver = Solver::new(Yoshida4, Fixed::steps(10).unwrap());
    let ours = solver
        .solve(&field, &start, 0.0, 1.5)
        .unwrap()
        .end()
        .unwrap();
    let expected = solver.solve(&two, &start, 0.0, 1.5).unwrap().end().unwrap();
    for (a, b) in [(&ours.0, &expected.0), (&ours.1, &expected.1)] {
        for (a, b) in numbers(a).iter().zip(numbers(b)) {
            assert!((a - b).abs() < 1e-14);
        }
    }
    let gradients = ours.0.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    let gradient = numbers(gradients.get(&a).unwrap())[0];
    let loss = |a: f64| {
        let field = swing(&Tensor::new(&[[a]], device()).unwrap());
        let (q, _) = solver
            .solve(&field, &start, 0.0, 1.5)
            .unwrap()
            .end()
            .unwrap();
        numbers(&q).iter().map(|q| q * q).sum::<f64>()
    };
    let difference = (loss(0.7 + 1e-5) - loss(0.7 - 1e-5)) / 2e-5;
    assert!(
        (gradient - difference).abs() < 1e-8,
        "{gradient}, {difference}"
    );
    let energies = numbers(&field.energy(&Time::Shared(0.0), &start).unwrap());
    assert!((energies[0] - (0.7 * (1.0 - 1f64.cos()) + 0.045)).abs() < 1e-15);

    let single = |x: &Tensor| x.to_dtype(candle_core::DType::F32).unwrap();
    let swing = Hamiltonian::new(Swing(single(&rate)), &[]).unwrap();
    let start = (single(&start.0), single(&start.1));
    let (q, _) = solver
        .solve(&swing, &start, 0.0, 1.5)
        .unwrap()
        .end()
        .unwrap();
    let q = q.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!((f64::from(q[0]) - numbers(&expected.0)[0]).abs() < 1e-5);
}

/// Events and saves work on pairs as on anything else: a swing passes the middle each half period.
#[test]
fn events_of_pairs_are_located() {
    let field = pendulum();
    let middle = Event::new(|_, (q, _): &Pair| Ok(q.0));
    let solver = Solver::new(Yoshida6, Fixed::size(0.02).unwrap());
    let start = pair(2.0, 0.0);
    let solution = solver
        .integration(&field, &start, 0.0, 20.0)
        .watch(&middle)
        .run()
        .unwrap();
    // The period is 4 K(sin 1), with the complete elliptic integral by the arithmetic–geometric mean.
    let (mut a, mut g) = (1.0f64, 1f64.cos());
    for _ in 0..10 {
        (a, g) = (0.5 * (a + g), (a * g).sqrt());
    }
    let quarter = std::f64::consts::PI / (2.0 * a);
    for (i, at) in solution.events.iter().enumerate() {
        assert!(
            (at.t - (2 * i + 1) as f64 * quarter).abs() < 1e-9,
            "{}",
            at.t
        );
    }
    assert_eq!(
        solution.events.len(),
        (0.5 * (20.0 / quarter + 1.0)) as usize
    );
}

#[test]
fn bad_states_are_refused() {
    let field = Hamiltonian::new(Swing(tensor(&[1.0])), &[]).unwrap();
    let solver = Solver::new(Leapfrog, Fixed::steps(2).unwrap());
    let flat = Tensor::new(&[1f64], device()).unwrap();
    let error = solver
        .solve(&field, &(flat.clone(), flat), 0.0, 1.0)
        .unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    let error = solver.solve(&field, &(tensor(&[1.0, 2.0]), tensor(&[1.0])), 0.0, 1.0);
    assert!(error.is_err());
    // An estimate of the error is what Adaptive needs, and these have none; Rk pairs take any step.
    let two = Solver::new(Dopri8, Adaptive::new(1e-9, 1e-9).unwrap());
    assert!(
        two.solve(&field, &(tensor(&[1.0]), tensor(&[0.0])), 0.0, 1.0)
            .is_ok()
    );
}

/// A force and a velocity that solve equations of this kind themselves, of which they need both halves.
#[test]
fn equations_within_equations_are_whole() {
    let plain = system_fn(|_: &Time, (q, p): &Pair| Ok((p.clone(), Number(-q.0.sin()))));
    let separable = pendulum();
    let run = |inner: &dyn Field<Pair>| {
        let outer = Separable::new(
            system_fn(|_: &Time, p: &Number| Ok(solve(&Rk4, inner, &pair(0.1, p.0), 0.5, 4).1)),
            system_fn(|_: &Time, q: &Number| {
                Ok(Number(-solve(&Rk4, inner, &pair(q.0, 0.2), 0.5, 4).0.0))
            }),
        );
        let (q, p) = solve(&Leapfrog, &outer, &pair(1.0, 0.0), 1.0, 10);
        [q.0, p.0]
    };
    assert_eq!(run(&separable), run(&plain));
}
