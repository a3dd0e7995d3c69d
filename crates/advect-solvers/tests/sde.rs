//! Stochastic methods against closed solutions driven by the same path.

use std::sync::Arc;

use advect_core::testing::{device, measured_order};
use advect_core::{Error, Field, Jvp, Key, Result, Time, field_fn, observer_fn};
use advect_solvers::adjoint::{Adjoint, Checkpointed, Unrolled};
use advect_solvers::controller::Fixed;
use advect_solvers::sde::{
    Additive, Bridged, BrownianPath, Diagonal, EulerMaruyama, General, Interpretation, Milstein,
    MilsteinDerivativeFree, Scalar, Sra1, StratonovichHeun,
};
use advect_solvers::stepper::Stepper;
use advect_solvers::{DenseStep, Save, Solver, Status};
use candle_core::{DType, Tensor, Var};

const MU: f64 = 0.6;
const SIGMA: f64 = 0.8;

fn ones(shape: &[usize]) -> Tensor {
    Tensor::ones(shape, DType::F64, device()).unwrap()
}

fn mean(x: &Tensor) -> f64 {
    x.mean_all().unwrap().to_scalar().unwrap()
}

/// `x` times a number: the drift and the noise of geometric Brownian motion.
#[derive(Debug, Clone, Copy)]
struct Times(f64);

impl Field for Times {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        Ok((x * self.0)?)
    }
}

impl Jvp for Times {
    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.at(t, x)?, (dx * self.0)?))
    }
}

/// The order of `E |x − exact|` at t = 1 in the number of steps.
fn strong_order(
    counts: &[usize],
    stepper: &dyn Stepper,
    drift: &dyn Field,
    x0: &Tensor,
    exact: &Tensor,
) -> f64 {
    measured_order(counts, |n| {
        let solver = Solver::new(stepper, Fixed::steps(n).unwrap());
        let end = solver.solve(drift, x0, 0.0, 1.0).unwrap().end().unwrap();
        mean(&(end - exact).unwrap().abs().unwrap())
    })
}

fn assert_order(measured: f64, expected: f64, what: &str) {
    eprintln!("{what}: strong order {measured:.3}");
    assert!(
        (measured - expected).abs() < 0.2,
        "{what}: {measured}, not {expected}"
    );
}

/// dx = μ x dt + σ x dW: x(1) = exp((μ − σ²/2) + σ W(1)) in Itô's sense, exp(μ + σ W(1)) in Stratonovich's.
#[test]
fn strong_orders_of_multiplicative_noise() {
    let x0 = ones(&[4000, 1]);
    let path = BrownianPath::new(Key::from_seed(3), &x0, 0.0, 1.0).unwrap();
    let w = path.increment(0.0, 1.0).unwrap();
    let ito = (w.affine(SIGMA, MU - 0.5 * SIGMA * SIGMA))
        .unwrap()
        .exp()
        .unwrap();
    let stratonovich = w.affine(SIGMA, MU).unwrap().exp().unwrap();
    let (drift, noise) = (Times(MU), Diagonal(Times(SIGMA)));
    let counts = [16, 32, 64, 128, 256];
    let order = |stepper: &dyn Stepper, exact| strong_order(&counts, stepper, &drift, &x0, exact);
    let p = || path.clone();
    assert_order(
        order(&EulerMaruyama::new(noise, p()), &ito),
        0.5,
        "Euler-Maruyama",
    );
    for (sense, exact) in [
        (Interpretation::Ito, &ito),
        (Interpretation::Stratonovich, &stratonovich),
    ] {
        assert_order(
            order(&Milstein::new(noise, p(), sense), exact),
            1.0,
            "Milstein",
        );
        let free = MilsteinDerivativeFree::new(noise, p(), sense);
        assert_order(order(&free, exact), 1.0, "Milstein without derivatives");
    }
    assert_order(
        order(&StratonovichHeun::new(noise, p()), &stratonovich),
        1.0,
        "Heun",
    );
}

/// One motion for both coordinates: x' = a matrix times x, with commuting matrices for drift and noise.
#[test]
fn strong_orders_of_scalar_and_general_noise() {
    let x0 = ones(&[3000, 2]);
    let turn = field_fn(|t, x| -> Result<Tensor> {
        let _ = t;
        Ok(Tensor::cat(
            &[x.narrow(1, 1, 1)?.neg()?, x.narrow(1, 0, 1)?],
            1,
        )?)
    });
    // In Stratonovich's sense dx = J x ∘ dW turns by W(1).
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let motions = Tensor::zeros(3000, DType::F64, device()).unwrap();
    let path = BrownianPath::new(Key::from_seed(5), &motions, 0.0, 1.0).unwrap();
    let w = path.increment(0.0, 1.0).unwrap();
    let (cos, sin) = (w.cos().unwrap(), w.sin().unwrap());
    let exact = Tensor::stack(&[(&cos - &sin).unwrap(), (&cos + &sin).unwrap()], 1).unwrap();
    let counts = [16, 32, 64, 128];
    let heun = StratonovichHeun::new(Scalar(turn), path.clone());
    assert_order(
        strong_order(&counts, &heun, &still, &x0, &exact),
        1.0,
        "Heun, scalar",
    );
    let milstein =
        MilsteinDerivativeFree::new(Scalar(turn), path.clone(), Interpretation::Stratonovich);
    assert_order(
        strong_order(&counts, &milstein, &still, &x0, &exact),
        1.0,
        "Milstein, scalar",
    );
    // The same as a matrix with one column, in Itô's sense: the drift is −x/2 more.
    let ito = field_fn(|_, x| Ok((x * -0.5)?));
    let matrix = General(move |t: &Time, x: &Tensor| Ok(turn.at(t, x)?.unsqueeze(2)?));
    let column = motions.unsqueeze(1).unwrap();
    let same = BrownianPath::new(Key::from_seed(5), &column, 0.0, 1.0).unwrap();
    let euler = EulerMaruyama::new(matrix, same);
    assert_order(
        strong_order(&counts, &euler, &ito, &x0, &exact),
        0.5,
        "Euler-Maruyama, general",
    );
}

/// dx = (b/√(1+t) − x/(2(1+t))) dt + a b/√(1+t) dW, with x(t) = (x(0) + b (t + a W(t)))/√(1+t) (Rößler 2010, section 7).
#[test]
fn strong_orders_of_additive_noise() {
    let (a, b) = (0.7, 0.5);
    let x0 = ones(&[2000, 1]);
    let drift = field_fn(move |t, x| -> Result<Tensor> {
        let Time::Shared(t) = t else {
            panic!("one clock")
        };
        Ok(x.affine(-0.5 / (1.0 + t), b / (1.0 + t).sqrt())?)
    });
    let noise = Additive(move |t: f64| a * b / (1.0 + t).sqrt());
    let path = BrownianPath::new(Key::from_seed(8), &x0, 0.0, 1.0).unwrap();
    let exact = |path: &BrownianPath| {
        let w = path.increment(0.0, 1.0).unwrap();
        w.affine(a * b / 2f64.sqrt(), (1.0 + b) / 2f64.sqrt())
            .unwrap()
    };
    let counts = [8, 16, 32, 64];
    let euler = EulerMaruyama::new(noise, path.clone());
    assert_order(
        strong_order(&counts, &euler, &drift, &x0, &exact(&path)),
        1.0,
        "Euler-Maruyama, additive",
    );
    let heun = StratonovichHeun::new(noise, path.clone());
    let order = strong_order(&counts, &heun, &drift, &x0, &exact(&path));
    assert!(order > 0.8, "{order}");
    let sra = Sra1::new(noise, path.clone());
    let exact = exact(&path.areas());
    let order = strong_order(&counts, &sra, &drift, &x0, &exact);
    eprintln!("SRA1, linear drift: strong order {order:.3}");
    assert!(order > 1.3, "{order}");
}

/// A noise with curvature: dx = √(1 + x²) ∘ dW has x(t) = sinh(asinh x(0) + W(t)).
#[test]
fn strong_orders_of_nonlinear_noise() {
    let x0 = (ones(&[3000, 1]) * 0.5).unwrap();
    let path = BrownianPath::new(Key::from_seed(4), &x0, 0.0, 1.0).unwrap();
    let w = path.increment(0.0, 1.0).unwrap();
    let e = (w + 0.5f64.asinh()).unwrap().exp().unwrap();
    let exact = ((&e - e.recip().unwrap()).unwrap() * 0.5).unwrap();
    let noise = Diagonal(field_fn(|_, x| Ok((x.sqr()? + 1.0)?.sqrt()?)));
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    // In Itô's sense the drift is half of g g' = x more.
    let ito = field_fn(|_, x| Ok((x * 0.5)?));
    let counts = [32, 64, 128, 256];
    let free = MilsteinDerivativeFree::new(noise, path.clone(), Interpretation::Stratonovich);
    assert_order(
        strong_order(&counts, &free, &still, &x0, &exact),
        1.0,
        "Milstein, Stratonovich",
    );
    let free = MilsteinDerivativeFree::new(noise, path.clone(), Interpretation::Ito);
    assert_order(
        strong_order(&counts, &free, &ito, &x0, &exact),
        1.0,
        "Milstein, Ito",
    );
    let heun = StratonovichHeun::new(noise, path);
    assert_order(
        strong_order(&counts, &heun, &still, &x0, &exact),
        1.0,
        "Heun",
    );
}

/// A nonlinear drift, against very small steps on the same path.
#[test]
fn strong_order_of_sra1_with_a_nonlinear_drift() {
    let x0 = (ones(&[1500, 1]) * 0.3).unwrap();
    let drift = field_fn(|_, x| -> Result<Tensor> { Ok((x.sin()? * 2.0)?) });
    let path = BrownianPath::new(Key::from_seed(9), &x0, 0.0, 1.0).unwrap();
    let sra = Sra1::new(Additive(|t: f64| 0.8 + 0.5 * t), path);
    let fine = Solver::new(&sra as &dyn Stepper, Fixed::steps(2048).unwrap());
    let exact = fine.solve(&drift, &x0, 0.0, 1.0).unwrap().end().unwrap();
    let order = strong_order(&[16, 32, 64, 128], &sra, &drift, &x0, &exact);
    assert_order(order, 1.5, "SRA1");
}

/// E x(1) = exp(μ) for geometric Brownian motion in Itô's sense.
#[test]
fn weak_order_of_euler_maruyama() {
    let x0 = ones(&[200_000, 1]);
    let noise = Diagonal(Times(0.1));
    let order = measured_order(&[4, 8, 16, 32], |n| {
        let path = BrownianPath::new(Key::from_seed(n as u64), &x0, 0.0, 1.0).unwrap();
        let stepper = EulerMaruyama::new(noise, path.cells(n).unwrap());
        let solver = Solver::new(stepper, Fixed::steps(n).unwrap());
        let end = solver
            .solve(&Times(1.0), &x0, 0.0, 1.0)
            .unwrap()
            .end()
            .unwrap();
        (mean(&end) - 1f64.exp()).abs()
    });
    eprintln!("Euler-Maruyama: weak order {order:.3}");
    assert!((order - 1.0).abs() < 0.2, "{order}");
}

/// Halved steps see the same path, forwards and backwards in time; unequal steps too.
#[test]
fn the_path_is_the_same_whatever_the_steps() {
    let x0 = ones(&[5, 2]);
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let noise = Additive(|_| 1.0);
    let path = BrownianPath::new(Key::from_seed(1), &x0, 0.0, 2.0).unwrap();
    let end = |steps: Fixed, path: &BrownianPath, from: f64, to: f64| {
        let solver = Solver::new(EulerMaruyama::new(noise, path.clone()), steps);
        solver.solve(&still, &x0, from, to).unwrap().end().unwrap()
    };
    let close = |a: &Tensor, b: &Tensor| {
        let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap();
        assert!(difference.to_scalar::<f64>().unwrap() < 1e-12);
    };
    for path in [path.clone(), path.clone().areas(), path.cells(6).unwrap()] {
        let reference = end(Fixed::steps(1).unwrap(), &path, 0.0, 2.0);
        for steps in [
            Fixed::steps(2).unwrap(),
            Fixed::steps(6).unwrap(),
            Fixed::steps(100).unwrap(),
            Fixed::grid(&[0.1, 0.77, 1.999]).unwrap(),
        ] {
            close(&end(steps.clone(), &path, 0.0, 2.0), &reference);
            let back = end(Fixed::steps(7).unwrap(), &path, 2.0, 0.0);
            close(&(back + &reference).unwrap(), &(&x0 * 2.0).unwrap());
        }
    }
}

#[test]
fn saves_gradients_and_failures_work_as_for_ordinary_equations() {
    let x0 = Var::from_tensor(&ones(&[3, 1])).unwrap();
    let path = BrownianPath::new(Key::from_seed(2), &x0, 0.0, 1.0)
        .unwrap()
        .cells(20)
        .unwrap();
    let stepper = EulerMaruyama::new(Diagonal(Times(SIGMA)), path.clone());
    let solver = Solver::new(stepper, Fixed::steps(20).unwrap());
    let saved = solver
        .integration(&Times(MU), &x0, 0.0, 1.0)
        .save(Save::Every(5))
        .run()
        .unwrap();
    assert_eq!((saved.states.len(), saved.statistics.evaluations), (5, 20));
    // The noise belongs to the step, so the discrete adjoint is exact.
    let field = Arc::new(Times(MU));
    let gradient = |solution: advect_solvers::Solution| {
        let gradients = solution
            .end()
            .unwrap()
            .sqr()
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap();
        gradients
            .get(&x0)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1::<f64>()
            .unwrap()
    };
    let unrolled = gradient(
        Unrolled::new(solver.clone())
            .solve(&field, &[], &x0, &[0.0, 1.0])
            .unwrap(),
    );
    let discrete = Checkpointed::new(solver, 4).unwrap();
    let discrete = gradient(discrete.solve(&field, &[], &x0, &[0.0, 1.0]).unwrap());
    for (a, b) in unrolled.iter().zip(&discrete) {
        assert!((a - b).abs() < 1e-12 * a.abs());
    }
    // Beyond the path's span.
    let late = Solver::new(
        EulerMaruyama::new(Diagonal(Times(1.0)), path.clone()),
        Fixed::steps(2).unwrap(),
    );
    let result = late.solve(&Times(1.0), &x0, 0.5, 1.5);
    assert!(matches!(result, Err(Error::Range { argument, .. }) if argument == "t"));
    let wide = ones(&[3, 2]);
    let result = late.solve(&Times(1.0), &wide, 0.0, 1.0);
    assert!(matches!(result, Err(Error::Shape { argument, .. }) if argument == "path"));
    let nan = field_fn(|_, x| Ok((x * f64::NAN)?));
    let solver = Solver::new(
        EulerMaruyama::new(Diagonal(Times(1.0)), path),
        Fixed::steps(2).unwrap(),
    );
    assert_eq!(
        solver.solve(&nan, &x0, 0.0, 1.0).unwrap().status,
        Status::NonFinite
    );
}

/// Backwards in time Itô's methods take the noise where each step starts: they agree with each other, in their orders.
#[test]
fn backwards_in_time_the_sense_is_that_of_the_direction() {
    let x1 = (ones(&[3000, 1]) * 0.7).unwrap();
    let path = BrownianPath::new(Key::from_seed(6), &x1, 0.0, 1.0).unwrap();
    let w = path.increment(1.0, 0.0).unwrap();
    // dx = σ x dW from 1 down to 0, which is a Brownian motion of its own: x = x(1) exp(σ W − σ²/2).
    let exact = (w
        .affine(SIGMA, -0.5 * SIGMA * SIGMA)
        .unwrap()
        .exp()
        .unwrap()
        * 0.7)
        .unwrap();
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let order = |stepper: &dyn Stepper| {
        measured_order(&[16, 32, 64, 128], |n| {
            let solver = Solver::new(stepper, Fixed::steps(n).unwrap());
            let end = solver.solve(&still, &x1, 1.0, 0.0).unwrap().end().unwrap();
            mean(&(end - &exact).unwrap().abs().unwrap())
        })
    };
    let noise = Diagonal(Times(SIGMA));
    let p = || path.clone();
    assert_order(
        order(&EulerMaruyama::new(noise, p())),
        0.5,
        "Euler-Maruyama, backwards",
    );
    assert_order(
        order(&Milstein::new(noise, p(), Interpretation::Ito)),
        1.0,
        "Milstein, backwards",
    );
    let free = MilsteinDerivativeFree::new(noise, p(), Interpretation::Ito);
    assert_order(order(&free), 1.0, "Milstein without derivatives, backwards");
}

/// Learned noise: the steps leave no graph behind forwards, and its parameters get their gradients.
#[test]
fn learned_noise_has_gradients() {
    let scale = Var::new(&[0.4f64], device()).unwrap();
    let shared = scale.as_tensor().clone();
    let noise = Diagonal(field_fn(move |_, x| Ok(x.broadcast_mul(&shared)?)));
    let x0 = ones(&[3, 1]);
    let path = BrownianPath::new(Key::from_seed(2), &x0, 0.0, 1.0)
        .unwrap()
        .cells(20)
        .unwrap();
    let solver = Solver::new(EulerMaruyama::new(noise, path), Fixed::steps(20).unwrap());
    let field = Arc::new(Times(MU));
    let parameters = [scale.as_tensor().clone()];
    let gradient = |solution: advect_solvers::Solution| -> f64 {
        let gradients = solution
            .end()
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap();
        gradients.get(&scale).unwrap().to_vec1::<f64>().unwrap()[0]
    };
    let unrolled = Unrolled::new(solver.clone());
    let a = gradient(
        unrolled
            .solve(&field, &parameters, &x0, &[0.0, 1.0])
            .unwrap(),
    );
    let discrete = Checkpointed::new(solver, 4).unwrap();
    let b = gradient(
        discrete
            .solve(&field, &parameters, &x0, &[0.0, 1.0])
            .unwrap(),
    );
    assert!(a != 0.0 && (a - b).abs() < 1e-12 * a.abs(), "{a}, {b}");
}

/// Between the ends of a step the solution is not a function of them: it is asked of the path, or not at all.
#[test]
fn states_between_the_steps_are_those_of_the_path() {
    let (batch, t) = (4000, 0.37);
    let x0 = Tensor::zeros((batch, 1), DType::F64, device()).unwrap();
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let path = BrownianPath::new(Key::from_seed(7), &x0, 0.0, 1.0).unwrap();
    let stepper = EulerMaruyama::new(Additive(|_| 1.0), path.clone());
    let solver = Solver::new(stepper, Fixed::steps(2).unwrap());
    let saved = &solver
        .integration(&still, &x0, 0.0, 1.0)
        .save(Save::At(vec![t]))
        .run()
        .unwrap()
        .states[0];
    // Brownian motion itself, whose variance at t is t; on a line from 0 to W(0.5) it is 2 t².
    let exact = path.increment(0.0, t).unwrap();
    let difference = (saved - exact).unwrap().abs().unwrap().max_all().unwrap();
    assert!(difference.to_scalar::<f64>().unwrap() < 1e-12);
    let variance = mean(&saved.sqr().unwrap());
    assert!((variance / t - 1.0).abs() < 0.1, "{variance}");
    for save in [Save::Interpolated(vec![t]), Save::Dense] {
        let error = solver.integration(&still, &x0, 0.0, 1.0).save(save).run();
        let error = error.unwrap_err();
        assert!(matches!(&error, Error::Range { argument, .. } if argument == "save"));
        assert!(error.to_string().contains("Save::At"), "{error}");
    }
    // Observers see the ends.
    let mut ends = 0;
    let observer = observer_fn(|step: &DenseStep| {
        let error = step.at(0.5 * (step.start + step.end)).unwrap_err();
        assert!(error.to_string().contains("Save::At"), "{error}");
        assert!(step.at(step.start).is_ok() && step.at(step.end).is_ok());
        ends += 1;
    });
    let observed = solver
        .integration(&still, &x0, 0.0, 1.0)
        .observe_within(observer)
        .run();
    assert!(observed.unwrap().end().is_ok() && ends == 2);
}

/// An event of a stochastic equation is a zero of its path, and the path goes on from there.
#[test]
fn events_are_on_the_path() {
    let x0 = Tensor::zeros((1, 1), DType::F64, device()).unwrap();
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let number = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f64>().unwrap()[0];
    for seed in 0..5 {
        let path = BrownianPath::new(Key::from_seed(seed), &x0, 0.0, 1.0).unwrap();
        let stepper = EulerMaruyama::new(Additive(|_| 1.0), path.clone());
        let solver = Solver::new(stepper, Fixed::size(1.0 / 64.0).unwrap());
        let high = advect_solvers::Event::new(move |_, x: &Tensor| Ok(number(x).abs() - 0.3));
        let first = solver
            .integration(&still, &x0, 0.0, 1.0)
            .until(&high)
            .run()
            .unwrap();
        if first.status == Status::Event {
            let there = number(&path.increment(0.0, first.last_time).unwrap());
            assert!((number(&first.last_state) - there).abs() < 1e-9);
            assert!((there.abs() - 0.3).abs() < 1e-5, "{there}");
        }
        let rest = solver.solve(&still, &first.last_state, first.last_time, 1.0);
        let end = number(&rest.unwrap().end().unwrap());
        assert!((end - number(&path.increment(0.0, 1.0).unwrap())).abs() < 1e-9);
    }
}

/// Where an event changed the state, the bridge begins at the state after the change; across a change there is none.
#[test]
fn states_after_a_change_are_those_of_the_path() {
    let x0 = Tensor::zeros(3, DType::F64, device()).unwrap();
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let number = |x: &Tensor| x.to_vec1::<f64>().unwrap()[1];
    for sign in [1.0, -1.0] {
        let path = BrownianPath::new(Key::from_seed(3), &x0, 0.0, sign).unwrap();
        let event = advect_solvers::Event::new(move |t, _: &Tensor| Ok(t - sign * 0.35));
        let solver = Solver::new(
            EulerMaruyama::new(Additive(|_| 1.0), path.clone()),
            Fixed::steps(5).unwrap(),
        );
        let run = |save| {
            let run = solver.integration(&still, &x0, 0.0, sign).save(save);
            let drop = |_: f64, x: &Tensor| Ok((x - 10.0)?);
            run.apply(&event, drop).run().unwrap()
        };
        let solution = run(Save::Every(1));
        let bridged = Bridged::new(Additive(|_| 1.0), path.clone());
        for (t, change) in [(0.3, 0.0), (0.36, -10.0), (0.39, -10.0), (0.5, -10.0)] {
            let ours = number(&bridged.at(&solution, sign * t).unwrap());
            let exact = number(&path.increment(0.0, sign * t).unwrap()) + change;
            assert!((ours - exact).abs() < 1e-9, "{t}: {ours}, {exact}");
        }
        let coarse = run(Save::Every(3));
        let error = bridged.at(&coarse, sign * 0.38).unwrap_err();
        assert!(matches!(error, Error::Range { argument, .. } if argument == "t"));
        assert!(bridged.at(&coarse, sign * 0.9).is_ok());
    }
}
