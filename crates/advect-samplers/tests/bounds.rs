//! The bound of the likelihood under a wrong score: it holds for the reverse SDE, and not for the probability flow. All is known in closed
//! form for Gaussian data and a linear score.

use std::f64::consts::PI;

use advect_core::testing::device;
use advect_core::{Field, Jvp, Key, Result, Time};
use advect_paths::Prediction;
use advect_paths::schedule::{Schedule, VariancePreserving};
use advect_samplers::Model;
use advect_samplers::likelihood::{Likelihood, LikelihoodBound};
use advect_solvers::Solver;
use advect_solvers::controller::Adaptive;
use advect_solvers::stepper::Dopri5;
use candle_core::Tensor;

/// The variance of the data.
const DATA: f64 = 0.25;
const END: f64 = 1.0 - 1e-3;

/// k of the score `−k x`: that of N(0, ¼) times 1 + a.
fn slope(a: f64, t: f64) -> f64 {
    let schedule = VariancePreserving::default();
    (1.0 + a) / (schedule.alpha(t).powi(2) * DATA + schedule.sigma(t).powi(2))
}

/// A score that is 1 + a times the exact one.
#[derive(Clone, Copy)]
struct Wrong(f64);

impl Field for Wrong {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        t.coefficient(|t| -slope(self.0, t))?.times(x)
    }
}

impl Jvp for Wrong {
    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.at(t, x)?, self.at(t, dx)?))
    }
}

/// In this order, for the state at the end: the negative log-likelihoods of the reverse SDE and of the flow, and the bound.
fn closed_forms(a: f64) -> [f64; 3] {
    let schedule = VariancePreserving::default();
    let steps = 20_000;
    let h = END / f64::from(steps);
    let start = schedule.sigma(0.0).powi(2);
    let state = |t: f64| schedule.alpha(t).powi(2) * DATA + schedule.sigma(t).powi(2);
    let (mut sde, mut flow, mut errors) = (start, start, 0.0);
    for i in 0..steps {
        let t = (f64::from(i) + 0.5) * h;
        let (beta, k) = (schedule.diffusion_squared(t), slope(a, t));
        sde += h * ((beta - 2.0 * beta * k) * sde + beta);
        flow += h * (beta - beta * k) * flow;
        errors += 0.5 * h * beta * (k - 1.0 / state(t)).powi(2) * state(t);
    }
    let last = state(END);
    let negative = |variance: f64| 0.5 * (2.0 * PI * variance).ln() + 0.5 * last / variance;
    let ratio = state(0.0) / start;
    let prior = 0.5 * (ratio - 1.0 - ratio.ln());
    [
        negative(sde),
        negative(flow),
        negative(last) + prior + errors,
    ]
}

/// Points that have the mean and the variance of the data.
fn data() -> Tensor {
    let points = (0..100).map(|i| (f64::from(i) - 49.5) * (DATA * 12.0 / 9999.0).sqrt());
    Tensor::from_iter(points, device())
        .unwrap()
        .unsqueeze(1)
        .unwrap()
}

fn mean(x: &Tensor) -> f64 {
    x.mean_all().unwrap().to_scalar::<f64>().unwrap()
}

#[test]
fn bounds_are_those_of_the_reverse_sde() {
    for a in [0.0, 0.2, -0.2] {
        let [sde, flow, bound] = closed_forms(a);
        println!("a = {a}: SDE {sde:.4}, flow {flow:.4}, bound {bound:.4}");
        // The bound's gap, which is 0 for the exact score; and its place below the flow's likelihood otherwise.
        assert!(bound >= sde - 1e-4);
        assert!(if a == 0.0 {
            (bound - flow).abs() < 1e-3
        } else {
            bound > sde + 0.15 && bound < flow - 0.4
        });

        let model = Model::new(Wrong(a), Prediction::Score, VariancePreserving::default());
        let found = LikelihoodBound::new(model, Key::from_seed(0))
            .strata(100)
            .unwrap();
        let found = found
            .within(0.0, END)
            .unwrap()
            .log_density(&data())
            .unwrap();
        let ours = -mean(&found.nats);
        let errors = found.standard_error.sqr().unwrap().sum_all().unwrap();
        let error = errors.to_scalar::<f64>().unwrap().sqrt() / 100.0;
        // The noise that is left at the end is taken off by the decoder, not by the flow.
        assert!(
            (ours - bound).abs() < 4.0 * error + 0.01,
            "{ours} ± {error}, {bound}"
        );

        let likelihood = Likelihood::new(model).within(0.0, END).unwrap();
        let schedule = VariancePreserving::default();
        let last = schedule.alpha(END).powi(2) * DATA + schedule.sigma(END).powi(2);
        let last = (data() * (last / DATA).sqrt()).unwrap();
        let solver = Solver::new(Dopri5, Adaptive::new(1e-7, 1e-7).unwrap());
        let ours = -mean(&likelihood.log_density(&solver, &last).unwrap().nats);
        assert!((ours - flow).abs() < 2e-3, "{ours} {flow}");
    }
}
