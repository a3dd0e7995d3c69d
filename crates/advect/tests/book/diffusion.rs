//! DDPM: from the bound to the loss of the noise.

use super::{close, gaussian, mean, normal, number, variance};
use advect::prelude::*;

// ANCHOR: weight
/// The squared distance of the means, over 2 σ², is that of the noises times β²/(2 σ² α (1 − ᾱ)).
#[test]
fn the_weight_of_the_noise() -> Result<()> {
    let ddpm = DiscreteDiffusion::default();
    for k in [2, 100, 1000] {
        let (beta, alpha_bar, before) = (ddpm.beta(k), ddpm.alpha_bar(k), ddpm.alpha_bar(k - 1));
        let alpha = 1.0 - beta;
        let (data, noise, predicted) = (1.3, -0.4, 0.6);
        let x = alpha_bar.sqrt() * data + (1.0 - alpha_bar).sqrt() * noise;
        // The mean of q(x^(k−1) | x^(k), data), and the one of the model.
        let mean =
            (before.sqrt() * beta * data + alpha.sqrt() * (1.0 - before) * x) / (1.0 - alpha_bar);
        let of_model = (x - beta / (1.0 - alpha_bar).sqrt() * predicted) / alpha.sqrt();

        let divergence = (mean - of_model).powi(2) / (2.0 * beta);
        let weight = beta.powi(2) / (2.0 * beta * alpha * (1.0 - alpha_bar));
        close(
            divergence / (weight * (noise - predicted).powi(2)),
            1.0,
            1e-9,
        );
    }
    Ok(())
}
// ANCHOR_END: weight

// ANCHOR: simple
/// The simple loss of the best network is the noise that x does not tell: for data N(0, 1) the mean of ᾱ_k.
#[test]
fn the_least_of_the_simple_loss() -> Result<()> {
    let schedule = DiscreteDiffusion::default();
    let law = gaussian(0.0, 1.0)?;
    let best = law.field(Prediction::Noise, &schedule);
    let mut rng = Generator::from_seed(0);
    let noise = normal(40_000, 1, &mut rng)?;
    let data = law.sample(40_000, DType::F64, &Device::Cpu, &mut rng)?;
    let loss = ddpm(schedule.clone()).loss(&best, &noise, &data, &mut rng)?;
    let expected = (1..=1000).map(|k| schedule.alpha_bar(k)).sum::<f64>() / 1000.0;
    close(number(&loss)?, expected, 0.01);
    Ok(())
}
// ANCHOR_END: simple

// ANCHOR: sampling
/// Ancestral sampling with the exact noise in place of a network.
#[test]
fn ancestral_sampling() -> Result<()> {
    let law = gaussian(2.0, 0.25)?;
    let schedule = DiscreteDiffusion::linear(250, 4e-4, 0.08)?;
    let network = law.field(Prediction::Noise, &schedule);
    let model = Model::new(&network, Prediction::Noise, &schedule);
    let mut rng = Generator::from_seed(0);
    let noise = normal(2000, 1, &mut rng)?;
    let sampler = Ancestral::new().on(Respaced::all(250)?);
    let samples = sampler.sample(&model, &noise, &mut rng)?;
    close(mean(&samples)?, 2.0, 0.05);
    close(variance(&samples)?, 0.25, 0.04);
    Ok(())
}
// ANCHOR_END: sampling

// ANCHOR: bound
/// With the exact noise the bound is nearly the entropy of the data: here ½ ln(2πe · ¼) = 0.726 nats.
#[test]
fn the_bound_is_tight() -> Result<()> {
    let law = gaussian(0.0, 0.25)?;
    let schedule = DiscreteDiffusion::linear(200, 1e-4, 0.1)?;
    let mut rng = Generator::from_seed(0);
    let data = law.sample(2000, DType::F64, &Device::Cpu, &mut rng)?;
    let network = law.field(Prediction::Noise, &schedule);
    let terms = VariationalBound::new(schedule.clone()).terms(&network, &data, &mut rng)?;
    let entropy = 0.5 * (2.0 * std::f64::consts::PI * std::f64::consts::E * 0.25).ln();
    let bound = mean(&terms.total()?)?;
    assert!(
        bound > entropy - 0.05 && bound < entropy + 0.15,
        "{bound}, {entropy}"
    );
    Ok(())
}
// ANCHOR_END: bound

// ANCHOR: exercise_1
/// The posterior of a step by Bayes' rule: precisions add up.
#[test]
fn exercise_1_bayes() -> Result<()> {
    let ddpm = DiscreteDiffusion::default();
    for k in [2, 500, 1000] {
        let (beta, before) = (ddpm.beta(k), ddpm.alpha_bar(k - 1));
        let precision = (1.0 - beta) / beta + 1.0 / (1.0 - before);
        close(ddpm.posterior_variance(k) * precision, 1.0, 1e-9);
    }
    Ok(())
}
// ANCHOR_END: exercise_1

// ANCHOR: exercise_2
/// With σ² = β the bound weighs step 2 of DDPM 27 times as much as step 1,000; the simple loss weighs both alike.
#[test]
fn exercise_2_what_the_simple_loss_leaves_out() -> Result<()> {
    let ddpm = DiscreteDiffusion::default();
    let weight = |k| ddpm.beta(k) / (2.0 * (1.0 - ddpm.beta(k)) * (1.0 - ddpm.alpha_bar(k)));
    close(weight(2), 0.2727, 1e-3);
    close(weight(1000), 0.0102, 1e-4);
    Ok(())
}
// ANCHOR_END: exercise_2

// ANCHOR: exercise_3
/// DDIM with η = 1 is ancestral sampling; with η = 0 it is a map, and needs fewer steps.
#[test]
fn exercise_3_ddim() -> Result<()> {
    let law = gaussian(2.0, 0.25)?;
    let schedule = DiscreteDiffusion::default();
    let network = law.field(Prediction::Noise, &schedule);
    let model = Model::new(&network, Prediction::Noise, &schedule);
    let noise = normal(2000, 1, &mut Generator::from_seed(0))?;
    let steps = || Respaced::trailing(1000, 20);
    let rng = || Generator::from_seed(1);

    let ancestral = Ancestral::new()
        .on(steps()?)
        .sample(&model, &noise, &mut rng())?;
    let ddim_1 = Ddim::new()
        .eta(1.0)?
        .on(steps()?)
        .sample(&model, &noise, &mut rng())?;
    assert!(mean(&(&ancestral - ddim_1)?.abs()?)? < 1e-9);

    let ddim_0 = Ddim::new()
        .on(steps()?)
        .sample(&model, &noise, &mut rng())?;
    let [ddpm_error, ddim_error] = [
        (variance(&ancestral)? - 0.25).abs(),
        (variance(&ddim_0)? - 0.25).abs(),
    ];
    assert!(ddim_error < ddpm_error, "{ddim_error} {ddpm_error}");
    Ok(())
}
// ANCHOR_END: exercise_3
