//! Likelihoods against closed forms, and bits per dimension by hand.

use crate::common::{log_snr_times, mixture, paths, states};
use advect_core::testing::{assert_close, device};
use advect_core::{Error, Field, Generator, Key, Time, field_fn};
use advect_paths::Prediction;
use advect_paths::closed_form::{Covariance, FiniteData, Gaussian, GaussianMixture, Law};
use advect_paths::schedule::{
    CondOt, Cosine, DiscreteDiffusion, Schedule, SubVariancePreserving, VarianceExploding,
    VariancePreserving,
};
use advect_samplers::grid::{GivenTimes, UniformLogSnr};
use advect_samplers::likelihood::{
    BitsPerDimension, Convention, Likelihood, LikelihoodBound, UniformDequantization,
};
use advect_samplers::rule::{Ddim, Rule};
use advect_samplers::{Level, Model, ProbabilityFlow, Run, Sampler};
use advect_solvers::Solver;
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::divergence::Probe;
use advect_solvers::stepper::{Dopri5, Heun};
use candle_core::{DType, Tensor};

fn solver(tolerance: f64) -> Solver<Dopri5, Adaptive> {
    Solver::new(Dopri5, Adaptive::new(tolerance, tolerance).unwrap())
}

/// A mixture with covariances that are not multiples of 1.
fn skewed() -> GaussianMixture {
    let means = Tensor::new(&[[-1.0f64, 0.3], [0.8, -0.6]], device()).unwrap();
    let full = |a: f64, b: f64, c: f64| Covariance::full(vec![a, b, b, c]).unwrap();
    let covariances = vec![full(0.2, 0.1, 0.15), full(0.1, -0.05, 0.3)];
    GaussianMixture::new(&[0.4, 0.6], &means, covariances).unwrap()
}

#[test]
fn densities_of_a_mixture_are_exact_on_every_path() {
    let law = skewed();
    let x = states(&law, &Level::clean(), 40, 3).unwrap();
    // Paths that begin with their source, up to less than is asked for here.
    let paths: [(&str, Box<dyn Schedule>); 5] = [
        ("VP", Box::new(VariancePreserving::new(0.1, 50.0).unwrap())),
        ("VE", Box::new(VarianceExploding::new(0.01, 1e5).unwrap())),
        (
            "sub-VP",
            Box::new(SubVariancePreserving::new(0.1, 50.0).unwrap()),
        ),
        ("conditional OT", Box::new(CondOt::default())),
        ("cosine", Box::new(Cosine)),
    ];
    for (path, schedule) in paths {
        // Of the marginal at an end where every field is finite.
        let end = 0.999;
        let field = law.field(Prediction::Data, &schedule);
        let likelihood = Likelihood::new(Model::new(&field, Prediction::Data, &schedule));
        let likelihood = likelihood.within(0.0, end).unwrap();
        let found = likelihood.log_density(&solver(1e-8), &x).unwrap();
        let marginal = law.score(&schedule);
        let expected = marginal.log_density(&Time::Shared(end), &x).unwrap();
        let error = (found.nats - expected).unwrap().abs().unwrap();
        let error = error.max_all().unwrap().to_scalar::<f64>().unwrap();
        println!("{path} {error:.1e} {}", found.evaluations);
        assert!(error < 1e-4, "{path}: {error}");
    }
}

#[test]
fn sampling_tells_the_density_of_what_it_draws() {
    let law = skewed();
    let schedule = CondOt::default();
    let field = law.velocity(&schedule);
    let likelihood = Likelihood::new(Model::new(&field, Prediction::Velocity, &schedule));
    let x0 = Generator::from_seed(1)
        .normal((40, 2), DType::F64, device())
        .unwrap();
    let drawn = likelihood.sample(&solver(1e-9), &x0).unwrap();
    let expected = law
        .score(&schedule)
        .log_density(&Time::Shared(1.0), &drawn.x)
        .unwrap();
    assert_close(&drawn.nats, &expected, 1e-5, 0.0);
    let back = likelihood.log_density(&solver(1e-9), &drawn.x).unwrap();
    assert_close(&back.nats, &drawn.nats, 1e-5, 0.0);
    assert_close(&back.x, &x0, 1e-5, 0.0);
}

#[test]
fn estimates_are_unbiased_and_know_their_error() {
    let law = skewed();
    let field = law.velocity(&Cosine);
    let exact = Likelihood::new(Model::new(&field, Prediction::Velocity, &Cosine));
    let x = states(&law, &Level::clean(), 200, 3).unwrap();
    let truth = exact.log_density(&solver(1e-7), &x).unwrap();
    assert!(truth.standard_error.is_none());
    for probe in [Probe::Rademacher, Probe::Gaussian] {
        let estimate = exact.hutchinson(probe, 20, Key::from_seed(1)).unwrap();
        let found = estimate.log_density(&solver(1e-7), &x).unwrap();
        let again = estimate.log_density(&solver(1e-7), &x).unwrap();
        assert_eq!(
            found.nats.to_vec1::<f64>().unwrap(),
            again.nats.to_vec1::<f64>().unwrap()
        );
        let errors = (found.nats - &truth.nats)
            .unwrap()
            .to_vec1::<f64>()
            .unwrap();
        let deviations = found.standard_error.unwrap().to_vec1::<f64>().unwrap();
        let scores = errors.iter().zip(&deviations).map(|(e, s)| e / s);
        let squares = scores.map(|z| z * z).sum::<f64>() / 200.0;
        // Student's t with 19 degrees of freedom has variance 19/17.
        assert!((squares - 19.0 / 17.0).abs() < 0.5, "{probe:?} {squares}");
        assert!(deviations.iter().sum::<f64>() / 200.0 > 0.01);
    }
}

/// Estimates of a batch in pieces are those of the whole, with as little correlation.
#[test]
fn pieces_have_their_own_probes_and_noise() {
    let law = skewed();
    let field = law.velocity(&Cosine);
    let likelihood = Likelihood::new(Model::new(&field, Prediction::Velocity, &Cosine));
    let likelihood = likelihood
        .hutchinson(Probe::Rademacher, 3, Key::from_seed(1))
        .unwrap();
    let x = states(&law, &Level::clean(), 10, 3).unwrap();
    let dequantization = UniformDequantization::new(0.1).unwrap();
    let noisy = |first: u64, x: &Tensor| {
        let mut rng = Generator::from_seed(4);
        dequantization.apply_by_sample(first, x, &mut rng).unwrap()
    };
    let fixed = Solver::new(Heun, Fixed::steps(20).unwrap());
    let find = |first: u64, x: &Tensor| {
        let likelihood = likelihood.first_sample(first);
        likelihood
            .log_density(&fixed, x)
            .unwrap()
            .nats
            .to_vec1::<f64>()
            .unwrap()
    };
    let part = x.narrow(0, 6, 4).unwrap();
    let (all, some) = (noisy(0, &x), noisy(6, &part));
    assert_close(&all.narrow(0, 6, 4).unwrap(), &some, 0.0, 0.0);
    assert_eq!(find(0, &all)[6..], find(6, &some));
    assert_ne!(find(0, &some), find(6, &some));
}

/// Independent Gaussians, of which everything is known on every path.
struct Factors {
    means: [f64; 2],
    variances: [f64; 2],
}

const FACTORS: Factors = Factors {
    means: [0.3, -1.0],
    variances: [0.5, 2.0],
};

impl Factors {
    fn law(&self) -> Gaussian {
        let covariance = Covariance::diagonal(self.variances.to_vec()).unwrap();
        Gaussian::new(&Tensor::new(&self.means, device()).unwrap(), covariance).unwrap()
    }

    /// The sum over both of a function of the mean, the variance and the sample.
    fn sum(&self, x: &[f64], f: impl Fn(f64, f64, f64) -> f64) -> f64 {
        (0..2)
            .map(|j| f(self.means[j], self.variances[j], x[j]))
            .sum()
    }

    /// `E log q(x_0)/N(x_0; 0, s²)` for `x_0 ~ N(α x, σ²)` at the start: the source is not the law of the states there.
    fn of_source(&self, x: &[f64], (alpha, sigma): (f64, f64), source: f64) -> f64 {
        self.sum(x, |m, v, x| {
            let marginal = alpha * alpha * v + sigma * sigma;
            let square = |shift: f64| (alpha * (x - shift)).powi(2) + sigma * sigma;
            0.5 * ((source * source / marginal).ln() + square(0.0) / (source * source)
                - square(m) / marginal)
        })
    }

    /// `E log q(x | x_e)/N(x; D(x_e), (σ/α)²)` for `x_e ~ N(α x, σ²)` at the end: the decoder's deviation is not the
    /// posterior's.
    fn of_decoder(&self, x: &[f64], (alpha, sigma): (f64, f64)) -> f64 {
        self.sum(x, |m, v, x| {
            let gain = alpha * v / (alpha * alpha * v + sigma * sigma);
            let (ours, exact) = ((sigma / alpha).powi(2), v * (1.0 - gain * alpha));
            let square = ((x - m) * (1.0 - gain * alpha)).powi(2) + (gain * sigma).powi(2);
            0.5 * ((ours / exact).ln() + square * (1.0 / ours - 1.0 / exact))
        })
    }
}

type BoundedPath = (&'static str, Box<dyn Schedule>, Prediction, [f64; 2]);

/// Paths with a span of times, on which bounds are found.
fn bounded_paths() -> Vec<BoundedPath> {
    vec![
        (
            "VP",
            Box::new(VariancePreserving::default()),
            Prediction::Noise,
            [0.0, 0.99],
        ),
        (
            "sub-VP",
            Box::new(SubVariancePreserving::default()),
            Prediction::Score,
            [0.1, 0.95],
        ),
        (
            "VE",
            Box::new(VarianceExploding::new(0.02, 10.0).unwrap()),
            Prediction::Data,
            [0.0, 1.0],
        ),
        (
            "conditional OT",
            Box::new(CondOt::default()),
            Prediction::Velocity,
            [0.0, 0.99],
        ),
        ("cosine", Box::new(Cosine), Prediction::V, [0.2, 0.6]),
    ]
}

fn values(x: &Tensor) -> Vec<f64> {
    x.to_vec1().unwrap()
}

/// The mean of a list.
fn average(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

#[test]
fn bounds_are_the_log_density_and_the_gaps_at_both_ends() {
    let law = FACTORS.law();
    let mut rng = Generator::from_seed(11);
    let x = law.sample(400, DType::F64, device(), &mut rng).unwrap();
    let rows = x.to_vec2::<f64>().unwrap();
    let exact = law.score(Cosine).log_density(&Time::Shared(1.0), &x);
    let exact = values(&exact.unwrap());
    for (path, schedule, prediction, [start, end]) in bounded_paths() {
        let model = Model::new(law.field(prediction, &schedule), prediction, &schedule);
        let bound = LikelihoodBound::new(model, Key::from_seed(5)).strata(60);
        let bound = bound.unwrap().within(start, end).unwrap();
        let at = |t: f64| (schedule.alpha(t), schedule.sigma(t));
        for source in [at(start).1, 2.0 * at(start).1] {
            let found = bound.clone().source_deviation(source).unwrap();
            let found = found.log_density(&x).unwrap();
            assert_eq!((found.evaluations, found.dimensions), (150, 2));
            let (nats, errors) = (values(&found.nats), values(&found.standard_error));
            let differences = (0..x.dims()[0]).map(|i| {
                let gap = FACTORS.of_source(&rows[i], at(start), source)
                    + FACTORS.of_decoder(&rows[i], at(end));
                nats[i] - (exact[i] - gap)
            });
            let differences: Vec<f64> = differences.collect();
            let squares = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
            let score = differences.iter().sum::<f64>() / squares(&errors).sqrt();
            let ratio = squares(&differences) / squares(&errors);
            println!("{path}: {score:.2}, {ratio:.2}, {:.3}", average(&errors));
            assert!(score.abs() < 4.0, "{path}: {score}");
            assert!((ratio - 1.0).abs() < 0.3, "{path}: {ratio}");
            assert!(average(&errors) < 0.5, "{path}: {}", average(&errors));
        }
    }
}

/// An error δ of the noise raises the bound by ½ δ² for each unit of λ and at the end, where x and its mirror image
/// cancel the rest.
#[test]
fn a_wrong_score_raises_the_bound_by_its_error() {
    let law = FACTORS.law();
    let delta = 0.2;
    let mut rng = Generator::from_seed(12);
    let x = law.sample(200, DType::F64, device(), &mut rng).unwrap();
    let means = Tensor::new(&FACTORS.means, device()).unwrap();
    let mirrored = x.neg().unwrap().broadcast_add(&(means * 2.0).unwrap());
    let x = Tensor::cat(&[&x, &mirrored.unwrap()], 0).unwrap();
    for (path, schedule, _, [start, end]) in bounded_paths() {
        let start = start.max(0.05);
        let exact = law.field(Prediction::Noise, &schedule);
        let wrong = field_fn(|t, x| Ok((exact.at(t, x)? + delta)?));
        let nats = |field: &dyn Field| {
            let model = Model::new(field, Prediction::Noise, &schedule);
            let bound = LikelihoodBound::new(model, Key::from_seed(6)).strata(60);
            let bound = bound.unwrap().within(start, end).unwrap();
            values(&bound.log_density(&x).unwrap().nats)
        };
        // The same times and noise.
        let raised: Vec<f64> = (nats(&exact).into_iter().zip(nats(&wrong)))
            .map(|(exact, wrong)| exact - wrong)
            .collect();
        let mean = average(&raised);
        let spread = raised.iter().map(|r| (r - mean).powi(2)).sum::<f64>();
        let error = spread.sqrt() / 400.0;
        let information = schedule.log_snr(end) - schedule.log_snr(start);
        let expected = 0.5 * delta * delta * 2.0 * (information + 1.0);
        println!("{path}: {mean:.4} ± {error:.4}, {expected:.4}");
        assert!((mean - expected).abs() < 4.0 * error, "{path}: {mean}");
        assert!(error < 0.2 * expected, "{path}: {error}");
    }
}

#[test]
fn bounds_of_pieces_are_those_of_the_whole() {
    let law = FACTORS.law();
    let schedule = VariancePreserving::default();
    let x = law.sample(6, DType::F32, device(), &mut Generator::from_seed(1));
    let x = x.unwrap();
    let model = Model::new(
        law.field(Prediction::Noise, schedule),
        Prediction::Noise,
        schedule,
    );
    let bound = LikelihoodBound::new(model, Key::from_seed(5)).within(0.0, 0.999);
    let bound = bound.unwrap().strata(3).unwrap();
    let all = values(&bound.log_density(&x).unwrap().nats);
    let some = bound
        .clone()
        .first_sample(4)
        .log_density(&x.narrow(0, 4, 2).unwrap());
    assert_eq!(all[4..], values(&some.unwrap().nats));
    // A schedule of clean data has no noise to decode; variances are not predictions.
    let error = bound
        .clone()
        .within(0.0, 1.0)
        .unwrap()
        .log_density(&x)
        .unwrap_err();
    assert!(
        error.to_string().contains("LikelihoodBound::within"),
        "{error}"
    );
    assert!(bound.strata(0).is_err());
    let heads = Model::with_variances(law.score(schedule), Prediction::Score, schedule);
    let error = LikelihoodBound::new(heads, Key::from_seed(5)).log_density(&x);
    assert!(matches!(error, Err(Error::Range { argument, .. }) if argument == "model"));
    let broken = field_fn(|_, x| Ok((x * f64::NAN)?));
    let broken = Model::new(broken, Prediction::Noise, schedule);
    let broken = LikelihoodBound::new(broken, Key::from_seed(5)).within(0.0, 0.9);
    let error = broken.unwrap().log_density(&x);
    assert!(matches!(error, Err(Error::NonFinite { argument, .. }) if argument == "field"));
}

#[test]
fn bits_of_a_factorized_law_are_those_by_hand() {
    // Levels 0.5 apart, under a normal density of deviation 2 in each of 3 dimensions.
    let law = Gaussian::new(
        &Tensor::zeros(3, DType::F64, device()).unwrap(),
        Covariance::isotropic(4.0).unwrap(),
    )
    .unwrap();
    let schedule = CondOt::default();
    let field = law.velocity(&schedule);
    let likelihood = Likelihood::new(Model::new(&field, Prediction::Velocity, &schedule));
    let x = Tensor::new(&[[0.5f64, -1.0, 0.0], [3.0, 1.5, -2.5]], device()).unwrap();
    let dequantization = UniformDequantization::new(0.5).unwrap();
    let noisy = dequantization
        .apply(&x, &mut Generator::from_seed(0))
        .unwrap();
    let found = likelihood.log_density(&solver(1e-9), &noisy).unwrap();
    let bits = dequantization.bits_per_dimension(&found).unwrap();
    for (row, bits) in noisy.to_vec2::<f64>().unwrap().iter().zip(&bits.bits) {
        let density = |v: &f64| (-v * v / 8.0).exp() / (8.0 * std::f64::consts::PI).sqrt();
        // −log₂ of the probability of a bin, averaged over dimensions.
        let by_hand = row.iter().map(|v| -(0.5 * density(v)).log2()).sum::<f64>() / 3.0;
        assert!((bits - by_hand).abs() < 1e-6, "{bits} {by_hand}");
    }
    assert_eq!(
        bits.convention,
        Convention::UniformDequantization(dequantization)
    );
    let text = bits.to_string();
    assert!(
        text.ends_with("bits per dimension (uniform dequantization of levels 0.5 apart)"),
        "{text}"
    );
    let bytes = Convention::VariationalDequantization { width: 2.0 / 255.0 };
    assert_eq!(
        bytes.to_string(),
        "variational dequantization of levels 0.007843 apart"
    );
}

/// With uniform noise, variational dequantization has the noise and the bits of uniform dequantization.
#[test]
fn variational_dequantization_by_uniform_noise_is_the_uniform_one() {
    use advect_objectives::dequantization::UniformNoise;
    use advect_objectives::objective::VariationalDequantization;
    let law = skewed();
    let field = law.velocity(&Cosine);
    let likelihood = Likelihood::new(Model::new(&field, Prediction::Velocity, &Cosine));
    let x = Tensor::new(&[[0.5f64, -1.0], [0.0, 1.5], [1.0, 0.5]], device()).unwrap();
    let uniform = UniformDequantization::new(0.5).unwrap();
    let noisy = uniform
        .apply_by_sample(3, &x, &mut Generator::from_seed(2))
        .unwrap();
    let found = likelihood.log_density(&solver(1e-7), &noisy).unwrap();
    let bits = uniform.bits_per_dimension(&found).unwrap();

    let variational = VariationalDequantization::new(UniformNoise, 0.5).unwrap();
    let rng = &mut Generator::from_seed(2);
    let drawn = variational.draw_by_sample(3, &x, rng).unwrap();
    assert_close(&drawn.x, &noisy, 0.0, 1e-15);
    let bound = drawn.bound(&found.nats).unwrap();
    let convention = Convention::VariationalDequantization { width: 0.5 };
    let ours = BitsPerDimension::counted_by(convention, &bound, 2).unwrap();
    for (a, b) in ours.bits.iter().zip(&bits.bits) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }
    assert_eq!(ours.convention, convention);
}

/// Two levels with equal chances are one bit: the bound of the best network comes near it, from above.
#[test]
fn bits_of_the_variational_bound_are_those_of_the_data() {
    use advect_objectives::decoder::Discretized;
    use advect_objectives::objective::{ReverseVariance, VariationalBound};
    let schedule = DiscreteDiffusion::linear(300, 1e-3, 0.06).unwrap();
    let corners = Tensor::new(
        &[[-1f64, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]],
        device(),
    )
    .unwrap();
    let law = FiniteData::new(&corners).unwrap();
    let x1 = law
        .sample(1000, DType::F64, device(), &mut Generator::from_seed(1))
        .unwrap();
    let bound = VariationalBound::new(schedule.clone()).variance(ReverseVariance::Posterior);
    let bound = bound.decoder(Discretized::new(2).unwrap());
    let field = law.field(Prediction::Noise, &schedule);
    let terms = bound
        .terms(&field, &x1, &mut Generator::from_seed(2))
        .unwrap();
    assert_eq!(terms.steps.len(), 299);
    let bits = BitsPerDimension::of_levels(&terms.total().unwrap(), 2).unwrap();
    println!("{bits}");
    let error = bits.standard_error.unwrap();
    assert!(bits.mean > 1.0 - 3.0 * error && bits.mean < 1.1, "{bits}");
}

#[test]
fn data_goes_to_its_latent_and_back() {
    let law = mixture();
    for (path, schedule) in paths() {
        let field = law.field(Prediction::Data, &schedule);
        let model = Model::new(&field, Prediction::Data, &schedule);
        let times = log_snr_times(&schedule, 1, 30.0, 0.05);
        let x = states(&law, &Level::at(&schedule, times[1]), 20, 4).unwrap();
        let flow = ProbabilityFlow::new(solver(1e-9))
            .within(times[0], times[1])
            .unwrap();
        let mut run = Run::new(&model, Key::from_seed(0));
        let latent = flow.invert(&mut run, &x).unwrap();
        let back = flow.run(&mut run, &latent).unwrap();
        println!("{path}");
        assert_close(&back, &x, 1e-6, 0.0);
    }
}

#[test]
fn ddim_inverts_to_its_order() {
    let law = mixture();
    let x = states(&law, &Level::clean(), 20, 4).unwrap();
    for (path, schedule) in paths() {
        let field = law.field(Prediction::Noise, &schedule);
        let model = Model::new(&field, Prediction::Noise, &schedule);
        let error = |steps: usize| {
            let sigmas = UniformLogSnr::new(steps).unwrap();
            let sampler = Ddim::new().on(sigmas.range(0.02, 45.0).unwrap());
            let mut run = Run::new(&model, Key::from_seed(0));
            let latent = sampler.invert(&mut run, &x).unwrap();
            let back = sampler.run(&mut run, &latent).unwrap();
            let error = (back - &x).unwrap().sqr().unwrap().mean_all().unwrap();
            error.to_scalar::<f64>().unwrap().sqrt()
        };
        let errors = [100, 400].map(error);
        println!("{path} {errors:?}");
        assert!(
            errors[1] < 0.03 && errors[1] < 0.4 * errors[0],
            "{path} {errors:?}"
        );
    }
    // Even in few steps the latent has the size of the path's states.
    let schedule = CondOt::default();
    let field = law.field(Prediction::Noise, &schedule);
    let model = Model::new(&field, Prediction::Noise, &schedule);
    let sampler = Ddim::new().on(GivenTimes::new(&[0.8, 1.0]).unwrap());
    let near = sampler
        .invert(&mut Run::new(&model, Key::from_seed(0)), &x)
        .unwrap();
    let scaled = (&x * 0.8).unwrap();
    let noise = law
        .field(Prediction::Noise, &schedule)
        .at(&Time::Shared(0.8), &scaled)
        .unwrap();
    assert_close(
        &near,
        &(scaled + (noise * schedule.sigma(0.8)).unwrap()).unwrap(),
        1e-12,
        0.0,
    );

    let noisy = Ddim::new()
        .eta(1.0)
        .unwrap()
        .on(UniformLogSnr::new(4).unwrap());
    let error = noisy
        .invert(&mut Run::new(&model, Key::from_seed(0)), &x)
        .unwrap_err();
    assert!(matches!(error, Error::Range { argument, .. } if argument == "eta"));
}

#[test]
fn bad_input_is_a_typed_error() {
    let law = mixture();
    let schedule = CondOt::default();
    let field = law.velocity(&schedule);
    let likelihood = Likelihood::new(Model::new(&field, Prediction::Velocity, &schedule));
    assert!(likelihood.within(0.5, 0.5).is_err());
    assert!(likelihood.source_deviation(0.0).is_err());
    assert!(
        likelihood
            .hutchinson(Probe::Gaussian, 0, Key::from_seed(0))
            .is_err()
    );
    let bad = Tensor::new(&[[f64::NAN, 0.0]], device()).unwrap();
    let error = likelihood.log_density(&solver(1e-5), &bad).unwrap_err();
    assert!(matches!(error, Error::NonFinite { argument, .. } if argument == "x"));
    let wide = Tensor::zeros((2, 3), DType::F64, device()).unwrap();
    assert!(matches!(
        likelihood.log_density(&solver(1e-5), &wide),
        Err(Error::Shape { .. })
    ));
    // Points have no density; their velocity is infinite at the end, or the integral diverges.
    let points = FiniteData::new(&Tensor::zeros((1, 2), DType::F64, device()).unwrap()).unwrap();
    let field = points.velocity(&schedule);
    let likelihood = Likelihood::new(Model::new(&field, Prediction::Velocity, &schedule));
    let x = Tensor::zeros((1, 2), DType::F64, device()).unwrap();
    assert!(likelihood.log_density(&solver(1e-5), &x).is_err());
}
