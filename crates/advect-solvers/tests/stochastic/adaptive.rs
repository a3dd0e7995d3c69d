//! Error control of stochastic equations: laws, orders and steps.

use advect_core::normal::cdf;
use advect_core::testing::device;
use advect_core::{Field, Key, Result, field_fn, observer_fn};
use advect_solvers::controller::Adaptive;
use advect_solvers::sde::{
    Additive, BrownianPath, Diagonal, EulerMaruyama, Halved, Interpretation, Milstein,
    MilsteinDerivativeFree, Pathwise, Sra1, Sra3, Sriw1, StratonovichHeun,
};
use advect_solvers::stepper::{Embedded, Method, Step, Stepper};
use advect_solvers::{AcceptedStep, Interval, Solver};
use candle_core::{DType, Tensor};

use crate::stochastic::common::{Times, distance, gap, mean, values};

fn path(seed: u64, x0: &Tensor) -> BrownianPath {
    let path = BrownianPath::new(Key::from_seed(seed), x0, 0.0, 1.0).unwrap();
    path.areas().tolerance(1e-5).unwrap()
}

fn adaptive(tolerance: f64, path: &BrownianPath) -> Adaptive {
    let adaptive = Adaptive::new(tolerance, tolerance).unwrap();
    adaptive
        .first_step(0.1)
        .unwrap()
        .min_step(path.resolution())
        .unwrap()
}

const RUNS: u64 = 500;

/// The ends of integrations from x0 that each choose their own steps, with W(1) of each.
fn ends<S: Embedded>(
    method: impl Fn(BrownianPath) -> S,
    drift: &dyn Field,
    x0: f64,
    tolerance: f64,
) -> Vec<(f64, f64)> {
    let x0 = Tensor::new(&[x0], device()).unwrap();
    let mut rejected = 0;
    let ends = (0..RUNS).map(|seed| {
        let path = path(seed, &x0);
        let w = values(&path.increment(0.0, 1.0).unwrap())[0];
        let solver = Solver::new(method(path.clone()), adaptive(tolerance, &path));
        let solution = solver.solve(drift, &x0, 0.0, 1.0).unwrap();
        rejected += solution.statistics.rejected;
        (values(&solution.end().unwrap())[0], w)
    });
    let ends = ends.collect();
    assert!(
        rejected > RUNS as usize,
        "{rejected} rejections tell nothing"
    );
    ends
}

/// Methods that lack what [`Pathwise`] asks for, as if they had it.
#[derive(Debug, Clone)]
struct Unfit<S>(S);

impl<S: Method> Method for Unfit<S> {
    fn order(&self) -> f64 {
        self.0.order()
    }
}

impl<S: Stepper> Stepper for Unfit<S> {
    fn step(
        &self,
        field: &dyn Field,
        interval: &Interval,
        x: &Tensor,
        slope: Option<&Tensor>,
    ) -> Result<Step> {
        self.0.step(field, interval, x, slope)
    }
}

impl<S: Stepper> Pathwise for Unfit<S> {}

/// dx = x dW from 1 in Itô's sense: log x(1) + ½ is standard normal.
#[test]
fn rejections_leave_the_law_of_multiplicative_noise() {
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let noise = Diagonal(Times(1.0));
    let check = |name: &str, ends: Vec<(f64, f64)>| {
        let logs: Vec<f64> = ends.iter().map(|(x, _)| x.ln() + 0.5).collect();
        let errors: Vec<f64> = ends.iter().map(|(x, w)| x.ln() + 0.5 - w).collect();
        eprintln!(
            "{name}: distance {:.2}, mean {:.3}, mean error {:.4}",
            distance(&logs, cdf),
            mean(&logs),
            mean(&errors)
        );
        // The 99.9 % point of Kolmogorov's law, and of a mean.
        assert!(
            distance(&logs, cdf) < 1.95,
            "{name}: {}",
            distance(&logs, cdf)
        );
        assert!(
            mean(&logs).abs() < 3.3 / (RUNS as f64).sqrt(),
            "{name}: {}",
            mean(&logs)
        );
        assert!(mean(&errors).abs() < 0.03, "{name}: {}", mean(&errors));
    };
    let milstein = |path| Halved::new(Milstein::new(noise, path, Interpretation::Ito));
    check("Milstein, halved", ends(milstein, &still, 1.0, 2e-3));
    check(
        "SRIW1",
        ends(|path| Sriw1::new(noise, path), &still, 1.0, 2e-3),
    );
    // In Stratonovich's sense the drift is half of g g' less.
    let heun = |path| Halved::new(StratonovichHeun::new(noise, path));
    check("Heun, halved", ends(heun, &Times(-0.5), 1.0, 2e-3));
}

/// Why error control is not offered for the Euler–Maruyama method: with the same equation and the same paths, it
/// converges to another law.
#[test]
fn rejections_mislead_euler_maruyama() {
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let noise = Diagonal(Times(1.0));
    for tolerance in [1e-2, 4e-3] {
        let euler = |path| Halved::new(Unfit(EulerMaruyama::new(noise, path)));
        let ends = ends(euler, &still, 1.0, tolerance);
        // Long steps may make a state negative.
        let log = |x: f64| x.max(0.01).ln();
        let errors: Vec<f64> = ends.iter().map(|(x, w)| log(*x) + 0.5 - w).collect();
        eprintln!(
            "Euler-Maruyama, {tolerance}: mean error {:.4}",
            mean(&errors)
        );
        assert!(mean(&errors).abs() > 0.1, "{tolerance}: {}", mean(&errors));
    }
}

/// dx = −2x dt + g dW: x(1) is normal, with variance ∫ g² e^{4(t − 1)}.
#[test]
fn rejections_leave_the_law_of_additive_noise() {
    let noise = Additive(|t: f64| 0.5 + 2.0 * t);
    // ∫ (½ + 2t)² e^{4(t−1)} dt, by hand: [(½ + 2t)²/4 − (½ + 2t)/4 + 1/8] e^{4(t−1)} from 0 to 1.
    let primitive = |t: f64| {
        let g = 0.5 + 2.0 * t;
        (g * g / 4.0 - g / 4.0 + 0.125) * (4.0 * (t - 1.0)).exp()
    };
    let deviation = (primitive(1.0) - primitive(0.0)).sqrt();
    let check = |name: &str, ends: Vec<(f64, f64)>| {
        let scaled: Vec<f64> = ends
            .iter()
            .map(|(x, _)| (x - (-2f64).exp()) / deviation)
            .collect();
        let square: Vec<f64> = scaled.iter().map(|x| x * x).collect();
        eprintln!(
            "{name}: distance {:.2}, {:.3}, {:.3}",
            distance(&scaled, cdf),
            mean(&scaled),
            mean(&square)
        );
        assert!(
            distance(&scaled, cdf) < 1.95,
            "{name}: {}",
            distance(&scaled, cdf)
        );
        assert!(
            (mean(&square) - 1.0).abs() < 3.3 * (2.0 / RUNS as f64).sqrt(),
            "{name}"
        );
    };
    let drift = Times(-2.0);
    check(
        "SRA1",
        ends(|path| Sra1::new(noise, path), &drift, 1.0, 1e-2),
    );
    check(
        "SRA3",
        ends(|path| Sra3::new(noise, path), &drift, 1.0, 1e-2),
    );
    let euler = |path| Halved::new(EulerMaruyama::new(noise, path));
    check("Euler-Maruyama, halved", ends(euler, &drift, 1.0, 1e-2));
}

/// The order of the mean error at t = 1 in the tolerance, between the largest and the smallest.
fn order<S: Embedded>(
    name: &str,
    method: S,
    path: &BrownianPath,
    drift: &dyn Field,
    exact: &Tensor,
) -> f64 {
    let x0 = exact.ones_like().unwrap();
    let error = |tolerance: f64| {
        let solver = Solver::new(&method as &dyn Embedded, adaptive(tolerance, path));
        let solution = solver.solve(drift, &x0, 0.0, 1.0).unwrap();
        let steps = solution.statistics.accepted;
        let error = mean(&values(
            &(solution.end().unwrap() - exact).unwrap().abs().unwrap(),
        ));
        eprintln!("{name}: {tolerance:e}: {steps} steps, {error:.3e}");
        error
    };
    let (coarse, fine) = (1e-2, 1e-4);
    (error(coarse) / error(fine)).ln() / (coarse / fine).ln()
}

/// A step's error is of order p + ½, so that the tolerance is that power of the step, and the error of order p: p/(p +
/// ½) for halved steps; and 1 for methods of order 1.5, whose estimate is that of order 1.
#[test]
fn errors_follow_the_tolerance() {
    let x0 = Tensor::ones((500, 1), DType::F64, device()).unwrap();
    let path = path(3, &x0);
    let w = path.increment(0.0, 1.0).unwrap();
    let exact = w.affine(0.8, 0.6 - 0.32).unwrap().exp().unwrap();
    let noise = Diagonal(Times(0.8));
    let drift = Times(0.6);
    let near = |name: &str, order: f64, expected: f64| {
        eprintln!("{name}: order {order:.3}");
        assert!(
            (order - expected).abs() < 0.2,
            "{name}: {order}, not {expected}"
        );
    };
    let milstein = Halved::new(Milstein::new(noise, path.clone(), Interpretation::Ito));
    near(
        "Milstein",
        order("Milstein", milstein, &path, &drift, &exact),
        2.0 / 3.0,
    );
    let sri = Sriw1::new(noise, path.clone());
    near("SRIW1", order("SRIW1", sri, &path, &drift, &exact), 1.0);
}

/// The order of halved steps is that on the noise for which they are offered, whose strong order is 1: an error of order
/// 1½ in a step.
#[test]
fn halved_steps_tell_the_order_of_their_error() {
    let x0 = Tensor::ones((1, 1), DType::F64, device()).unwrap();
    let path = path(2, &x0);
    let noise = Diagonal(Times(0.8));
    let milstein = Milstein::new(noise, path.clone(), Interpretation::Ito);
    let methods: [Box<dyn Embedded>; 4] = [
        Box::new(Halved::new(StratonovichHeun::new(noise, path.clone()))),
        Box::new(Halved::new(EulerMaruyama::new(
            Additive(|_| 0.8),
            path.clone(),
        ))),
        Box::new(Halved::new(milstein)),
        Box::new(Halved::new(Sra1::new(Additive(|_| 0.8), path.clone()))),
    ];
    let orders = methods.map(|method| method.error_order());
    assert_eq!(orders, [0.5, 0.5, 0.5, 1.0]);
}

/// A burst of noise takes short steps, and the path is met.
#[test]
fn steps_follow_a_burst_of_noise() {
    let x0 = Tensor::ones((20, 1), DType::F64, device()).unwrap();
    let path = path(5, &x0);
    let burst = |t: f64| 0.02 + 2.0 * (-((t - 0.6) / 0.03).powi(2)).exp();
    let curved = field_fn(|_, x| Ok(x.sin()?));
    let sizes = |near: bool, steps: &[(f64, f64)]| {
        let within = |t: f64| (t - 0.6).abs() < 0.03;
        let sizes = steps
            .iter()
            .filter(|(t, _)| within(*t) == near)
            .map(|(_, h)| *h);
        let sizes: Vec<f64> = sizes.collect();
        mean(&sizes)
    };
    let method = Sra1::new(Additive(burst), path.clone());
    let control = adaptive(1e-3, &path).max_step(0.1).unwrap();
    let solver = Solver::new(&method as &dyn Embedded, control);
    let mut steps = Vec::new();
    let record = observer_fn(|step: &AcceptedStep| steps.push((step.start, step.t - step.start)));
    let integration = solver.integration(&curved, &x0, 0.0, 1.0).observe(record);
    integration.run().unwrap().end().unwrap();
    let (calm, stormy) = (sizes(false, &steps), sizes(true, &steps));
    eprintln!("steps of {calm:.4} and {stormy:.5}");
    assert!(calm > 10.0 * stormy, "{calm}, {stormy}");
}

/// Rejected or not, steps see the same path: an element with constant noise is the path itself, while another one,
/// whose noise grows with its size, has steps rejected.
#[test]
fn rejections_leave_the_path() {
    let x0 = Tensor::ones((2, 2), DType::F64, device()).unwrap();
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let path = path(8, &x0);
    let w = path.increment(0.0, 1.0).unwrap();
    let w = values(&w.narrow(1, 0, 1).unwrap());
    let (mut counts, mut rejected) = (Vec::new(), 0);
    for tolerance in [1e-2, 1e-3, 1e-4] {
        let noise = Diagonal(field_fn(|_, x: &Tensor| -> Result<Tensor> {
            let (first, second) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
            Ok(Tensor::cat(&[first.ones_like()?, (second * 1.5)?], 1)?)
        }));
        let method = Sriw1::new(noise, path.clone());
        let solver = Solver::new(method, adaptive(tolerance, &path));
        let solution = solver.solve(&still, &x0, 0.0, 1.0).unwrap();
        rejected += solution.statistics.rejected;
        counts.push(solution.statistics.accepted);
        let end = solution.end().unwrap().narrow(1, 0, 1).unwrap();
        for (a, b) in values(&end).iter().zip(&w) {
            assert!((a - 1.0 - b).abs() < 1e-12, "{a}, {b}");
        }
    }
    assert!(counts.is_sorted() && counts[0] < counts[2], "{counts:?}");
    assert!(rejected > 10, "{rejected}");
}

/// A step of step doubling is two steps of half the size, and its error estimate is the difference to one.
#[test]
fn a_halved_step_is_two_steps() {
    let drift = field_fn(|_, x: &Tensor| Ok((x * -0.7)?));
    let x = Tensor::new(&[1f64, -0.5, 2.0], device()).unwrap();
    let path = BrownianPath::new(Key::from_seed(3), &x, 0.0, 1.0).unwrap();
    let method = || {
        let noise = Diagonal(field_fn(|_, x: &Tensor| Ok((x.sqr()? * 0.3)?)));
        StratonovichHeun::new(noise, path.clone())
    };
    let over = |start: f64, end: f64| Interval::Shared { start, end };
    let (one, halved) = (method(), Halved::new(method()));
    let middle = one.advance(&drift, &over(0.25, 0.5), &x).unwrap();
    let two = one.advance(&drift, &over(0.5, 0.75), &middle).unwrap();
    let one = one.advance(&drift, &over(0.25, 0.75), &x).unwrap();
    let step = halved.step(&drift, &over(0.25, 0.75), &x, None).unwrap();
    let advanced = halved.advance(&drift, &over(0.25, 0.75), &x).unwrap();
    let difference = (&two - one).unwrap();
    assert!(gap(&step.x, &two) < 1e-15 && gap(&advanced, &two) < 1e-15);
    assert!(gap(&step.error.unwrap(), &difference) < 1e-15);
}

/// Without drift and with noise in proportion to x, the embedded method of SRIW1 is Milstein's.
#[test]
fn the_error_of_sriw1_is_the_difference_to_milstein() {
    let still = field_fn(|_, x: &Tensor| Ok(x.zeros_like()?));
    let x = Tensor::new(&[1f64, -0.5, 2.0], device()).unwrap();
    let path = BrownianPath::new(Key::from_seed(4), &x, 0.0, 1.0)
        .unwrap()
        .areas();
    let noise = || Diagonal(field_fn(|_, x: &Tensor| Ok((x * 0.8)?)));
    let over = Interval::Shared {
        start: 0.25,
        end: 0.5,
    };
    let step = Sriw1::new(noise(), path.clone())
        .step(&still, &over, &x, None)
        .unwrap();
    let milstein = MilsteinDerivativeFree::new(noise(), path, Interpretation::Ito);
    let milstein = milstein.advance(&still, &over, &x).unwrap();
    let embedded = (step.x - step.error.unwrap()).unwrap();
    assert!(gap(&embedded, &milstein) < 1e-13);
}
