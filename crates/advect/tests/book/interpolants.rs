//! Stochastic interpolants.

use super::{close, gaussian, mean, normal, number, variance};
use advect::objectives::objective::{interpolant_denoiser, interpolant_velocity};
use advect::paths::path::gamma::{BrownianBridge, Gamma, Parabola};
use advect::prelude::*;

// ANCHOR: losses
/// The losses at the exact velocity and noise are −½ E|b|² and −½ E|η|²; any error adds ½ E|error|².
#[test]
fn the_losses_and_their_minima() -> Result<()> {
    let law = JointLaw::independent(&gaussian(-1.0, 0.5)?, &gaussian(2.0, 0.2)?)?;
    let path = Interpolant::new(CondOt::default(), Parabola);
    let (velocity, noise) = (law.velocity(path), law.noise(path));
    let mut rng = Generator::from_seed(0);
    let (x0, x1) = law.sample(20_000, DType::F64, &Device::Cpu, &mut rng)?;
    let seed = || Generator::from_seed(1);

    let least = number(&interpolant_velocity(path).loss(&velocity, &x0, &x1, &mut seed())?)?;
    assert!(least < -4.0, "{least}"); // ½ · 3², and a little more
    let shifted = field_fn(|t, x| Ok((velocity.at(t, x)? + 0.3)?));
    let more = number(&interpolant_velocity(path).loss(&shifted, &x0, &x1, &mut seed())?)?;
    close(more - least, 0.5 * 0.3 * 0.3, 0.01);

    let least = number(&interpolant_denoiser(path).loss(&noise, &x0, &x1, &mut seed())?)?;
    let doubled = field_fn(|t, x| Ok((noise.at(t, x)? * 2.0)?));
    let more = number(&interpolant_denoiser(path).loss(&doubled, &x0, &x1, &mut seed())?)?;
    close(more - least, -least, 0.02); // ½ E|η|²
    Ok(())
}
// ANCHOR_END: losses

// ANCHOR: sampling
/// One model, from one law to the other without noise, and with it in both directions.
#[test]
fn both_directions() -> Result<()> {
    let law = JointLaw::independent(&gaussian(-1.0, 0.5)?, &gaussian(2.0, 0.2)?)?;
    let gamma = BrownianBridge::new(1.0)?;
    let path = Interpolant::new(CondOt::default(), gamma);
    let model = TwoFields::with_noise(law.velocity(path), law.noise(path), gamma);
    let mut rng = Generator::from_seed(0);
    let (x0, _) = law.sample(3000, DType::F64, &Device::Cpu, &mut rng)?;

    let sde = PathSde::new(NoiseLevel::new(1.0)?).method(SdeMethod::Sra1);
    let x1 = sde.sample(&model, &x0, &equal_times(0.0, 1.0, 50)?, &mut rng)?;
    let back = sde.sample(&model, &x1, &equal_times(1.0, 0.0, 50)?, &mut rng)?;
    for (found, at, wide) in [(x1, 2.0, 0.2), (back, -1.0, 0.5)] {
        close(mean(&found)?, at, 0.06);
        close(variance(&found)?, wide, 0.06);
    }
    Ok(())
}
// ANCHOR_END: sampling

// ANCHOR: exercise_1
/// `s = −E[z | x]/γ`.
#[test]
fn exercise_1_the_score() -> Result<()> {
    let law = JointLaw::independent(&gaussian(-1.0, 0.5)?, &gaussian(2.0, 0.2)?)?;
    let path = Interpolant::new(Cosine, Parabola);
    let (t, x) = (Time::Shared(0.4), Tensor::new(&[[0.3]], &Device::Cpu)?);
    let noise = number(&law.noise(path).at(&t, &x)?)?;
    close(
        number(&law.score(path).at(&t, &x)?)?,
        -noise / Parabola.gamma(0.4),
        1e-9,
    );
    Ok(())
}
// ANCHOR_END: exercise_1

// ANCHOR: exercise_2
/// The variance on the way is α² b² + σ² a² + γ²; γ = √(2 α σ) keeps it constant on straight lines.
#[test]
fn exercise_2_the_width_on_the_way() -> Result<()> {
    let mut rng = Generator::from_seed(0);
    let (x0, x1) = (normal(20_000, 1, &mut rng)?, normal(20_000, 1, &mut rng)?);
    let path = Interpolant::new(CondOt::default(), BrownianBridge::new(2.0)?);
    for t in [0.1, 0.5, 0.8] {
        let point = path.sample(&Time::Shared(t), &x0, &x1, &mut rng)?;
        close(variance(&point.x)?, 1.0, 0.04);
    }
    Ok(())
}
// ANCHOR_END: exercise_2

// ANCHOR: exercise_3
/// Between the same points noise is all that a path has: with γ² = t(1 − t), the velocity is (1 − 2t)/(2t(1 − t)) x.
#[test]
fn exercise_3_a_bridge_from_a_point_to_itself() -> Result<()> {
    let point = |x: f64| FiniteData::new(&Tensor::new(&[[x]], &Device::Cpu)?);
    let law = JointLaw::independent(&point(0.0)?, &point(0.0)?)?;
    let path = Interpolant::new(CondOt::default(), BrownianBridge::new(1.0)?);
    let x = Tensor::new(&[[0.5]], &Device::Cpu)?;
    for t in [0.2, 0.5, 0.9] {
        let velocity = number(&law.velocity(path).at(&Time::Shared(t), &x)?)?;
        close(
            velocity,
            0.5 * (1.0 - 2.0 * t) / (2.0 * t * (1.0 - t)),
            1e-9,
        );
    }
    Ok(())
}
// ANCHOR_END: exercise_3
