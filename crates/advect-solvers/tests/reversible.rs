//! The reversible Heun method and its gradients.

use std::sync::Arc;

use advect_core::testing::problems::{Forced, Problem};
use advect_core::testing::{device, measured_order};
use advect_core::{Error, Field, Result, Time, field_fn};
use advect_solvers::adjoint::{Adjoint, Checkpointed, DifferentiableEvent, Reversible};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::reversible::{Doubled, ReversibleHeun};
use advect_solvers::stepper::Dopri5;
use advect_solvers::{Crossing, Save, Solver};
use candle_core::{Tensor, Var};

fn numbers(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn its_order_is_two() {
    let x = Forced.solution(0.0).unwrap();
    let error = |n: usize| {
        let solver = Solver::new(ReversibleHeun, Fixed::steps(n).unwrap());
        let solution = solver.solve(&Doubled(&Forced), &(x.clone(), x.clone()), 0.0, 1.0);
        let (end, _) = solution.unwrap().end().unwrap();
        let difference = (end - Forced.solution(1.0).unwrap()).unwrap();
        numbers(&difference.abs().unwrap())
            .into_iter()
            .fold(0.0, f64::max)
    };
    let order = measured_order(&[64, 96, 128, 192], error);
    assert!((order - 2.0).abs() < 0.1, "{order}");
    let solver = Solver::new(ReversibleHeun, Fixed::steps(10).unwrap());
    let solution = solver
        .solve(&Doubled(&Forced), &(x.clone(), x.clone()), 0.0, 1.0)
        .unwrap();
    assert_eq!(solution.statistics.evaluations, 11);
    // Its error estimate controls steps.
    let solver = Solver::new(ReversibleHeun, Adaptive::new(1e-6, 1e-6).unwrap());
    let (end, _) = solver
        .solve(&Doubled(&Forced), &(x.clone(), x), 0.0, 1.0)
        .unwrap()
        .end()
        .unwrap();
    let difference = (end - Forced.solution(1.0).unwrap())
        .unwrap()
        .abs()
        .unwrap();
    assert!(numbers(&difference).into_iter().fold(0.0, f64::max) < 1e-4);
}

/// `cos t · tanh(x W) − x/2`, with a matrix of parameters.
#[derive(Clone)]
struct Net(Var);

impl Net {
    fn new() -> Self {
        Net(Var::new(&[[0.4f64, -1.1], [0.8, 0.3]], device()).unwrap())
    }
}

impl Field for Net {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let slope = t
            .coefficient(f64::cos)?
            .times(&x.matmul(&self.0)?.tanh()?)?;
        Ok((slope - (x * 0.5)?)?)
    }
}

fn start() -> Var {
    Var::new(&[[0.3f64, -1.0], [2.0, 0.7], [0.0, 0.1]], device()).unwrap()
}

#[test]
fn steps_can_be_undone() {
    let net = Net::new();
    let x = start().as_tensor().detach();
    let solver = Solver::new(ReversibleHeun, Fixed::steps(100).unwrap());
    let there = solver
        .solve(&Doubled(&net), &(x.clone(), x.clone()), 0.0, 3.0)
        .unwrap()
        .end()
        .unwrap();
    let (back, y) = solver
        .solve(&Doubled(&net), &there, 3.0, 0.0)
        .unwrap()
        .end()
        .unwrap();
    for (a, b) in numbers(&back)
        .iter()
        .chain(&numbers(&y))
        .zip(numbers(&x).iter().cycle())
    {
        assert!((a - b).abs() < 1e-12, "{a}, {b}");
    }
}

/// A loss of all saved states.
fn loss(states: &[Tensor]) -> Tensor {
    let weigh = |(i, x): (usize, &Tensor)| {
        (x.sqr().unwrap().sum_all().unwrap() * (1.0 + i as f64)).unwrap()
    };
    states
        .iter()
        .enumerate()
        .map(weigh)
        .reduce(|a, b| (a + b).unwrap())
        .unwrap()
}

/// The exact gradient of the discrete solution: that of the steps' own graph to rounding, and of differences, forwards and
/// backwards in time, and with adaptive steps near that of the equation.
#[test]
fn gradients_are_exact() {
    for times in [[0.2, 0.9, 1.7], [1.7, 0.9, 0.2]] {
        let (net, x0) = (Net::new(), start());
        let both = |loss: &Tensor| {
            let gradients = loss.backward().unwrap();
            let mut all = numbers(gradients.get(&net.0).unwrap());
            all.extend(numbers(gradients.get(&x0).unwrap()));
            all
        };
        let parameters = [net.0.as_tensor().clone()];
        let field = Arc::new(net.clone());
        let adjoint = Reversible::new(Fixed::steps(12).unwrap());
        let solution = adjoint.solve(&field, &parameters, &x0, &times).unwrap();
        assert!(solution.end().is_ok());
        let ours = both(&loss(&solution.states));
        assert!(adjoint.backward_statistics().vjps == solution.statistics.accepted + 1);
        let solver = Solver::new(ReversibleHeun, Fixed::steps(12).unwrap());
        let pair = (x0.as_tensor().clone(), x0.as_tensor().clone());
        let doubled = Doubled(&net);
        let run = solver.integration(&doubled, &pair, times[0], times[2]);
        let unrolled = run.save(Save::At(times.to_vec())).run().unwrap();
        let states: Vec<Tensor> = unrolled.states.into_iter().map(|(x, _)| x).collect();
        for (a, b) in ours.iter().zip(both(&loss(&states))) {
            assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{a}, {b}");
        }
        let value = |i: usize, h: f64| {
            let moved = Net::new();
            let mut w = numbers(&moved.0);
            w[i] += h;
            moved
                .0
                .set(&Tensor::from_vec(w, (2, 2), device()).unwrap())
                .unwrap();
            let solution = adjoint.solve(&Arc::new(moved), &[], &x0.as_tensor().detach(), &times);
            loss(&solution.unwrap().states).to_scalar::<f64>().unwrap()
        };
        for (i, ours) in ours.iter().enumerate().take(4) {
            let difference = (value(i, 1e-5) - value(i, -1e-5)) / 2e-5;
            assert!((ours - difference).abs() < 1e-7, "{ours}, {difference}");
        }
        let gradients = |adjoint: &dyn Fn() -> Vec<Tensor>| both(&loss(&adjoint()));
        let near = gradients(&|| {
            let adjoint = Reversible::new(Adaptive::new(1e-7, 1e-7).unwrap());
            adjoint
                .solve(&field, &parameters, &x0, &times)
                .unwrap()
                .states
        });
        let exact = gradients(&|| {
            let solver = Solver::new(Dopri5, Adaptive::new(1e-10, 1e-10).unwrap());
            let adjoint = Checkpointed::new(solver, 5).unwrap();
            adjoint
                .solve(&field, &parameters, &x0, &times)
                .unwrap()
                .states
        });
        for (a, b) in near.iter().zip(exact) {
            assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{a}, {b}");
        }
    }
}

/// A net whose slope is reversed and doubled from t = 0.8 on, up to 1.1.
#[derive(Clone)]
struct Switched(Net);

impl Field for Switched {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let factor = t.coefficient(|t| if (0.8..1.1).contains(&t) { -2.0 } else { 1.0 })?;
        factor.times(&self.0.at(t, x)?)
    }
}

/// At known jumps gradients stay those of the steps' own graph and of differences; each jump costs an evaluation more.
#[test]
fn gradients_know_the_jumps() {
    for times in [[0.2, 0.9, 1.7], [1.7, 0.9, 0.2], [0.8, 1.0, 1.1]] {
        let (net, x0) = (Net::new(), start());
        let jumps = [0.8, 1.1, 9.0];
        let inner = jumps
            .iter()
            .filter(|t| (*t - times[0]) * (*t - times[2]) < 0.0);
        let both = |loss: &Tensor| {
            let gradients = loss.backward().unwrap();
            let mut all = numbers(gradients.get(&net.0).unwrap());
            all.extend(numbers(gradients.get(&x0).unwrap()));
            all
        };
        let parameters = [net.0.as_tensor().clone()];
        let field = Arc::new(Switched(net.clone()));
        let adjoint = Reversible::new(Fixed::steps(12).unwrap());
        let adjoint = adjoint.jumps(&jumps).unwrap();
        let solution = adjoint.solve(&field, &parameters, &x0, &times).unwrap();
        let ours = both(&loss(&solution.states));
        let vjps = adjoint.backward_statistics().vjps;
        assert_eq!(vjps, solution.statistics.accepted + 1 + inner.count());
        let solver = Solver::new(ReversibleHeun, Fixed::steps(12).unwrap());
        let pair = (x0.as_tensor().clone(), x0.as_tensor().clone());
        let doubled = Doubled(&*field);
        let within = |t: &&f64| (**t - times[0]) * (**t - times[2]) <= 0.0;
        let within: Vec<f64> = jumps.iter().filter(within).copied().collect();
        let run = solver.integration(&doubled, &pair, times[0], times[2]);
        let run = run.save(Save::At(times.to_vec())).jumps(&within).unwrap();
        let states = run.run().unwrap().states;
        let states: Vec<Tensor> = states.into_iter().map(|(x, _)| x).collect();
        for (a, b) in ours.iter().zip(both(&loss(&states))) {
            assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{a}, {b}");
        }
        let value = |i: usize, h: f64| {
            let moved = Net::new();
            let mut w = numbers(&moved.0);
            w[i] += h;
            let w = Tensor::from_vec(w, (2, 2), device()).unwrap();
            moved.0.set(&w).unwrap();
            let moved = Arc::new(Switched(moved));
            let solution = adjoint.solve(&moved, &[], &x0.as_tensor().detach(), &times);
            loss(&solution.unwrap().states).to_scalar::<f64>().unwrap()
        };
        for (i, ours) in ours.iter().enumerate().take(4) {
            let difference = (value(i, 1e-5) - value(i, -1e-5)) / 2e-5;
            assert!((ours - difference).abs() < 1e-7, "{ours}, {difference}");
        }
    }
    assert!(
        Reversible::new(Fixed::steps(1).unwrap())
            .jumps(&[f64::NAN])
            .is_err()
    );
}

/// `dx/dt = −k x` from 1 is 1/2 at t = ln 2 / k; with twice the rate after a jump at 1/2, it is so at 1/4 + ln 2 / (2 k).
#[test]
fn events_are_differentiable() {
    let k = Var::new(&[0.7f64], device()).unwrap();
    let (rate, parameters) = (k.as_tensor().clone(), [k.as_tensor().clone()]);
    let decay = Arc::new(field_fn(move |t: &Time, x: &Tensor| {
        let factor = t.coefficient(|t| if t < 0.5 { -1.0 } else { -2.0 })?;
        factor.times(&x.broadcast_mul(&rate)?)
    }));
    let half = DifferentiableEvent::new(|_, x| Ok((x - 0.5)?)).crossing(Crossing::Falling);
    let adjoint = Reversible::new(Fixed::steps(200_000).unwrap());
    let adjoint = adjoint.jumps(&[0.5]).unwrap();
    let x0 = Var::new(&[1f64], device()).unwrap();
    let span = Tensor::new(&[0f64, 10.0], device()).unwrap();
    let reached = adjoint.solve_until(&decay, &parameters, &x0, &span, &half);
    let reached = reached.unwrap();
    assert_eq!(reached.solution.events.len(), 1);
    let t = reached.t.to_scalar::<f64>().unwrap();
    assert!((t - 0.25 - 2f64.ln() / 1.4).abs() < 1e-6, "{t}");
    let gradients = reached.t.backward().unwrap();
    let by_rate = numbers(gradients.get(&k).unwrap())[0];
    assert!(
        (by_rate + 2f64.ln() / (2.0 * 0.49)).abs() < 1e-5,
        "{by_rate}"
    );
    let by_start = numbers(gradients.get(&x0).unwrap())[0];
    assert!((by_start - 1.0 / 1.4).abs() < 1e-5, "{by_start}");
    // The state there is 1/2 whatever the rate.
    let gradients = reached.x.sum_all().unwrap().backward().unwrap();
    assert!(numbers(gradients.get(&k).unwrap())[0].abs() < 1e-5);
}

#[test]
fn what_has_no_gradient_is_named() {
    let x0 = start();
    let adjoint = Reversible::new(Fixed::steps(4).unwrap());
    let constant = Arc::new(field_fn(|_, x: &Tensor| Ok(x.detach().neg()?)));
    let end = adjoint
        .solve(&constant, &[], &x0, &[0.0, 1.0])
        .unwrap()
        .end()
        .unwrap();
    assert!(end.sum_all().unwrap().backward().is_err());
    let net = Net::new();
    let other = Var::new(&[1f64], device()).unwrap();
    let parameters = [net.0.as_tensor().clone(), other.as_tensor().clone()];
    let end = adjoint
        .solve(&Arc::new(net), &parameters, &x0, &[0.0, 1.0])
        .unwrap()
        .end()
        .unwrap();
    assert!(end.sum_all().unwrap().backward().is_err());
    let broken = Arc::new(field_fn(|_, x: &Tensor| Ok((x * f64::NAN)?)));
    let solution = adjoint.solve(&broken, &[], &x0, &[0.0, 1.0]).unwrap();
    assert!(matches!(solution.end(), Err(Error::Stopped { .. })));
    assert!(matches!(
        adjoint.solve(&broken, &[], &x0, &[0.0]),
        Err(Error::Range { .. })
    ));
}
