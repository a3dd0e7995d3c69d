//! States between the steps of stochastic solutions: their law, their path and their order.

use advect_core::normal::cdf;
use advect_core::testing::{device, measured_order};
use advect_core::{Error, Key, Result, Time, field_fn};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::sde::{
    Additive, Bridged, BrownianPath, Diagonal, EulerMaruyama, General, Interpretation, Milstein,
    Sra1, Sriw1,
};
use advect_solvers::{Save, Solution, Solver};
use candle_core::{DType, Tensor};

use crate::stochastic::common::{Times, distance, gap, mean, values};

const N: usize = 20_000;

/// An Ornstein–Uhlenbeck process in 32 steps, at places within them: the law at each, the covariance of two within
/// one step, and of two in different ones. On straight lines the law is another.
#[test]
fn the_law_between_the_steps_is_that_of_the_process() {
    let (rate, sigma) = (1.5, 0.8);
    let noise = Additive(move |_| sigma);
    let x0 = Tensor::ones((N, 1), DType::F64, device()).unwrap();
    let path = BrownianPath::new(Key::from_seed(1), &x0, 0.0, 1.0).unwrap();
    let path = path.cells(32).unwrap().areas();
    let solver = Solver::new(Sra1::new(noise, path.clone()), Fixed::steps(32).unwrap());
    let drift = Times(-rate);
    let integration = solver.integration(&drift, &x0, 0.0, 1.0);
    let solution = integration.save(Save::Every(1)).run().unwrap();
    let bridged = Bridged::new(noise, path);
    let variance = |t: f64| sigma * sigma * (1.0 - (-2.0 * rate * t).exp()) / (2.0 * rate);
    let scaled = |x: &Tensor, t: f64| -> Vec<f64> {
        let centred = values(x).into_iter().map(|x| x - (-rate * t).exp());
        centred.map(|x| x / variance(t).sqrt()).collect()
    };
    let at = |t: f64| scaled(&bridged.at(&solution, t).unwrap(), t);
    // The 99.9 % point of Kolmogorov's law.
    for t in [0.01, 0.015625, 0.31, 0.95, 0.984375] {
        let distance = distance(&at(t), cdf);
        eprintln!("at {t}: distance {distance:.2}");
        assert!(distance < 1.95, "{t}: {distance}");
    }
    let line = (&solution.states[0] + &solution.states[1]).unwrap();
    let line = distance(&scaled(&(line * 0.5).unwrap(), 0.015625), cdf);
    eprintln!("on a straight line: distance {line:.2}");
    assert!(line > 8.0, "{line}");
    for (s, t) in [(0.004, 0.02), (0.26, 0.275), (0.3, 0.42), (0.1, 0.95)] {
        let product: Vec<f64> = at(s).iter().zip(at(t)).map(|(a, b)| a * b).collect();
        let expected = (variance(s) / variance(t)).sqrt() * (-rate * (t - s)).exp();
        let correlation = mean(&product);
        assert!(
            (correlation - expected).abs() < 5.0 / (N as f64).sqrt(),
            "{s}, {t}: {correlation}, {expected}"
        );
    }
}

/// On the path of the closed solution, with steps of one size: order 1 for noise that depends on the state, and 1.5
/// for other noise.
#[test]
fn orders_between_the_steps() {
    let (mu, sigma) = (0.6, 0.8);
    let x0 = Tensor::ones((4000, 1), DType::F64, device()).unwrap();
    let path = BrownianPath::new(Key::from_seed(2), &x0, 0.0, 1.0).unwrap();
    let path = path.cells(256).unwrap().areas();
    // Halfway in a step near the middle, forwards and backwards in time.
    for (from, to) in [(0.0, 1.0), (1.0, 0.0)] {
        let place = |n: usize| from + (to - from) * (0.5 + 0.5 / n as f64);
        let noise = Diagonal(Times(sigma));
        let method = Milstein::new(noise, path.clone(), Interpretation::Ito);
        let order = measured_order(&[8, 16, 32, 64], |n| {
            let solver = Solver::new(method.clone(), Fixed::steps(n).unwrap());
            let drift = Times(mu * (to - from));
            let integration = solver.integration(&drift, &x0, from, to);
            let solution = integration.save(Save::Every(1)).run().unwrap();
            let (t, length) = (place(n), 0.5 + 0.5 / n as f64);
            let w = path.increment(from, t).unwrap();
            let exact = w
                .affine(sigma, (mu - 0.5 * sigma * sigma) * length)
                .unwrap()
                .exp()
                .unwrap();
            gap(
                &Bridged::new(noise, path.clone()).at(&solution, t).unwrap(),
                &exact,
            )
        });
        eprintln!("between the steps of Milstein's method: order {order:.3}");
        assert!((order - 1.0).abs() < 0.2, "{order}");
    }
    // The drift −x/(2(1 + t)) + 1/√(1 + t) with the noise 0.7/√(1 + t) has x(t) = (1 + t + 0.7 W(t))/√(1 + t).
    let drift = field_fn(|t, x| -> Result<Tensor> {
        let Time::Shared(t) = t else {
            panic!("one clock")
        };
        Ok(x.affine(-0.5 / (1.0 + t), 1.0 / (1.0 + t).sqrt())?)
    });
    let noise = Additive(|t: f64| 0.7 / (1.0 + t).sqrt());
    let order = measured_order(&[4, 8, 16, 32], |n| {
        let solver = Solver::new(Sra1::new(noise, path.clone()), Fixed::steps(n).unwrap());
        let integration = solver.integration(&drift, &x0, 0.0, 1.0);
        let solution = integration.save(Save::Every(1)).run().unwrap();
        let t = 0.5 + 0.5 / n as f64;
        let root = (1.0 + t).sqrt();
        let exact = path
            .increment(0.0, t)
            .unwrap()
            .affine(0.7 / root, root)
            .unwrap();
        gap(
            &Bridged::new(noise, path.clone()).at(&solution, t).unwrap(),
            &exact,
        )
    });
    eprintln!("between the steps of SRA1: order {order:.3}");
    assert!((order - 1.5).abs() < 0.2, "{order}");
}

/// Steps chosen by error control, and their ends.
#[test]
fn states_between_adaptive_steps() {
    let x0 = Tensor::ones((3, 1), DType::F64, device()).unwrap();
    let path = BrownianPath::new(Key::from_seed(3), &x0, 0.0, 1.0)
        .unwrap()
        .areas();
    let noise = Diagonal(Times(0.7));
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let solver = Solver::new(
        Sriw1::new(noise, path.clone()),
        Adaptive::new(1e-4, 1e-4).unwrap(),
    );
    let integration = solver.integration(&still, &x0, 0.0, 1.0);
    let solution = integration.save(Save::Every(1)).run().unwrap();
    let bridged = Bridged::new(noise, path.clone());
    for i in 0..50 {
        let t = 0.011 + 0.019 * f64::from(i);
        let exact = path
            .increment(0.0, t)
            .unwrap()
            .affine(0.7, -0.245 * t)
            .unwrap()
            .exp()
            .unwrap();
        let error = gap(&bridged.at(&solution, t).unwrap(), &exact);
        assert!(error < 0.02, "{t}: {error}");
    }
    for (t, x) in solution.times.iter().zip(&solution.states) {
        assert_eq!(values(&bridged.at(&solution, *t).unwrap()), values(x));
    }
}

/// Single precision, a matrix of noise, and what is refused.
#[test]
fn what_does_not_fit_is_refused() {
    let x0 = Tensor::zeros((2, 3), DType::F32, device()).unwrap();
    let motions = Tensor::zeros((2, 2), DType::F32, device()).unwrap();
    let path = BrownianPath::new(Key::from_seed(4), &motions, 0.0, 1.0).unwrap();
    let noise = General(|_: &Time, x: &Tensor| Ok(Tensor::ones((2, 3, 2), x.dtype(), x.device())?));
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let solver = Solver::new(
        EulerMaruyama::new(noise, path.clone()),
        Fixed::steps(4).unwrap(),
    );
    let integration = || solver.integration(&still, &x0, 0.0, 1.0);
    let solution = integration().save(Save::Every(1)).run().unwrap();
    let bridged = Bridged::new(noise, path.clone());
    let state = bridged
        .at(&solution, 0.3)
        .unwrap()
        .to_vec2::<f32>()
        .unwrap();
    let w = path.increment(0.0, 0.3).unwrap().to_vec2::<f32>().unwrap();
    for (x, w) in state.iter().zip(&w) {
        assert!(
            x.iter().all(|x| (x - w[0] - w[1]).abs() < 1e-6),
            "{x:?}, {w:?}"
        );
    }
    let refused = |solution: &Solution, t: f64, accepted: &str| {
        let error = bridged.at(solution, t).unwrap_err();
        assert!(
            matches!(&error, Error::Range { argument, .. } if argument == "t"),
            "{error}"
        );
        assert!(error.to_string().contains(accepted), "{error}");
    };
    for t in [-0.1, 1.1, f64::NAN] {
        refused(&solution, t, "from 0 to 1");
    }
    let mut none = integration().run().unwrap();
    none.times.clear();
    none.states.clear();
    refused(&none, 0.5, "Save::Every(1)");
}
