//! Objectives that are the same by different names, sample by sample.

use crate::common::{mean, mixture, pairs};
use advect_core::testing::{assert_close, device};
use advect_core::{Field, Generator, Result, Time, field_fn};
use advect_objectives::decoder::Discretized;
use advect_objectives::distance::{Quadratic, SquaredNorm};
use advect_objectives::objective::*;
use advect_objectives::time_sampler::{
    Levels, LossSecondMoment, TimeDensity, TimeSampler, UniformOverLogSnr, UniformWithin,
};
use advect_objectives::weighting::{
    AsPrediction, EdmWeight, MinSnr, NoiseVariance, Weighting, weighting_fn,
};
use advect_paths::closed_form::{Covariance, FiniteData, Gaussian, Law};
use advect_paths::coupling::{ConditionalOt, EntropicOt, ExactOt};
use advect_paths::path::{Affine, ConstantSigma, Path, SchrodingerBridge};
use advect_paths::preconditioner::{EdmPreconditioner, Preconditioned, Preconditioner};
use advect_paths::schedule::*;
use advect_paths::{Direction, Prediction};
use advect_solvers::divergence::{Exact, Probe};
use advect_solvers::stepper::Dopri5;
use advect_solvers::{Solver, controller::Adaptive};
use candle_core::{DType, Tensor};

/// Any field will do.
fn field(t: &Time, x: &Tensor) -> Result<Tensor> {
    t.coefficient(|t| 1.0 + t)?.times(&x.sin()?)
}

/// Losses with the same pairs and the same random numbers.
fn losses(objective: &dyn Objective, field: &dyn Field) -> Tensor {
    let mut rng = Generator::from_seed(11);
    let (x0, x1) = pairs(50, &mut rng);
    objective.losses(field, &x0, &x1, &mut rng).unwrap()
}

#[test]
fn ddpm_is_denoising_score_matching_weighed_by_the_variance() {
    let steps = DiscreteDiffusion::default();
    let as_score = Prediction::Noise.field(field_fn(field), Prediction::Score, &steps);
    let score = score_matching(steps.clone()).times(Levels::of_steps(&steps));
    let (a, b) = (
        losses(&ddpm(steps.clone()), &field_fn(field)),
        losses(&score, &as_score),
    );
    assert_close(&a, &b, 1e-10, 1e-12);
}

#[test]
fn every_prediction_has_the_loss_of_every_other() {
    let vp = VariancePreserving::default();
    let times = UniformWithin::new(0.01, 0.99).unwrap();
    let all = [
        Prediction::Velocity,
        Prediction::Score,
        Prediction::Noise,
        Prediction::Data,
        Prediction::V,
    ];
    for from in all {
        for to in all {
            let weighting = AsPrediction::new(vp, from, to);
            let here = Regression::new(Affine::new(vp), from)
                .times(times)
                .weighting(weighting);
            let there = Regression::new(Affine::new(vp), to).times(times);
            let seen = from.field(field_fn(field), to, &vp);
            assert_close(
                &losses(&here, &field_fn(field)),
                &losses(&there, &seen),
                1e-8,
                1e-10,
            );
        }
    }
}

#[test]
fn straight_lines_by_two_names() {
    let rectified = losses(&rectified_flow(), &field_fn(field));
    let cond_ot = flow_matching(Affine::new(CondOt::new(0.0).unwrap()));
    assert_close(&losses(&cond_ot, &field_fn(field)), &rectified, 0.0, 0.0);
    // Without noise, I-CFM has the same points, too.
    let (x0, x1) = pairs(9, &mut Generator::from_seed(0));
    let t = Time::Shared(0.3);
    let path = ConstantSigma::new(0.0).unwrap();
    let a = path
        .sample(&t, &x0, &x1, &mut Generator::from_seed(1))
        .unwrap();
    let b = Affine::new(CondOt::default()).sample(&t, &x0, &x1, &mut Generator::from_seed(1));
    let b = b.unwrap();
    assert_close(&a.x, &b.x, 1e-15, 1e-15);
    assert_close(&a.velocity().unwrap(), &b.velocity().unwrap(), 1e-15, 0.0);
}

#[test]
fn score_flow_is_the_loss_of_the_noise_at_uniform_log_snr() {
    let vp = VariancePreserving::default();
    let (start, end) = (0.0, 0.999);
    let objective = score_flow(vp, start, end).unwrap();
    let times = UniformOverLogSnr::new(vp, start, end).unwrap();
    let width = vp.log_snr(end) - vp.log_snr(start);
    let noise = Regression::new(Affine::new(vp), Prediction::Noise)
        .times(times)
        .weighting(weighting_fn(move |_| width))
        .distance(SquaredNorm);
    let as_noise = Prediction::Score.field(field_fn(field), Prediction::Noise, &vp);
    assert_close(
        &losses(&objective, &field_fn(field)),
        &losses(&noise, &as_noise),
        1e-9,
        1e-12,
    );
    // The density integrates to one.
    let sum: f64 = (0..100_000)
        .map(|i| times.density((f64::from(i) + 0.5) / 1e5 * 0.999) * 0.999e-5)
        .sum();
    assert!((sum - 1.0).abs() < 1e-3, "{sum}");
}

#[test]
fn the_quadratic_loss_is_half_the_squared_norm_less_a_constant() {
    let path = Affine::new(Cosine);
    let quadratic = losses(&flow_matching(path).distance(Quadratic), &field_fn(field));
    let square = losses(&flow_matching(path).distance(SquaredNorm), &field_fn(field));
    let nothing = field_fn(|_, x| Ok(x.zeros_like()?));
    let constant = losses(&flow_matching(path).distance(SquaredNorm), &nothing);
    let expected = ((square - constant).unwrap() * 0.5).unwrap();
    assert_close(&quadratic, &expected, 1e-12, 1e-12);
}

#[test]
fn edm_counts_the_same_at_all_levels() {
    // w(σ) c_out(σ)² = 1: the loss is that of the network's own target, of unit variance.
    let (edm, preconditioner) = (EdmSchedule::default(), EdmPreconditioner::new(0.7).unwrap());
    let weighting = EdmWeight::new(edm, 0.7).unwrap();
    for t in [0.0, 0.2, 0.5, 0.9, 1.0] {
        let output = preconditioner.output(edm.sigma(t));
        assert!((weighting.weight(t) * output * output - 1.0).abs() < 1e-12);
    }
    let nothing = field_fn(|_, x| Ok(x.zeros_like()?));
    let denoiser = Preconditioned::new(&nothing, &preconditioner, &edm);
    let mut rng = Generator::from_seed(5);
    let x1 = (rng.normal((20_000, 1), DType::F64, device()).unwrap() * 0.7).unwrap();
    let x0 = rng.normal_like(&x1).unwrap();
    let loss = super_edm(edm).loss(&denoiser, &x0, &x1, &mut rng).unwrap();
    assert!((mean(&loss) - 1.0).abs() < 0.03, "{}", mean(&loss));
}

fn super_edm(edm: EdmSchedule) -> impl Objective {
    advect_objectives::objective::edm(edm, 0.7).unwrap()
}

#[test]
fn min_snr_weights_of_the_paper() {
    let vp = VariancePreserving::default();
    for t in [0.0, 0.1, 0.5, 0.8, 0.95, 0.999] {
        let snr = (vp.alpha(t) / vp.sigma(t)).powi(2);
        let weight = |p| MinSnr::new(vp, 5.0, p).unwrap().weight(t);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * b, "{a} {b} at {t}");
        close(weight(Prediction::Data), snr.min(5.0));
        close(weight(Prediction::Noise), snr.min(5.0) / snr);
        close(weight(Prediction::V), snr.min(5.0) / (snr + 1.0));
    }
    // Where there is no signal, the limit: min(SNR, γ)/SNR = 1.
    let weight = MinSnr::new(Cosine, 5.0, Prediction::Noise)
        .unwrap()
        .weight(0.0);
    assert!((weight - 1.0).abs() < 1e-6, "{weight}");
}

/// At its last step such a schedule has noise alone, which tells nothing of the data: the term there would be infinite.
#[test]
fn the_bound_of_a_schedule_without_signal_at_its_end_is_refused() {
    let steps = DiscreteDiffusion::default().zero_terminal_snr().unwrap();
    let (x0, x1) = pairs(2, &mut Generator::from_seed(0));
    let bound = VariationalBound::new(steps);
    let mut rng = Generator::from_seed(0);
    let losses = bound.losses(&field_fn(field), &x0, &x1, &mut rng);
    let terms = bound.terms(&field_fn(field), &x1, &mut rng).map(|_| ());
    for error in [losses.unwrap_err(), terms.unwrap_err()] {
        assert!(error.to_string().starts_with("schedule: got"), "{error}");
    }
}

#[test]
fn the_simple_objective_is_the_bound_without_its_weights() {
    let steps = DiscreteDiffusion::linear(30, 0.01, 0.2).unwrap();
    let mut rng = Generator::from_seed(4);
    let (x0, x1) = pairs(20_000, &mut rng);
    let bound = VariationalBound::new(steps.clone());
    // The estimate from one step each is that of all steps on average.
    let terms = bound.terms(&field_fn(field), &x1, &mut rng).unwrap();
    let all = mean(&terms.total().unwrap());
    let one = bound.losses(&field_fn(field), &x0, &x1, &mut rng).unwrap();
    let error = {
        let m = mean(&one);
        let variance = mean(&(&one - m).unwrap().sqr().unwrap());
        (variance / 20_000.0).sqrt()
    };
    assert!(
        (mean(&one) - all).abs() < 4.0 * error,
        "{} {all} ± {error}",
        mean(&one)
    );
    assert_eq!(terms.steps.len(), 29);
    // Each term is that of the simple objective times β²/(2σ²α(1 − ᾱ)), with σ² = β and a constant of the variances.
    let noise = Regression::new(Affine::new(steps.clone()), Prediction::Noise);
    for k in [2, 10, 30] {
        let times = Levels::new(vec![steps.time(k)]).unwrap();
        let simple = noise.clone().times(times).distance(SquaredNorm);
        let simple = mean(&simple.losses(&field_fn(field), &x0, &x1, &mut rng).unwrap());
        let (beta, left) = (steps.beta(k), steps.noise_variance(k));
        let ratio = steps.posterior_variance(k) / beta;
        let constant = ratio - 1.0 - ratio.ln();
        let expected = simple * beta / (2.0 * (1.0 - beta) * left) + constant;
        let ours = mean(&terms.steps[k - 2]);
        assert!(
            (ours / expected - 1.0).abs() < 0.05,
            "{k}: {ours} {expected}"
        );
    }
}

/// `E L_(k−1)`, for N(m, s²) data and the exact noise: both Gaussians of each step are known.
#[test]
fn the_bound_of_a_gaussian_in_closed_form() {
    let (m, v) = (0.4, 0.6f64);
    let mean_tensor = Tensor::new(&[m], device()).unwrap();
    let law = Gaussian::new(&mean_tensor, Covariance::isotropic(v).unwrap()).unwrap();
    let mut rng = Generator::from_seed(8);
    let x1 = law.sample(20_000, DType::F64, device(), &mut rng).unwrap();
    let entropy = 0.5 * (2.0 * std::f64::consts::PI * std::f64::consts::E * v).ln();
    let mut gaps = Vec::new();
    for count in [10, 40, 160] {
        let scale = 10.0 / count as f64;
        let steps = DiscreteDiffusion::linear(count, 0.02 * scale, 0.9 * scale).unwrap();
        let noise = law.field(Prediction::Noise, &steps);
        for variance in [ReverseVariance::Beta, ReverseVariance::Posterior] {
            let bound = VariationalBound::new(steps.clone()).variance(variance);
            let terms = bound.terms(&noise, &x1, &mut rng).unwrap();
            let mut sum = 0.0;
            for k in 1..=count {
                let (beta, left) = (steps.beta(k), steps.noise_variance(k));
                let ours = match variance {
                    ReverseVariance::Beta => beta,
                    _ => steps.posterior_variance(k.max(2)),
                };
                // Var(ε | x_k) for Gaussian data.
                let unknown = steps.alpha_bar(k) * v / (steps.alpha_bar(k) * v + left);
                let error = beta * beta * unknown / (2.0 * ours * (1.0 - beta) * left);
                let ratio = steps.posterior_variance(k) / ours;
                let (expected, found) = match k {
                    1 => {
                        let constant = 0.5 * (2.0 * std::f64::consts::PI * ours).ln();
                        (constant + error, mean(&terms.decoder))
                    }
                    k => {
                        let constant = 0.5 * (ratio - 1.0 - ratio.ln());
                        (constant + error, mean(&terms.steps[k - 2]))
                    }
                };
                assert!(
                    (found - expected).abs() < 0.05 * expected.abs(),
                    "{k}: {found} {expected}"
                );
                sum += expected;
            }
            let (last, left) = (steps.alpha_bar(count), steps.noise_variance(count));
            let expected = 0.5 * (last * (v + m * m) + left - 1.0 - left.ln());
            assert!((mean(&terms.prior) - expected).abs() < 0.02 * expected);
            sum += expected;
            assert!((mean(&terms.total().unwrap()) - sum).abs() < 0.1);
            assert!(sum > entropy, "a bound: {sum} against {entropy}");
            if variance == ReverseVariance::Beta {
                gaps.push(sum - entropy);
            }
        }
    }
    // With more steps the bound becomes tight.
    assert!(
        gaps[0] > 2.0 * gaps[1] && gaps[1] > 2.0 * gaps[2] && gaps[2] < 0.05,
        "{gaps:?}"
    );
}

/// A field of the noise with the same v everywhere.
fn with_v(v: f64) -> impl Field {
    field_fn(move |t, x| {
        let second = x.affine(0.0, v)?;
        Ok(Tensor::cat(&[&field(t, x)?, &second], 1)?)
    })
}

#[test]
fn learned_variances_at_their_ends_are_the_fixed_ones() {
    let steps = DiscreteDiffusion::linear(9, 0.02, 0.4).unwrap();
    let bound = VariationalBound::new(steps);
    let (_, x1) = pairs(20, &mut Generator::from_seed(1));
    let grid = x1.clamp(-1.0, 1.0).unwrap().round().unwrap();
    for (v, variance) in [
        (1.0, ReverseVariance::Beta),
        (-1.0, ReverseVariance::Posterior),
    ] {
        let fixed = bound.clone().variance(variance);
        let learned = bound.clone().variance(ReverseVariance::Learned);
        let (a, b) = (
            losses(&fixed, &field_fn(field)),
            losses(&learned, &with_v(v)),
        );
        assert_close(&a, &b, 1e-12, 1e-12);
        let grids = Discretized::new(3).unwrap();
        let total = |bound: VariationalBound<Discretized>, field: &dyn Field| {
            let terms = bound
                .terms(field, &grid, &mut Generator::from_seed(2))
                .unwrap();
            terms.total().unwrap()
        };
        assert_close(
            &total(fixed.decoder(grids), &field_fn(field)),
            &total(learned.decoder(grids), &with_v(v)),
            1e-12,
            1e-12,
        );
    }
}

#[test]
fn the_hybrid_loss_is_the_simple_one_and_the_bound() {
    let steps = DiscreteDiffusion::linear(9, 0.02, 0.4).unwrap();
    let bound = VariationalBound::new(steps.clone()).variance(ReverseVariance::Learned);
    let simple = losses(&ddpm(steps.clone()), &field_fn(field));
    let bound = losses(&bound, &with_v(0.3));
    let hybrid = HybridLoss::new(steps).weight(0.7).unwrap();
    // Both parts for each dimension.
    let expected = (simple + (bound * 0.35).unwrap()).unwrap();
    assert_close(&losses(&hybrid, &with_v(0.3)), &expected, 1e-12, 1e-12);
}

/// Losses at drawn times, exchanged for weighted ones, estimate the same mean with less variance.
#[test]
fn times_by_their_losses_leave_the_bound_as_it_is() {
    let steps = DiscreteDiffusion::linear(30, 0.001, 0.3).unwrap();
    let bound = VariationalBound::new(steps.clone());
    let mut times = LossSecondMoment::new(&Levels::of_steps(&steps)).unwrap();
    let mut rng = Generator::from_seed(9);
    let mut drawn = |times: &mut LossSecondMoment, count: usize| {
        let (x0, x1) = pairs(count, &mut rng);
        let drawn = times.sample(count, &mut rng).unwrap();
        let losses = bound.losses_at(&field_fn(field), &x0, &x1, &drawn).unwrap();
        times.exchange(&drawn, &losses).unwrap()
    };
    let spread = |x: &Tensor| mean(&(x - mean(x)).unwrap().sqr().unwrap()).sqrt();
    let uniform = drawn(&mut times, 40_000);
    assert!(times.is_warm());
    let weighted = drawn(&mut times, 40_000);
    let error = spread(&uniform).hypot(spread(&weighted)) / 200.0;
    let difference = mean(&uniform) - mean(&weighted);
    println!(
        "{} {} {difference} ± {error}",
        spread(&uniform),
        spread(&weighted)
    );
    assert!(difference.abs() < 4.0 * error, "{difference} ± {error}");
    assert!(spread(&weighted) < 0.6 * spread(&uniform));
    let error = bound.losses_at(&field_fn(field), &weighted, &weighted, &[0.01]);
    assert!(error.is_err());
}

#[test]
fn sliced_score_matching_is_implicit_score_matching_on_average() {
    let law = mixture();
    let schedule = CondOt::new(0.3).unwrap();
    let score = law.score(&schedule);
    let mut rng = Generator::from_seed(6);
    let (_, x) = pairs(2000, &mut rng);
    let t = Time::Shared(0.9);
    let exact = ImplicitScoreMatching::new(Exact)
        .losses(&score, &t, &x)
        .unwrap();
    for probe in [Probe::Rademacher, Probe::Gaussian] {
        let sliced = SlicedScoreMatching::new(probe, 200).unwrap();
        let sliced = sliced.losses(&score, &t, &x, &mut rng).unwrap();
        assert!((mean(&sliced) - mean(&exact)).abs() < 0.02 * (1.0 + mean(&exact).abs()));
    }
}

#[test]
fn noise_variance_weights_make_scores_noises() {
    let ve = VarianceExploding::default();
    assert_eq!(NoiseVariance::new(ve).weight(0.3), ve.sigma(0.3).powi(2));
}

#[test]
fn coupled_pairs_leave_the_targets_in_place() {
    let mut rng = Generator::from_seed(2);
    let (x0, x1) = pairs(40, &mut rng);
    // A field that knows which target each sample has: its loss tells whether they kept their places.
    let knows = field_fn(|t, x| {
        let rest = t.coefficient(|t| 1.0 / (1.0 - t))?;
        rest.times(&(&x1 - x)?)
    });
    let objective = Coupled::new(ExactOt, rectified_flow());
    let loss = objective.loss(&knows, &x0, &x1, &mut rng).unwrap();
    assert!(mean(&loss) < 1e-20);
    let labels = Tensor::zeros(40, DType::U32, device()).unwrap();
    let knows_labels = Given(&knows, &labels);
    let conditional = ConditionalOt::new(1.0).unwrap();
    let conditional = Coupled::new(conditional, rectified_flow());
    let loss = conditional.loss(&knows_labels, &x0, &x1, &mut rng);
    assert!(mean(&loss.unwrap()) < 1e-20);
    // Its ways are shorter than those of independent pairs.
    let nothing = field_fn(|_, x| Ok(x.zeros_like()?));
    let coupled = mean(&objective.loss(&nothing, &x0, &x1, &mut rng).unwrap());
    let independent = mean(&rectified_flow().loss(&nothing, &x0, &x1, &mut rng).unwrap());
    assert!(coupled < 0.7 * independent, "{coupled} {independent}");
    // Pairs that repeat some targets are taken as they are.
    let repeated = EntropicOt::new(1.0).unwrap().with_replacement();
    let repeated = Coupled::new(repeated, rectified_flow());
    let loss = mean(&repeated.loss(&nothing, &x0, &x1, &mut rng).unwrap());
    assert!(loss < 0.8 * independent, "{loss} {independent}");
}

/// A field with a condition that it does not look at.
struct Given<'a>(&'a dyn Field, &'a Tensor);

impl Field for Given<'_> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.0.at(t, x)
    }

    fn condition(&self) -> Option<&Tensor> {
        Some(self.1)
    }
}

#[test]
fn reflow_keeps_sides_and_distillation_takes_one_step() {
    // The exact flow to two points: its pairs are (z0, the point on z0's side), whose lines hardly cross.
    let data = Tensor::new(&[[2f64, 0.0], [-2.0, 0.0]], device()).unwrap();
    let data = FiniteData::new(&data).unwrap();
    let schedule = CondOt::new(1e-3).unwrap();
    let velocity = data.velocity(&schedule);
    let mut rng = Generator::from_seed(9);
    let z0 = rng.normal((300, 2), DType::F64, device()).unwrap();
    let solver = Solver::new(Dopri5, Adaptive::new(1e-6, 1e-6).unwrap());
    let (z0, z1) = reflow(&velocity, &solver, &z0, 128).unwrap();
    let (z0_rows, z1_rows) = (z0.to_vec2::<f64>().unwrap(), z1.to_vec2::<f64>().unwrap());
    for (a, b) in z0_rows.iter().zip(&z1_rows) {
        assert!(
            (b[0].abs() - 2.0).abs() < 0.01 && b[1].abs() < 0.01,
            "{b:?}"
        );
        assert!(a[0] * b[0] > 0.0, "{a:?} goes to {b:?}");
    }
    // The map is known: the one-step field that makes it has no loss.
    let map = field_fn(|t, x| {
        assert_eq!(t.values()?.iter().copied().fold(0.0, f64::max), 0.0);
        Ok((&z1 - x)?)
    });
    let loss = one_step_distillation()
        .loss(&map, &z0, &z1, &mut rng)
        .unwrap();
    assert!(mean(&loss) < 1e-28);
    assert!(reflow(&velocity, &solver, &z0, 0).is_err());
}

/// A drift says where the process ends: `E[x1 | x_t] = x_t + (1 − t) b`.
#[test]
fn bridge_matching_is_regression_on_the_end() {
    let data = field_fn(|t, x: &Tensor| {
        let way = t.coefficient(|t| 1.0 - t)?.times(&field(t, x)?)?;
        Ok((x + way)?)
    });
    let bridge = SchrodingerBridge::new(0.5).unwrap();
    let ends = Regression::new(bridge, Prediction::Data);
    let ends = ends.weighting(weighting_fn(|t| 1.0 / (1.0 - t)));
    let drifts = bridge_matching(0.5, Direction::Forwards).unwrap();
    let (a, b) = (losses(&drifts, &field_fn(field)), losses(&ends, &data));
    assert_close(&a, &b, 1e-9, 1e-12);
}
