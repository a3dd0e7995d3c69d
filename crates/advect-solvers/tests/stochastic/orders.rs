//! Methods of order 1.5, and conversions between Itô and Stratonovich, against closed solutions driven by the same
//! path.

use std::sync::Arc;

use advect_core::testing::{device, measured_order};
use advect_core::{Field, Jvp, Key, Result, Time, field_fn};
use advect_solvers::adjoint::{Adjoint, Checkpointed, Unrolled};
use advect_solvers::controller::Adaptive;
use advect_solvers::sde::{
    Additive, BrownianPath, Diagonal, EulerMaruyama, General, Halved, Interpretation,
    MilsteinDerivativeFree, MilsteinGeneral, Scalar, Sra1, Sra3, Sriw1, StratonovichHeun,
    ito_drift, stratonovich_drift,
};
use advect_solvers::stepper::{Embedded, Stepper};
use advect_solvers::{Solution, Solver};
use candle_core::{DType, Tensor, Var};

use crate::stochastic::common::{
    Times, assert_order, check_gradients, end, gap, mean_of, ones, values,
};

const MU: f64 = 0.6;
const SIGMA: f64 = 0.8;

/// `√(1 + x²)`, with its derivative.
#[derive(Debug, Clone, Copy)]
struct Curved;

impl Field for Curved {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        Ok((x.sqr()? + 1.0)?.sqrt()?)
    }
}

impl Jvp for Curved {
    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let value = self.at(t, x)?;
        let along = ((x * dx)? / &value)?;
        Ok((value, along))
    }
}

/// Geometric Brownian motion in Itô's sense, forwards and backwards.
#[test]
fn strong_order_of_sriw1() {
    let x0 = ones(&[4000, 1]);
    let path = BrownianPath::new(Key::from_seed(3), &x0, 0.0, 1.0).unwrap();
    let path = path.cells(128).unwrap().areas();
    for (from, to) in [(0.0, 1.0), (1.0, 0.0)] {
        let w = path.increment(from, to).unwrap();
        let drift = MU * (to - from);
        let exact = w
            .affine(SIGMA, drift - 0.5 * SIGMA * SIGMA)
            .unwrap()
            .exp()
            .unwrap();
        let method = Sriw1::new(Diagonal(Times(SIGMA)), path.clone());
        let at = |n: usize| end(&method, &Times(MU), &x0, (from, to), n);
        let order = measured_order(&[16, 32, 64, 128], |n| gap(&at(n), &exact));
        assert_order(order, 1.5, "SRIW1, strong");
    }
}

/// The mean of the error on the same paths, whose noise cancels, with a drift so large that it is seen beside the rest.
#[test]
fn weak_order_of_sriw1() {
    let x0 = ones(&[20_000, 1]);
    let path = BrownianPath::new(Key::from_seed(3), &x0, 0.0, 1.0).unwrap();
    let path = path.cells(64).unwrap().areas();
    let w = path.increment(0.0, 1.0).unwrap();
    let exact = w.affine(0.4, 2.0 - 0.08).unwrap().exp().unwrap();
    let method = Sriw1::new(Diagonal(Times(0.4)), path);
    let order = measured_order(&[16, 32, 64], |n| {
        let end = end(&method, &Times(2.0), &x0, (0.0, 1.0), n);
        mean_of(&(end - &exact).unwrap()).abs()
    });
    assert_order(order, 2.0, "SRIW1, weak");
}

/// dx = √(1 + x²) ∘ dW has x(t) = sinh(asinh x(0) + W(t)): curved noise, by the converted drift; scalar noise too.
#[test]
fn strong_order_of_sriw1_with_curved_noise() {
    let x0 = (ones(&[3000, 1]) * 0.5).unwrap();
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let sinh = |w: &Tensor| {
        let e = (w + 0.5f64.asinh()).unwrap().exp().unwrap();
        ((&e - e.recip().unwrap()).unwrap() * 0.5).unwrap()
    };
    let path = BrownianPath::new(Key::from_seed(4), &x0, 0.0, 1.0).unwrap();
    let path = path.cells(256).unwrap().areas();
    let exact = sinh(&path.increment(0.0, 1.0).unwrap());
    let drift = ito_drift(&still, Diagonal(Curved));
    let method = Sriw1::new(Diagonal(Curved), path);
    let order = measured_order(&[32, 64, 128, 256], |n| {
        gap(&end(&method, &drift, &x0, (0.0, 1.0), n), &exact)
    });
    assert_order(order, 1.5, "SRIW1, curved");
    let motions = Tensor::zeros(3000, DType::F64, device()).unwrap();
    let path = BrownianPath::new(Key::from_seed(5), &motions, 0.0, 1.0).unwrap();
    let path = path.cells(256).unwrap().areas();
    let exact = sinh(&path.increment(0.0, 1.0).unwrap().unsqueeze(1).unwrap());
    let method = Sriw1::new(Scalar(Curved), path);
    let order = measured_order(&[32, 64, 128, 256], |n| {
        gap(&end(&method, &drift, &x0, (0.0, 1.0), n), &exact)
    });
    assert_order(order, 1.5, "SRIW1, scalar");
}

/// A nonlinear drift with noise that depends on time, against very small steps on the same path; order 3 without noise.
#[test]
fn orders_of_sra3() {
    let x0 = (ones(&[1500, 1]) * 0.3).unwrap();
    let drift = field_fn(|_, x| -> Result<Tensor> { Ok((x.sin()? * 2.0)?) });
    let path = BrownianPath::new(Key::from_seed(9), &x0, 0.0, 1.0).unwrap();
    let path = path.cells(1024).unwrap();
    let noise = Additive(|t: f64| 1.6 + t);
    let sra = Sra3::new(noise, path.clone());
    for span in [(0.0, 1.0), (1.0, 0.0)] {
        let exact = end(&sra, &drift, &x0, span, 1024);
        let order = measured_order(&[16, 32, 64, 128], |n| {
            gap(&end(&sra, &drift, &x0, span, n), &exact)
        });
        assert_order(order, 1.5, "SRA3");
        let other = Sra1::new(noise, path.clone());
        assert!(gap(&end(&other, &drift, &x0, span, 1024), &exact) < 1e-3);
    }
    let quiet = Sra3::new(Additive(|_| 0.0), path);
    let exact = (MU.exp() * &x0).unwrap();
    let order = measured_order(&[4, 8, 16], |n| {
        gap(&end(&quiet, &Times(MU), &x0, (0.0, 1.0), n), &exact)
    });
    assert_order(order, 3.0, "SRA3 without noise");
}

/// The mean of the error and of the error of the square, against fine steps on the same paths, whose noise cancels.
#[test]
fn weak_orders_of_additive_noise() {
    let x0 = (ones(&[20_000, 1]) * 0.3).unwrap();
    let drift = field_fn(|_, x| -> Result<Tensor> { Ok((x.sin()? * 2.0)?) });
    let path = BrownianPath::new(Key::from_seed(10), &x0, 0.0, 1.0).unwrap();
    let path = path.cells(128).unwrap().areas();
    let noise = Additive(|t: f64| 0.8 + 0.5 * t);
    let exact = end(
        &Sra3::new(noise, path.clone()),
        &drift,
        &x0,
        (0.0, 1.0),
        128,
    );
    let methods: [(&str, Box<dyn Stepper>); 2] = [
        ("SRA1", Box::new(Sra1::new(noise, path.clone()))),
        ("SRA3", Box::new(Sra3::new(noise, path.clone()))),
    ];
    for (name, method) in methods {
        let at = |n: usize| end(&method, &drift, &x0, (0.0, 1.0), n);
        let first = measured_order(&[2, 4, 8, 16], |n| {
            mean_of(&(at(n) - &exact).unwrap()).abs()
        });
        let square = exact.sqr().unwrap();
        let second = measured_order(&[2, 4, 8, 16], |n| {
            mean_of(&(at(n).sqr().unwrap() - &square).unwrap()).abs()
        });
        eprintln!("{name}: weak orders {first:.3}, {second:.3}");
        assert!(first > 1.7 && second > 1.7, "{name}: {first}, {second}");
    }
}

/// One equation in both interpretations comes to one path; backwards the signs are exchanged.
#[test]
fn conversions_keep_the_solution() {
    let x0 = (ones(&[2000, 1]) * 0.5).unwrap();
    let path = BrownianPath::new(Key::from_seed(6), &x0, 0.0, 1.0).unwrap();
    let path = path.cells(1024).unwrap();
    let noise = Diagonal(Curved);
    let wave = field_fn(|_, x| Ok(x.sin()?));
    let forwards = stratonovich_drift(&wave, noise);
    let backwards = ito_drift(&wave, noise);
    let cases: [(&dyn Field, (f64, f64)); 2] = [(&forwards, (0.0, 1.0)), (&backwards, (1.0, 0.0))];
    for (converted, span) in cases {
        let euler = EulerMaruyama::new(noise, path.clone());
        let heun = StratonovichHeun::new(noise, path.clone());
        let exact = end(&heun, converted, &x0, span, 1024);
        let order = measured_order(&[16, 64, 256], |n| {
            gap(&end(&euler, &wave, &x0, span, n), &exact)
        });
        assert_order(order, 0.5, "Itô by Euler-Maruyama, Stratonovich by Heun");
        let plain = end(&heun, &wave, &x0, span, 1024);
        assert!(gap(&plain, &exact) > 0.1);
    }
}

#[test]
fn gradients_are_those_of_differences() {
    let x0 = Tensor::new(&[[0.5f64, 1.0], [-0.7, 0.4]], device()).unwrap();
    let path = BrownianPath::new(Key::from_seed(2), &x0, 0.0, 1.0).unwrap();
    let path = path.cells(8).unwrap();
    let p = || path.clone();
    check_gradients(
        "SRA1",
        Times(MU),
        &x0,
        Sra1::new(Additive(|t: f64| 1.0 + t), p()),
    );
    check_gradients(
        "SRA3",
        Times(MU),
        &x0,
        Sra3::new(Additive(|t: f64| 1.0 + t), p()),
    );
    check_gradients("SRIW1", Times(MU), &x0, Sriw1::new(Diagonal(Curved), p()));
    let halved = Halved::new(StratonovichHeun::new(Diagonal(Curved), p()));
    check_gradients("halved", Times(MU), &x0, halved);
    let matrix = |_: &Time, x: &Tensor| -> Result<Tensor> {
        Ok(Tensor::stack(&[x.sin()?, x.flip(&[1])?], 2)?)
    };
    let general = MilsteinGeneral::new(General(matrix), p(), Interpretation::Ito);
    check_gradients("general", Times(MU), &x0, general);
}

/// Learned noise under error control: both adjoints agree, and the steps are those of the forward pass.
#[test]
fn adaptive_steps_have_gradients() {
    let scale = Var::new(&[0.4f64], device()).unwrap();
    let shared = scale.as_tensor().clone();
    let noise = Diagonal(field_fn(move |_, x| Ok(x.broadcast_mul(&shared)?)));
    let x0 = ones(&[3, 1]);
    let path = BrownianPath::new(Key::from_seed(2), &x0, 0.0, 1.0).unwrap();
    let solver = Solver::new(Sriw1::new(noise, path), Adaptive::new(1e-3, 1e-3).unwrap());
    let field = Arc::new(Times(MU));
    let parameters = [scale.as_tensor().clone()];
    let gradient = |solution: Solution| {
        assert!(solution.statistics.accepted > 5);
        let loss = solution.end().unwrap().sum_all().unwrap();
        values(loss.backward().unwrap().get(&scale).unwrap())[0]
    };
    let times = [0.0, 1.0];
    let unrolled = Unrolled::new(solver.clone());
    let a = gradient(unrolled.solve(&field, &parameters, &x0, &times).unwrap());
    let discrete = Checkpointed::new(solver, 4).unwrap();
    let b = gradient(discrete.solve(&field, &parameters, &x0, &times).unwrap());
    assert!(a != 0.0 && (a - b).abs() < 1e-11 * a.abs(), "{a}, {b}");
    // d/dσ of exp(σ W + μ − σ²/2) is (W − σ) x.
    let path = BrownianPath::new(Key::from_seed(2), &x0, 0.0, 1.0)
        .unwrap()
        .areas();
    let w = values(&path.increment(0.0, 1.0).unwrap());
    let exact: f64 = w
        .iter()
        .map(|w| (w - 0.4) * (0.4 * w + MU - 0.08).exp())
        .sum();
    assert!((a - exact).abs() < 0.02, "{a}, {exact}");
}

/// In f32, with other shapes, and chosen at run time.
#[test]
fn single_precision_and_other_shapes() {
    let x0 = ones(&[2, 3, 4]).to_dtype(DType::F32).unwrap();
    let path = BrownianPath::new(Key::from_seed(1), &x0, 0.0, 1.0).unwrap();
    let path = path.cells(64).unwrap().areas();
    let w = path.increment(0.0, 1.0).unwrap();
    let methods: [(&str, f32, Box<dyn Embedded>); 2] = [
        (
            "SRIW1",
            5e-3,
            Box::new(Sriw1::new(Diagonal(Times(0.3)), path.clone())),
        ),
        (
            "Milstein, halved",
            5e-2,
            Box::new(Halved::new(MilsteinDerivativeFree::new(
                Diagonal(Times(0.3)),
                path.clone(),
                Interpretation::Ito,
            ))),
        ),
    ];
    let exact = w.affine(0.3, MU - 0.045).unwrap().exp().unwrap();
    for (name, accepted, method) in methods {
        let solver = Solver::new(method, Adaptive::new(1e-4, 1e-4).unwrap());
        let end = solver
            .solve(&Times(MU), &x0, 0.0, 1.0)
            .unwrap()
            .end()
            .unwrap();
        let error = (end - &exact).unwrap().abs().unwrap().max_all().unwrap();
        let error = error.to_scalar::<f32>().unwrap();
        assert!(error < accepted, "{name}: {error}");
    }
}
