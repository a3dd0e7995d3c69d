//! Stochastic samplers have the law of the path at their end: mean, covariance, and the distribution of each coordinate, on every path.

use crate::common::rules::{Row, rows};
use crate::common::{from_state, log_snr_times, mixture, paths, states};
use advect_core::normal::cdf;
use advect_core::testing::device;
use advect_core::{Generator, Time, field_fn};
use advect_paths::Prediction;
use advect_paths::closed_form::Law;
use advect_paths::schedule::Cosine;
use advect_samplers::langevin::{MarginalAt, MetropolisAdjusted, Unadjusted};
use advect_samplers::rule::*;
use advect_samplers::{LastStep, Level, Model, Sampler};
use candle_core::{DType, Tensor};

const COUNT: usize = 2000;

/// The weights and means of the mixture, and its variance.
const WEIGHTS: [f64; 3] = [0.3, 0.5, 0.2];
const MEANS: [[f64; 2]; 3] = [[-1.0, 0.3], [0.8, -0.6], [0.4, 1.0]];
const VARIANCE: f64 = 0.09;

/// What is wrong with samples of the mixture at a level, if anything.
fn fault(x: &Tensor, alpha: f64, sigma: f64) -> Option<String> {
    let x: Vec<Vec<f64>> = x.to_vec2().unwrap();
    let n = x.len() as f64;
    let deviation = (alpha * alpha * VARIANCE + sigma * sigma).sqrt();
    for k in 0..2 {
        let mut values: Vec<f64> = x.iter().map(|row| row[k]).collect();
        values.sort_by(f64::total_cmp);
        let cdf = |v: f64| -> f64 {
            let parts = WEIGHTS.iter().zip(MEANS);
            parts
                .map(|(w, m)| w * cdf((v - alpha * m[k]) / deviation))
                .sum()
        };
        let distance = values.iter().enumerate().fold(0f64, |d, (i, v)| {
            let p = cdf(*v);
            d.max((p - i as f64 / n).abs())
                .max((p - (i + 1) as f64 / n).abs())
        });
        // A true sample is beyond this once in a thousand times.
        if distance > 1.95 / n.sqrt() {
            return Some(format!("coordinate {k}: Kolmogorov–Smirnov {distance:.3}"));
        }
    }
    let mean = |f: &dyn Fn(&[f64]) -> f64| x.iter().map(|row| f(row)).sum::<f64>() / n;
    let expected = |f: &dyn Fn([f64; 2]) -> f64| -> f64 {
        let parts = WEIGHTS.iter().zip(MEANS);
        parts.map(|(w, m)| w * f(m.map(|m| alpha * m))).sum()
    };
    for (i, j) in [(0, 0), (0, 1), (1, 1)] {
        let own = if i == j { deviation * deviation } else { 0.0 };
        let second = mean(&|row| row[i] * row[j]);
        let wanted = expected(&|m| m[i] * m[j]) + own;
        if (second - wanted).abs() > 0.07 * alpha * alpha {
            return Some(format!("moment {i}{j}: {second:.3} for {wanted:.3}"));
        }
    }
    for k in 0..2 {
        let (first, wanted) = (mean(&|row| row[k]), expected(&|m| m[k]));
        if (first - wanted).abs() > 0.07 * alpha {
            return Some(format!("mean {k}: {first:.3} for {wanted:.3}"));
        }
    }
    None
}

#[test]
fn stochastic_rules_have_the_law_of_every_path() {
    let law = mixture();
    for (path, schedule) in paths() {
        let field = law.field(Prediction::Noise, &schedule);
        let model = Model::new(&field, Prediction::Noise, &schedule);
        let (from, to) = (20.0, 0.1);
        let ends = log_snr_times(&schedule, 1, from, to);
        let end = Level::at(&schedule, ends[1]);
        let x = states(&law, &Level::at(&schedule, ends[0]), COUNT, 7).unwrap();
        for Row {
            name,
            law,
            on_times,
            ..
        } in rows()
        {
            let Some(steps) = law else {
                continue;
            };
            let times = log_snr_times(&schedule, steps, from, to);
            let started = std::time::Instant::now();
            let x = from_state(&*on_times(&times), &model, &x, 3).unwrap();
            let fault = fault(&x, end.alpha, end.sigma);
            println!("{path:15} {name:28} {:.2?} {fault:?}", started.elapsed());
            assert!(fault.is_none(), "{path}, {name}: {fault:?}");
        }
    }
}

/// A level of the cosine path with modes that chains can leave.
fn mixed_level() -> Level {
    let times = log_snr_times(&Cosine, 1, 20.0, 0.7);
    Level::at(&Cosine, times[1])
}

#[test]
fn chains_have_the_law_of_their_density() {
    let (law, level) = (mixture(), mixed_level());
    let density = MarginalAt::new(&law, &Cosine, level.time);
    let mut rng = Generator::from_seed(5);
    // From far away.
    let x = (rng.normal((COUNT, 2), DType::F64, device()).unwrap() + 3.0).unwrap();
    let chain = MetropolisAdjusted::new(0.8).and_then(|m| m.run(&density, &x, 60, &mut rng));
    let chain = chain.unwrap();
    assert_eq!(fault(&chain.x, level.alpha, level.sigma), None);
    assert!((0.5..0.95).contains(&chain.accepted), "{}", chain.accepted);

    let score = law.score(&Cosine);
    let t = Time::Shared(level.time);
    let unadjusted = |step, count, rng: &mut Generator| {
        let chain = Unadjusted::new(step).unwrap();
        chain.run(&score, &t, &x, count, rng).unwrap()
    };
    let fine = unadjusted(0.02, 1200, &mut rng);
    assert_eq!(fault(&fine, level.alpha, level.sigma), None);
    // Without the correction, long steps show.
    let coarse = unadjusted(0.8, 60, &mut rng);
    assert!(fault(&coarse, level.alpha, level.sigma).is_some());
}

/// Gaussian data of variance s² knows the best variance of a reverse step: the smaller one and the data's own.
#[test]
fn learned_variances_give_the_law_with_few_steps() {
    use advect_paths::closed_form::{Covariance, Gaussian};
    use advect_paths::schedule::DiscreteDiffusion;
    use advect_samplers::grid::{Grid, Respaced};
    let variance = 0.3f64;
    let mean = Tensor::zeros(1, DType::F64, device()).unwrap();
    let law = Gaussian::new(&mean, Covariance::isotropic(variance).unwrap()).unwrap();
    let schedule = DiscreteDiffusion::default();
    let grid = Respaced::trailing(1000, 12).unwrap();
    let levels = grid.levels(&schedule).unwrap();
    let noise = law.field(Prediction::Noise, &schedule);
    // v such that exp(f ln β + (1 − f) ln β̃) is the variance of x' given x.
    let fraction = |t: f64| {
        let i = levels.iter().position(|l| l.time == t).unwrap();
        let (from, to) = (levels[i], levels[i + 1]);
        if to.is_clean() {
            return 0.0;
        }
        let ratio = from.alpha * to.sigma / (to.alpha * from.sigma);
        let small = to.sigma.powi(2) * (1.0 - ratio * ratio);
        let large = from.sigma.powi(2) * (1.0 - ratio * ratio);
        let whole = from.alpha.powi(2) * variance + from.sigma.powi(2);
        // Of x1 given x, carried to x' by the posterior mean's factor of x1.
        let of_data = variance * from.sigma.powi(2) / whole;
        let factor = to.alpha - to.sigma * ratio * from.alpha / from.sigma;
        let best = small + factor * factor * of_data;
        2.0 * (best / small).ln() / (large / small).ln() - 1.0
    };
    let heads = field_fn(|t, x| {
        use advect_core::Field;
        let Time::Shared(at) = *t else { unreachable!() };
        let second = x.affine(0.0, fraction(at))?;
        Ok(Tensor::cat(
            &[noise.at(t, &x.flatten_from(1)?)?, second.flatten_from(1)?],
            1,
        )?)
    });
    let model = Model::with_variances(&heads, Prediction::Noise, &schedule);
    let mut rng = Generator::from_seed(2);
    let x = rng.normal((40_000, 1), DType::F64, device()).unwrap();
    let mut variance_of = |rule: Ancestral| {
        let sampler = rule.on(grid.clone()).last_step(LastStep::Plain);
        let x = sampler.sample(&model, &x, &mut rng).unwrap();
        x.sqr()
            .unwrap()
            .mean_all()
            .unwrap()
            .to_scalar::<f64>()
            .unwrap()
    };
    let last = levels[11];
    // The last step takes away what is left of the noise, and a little of the data.
    let kept = variance * last.alpha.powi(2) / (last.alpha.powi(2) * variance + last.sigma.powi(2));
    let learned = variance_of(Ancestral::new().variance(Variance::Learned));
    assert!(
        (learned / (variance * kept) - 1.0).abs() < 0.03,
        "{learned}"
    );
    let others =
        [Variance::Posterior, Variance::Forward].map(|v| variance_of(Ancestral::new().variance(v)));
    assert!(
        others
            .iter()
            .all(|v| (v / (variance * kept) - 1.0).abs() > 0.03),
        "{others:?}"
    );
}

/// What a process does to data, by two methods, is the law of the path at a level.
#[test]
fn forward_processes_have_the_law_of_the_path() {
    use advect_core::Key;
    use advect_paths::ForwardProcess;
    use advect_solvers::Solver;
    use advect_solvers::controller::Fixed;
    use advect_solvers::sde::{Additive, BrownianPath, EulerMaruyama, Sra1};
    for (path, schedule) in paths() {
        if !["VP", "sub-VP", "VE"].contains(&path) {
            continue;
        }
        let process = ForwardProcess::new(&schedule);
        let end = Level::at(&schedule, log_snr_times(&schedule, 1, 20.0, 0.7)[1]);
        let x = states(&mixture(), &Level::at(&schedule, 1.0), COUNT, 1).unwrap();
        let motion = BrownianPath::new(Key::from_seed(3), &x, end.time, 1.0).unwrap();
        let noise = || Additive(|t| process.diffusion(t).unwrap_or(f64::NAN));
        let fixed = |steps| Fixed::steps(steps).unwrap();
        let euler = EulerMaruyama::new(noise(), motion.clone());
        let euler = Solver::new(euler, fixed(200)).solve(&process, &x, 1.0, end.time);
        let sra = Sra1::new(noise(), motion.clone());
        let sra = Solver::new(sra, fixed(50)).solve(&process, &x, 1.0, end.time);
        for (method, solution) in [("Euler–Maruyama", euler), ("SRA1", sra)] {
            let x = solution.unwrap().end().unwrap();
            let fault = fault(&x, end.alpha, end.sigma);
            assert!(fault.is_none(), "{path}, {method}: {fault:?}");
        }
        // At once, and with the wrong noise.
        let law = process.transition(1.0, end.time).unwrap();
        let at_once = law.sample(&x, &mut Generator::from_seed(2)).unwrap();
        assert_eq!(fault(&at_once, end.alpha, end.sigma), None, "{path}");
        let loud = Additive(|t| 1.3 * process.diffusion(t).unwrap_or(f64::NAN));
        let loud =
            Solver::new(Sra1::new(loud, motion), fixed(50)).solve(&process, &x, 1.0, end.time);
        let loud = loud.unwrap().end().unwrap();
        assert!(fault(&loud, end.alpha, end.sigma).is_some(), "{path}");
    }
}

/// Run from t = 1 to t = 0, the process has `∂_t p + ∇·(f p) + ½ g² Δp = 0` with its drift f: diffusion time runs the other way.
#[test]
fn marginals_solve_the_fokker_planck_equation() {
    use advect_core::testing::{derivative, gradient};
    use advect_paths::ForwardProcess;
    let x = Tensor::new(&[[0.4f64, -0.3]], device()).unwrap();
    let law = mixture();
    for (path, schedule) in paths() {
        let process = ForwardProcess::new(&schedule);
        let t = schedule.time_at_log_snr(0.5);
        let log_density = |t: f64, x: &Tensor| -> advect_core::Result<f64> {
            let density = law.score(&schedule).log_density(&Time::Shared(t), x)?;
            Ok(density.to_vec1::<f64>()?[0])
        };
        let here = log_density(t, &x).unwrap();
        let change = derivative(|t| log_density(t, &x).unwrap(), t, 1e-3 * t.min(1.0 - t));
        let score = gradient(|x| log_density(t, x), &x, 1e-3)
            .unwrap()
            .to_vec2::<f64>()
            .unwrap();
        let at = x.to_vec2::<f64>().unwrap();
        let carried: f64 = score[0].iter().zip(&at[0]).map(|(s, x)| s * x).sum();
        // Δp/p by second differences.
        let h = 1e-3 * (1.0 + schedule.sigma(t));
        let moved = |dx: [f64; 2]| {
            let moved = (&x + Tensor::new(&[dx], device()).unwrap()).unwrap();
            (log_density(t, &moved).unwrap() - here).exp()
        };
        let around = moved([h, 0.0]) + moved([-h, 0.0]) + moved([0.0, h]) + moved([0.0, -h]);
        let laplacian = (around - 4.0) / (h * h);
        let (rate, g) = (process.rate(t).unwrap(), process.diffusion(t).unwrap());
        let residual = |rate: f64| change + rate * (2.0 + carried) + 0.5 * g * g * laplacian;
        let size = change.abs() + (g * g * laplacian).abs() + rate.abs();
        assert!(
            residual(rate).abs() < 1e-4 * size,
            "{path}: {} of {size}",
            residual(rate)
        );
        let wrong = if rate == 0.0 { 0.1 * g * g } else { -rate };
        assert!(residual(wrong).abs() > 1e-2 * size, "{path}");
    }
}
