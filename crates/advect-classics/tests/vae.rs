//! Variational autoencoders, mostly on a linear one with Gaussian noise, whose density and posterior are known.

use advect_classics::untimed;
use advect_classics::vae::{
    BernoulliLikelihood, GaussianLikelihood, GaussianPosterior, Likelihood, VariationalAutoencoder,
    active_units,
};
use advect_core::testing::{assert_close, device};
use advect_core::{Generator, Key, Result};
use advect_models::Mlp;
use advect_nn::{Activation, ParameterStore, TimeEmbedding};
use candle_core::{DType, Tensor};

use crate::common::{message, normal, scalar, vector};
use crate::differences::{assert_gradients, spread};

const VARIANCE: f64 = 0.3;
const WEIGHTS: [[f64; 3]; 2] = [[1.0, 2.0, 2.0], [1.2, -0.6, 0.0]];
const BIAS: [f64; 3] = [0.5, -1.0, 0.2];

/// `x = z W + b + √v ε`. The rows of W are orthogonal, so that the posterior has independent elements: the precisions `1 + |w|²/v`.
fn decoder(z: &Tensor) -> Result<Tensor> {
    let (w, b) = (
        Tensor::new(&WEIGHTS, device())?,
        Tensor::new(&BIAS, device())?,
    );
    Ok(z.matmul(&w)?.broadcast_add(&b)?)
}

fn precisions() -> [f64; 2] {
    WEIGHTS.map(|w| 1.0 + w.iter().map(|x| x * x).sum::<f64>() / VARIANCE)
}

/// The encoder whose means are the posterior's plus a shift, and its variances those times a factor.
fn encoder(shift: f64, factor: f64) -> impl Fn(&Tensor) -> Result<Tensor> {
    move |x: &Tensor| {
        let (w, b) = (
            Tensor::new(&WEIGHTS, device())?,
            Tensor::new(&BIAS, device())?,
        );
        let variances = Tensor::new(&precisions().map(|p| 1.0 / p), device())?;
        let scaled = (x.broadcast_sub(&b)?.matmul(&w.t()?.contiguous()?)? / VARIANCE)?;
        let mean = (scaled.broadcast_mul(&variances)? + shift)?;
        let logs = (variances * factor)?.log()?.broadcast_as(mean.shape())?;
        Ok(Tensor::cat(&[&mean, &logs.contiguous()?], 1)?)
    }
}

/// `log N(x; b, WᵀW + v I)`, by the directions of W.
fn log_density(x: &Tensor) -> Tensor {
    let rows = x.to_vec2::<f64>().unwrap();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let values = rows.iter().map(|row| {
        let centred: Vec<f64> = row.iter().zip(BIAS).map(|(x, b)| x - b).collect();
        let (mut squares, mut rest) = (0.0, dot(&centred, &centred));
        let mut log_determinant = VARIANCE.ln();
        for w in &WEIGHTS {
            let norm = dot(w, w);
            let along = dot(&centred, w).powi(2) / norm;
            squares += along / (norm + VARIANCE);
            rest -= along;
            log_determinant += (norm + VARIANCE).ln();
        }
        squares += rest / VARIANCE;
        -0.5 * (squares + log_determinant + 3.0 * (2.0 * std::f64::consts::PI).ln())
    });
    let values: Vec<f64> = values.collect();
    Tensor::new(values, device()).unwrap()
}

/// A function of tensors.
type Map = fn(&Tensor) -> Result<Tensor>;

fn model(
    shift: f64,
    factor: f64,
) -> VariationalAutoencoder<impl Fn(&Tensor) -> Result<Tensor>, Map, GaussianLikelihood> {
    let likelihood = GaussianLikelihood::fixed(VARIANCE).unwrap();
    let decoder: Map = decoder;
    VariationalAutoencoder::new(2, encoder(shift, factor), decoder, likelihood).unwrap()
}

/// The mean of the bound over noise, exactly: it is quadratic in noise, and four points have the moments of N(0, I) up to the third.
fn mean_bound(shift: f64, factor: f64, x: &Tensor) -> Tensor {
    let far = 2f64.sqrt();
    let vae = model(shift, factor);
    let bounds = [[far, 0.0], [-far, 0.0], [0.0, far], [0.0, -far]].map(|noise| {
        let noise = Tensor::new(&[noise], device()).unwrap();
        let noise = noise.repeat((x.dims()[0], 1)).unwrap();
        vae.evidence_bound(x, &noise).unwrap().value().unwrap()
    });
    Tensor::stack(&bounds, 0).unwrap().mean(0).unwrap()
}

#[test]
fn the_bound_is_exact_at_the_posterior_and_below_elsewhere() {
    let x = normal(&[20, 3], 2.0, 1);
    let exact = log_density(&x);
    assert_close(&mean_bound(0.0, 1.0, &x), &exact, 1e-12, 1e-12);
    for (shift, factor) in [(0.3, 1.0), (0.0, 2.0), (-0.2, 0.5)] {
        // The gap is KL(q ‖ posterior), for each element ½ (shift² · precision + factor − 1 − ln factor).
        let gap: f64 = precisions()
            .iter()
            .map(|p| 0.5 * (shift * shift * p + factor - 1.0 - factor.ln()))
            .sum();
        assert!(gap > 0.1);
        assert_close(
            &mean_bound(shift, factor, &x),
            &(&exact - gap).unwrap(),
            1e-12,
            1e-12,
        );
    }
}

#[test]
fn the_importance_weighted_bound_rises_to_the_density() {
    let x = normal(&[4, 3], 2.0, 1);
    let exact = log_density(&x);
    // At the posterior every weight is p(x), whatever the noise.
    let noise = normal(&[5, 4, 2], 1.0, 2);
    let bound = model(0.0, 1.0).importance_bound(&x, &noise).unwrap();
    assert_close(&bound, &exact, 1e-12, 1e-12);
    // Elsewhere: means over many repetitions of x, for one, four, and so on.
    let vae = model(0.1, 1.5);
    let repetitions = 1000;
    let many = x.repeat((repetitions, 1)).unwrap();
    let gap = |k: usize| {
        let noise = normal(&[k, 4 * repetitions, 2], 1.0, 3);
        let bound = vae.importance_bound(&many, &noise).unwrap();
        let gaps = (log_density(&many) - bound).unwrap();
        scalar(&gaps.mean_all().unwrap())
    };
    let gaps = [1, 4, 16, 64].map(gap);
    let first: f64 = precisions()
        .iter()
        .map(|p| 0.5 * (0.01 * p + 0.5 - 1.5f64.ln()))
        .sum();
    assert!((gaps[0] - first).abs() < 0.08 * first, "{gaps:?} {first}");
    assert!(gaps.windows(2).all(|g| g[1] < 0.5 * g[0]), "{gaps:?}");
    assert!(gaps[3] < 0.04 * gaps[0] && gaps[3] > 0.0, "{gaps:?}");
}

#[test]
fn gradients_at_fixed_noise() {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let builder = store.builder();
    let net = |from: usize, to: usize, name: &str| {
        let config = Mlp::config(from).outputs(to).hidden(&[4]);
        let config = config
            .activation(Activation::Tanh)
            .time(TimeEmbedding::None);
        untimed(config.build(&builder.pp(name)).unwrap())
    };
    let likelihood = GaussianLikelihood::learned(&builder).unwrap();
    let vae = VariationalAutoencoder::new(2, net(4, 4, "e"), net(2, 4, "d"), likelihood).unwrap();
    spread(&store, 0.3);
    // Images, which the networks see as rows.
    let x = normal(&[3, 1, 2, 2], 1.0, 1);
    let noise = normal(&[3, 3, 2], 1.0, 2);
    let one = noise.get(0).unwrap();
    assert_gradients(&store, || vae.evidence_bound(&x, &one)?.loss(0.7), 1e-8);
    assert_gradients(
        &store,
        || Ok(vae.importance_bound(&x, &noise)?.mean_all()?),
        1e-8,
    );
    // A bound of one latent variable is that of its estimate: the density of z in place of the divergence.
    let bound = vae.evidence_bound(&x, &one).unwrap();
    let posterior = vae.posterior(&x).unwrap();
    let z = posterior.sample(&one).unwrap();
    let estimate = (posterior.log_density(&z).unwrap()
        - advect_core::normal::log_standard_normal(&z).unwrap())
    .unwrap();
    let expected = (&bound.reconstruction - estimate).unwrap();
    let found = vae
        .importance_bound(&x, &noise.narrow(0, 0, 1).unwrap())
        .unwrap();
    assert_close(&found, &expected, 1e-12, 1e-12);

    let binary =
        VariationalAutoencoder::new(2, net(4, 4, "e"), net(2, 4, "d"), BernoulliLikelihood);
    let (x, binary) = (
        x.ge(0.0).unwrap().to_dtype(DType::F64).unwrap(),
        binary.unwrap(),
    );
    let networks: Vec<_> = store
        .parameters()
        .into_iter()
        .filter(|(n, _)| n != "log_variance")
        .collect();
    let loss = binary
        .evidence_bound(&x, &one)
        .unwrap()
        .loss(1.0)
        .unwrap()
        .backward()
        .unwrap();
    assert!(networks.iter().all(|(_, var)| loss.get(var).is_some()));
}

#[test]
fn the_divergence_is_that_of_samples() {
    let (mean, logs) = (normal(&[1, 3], 1.0, 1), normal(&[1, 3], 0.7, 2));
    let count = 100_000;
    let q = GaussianPosterior::new(
        mean.repeat((count, 1)).unwrap(),
        logs.repeat((count, 1)).unwrap(),
    )
    .unwrap();
    let z = q.sample(&normal(&[count, 3], 1.0, 3)).unwrap();
    let ratio = (q.log_density(&z).unwrap()
        - advect_core::normal::log_standard_normal(&z).unwrap())
    .unwrap();
    let values = vector(&ratio);
    let found = values.iter().sum::<f64>() / count as f64;
    let variance = values.iter().map(|v| (v - found).powi(2)).sum::<f64>() / count as f64;
    let error = (variance / count as f64).sqrt();
    let exact = vector(&q.kl_divergence().unwrap())[0];
    assert!(
        (found - exact).abs() < 4.0 * error && error < 0.01 * exact,
        "{found} ± {error}, {exact}"
    );
}

#[test]
fn likelihoods_are_normalised_and_sampled() {
    let logits = normal(&[1, 3], 1.0, 1).repeat((8, 1)).unwrap();
    let states = crate::common::states(3);
    let log_likelihood = BernoulliLikelihood
        .log_likelihood(&states, &logits)
        .unwrap();
    let probabilities = vector(&log_likelihood.exp().unwrap());
    assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-14);
    let mean = vector(&BernoulliLikelihood.mean(&logits).unwrap().get(0).unwrap());
    let expected = |i: usize| -> f64 {
        (0..8)
            .filter(|k| k >> i & 1 == 1)
            .map(|k| probabilities[k])
            .sum()
    };
    assert!((0..3).all(|i| (mean[i] - expected(i)).abs() < 1e-14));
    let mut rng = Generator::from_seed(0);
    let many = logits.repeat((2000, 1)).unwrap();
    crate::common::assert_means(&BernoulliLikelihood.sample(&many, &mut rng).unwrap(), &mean);
    // The law of samples of the linear model: its mean, and the trace of its covariance.
    let samples = model(0.0, 1.0)
        .sample(20000, DType::F64, device(), &mut rng)
        .unwrap();
    crate::common::assert_means(&samples, &BIAS);
    let centred = samples
        .broadcast_sub(&Tensor::new(&BIAS, device()).unwrap())
        .unwrap();
    let trace = 3.0 * VARIANCE + WEIGHTS.as_flattened().iter().map(|w| w * w).sum::<f64>();
    let found = centred.sqr().unwrap().sum(1).unwrap().unsqueeze(1).unwrap();
    crate::common::assert_means(&found, &[trace]);
}

/// The variance that is learned is the mean square of what is left.
#[test]
fn the_best_variance_is_the_mean_square() {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let law = GaussianLikelihood::learned(&store.builder()).unwrap();
    let (x, mean) = (normal(&[30, 4], 2.0, 1), normal(&[30, 4], 1.0, 2));
    let square = scalar(&(&x - &mean).unwrap().sqr().unwrap().mean_all().unwrap());
    let var = &store.vars()[0];
    var.set(&Tensor::new(&[square.ln()], device()).unwrap())
        .unwrap();
    assert!((law.variance().unwrap() - square).abs() < 1e-14);
    let loss = law.log_likelihood(&x, &mean).unwrap().mean_all().unwrap();
    let slope = loss.backward().unwrap();
    assert!(vector(slope.get(var).unwrap())[0].abs() < 1e-12);
}

#[test]
fn what_does_not_fit_is_told() {
    let vae = model(0.0, 1.0);
    let x = normal(&[2, 3], 1.0, 1);
    let noise = normal(&[2, 2], 1.0, 2);
    assert!(
        message(vae.evidence_bound(&x, &normal(&[2, 3], 1.0, 2)))
            .starts_with("noise: got shape [2, 3]")
    );
    assert!(
        message(vae.importance_bound(&x, &noise))
            .starts_with("noise: got shape [2, 2], expected (k, 2, 2)")
    );
    let fixed = || GaussianLikelihood::fixed(1.0).unwrap();
    let same = |x: &Tensor| Ok(x.clone());
    let wrong = VariationalAutoencoder::new(2, same, same, fixed()).unwrap();
    assert!(message(wrong.posterior(&x)).starts_with("encoder: got shape [2, 3], expected (2, 4)"));
    let wrong = VariationalAutoencoder::new(2, encoder(0.0, 1.0), same, fixed()).unwrap();
    assert!(message(wrong.evidence_bound(&x, &noise)).starts_with("decoder: got shape [2, 2]"));
    let grey =
        VariationalAutoencoder::new(2, encoder(0.0, 1.0), decoder, BernoulliLikelihood).unwrap();
    assert!(message(grey.evidence_bound(&x, &noise)).contains("expected zeros and ones"));
    assert!(
        message(vae.evidence_bound(&x, &noise).unwrap().loss(-1.0)).starts_with("beta: got -1")
    );
    assert!(
        message(VariationalAutoencoder::new(0, same, same, fixed()).map(|_| ()))
            .starts_with("latent: got 0")
    );
    assert!(message(GaussianLikelihood::fixed(0.0)).starts_with("variance: got 0"));
    assert!(
        message(GaussianPosterior::new(x.clone(), noise.clone()))
            .starts_with("log_variance: got shape")
    );
    assert!(
        message(active_units(&x.narrow(0, 0, 1).unwrap(), 0.01))
            .starts_with("means: got shape [1, 3]")
    );
    assert!(
        message(vae.evidence_bound(&x.narrow(0, 0, 0).unwrap(), &noise))
            .starts_with("x: got an empty batch")
    );
}

#[test]
fn single_precision_agrees() {
    let x = normal(&[2, 3], 1.0, 1);
    let encoder = |x: &Tensor| Ok(x.narrow(1, 0, 2)?);
    let decoder = |z: &Tensor| Ok(Tensor::cat(&[z, z, z], 1)?);
    let vae =
        VariationalAutoencoder::new(1, encoder, decoder, GaussianLikelihood::fixed(0.5).unwrap())
            .unwrap();
    let noise = normal(&[3, 2, 1], 1.0, 2);
    let double = vae.importance_bound(&x, &noise).unwrap();
    let single = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
    let found = vae.importance_bound(&single(&x), &single(&noise)).unwrap();
    assert_eq!(found.dtype(), DType::F32);
    assert_close(&found, &double, 1e-5, 1e-5);
}
