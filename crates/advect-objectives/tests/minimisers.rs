//! For every objective, the field that minimises it is known on a mixture of Gaussians: there its gradient vanishes on
//! average, for fields that are disturbed in any of several ways.
//!
//! The gradient of an objective on conditional targets and of one on their mean given x_t differ by the same amount at all
//! parameters of a field that is linear in them; that it is 0 at the minimiser says that they agree everywhere (Lipman et
//! al. 2023, theorem 2).

use crate::common;
use crate::common::{Blurred, mixture, pairs};
use advect_core::testing::device;
use advect_core::{Field, Generator, Jvp, Result, Time, field_fn, shape};
use advect_objectives::decoder::GaussianDecoder;
use advect_objectives::objective::*;
use advect_objectives::time_sampler::*;
use advect_objectives::weighting::{Importance, MinSnr, Unweighted};
use advect_paths::closed_form::{Covariance, Gaussian, Law};
use advect_paths::coupling::Independent;
use advect_paths::path::gamma::{BrownianBridge, Constant, Parabola, SineSquared};
use advect_paths::path::{Affine, ConstantSigma, Interpolant, Marginal, SchrodingerBridge};
use advect_paths::schedule::*;
use advect_paths::{Direction, Prediction};
use advect_solvers::divergence::{Exact, HutchPlusPlus, Hutchinson, Probe};
use candle_core::{DType, Tensor, Var};

/// `base(t, x) + scale(t) φ(t, x) W` with features φ that are nonlinear in x and t.
struct Disturbed<'a> {
    base: &'a dyn Field,
    weights: &'a Var,
    /// Keeps the disturbance of the size of the field.
    scale: &'a dyn Fn(f64) -> f64,
}

impl Field for Disturbed<'_> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let column = shape::column(&t.tensor(x)?, 2)?.broadcast_as((x.dim(0)?, 1))?;
        let column = column.contiguous()?;
        let features = [
            x.clone(),
            x.sin()?,
            column.clone(),
            x.broadcast_mul(&column)?,
        ];
        let disturbance = Tensor::cat(&features, 1)?.matmul(self.weights.as_tensor())?;
        let disturbance = t.coefficient(self.scale)?.times(&disturbance)?;
        Ok((self.base.at(t, x)? + disturbance)?)
    }
}

/// The gradient's mean and standard error for each weight, over rounds of batches.
fn gradients(
    rounds: usize,
    rng: &mut Generator,
    weights: &Var,
    loss: impl Fn(&mut Generator) -> Tensor,
) -> (Vec<f64>, Vec<f64>) {
    let draws: Vec<Vec<f64>> = (0..rounds)
        .map(|_| {
            let grads = loss(rng).backward().unwrap();
            let gradient = grads.get(weights).unwrap().flatten_all().unwrap();
            gradient.to_vec1().unwrap()
        })
        .collect();
    let n = rounds as f64;
    let column = |k: usize| draws.iter().map(move |d| d[k]);
    let means: Vec<f64> = (0..draws[0].len())
        .map(|k| column(k).sum::<f64>() / n)
        .collect();
    let errors = means.iter().enumerate().map(|(k, mean)| {
        let variance = column(k).map(|g| (g - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (variance / n).sqrt()
    });
    (means.clone(), errors.collect())
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The gradient at the minimiser is 0 within its error, and that error is small beside the gradient nearby.
fn vanishes(name: &str, loss: impl Fn(&Var, &mut Generator) -> Tensor) {
    let mut rng = Generator::from_seed(7);
    let at = |w: f64| {
        let weights = (Tensor::ones((7, 2), DType::F64, device()).unwrap() * w).unwrap();
        Var::from_tensor(&weights).unwrap()
    };
    let weights = at(0.0);
    let (means, errors) = gradients(48, &mut rng, &weights, |rng| loss(&weights, rng));
    // 14 weights, 30 objectives: 4.5 standard errors of a t-distribution happen in one run of a hundred.
    for (k, (mean, error)) in means.iter().zip(&errors).enumerate() {
        assert!(
            mean.abs() <= 4.5 * error + 1e-12,
            "{name}, {k}: {mean} ± {error}"
        );
    }
    let weights = at(0.1);
    let (nearby, _) = gradients(4, &mut rng, &weights, |rng| loss(&weights, rng));
    let sharpness = norm(&errors) / norm(&nearby);
    assert!(
        sharpness < 0.1,
        "{name}: errors of {sharpness} of the gradient nearby"
    );
}

fn check(name: &str, objective: &dyn Objective, minimiser: &dyn Field, scale: &dyn Fn(f64) -> f64) {
    vanishes(name, |weights, rng| {
        let (x0, x1) = pairs(2048, rng);
        let field = Disturbed {
            base: minimiser,
            weights,
            scale,
        };
        objective.loss(&field, &x0, &x1, rng).unwrap()
    });
}

fn one(_: f64) -> f64 {
    1.0
}

#[test]
fn flow_matching_on_affine_paths() {
    let law = mixture();
    let cond_ot = CondOt::new(0.1).unwrap();
    let objective = flow_matching(Affine::new(cond_ot));
    check("target CFM", &objective, &law.velocity(&cond_ot), &one);
    check(
        "VP-CFM",
        &flow_matching(Affine::new(Cosine)),
        &law.velocity(&Cosine),
        &one,
    );
    let vp = VariancePreserving::default();
    let times = UniformWithin::new(0.0, 0.99).unwrap();
    let objective = flow_matching(Affine::new(vp)).times(times);
    check("VP", &objective, &law.velocity(&vp), &one);
    let sub_vp = SubVariancePreserving::default();
    let objective = flow_matching(Affine::new(sub_vp));
    check("sub-VP", &objective, &law.velocity(&sub_vp), &one);
    let ve = VarianceExploding::new(0.05, 3.0).unwrap();
    let objective = flow_matching(Affine::new(ve));
    check("VE", &objective, &law.velocity(&ve), &one);
    let coupled = Coupled::new(Independent, flow_matching(Affine::new(cond_ot)));
    check("independent pairs", &coupled, &law.velocity(&cond_ot), &one);
    // On the marginal velocity itself there is nothing to average.
    let exact = flow_matching(Marginal::new(Affine::new(Cosine), law.velocity(&Cosine)));
    let mut rng = Generator::from_seed(0);
    let (x0, x1) = pairs(64, &mut rng);
    let loss = exact
        .loss(&law.velocity(&Cosine), &x0, &x1, &mut rng)
        .unwrap();
    assert!(common::mean(&loss) < 1e-28);
}

#[test]
fn rectified_flow_at_all_laws_of_times() {
    let law = mixture();
    let straight = CondOt::default();
    let velocity = law.velocity(&straight);
    check("rectified flow", &rectified_flow(), &velocity, &one);
    check("SD3", &stable_diffusion_3(), &velocity, &one);
    let mode = Mode::new(1.29).unwrap();
    check("mode", &rectified_flow().times(mode), &velocity, &one);
    check("cos map", &rectified_flow().times(CosMap), &velocity, &one);
    check(
        "stratified",
        &rectified_flow().times(Stratified),
        &velocity,
        &one,
    );
    let times = LogitNormal::new(0.5, 1.2).unwrap();
    let weighting = Importance::new(Unweighted, times);
    let objective = rectified_flow().times(times).weighting(weighting);
    check("importance", &objective, &velocity, &one);
}

#[test]
fn two_sided_paths() {
    let law = mixture();
    let blurred = Blurred(CondOt::default(), Constant::new(0.2).unwrap());
    let objective = flow_matching(ConstantSigma::new(0.2).unwrap());
    check("I-CFM", &objective, &law.velocity(&blurred), &one);

    let bridge = SchrodingerBridge::new(0.5).unwrap();
    let blurred = Blurred(CondOt::default(), BrownianBridge::new(0.25).unwrap());
    let times = UniformWithin::new(0.02, 0.98).unwrap();
    let objective = flow_matching(bridge).times(times);
    check("SB-CFM", &objective, &law.velocity(&blurred), &one);
    let (velocity, score) = (law.velocity(&blurred), law.score(&blurred));
    let objective = ScoreAndFlow::new(bridge).times(times);
    let mut rng = Generator::from_seed(0);
    for disturb_score in [false, true] {
        vanishes("[SF]²M", |weights, rng| {
            let (x0, x1) = pairs(2048, rng);
            let disturbed = |base, scale| Disturbed {
                base,
                weights,
                scale,
            };
            let losses = if disturb_score {
                objective.losses(&velocity, &disturbed(&score, &one), &x0, &x1, rng)
            } else {
                objective.losses(&disturbed(&velocity, &one), &score, &x0, &x1, rng)
            };
            losses.unwrap().total().unwrap()
        });
    }
    // The drifts of bridge matching: u ± ½ σ² s.
    for direction in [Direction::Forwards, Direction::Backwards] {
        let drift = field_fn(|t, x: &Tensor| {
            let (u, s) = (velocity.at(t, x)?, score.at(t, x)?);
            Ok((u + (s * (direction.sign() * 0.125))?)?)
        });
        let objective = bridge_matching(0.5, direction).unwrap();
        check("bridge matching", &objective, &drift, &one);
    }
    let (x0, x1) = pairs(8, &mut rng);
    let ends = ScoreAndFlow::new(bridge).times(Levels::start());
    assert!(ends.losses(&velocity, &score, &x0, &x1, &mut rng).is_err());
}

#[test]
fn stochastic_interpolants() {
    let law = mixture();
    let path = Interpolant::new(Cosine, Parabola);
    let blurred = Blurred(Cosine, Parabola);
    check(
        "velocity",
        &interpolant_velocity(path),
        &law.velocity(&blurred),
        &one,
    );
    // E[z | x] = −γ s.
    let denoiser = field_fn(|t, x| {
        let score = law.score(&blurred).at(t, x)?;
        t.coefficient(|t| -t * (1.0 - t))?.times(&score)
    });
    check("denoiser", &interpolant_denoiser(path), &denoiser, &one);
    let path = Interpolant::new(EncodingDecoding, SineSquared);
    let blurred = Blurred(EncodingDecoding, SineSquared);
    let objective = interpolant_velocity(path);
    check(
        "encoding-decoding",
        &objective,
        &law.velocity(&blurred),
        &one,
    );
}

#[test]
fn score_matching_in_all_its_forms() {
    let law = mixture();
    let vp = VariancePreserving::default();
    let times = UniformWithin::new(0.0, 0.99).unwrap();
    check(
        "VP",
        &score_matching(vp).times(times),
        &law.score(&vp),
        &one,
    );
    let sub_vp = SubVariancePreserving::default();
    let objective = score_matching(sub_vp).times(times);
    check("sub-VP", &objective, &law.score(&sub_vp), &one);
    let ve = VarianceExploding::new(0.05, 3.0).unwrap();
    // Scores are of the size 1/σ.
    let inverse = |t: f64| 1.0 / ve.sigma(t);
    check("VE", &score_matching(ve), &law.score(&ve), &inverse);
    let objective = ncsn(0.05, 3.0, 8).unwrap();
    check("NCSN", &objective, &law.score(&ve), &inverse);
    let objective = score_flow(vp, 0.0, 0.99).unwrap();
    let inverse = |t: f64| 1.0 / vp.sigma(t);
    check("ScoreFlow", &objective, &law.score(&vp), &inverse);
}

#[test]
fn noise_data_and_v() {
    let law = mixture();
    let steps = DiscreteDiffusion::linear(50, 2e-3, 0.3).unwrap();
    let noise = law.field(Prediction::Noise, &steps);
    check("DDPM", &ddpm(steps.clone()), &noise, &one);
    let edm_levels = EdmSchedule::new(0.02, 20.0, 7.0).unwrap();
    let denoiser = law.denoiser(&edm_levels);
    // Denoisers need not be precise where there is much noise: EDM's c_out.
    let scale = |t: f64| {
        let sigma = edm_levels.sigma(t);
        sigma * 0.8 / sigma.hypot(0.8) / (1.0 + sigma)
    };
    check("EDM", &edm(edm_levels, 0.8).unwrap(), &denoiser, &scale);
    let objective = Regression::new(Affine::new(Cosine), Prediction::V);
    check("v", &objective, &law.field(Prediction::V, &Cosine), &one);
    for prediction in [Prediction::Noise, Prediction::Data, Prediction::V] {
        let weighting = MinSnr::new(Cosine, 5.0, prediction).unwrap();
        let objective = Regression::new(Affine::new(Cosine), prediction).weighting(weighting);
        check("min-SNR", &objective, &law.field(prediction, &Cosine), &one);
    }
}

#[test]
fn variational_bounds() {
    let law = mixture();
    let steps = DiscreteDiffusion::linear(20, 0.02, 0.4).unwrap();
    let noise = law.field(Prediction::Noise, &steps);
    for variance in [ReverseVariance::Beta, ReverseVariance::Posterior] {
        let bound = VariationalBound::new(steps.clone()).variance(variance);
        check("bound", &bound.decoder(GaussianDecoder), &noise, &one);
    }
}

/// With the exact noise of N(0, v) data, the best variances are those of `x_(k−1)` given `x_k`. The bound is made of
/// second moments, so that the pairs of ±√v and ±1 have its exact mean.
#[test]
fn learned_variances_are_best_at_the_true_ones() {
    let variance = 0.6f64;
    let root = variance.sqrt();
    let x1 = Tensor::new(&[[root], [root], [-root], [-root]], device()).unwrap();
    let x0 = Tensor::new(&[[1f64], [-1.0], [1.0], [-1.0]], device()).unwrap();
    let steps = DiscreteDiffusion::linear(20, 0.02, 0.4).unwrap();
    let mean = Tensor::zeros(1, DType::F64, device()).unwrap();
    let law = Gaussian::new(&mean, Covariance::isotropic(variance).unwrap()).unwrap();
    let exact = law.field(Prediction::Noise, &steps);
    let bound = VariationalBound::new(steps.clone()).variance(ReverseVariance::Learned);
    let loss = |k: usize, v: &Tensor| {
        let field = field_fn(|t, x| {
            let v = v.broadcast_as(x.shape())?;
            Ok(Tensor::cat(&[&exact.at(t, x)?, &v], 1)?)
        });
        let losses = bound.losses_at(&field, &x0, &x1, &[steps.time(k); 4]);
        losses.unwrap().mean_all().unwrap()
    };
    for k in [1, 2, 5, 20] {
        // Of x_(k−1), and of it given x_k = √(1 − β) x_(k−1) + √β z.
        let before = steps.alpha_bar(k - 1) * variance + steps.noise_variance(k - 1);
        let beta = steps.beta(k);
        let best = before * beta / ((1.0 - beta) * before + beta);
        let small = steps.posterior_variance(k.max(2)).ln();
        let v = 2.0 * (best.ln() - small) / (beta.ln() - small) - 1.0;
        let at = |v: f64| Var::new(&[[v]], device()).unwrap();
        let optimum = at(v);
        let grads = loss(k, &optimum).backward().unwrap();
        let gradient = grads.get(&optimum).unwrap().to_vec2::<f64>().unwrap()[0][0];
        let value = |v: f64| loss(k, &at(v)).to_scalar::<f64>().unwrap();
        assert!(gradient.abs() < 1e-11, "{k}: {gradient}");
        assert!(
            value(v) < value(v - 0.1) && value(v) < value(v + 0.1),
            "{k}"
        );
    }
}

/// A disturbed score with derivatives, for objectives that need them: the features are x and sin x.
struct DisturbedScore<'a, F> {
    base: F,
    weights: &'a Var,
}

impl<F: Jvp> Field for DisturbedScore<'_, F> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        Ok((self.base.at(t, x)? + Tensor::cat(&[x, &x.sin()?], 1)?.matmul(self.weights)?)?)
    }
}

impl<F: Jvp> Jvp for DisturbedScore<'_, F> {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let (_, slope) = self.base.jvp(t, x, dt, dx)?;
        let features = Tensor::cat(&[dx, &(x.cos()? * dx)?], 1)?;
        Ok((self.at(t, x)?, (slope + features.matmul(self.weights)?)?))
    }
}

#[test]
fn implicit_score_matching() {
    let (law, data) = (mixture(), CondOt::new(0.3).unwrap());
    // At t = 1 with σ_min = 0.3: the data, blurred.
    let time = Time::Shared(1.0);
    let kinds = ["exact", "Hutchinson", "Hutch++", "sliced"];
    for kind in kinds {
        let loss = |weights: &Var, rng: &mut Generator| {
            let (x0, x1) = pairs(2048, rng);
            let x = (x1 + (x0 * 0.3).unwrap()).unwrap();
            let score = DisturbedScore {
                base: law.score(&data),
                weights,
            };
            let implicit = |losses: Result<Tensor>| losses.unwrap().mean_all().unwrap();
            match kind {
                "exact" => implicit(ImplicitScoreMatching::new(Exact).losses(&score, &time, &x)),
                "Hutchinson" => {
                    let probes = Hutchinson::new(Probe::Rademacher, 1, &x, rng).unwrap();
                    implicit(ImplicitScoreMatching::new(probes).losses(&score, &time, &x))
                }
                "Hutch++" => {
                    let probes = HutchPlusPlus::new(1, 1, &x, rng).unwrap();
                    implicit(ImplicitScoreMatching::new(probes).losses(&score, &time, &x))
                }
                _ => {
                    let sliced = SlicedScoreMatching::new(Probe::Gaussian, 1).unwrap();
                    implicit(sliced.losses(&score, &time, &x, rng))
                }
            }
        };
        let mut rng = Generator::from_seed(3);
        let at = |w: f64| {
            let weights = Tensor::ones((4, 2), DType::F64, device()).unwrap();
            Var::from_tensor(&(weights * w).unwrap()).unwrap()
        };
        let weights = at(0.0);
        let (means, errors) = gradients(48, &mut rng, &weights, |rng| loss(&weights, rng));
        for (mean, error) in means.iter().zip(&errors) {
            assert!(mean.abs() <= 4.5 * error, "{kind}: {mean} ± {error}");
        }
        let weights = at(0.1);
        let (nearby, _) = gradients(4, &mut rng, &weights, |rng| loss(&weights, rng));
        assert!(norm(&errors) < 0.2 * norm(&nearby), "{kind}");
    }
}
