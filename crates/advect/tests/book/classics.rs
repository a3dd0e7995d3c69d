//! The models before transport.

use super::{close, mean, number, values};
use advect::candle::Var;
use advect::classics::flow::Layout;
use advect::core::normal::log_normal;
use advect::prelude::*;

// ANCHOR: boltzmann
/// The gradient of a Boltzmann machine's −log p is `⟨∂E⟩_data − ⟨∂E⟩_model`; samples of the model give the second term.
#[test]
fn two_phases_of_a_boltzmann_machine() -> Result<()> {
    let bias = Var::new(&[0.3, -0.2], &Device::Cpu)?;
    let weight = Tensor::new(&[[0.0, 0.8], [0.8, 0.0]], &Device::Cpu)?;
    let machine = BoltzmannMachine::new(weight, bias.as_tensor().clone())?;
    let data = Tensor::new(&[[1.0, 1.0], [1.0, 0.0]], &Device::Cpu)?;

    let log_partition = machine.log_partition()?; // four states: no need of samples
    let exact = machine
        .log_likelihood(&data, &log_partition)?
        .mean_all()?
        .neg()?
        .backward()?;
    let exact = values(exact.get(&bias).expect("tracked"))?;
    // ∂E/∂b = −x: the phases are the means of the data and of the model.
    let (means, _) = machine.moments()?;
    let phases = (means - data.mean(0)?)?;
    for (found, expected) in values(&phases)?.iter().zip(&exact) {
        close(*found, *expected, 1e-12);
    }

    let mut rng = Generator::from_seed(0);
    let chains = Tensor::zeros((4000, 2), DType::F64, &Device::Cpu)?;
    let negatives = (0..50).try_fold(chains, |x, _| machine.frozen().gibbs(&x, &mut rng))?;
    let sampled = contrastive_loss(&machine, &data, &negatives)?.backward()?;
    for (found, expected) in values(sampled.get(&bias).expect("tracked"))?
        .iter()
        .zip(&exact)
    {
        close(*found, *expected, 0.04);
    }
    Ok(())
}
// ANCHOR_END: boltzmann

// ANCHOR: flow
/// The map `y = A x` with A = (0 2; 1 0), which mirrors: its determinant is −2.
struct Mirror;

impl Bijection for Mirror {
    fn forward_given(&self, x: &Tensor, _: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let y = Tensor::cat(&[(x.narrow(1, 1, 1)? * 2.0)?, x.narrow(1, 0, 1)?], 1)?;
        let log_det = x.narrow(1, 0, 1)?.squeeze(1)?.ones_like()?;
        Ok((y, (log_det * (-2f64).abs().ln())?))
    }

    fn inverse_given(&self, y: &Tensor, _: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let x = Tensor::cat(&[y.narrow(1, 1, 1)?, (y.narrow(1, 0, 1)? * 0.5)?], 1)?;
        let log_det = y.narrow(1, 0, 1)?.squeeze(1)?.ones_like()?;
        Ok((x, (log_det * -(-2f64).abs().ln())?))
    }

    fn latent(&self, data: &Layout) -> Result<Layout> {
        Ok(data.clone())
    }
}

/// The absolute value of the determinant counts: y is normal with variances 4 and 1.
#[test]
fn the_determinant_stands_between_bars() -> Result<()> {
    let flow = NormalizingFlow::new(&[2], Mirror)?;
    let [y0, y1] = [0.7, -0.4];
    let found = number(&flow.log_density(&Tensor::new(&[[y0, y1]], &Device::Cpu)?)?)?;
    let direct =
        -0.5 * (y0 * y0 / 4.0 + y1 * y1) - 0.5 * 4f64.ln() - (2.0 * std::f64::consts::PI).ln();
    close(found, direct, 1e-12);
    Ok(())
}
// ANCHOR_END: flow

// ANCHOR: vae
/// A decoder w z with noise s², of which the posterior is known: with it the bound is log p, with another less.
#[test]
fn the_bound_and_its_gap() -> Result<()> {
    let (w, s2) = (1.5f64, 0.4);
    let total = w * w + s2;
    let x = Tensor::new(&[[0.7]], &Device::Cpu)?;
    let exact = number(&log_normal(&x, total)?)?;
    let bound = |factor: f64, variance: f64| -> Result<f64> {
        let encoder = move |x: &Tensor| -> Result<Tensor> {
            let log_variance = x.ones_like()?.affine(variance.ln(), 0.0)?;
            Ok(Tensor::cat(&[(x * factor)?, log_variance], 1)?)
        };
        let decoder = move |z: &Tensor| -> Result<Tensor> { Ok((z * w)?) };
        let vae = VariationalAutoencoder::new(1, encoder, decoder, GaussianLikelihood::fixed(s2)?)?;
        let many = x.repeat((20_000, 1))?;
        let noise = vae.noise(&many, &mut Generator::from_seed(0))?;
        mean(&vae.evidence_bound(&many, &noise)?.value()?)
    };
    close(bound(w / total, s2 / total)?, exact, 0.02);
    // The gap is KL(q ‖ posterior): for twice the variance, ½ (2 − 1 − ln 2).
    close(
        exact - bound(w / total, 2.0 * s2 / total)?,
        0.5 * (1.0 - 2f64.ln()),
        0.03,
    );
    Ok(())
}
// ANCHOR_END: vae

// ANCHOR: adversaries
/// The discriminator's loss is −V of its logits ln D/(1 − D). Undecided, with D = ½ everywhere, it is ln 4; where the generator loses, its own loss has a slope and the value has none.
#[test]
fn losses_of_two_players() -> Result<()> {
    let undecided = Tensor::zeros(5, DType::F64, &Device::Cpu)?;
    let loss = NonSaturating.discriminator(&undecided, &undecided)?;
    close(number(&loss)?, 4f64.ln(), 1e-12);

    let losing = Var::new(&[-20.0], &Device::Cpu)?; // D = 2·10⁻⁹ at a sample
    let slope = |loss: Tensor| number(loss.backward()?.get(&losing).expect("tracked"));
    close(slope(NonSaturating.generator(&losing)?)?, -1.0, 1e-6);
    let value = NonSaturating.discriminator(&undecided, &losing)?.neg()?;
    close(slope(value)?, 0.0, 1e-6);
    Ok(())
}
// ANCHOR_END: adversaries

// ANCHOR: tokens
/// With the true past all positions are predicted in one pass; one token after the other gives the same likelihood.
#[test]
fn teacher_forcing() -> Result<()> {
    let store = ParameterStore::new(Key::from_seed(1), DType::F64, &Device::Cpu);
    let model = CausalTransformer::config(3, 4)
        .width(8)
        .heads(2)
        .build(&store.builder())?;
    let tokens = [2u32, 0, 1, 1];
    let at_once = number(&model.log_likelihood(&Tensor::new(&[tokens], &Device::Cpu)?)?)?;

    let (mut state, mut logits) = model.start(1)?;
    let mut one_by_one = 0.0;
    for (i, token) in tokens.into_iter().enumerate() {
        let logits_now = values(&logits)?;
        let total: f64 = logits_now.iter().map(|l| l.exp()).sum();
        one_by_one += logits_now[token as usize] - total.ln();
        if i + 1 < tokens.len() {
            (state, logits) = model.step(state, &Tensor::new(&[token], &Device::Cpu)?)?;
        }
    }
    close(one_by_one, at_once, 1e-12);
    Ok(())
}
// ANCHOR_END: tokens

// ANCHOR: exercise_1
/// The best D = p/(p + q), whose logit is ln p/q, makes V = 2 JS(p, q) − 2 ln 2.
#[test]
fn exercise_1_the_value_of_the_game() -> Result<()> {
    // Ten samples of each law, at points 0, 1 and 2.
    let real = Tensor::new(&[0u32, 0, 0, 0, 0, 1, 1, 1, 2, 2], &Device::Cpu)?;
    let made = Tensor::new(&[0u32, 1, 1, 1, 2, 2, 2, 2, 2, 2], &Device::Cpu)?;
    let (p, q) = ([0.5, 0.3, 0.2], [0.1, 0.3, 0.6]);
    let value = |logits: [f64; 3]| -> Result<f64> {
        let logits = Tensor::new(&logits, &Device::Cpu)?;
        let at = |points: &Tensor| logits.index_select(points, 0);
        Ok(-number(
            &NonSaturating.discriminator(&at(&real)?, &at(&made)?)?,
        )?)
    };
    let kl = |a: [f64; 3], b: [f64; 3]| -> f64 { (0..3).map(|i| a[i] * (a[i] / b[i]).ln()).sum() };
    let middle = [0, 1, 2].map(|i| 0.5 * (p[i] + q[i]));
    let js = 0.5 * kl(p, middle) + 0.5 * kl(q, middle);
    let best = [0, 1, 2].map(|i: usize| f64::ln(p[i] / q[i]));
    close(value(best)?, 2.0 * js - 2.0 * 2f64.ln(), 1e-12);
    assert!(value([0.0; 3])? < value(best)? && value([0.8, 0.0, -0.8])? < value(best)?);
    Ok(())
}
// ANCHOR_END: exercise_1

// ANCHOR: exercise_2
/// The probabilities of all sequences of a model that predicts token after token add up to 1.
#[test]
fn exercise_2_all_sequences() -> Result<()> {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
    let model = CausalTransformer::config(3, 4)
        .width(8)
        .heads(2)
        .build(&store.builder())?;
    let sequences: Vec<u32> = (0..27u32).flat_map(|n| [n / 9, n / 3 % 3, n % 3]).collect();
    let sequences = Tensor::from_vec(sequences, (27, 3), &Device::Cpu)?;
    let probabilities = model.log_likelihood(&sequences)?.exp()?;
    close(number(&probabilities)?, 1.0, 1e-9);
    Ok(())
}
// ANCHOR_END: exercise_2

// ANCHOR: exercise_3
/// Fitted to two peaks, KL(p ‖ q) has a wide Gaussian, with the moments of both.
#[test]
fn exercise_3_moments() -> Result<()> {
    let means = Tensor::new(&[[-2.5], [1.0]], &Device::Cpu)?;
    let law = GaussianMixture::new(&[0.35, 0.65], &means, vec![Covariance::isotropic(0.25)?; 2])?;
    let x = law.sample(
        40_000,
        DType::F64,
        &Device::Cpu,
        &mut Generator::from_seed(0),
    )?;
    let fitted = Gaussian::fit(&x)?;
    let centre = -0.35 * 2.5 + 0.65;
    close(fitted.mean()[0], centre, 0.03);
    close(fitted.covariance()[0], 0.25 + 0.35 * 0.65 * 3.5 * 3.5, 0.05);
    // Of all Gaussians it has the highest likelihood.
    let likelihood = |variance: f64| mean(&log_normal(&(&x - centre)?, variance)?);
    let best = likelihood(fitted.covariance()[0])?;
    assert!(best > likelihood(1.0)? && best > likelihood(9.0)?);
    Ok(())
}
// ANCHOR_END: exercise_3
