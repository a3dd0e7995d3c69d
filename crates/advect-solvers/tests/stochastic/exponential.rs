//! Exponential integrators: orders, stiffness, and Ornstein–Uhlenbeck processes.

use advect_core::testing::{device, measured_order};
use advect_core::{Error, Field, Key, Result, Time, field_fn};
use advect_solvers::controller::Fixed;
use advect_solvers::exponential::{Etdrk4, ExponentialEuler, ExponentialHeun, Rates};
use advect_solvers::sde::{Additive, BrownianPath, ExponentialEulerMaruyama, Sra1};
use advect_solvers::stepper::{Rk4, Stepper};
use advect_solvers::{Save, Solver};
use candle_core::{DType, Tensor};

use crate::stochastic::common::{check_gradients, end, gap, values};

fn rates() -> Rates {
    Rates::diagonal(&Tensor::new(&[1f64, 50.0], device()).unwrap()).unwrap()
}

/// `f = −x₂²/2 + sin t, x₁ cos x₂`.
fn bent(t: &Time, x: &Tensor) -> Result<Tensor> {
    let Time::Shared(t) = t else {
        panic!("one clock")
    };
    let (a, b) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
    Ok(Tensor::cat(
        &[&b.sqr()?.affine(-0.5, t.sin())?, &(a * b.cos()?)?],
        1,
    )?)
}

/// A stiff linear part with a nonlinear rest, against fine steps of Runge's and Kutta's method for all of it, forwards
/// and backwards.
#[test]
fn orders_are_those_of_the_tables() {
    let bent = field_fn(bent);
    let whole = field_fn(move |t, x| -> Result<Tensor> {
        let rates = Tensor::new(&[1f64, 50.0], device())?;
        Ok((bent.at(t, x)? - x.broadcast_mul(&rates)?)?)
    });
    let x0 = Tensor::new(&[[1.0f64, 0.5], [0.2, -1.0]], device()).unwrap();
    for (from, to, few) in [(0.0, 1.0, 64), (0.0, -0.1, 256)] {
        let exact = end(&Rk4, &whole, &x0, (from, to), 20_000);
        let order = |stepper: &dyn Stepper, counts: &[usize]| {
            measured_order(counts, |n| {
                gap(&end(stepper, &bent, &x0, (from, to), n), &exact)
            })
        };
        let euler = order(&ExponentialEuler::new(rates()), &[64, 128, 256]);
        let heun = order(&ExponentialHeun::new(rates()), &[64, 128, 256]);
        let fourth = order(&Etdrk4::new(rates()), &[few, 2 * few, 4 * few]);
        eprintln!("orders {euler:.3}, {heun:.3}, {fourth:.3}");
        assert!((euler - 1.0).abs() < 0.15, "{euler}");
        assert!((heun - 2.0).abs() < 0.15, "{heun}");
        assert!((fourth - 4.0).abs() < 0.25, "{fourth}");
    }
}

#[test]
fn without_rates_it_is_the_classical_method() {
    let bent = field_fn(bent);
    let x0 = Tensor::new(&[[1.0f64, 0.5]], device()).unwrap();
    let none = Etdrk4::new(Rates::uniform(0.0).unwrap());
    let (a, b) = (
        end(&none, &bent, &x0, (0.0, 1.0), 5),
        end(&Rk4, &bent, &x0, (0.0, 1.0), 5),
    );
    assert!(gap(&a, &b) < 1e-15);
}

/// The equation of Prothero and Robinson, dx/dt = −A (x − sin t) + cos t, with a rate at which an explicit method
/// would need 10⁶ steps, in ten.
#[test]
fn stiffness_asks_for_no_short_steps() {
    let rate = 1e6;
    let field = field_fn(move |t, x| -> Result<Tensor> {
        let Time::Shared(t) = t else {
            panic!("one clock")
        };
        Ok(x.zeros_like()?.affine(1.0, rate * t.sin() + t.cos())?)
    });
    let x0 = Tensor::zeros(1, DType::F64, device()).unwrap();
    let heun = ExponentialHeun::new(Rates::uniform(rate).unwrap());
    let end = values(&end(&heun, &field, &x0, (0.0, 1.0), 10))[0];
    assert!((end - 1f64.sin()).abs() < 1e-6, "{end}");
}

const N: usize = 20_000;

/// Moments of x(½) and x(1) of an Ornstein–Uhlenbeck process, whatever the steps; the same path whatever the steps.
#[test]
fn ornstein_uhlenbeck_processes_are_exact() {
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let x0 = Tensor::ones((N, 2), DType::F64, device()).unwrap();
    let a = [0.5, 30.0];
    let rates = || Rates::diagonal(&Tensor::new(&a, device()).unwrap()).unwrap();
    let path = BrownianPath::new(Key::from_seed(1), &x0, 0.0, 1.0).unwrap();
    let path = path.cells(8).unwrap();
    let sigma = 0.7;
    let saved = |n: usize| {
        let stepper =
            ExponentialEulerMaruyama::new(rates(), Additive(move |_| sigma), path.clone());
        let solver = Solver::new(stepper, Fixed::steps(n).unwrap());
        let integration = solver.integration(&still, &x0, 0.0, 1.0);
        integration
            .save(Save::At(vec![0.5, 1.0]))
            .run()
            .unwrap()
            .states
    };
    let (fine, coarse) = (saved(8), saved(2));
    for (fine, coarse) in fine.iter().zip(&coarse) {
        for (a, b) in values(fine).iter().zip(values(coarse)) {
            assert!((a - b).abs() < 1e-13, "{a}, {b}");
        }
    }
    for (j, a) in a.into_iter().enumerate() {
        let centred = |x: &Tensor, t: f64| -> Vec<f64> {
            let x = values(&x.narrow(1, j, 1).unwrap());
            x.iter().map(|x| x - (-a * t).exp()).collect()
        };
        let (half, whole) = (centred(&coarse[0], 0.5), centred(&coarse[1], 1.0));
        let moment =
            |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / N as f64;
        let variance = |t: f64| sigma * sigma * (1.0 - (-2.0 * a * t).exp()) / (2.0 * a);
        let near = |value: f64, expected: f64, scale: f64| {
            assert!(
                (value - expected).abs() < 5.0 * 1.5 * scale / (N as f64).sqrt(),
                "{value}, {expected}"
            );
        };
        near(moment(&half, &half), variance(0.5), variance(0.5));
        near(moment(&whole, &whole), variance(1.0), variance(1.0));
        near(
            moment(&half, &whole),
            variance(0.5) * (-0.5 * a).exp(),
            variance(1.0),
        );
        let ones = vec![1.0; N];
        near(moment(&whole, &ones), 0.0, variance(1.0).sqrt());
        // With the path: E O W = σ (1 − e^{−a})/a.
        let w = path.increment(0.0, 1.0).unwrap();
        let w = values(&w.narrow(1, j, 1).unwrap());
        near(
            moment(&whole, &w),
            sigma * (1.0 - (-a).exp()) / a,
            variance(1.0).sqrt(),
        );
    }
}

/// The integral belongs to the path: with many cells, other methods find the same solution, forwards and backwards;
/// strong order 1 with a nonlinear drift.
#[test]
fn the_integral_is_that_of_the_path() {
    let x0 = Tensor::ones((500, 1), DType::F64, device()).unwrap();
    let path = BrownianPath::new(Key::from_seed(2), &x0, 0.0, 1.0).unwrap();
    let path = path.cells(1024).unwrap();
    let wave = field_fn(|_, x| Ok(x.sin()?));
    let whole = field_fn(|_, x| Ok((x.sin()? - (x * 3.0)?)?));
    let noise = Additive(|_| 0.8);
    let rates = Rates::uniform(3.0).unwrap();
    for span in [(0.0, 1.0), (1.0, 0.0)] {
        let exact = end(&Sra1::new(noise, path.clone()), &whole, &x0, span, 1024);
        let method = ExponentialEulerMaruyama::new(rates.clone(), noise, path.clone());
        let order = measured_order(&[8, 16, 32, 64], |n| {
            gap(&end(&method, &wave, &x0, span, n), &exact)
        });
        let least = gap(&end(&method, &wave, &x0, span, 1024), &exact)
            / gap(&exact, &exact.zeros_like().unwrap());
        eprintln!("exponential Euler-Maruyama: strong order {order:.3}, at last {least:.2e}");
        assert!((order - 1.0).abs() < 0.2, "{order}");
        assert!(least < 2e-3, "{least}");
    }
}

#[test]
fn gradients_are_those_of_differences() {
    let x0 = Tensor::new(&[[1.0f64, 0.5], [0.2, -1.0]], device()).unwrap();
    let path = BrownianPath::new(Key::from_seed(3), &x0, 0.0, 1.0).unwrap();
    let path = path.cells(8).unwrap();
    check_gradients("Heun", field_fn(bent), &x0, ExponentialHeun::new(rates()));
    check_gradients("ETDRK4", field_fn(bent), &x0, Etdrk4::new(rates()));
    let noisy = ExponentialEulerMaruyama::new(rates(), Additive(|_| 0.5), path);
    check_gradients("Euler–Maruyama", field_fn(bent), &x0, noisy);
}

/// Single precision; typed errors.
#[test]
fn what_does_not_fit_is_refused() {
    let field = field_fn(|_, x| Ok(x.ones_like()?));
    let x0 = Tensor::zeros((2, 3), DType::F32, device()).unwrap();
    let solver = Solver::new(
        Etdrk4::new(Rates::uniform(2.0).unwrap()),
        Fixed::steps(2).unwrap(),
    );
    let end = solver.solve(&field, &x0, 0.0, 1.0).unwrap().end().unwrap();
    let end = end.to_vec2::<f32>().unwrap()[1][2];
    assert!((f64::from(end) - 0.5 * (1.0 - (-2f64).exp())).abs() < 1e-6);
    let solver = Solver::new(Etdrk4::new(rates()), Fixed::steps(2).unwrap());
    let error = solver.solve(&field, &x0, 0.0, 1.0);
    assert!(matches!(error, Err(Error::Shape { argument, .. }) if argument == "rates"));
    let path = BrownianPath::new(Key::from_seed(3), &x0, 0.0, 1.0).unwrap();
    let error = path.decayed_increment(0.0, 1.0, &Rates::uniform(1.0).unwrap());
    assert!(error.unwrap_err().to_string().contains("areas"));
    let error = path
        .areas()
        .decayed_increment(0.0, 0.5, &Rates::uniform(1.0).unwrap());
    assert!(error.unwrap_err().to_string().contains("cells"));
}
