//! Forward and reverse equations with noise.

use super::{accurate, close, gaussian, mean, normal, number, values, variance};
use advect::prelude::*;

// ANCHOR: fokker_planck
/// `∂_t p = −∂_x(½ β x p) − ½ β ∂_xx p` for the VP process in our time, at a point.
#[test]
fn densities_obey_the_fokker_planck_equation() -> Result<()> {
    let schedule = VariancePreserving::default();
    let means = Tensor::new(&[[-1.0], [2.0]], &Device::Cpu)?;
    let law = GaussianMixture::new(&[0.4, 0.6], &means, vec![Covariance::isotropic(0.2)?; 2])?;
    let field = law.score(schedule);
    let density = |t: f64, x: f64| -> Result<f64> {
        let x = Tensor::new(&[[x]], &Device::Cpu)?;
        Ok(number(&field.log_density(&Time::Shared(t), &x)?)?.exp())
    };
    let (t, x, h) = (0.8, 0.4, 1e-3);
    let beta = ForwardProcess::new(schedule).diffusion(t)?.powi(2);

    let change = (density(t + h, x)? - density(t - h, x)?) / (2.0 * h);
    let flux = |x: f64| Ok::<_, Error>(0.5 * beta * x * density(t, x)?);
    let drift = (flux(x + h)? - flux(x - h)?) / (2.0 * h);
    let second = (density(t, x + h)? - 2.0 * density(t, x)? + density(t, x - h)?) / (h * h);
    // Forwards in s = 1 − t: ∂_s p = ∂_x(½ β x p) + ½ β ∂_xx p.
    close(change, -drift - 0.5 * beta * second, 1e-3);
    assert!(change.abs() > 0.05 && second.abs() > 0.05);
    Ok(())
}
// ANCHOR_END: fokker_planck

// ANCHOR: reverse
/// From noise to data by the reverse equation, and by the one without noise.
#[test]
fn both_ways_back() -> Result<()> {
    let law = gaussian(2.0, 0.25)?;
    let schedule = VariancePreserving::default();
    let score = law.score(schedule);
    let model = Model::new(&score, Prediction::Score, schedule);
    let mut rng = Generator::from_seed(0);
    let noise = normal(4000, 1, &mut rng)?;

    let reverse = ReverseSde::new(ForwardDiffusion::new(1.0)?).on(UniformLogSnr::new(100)?);
    let flow =
        ProbabilityFlow::new(Solver::new(Heun, Fixed::steps(100)?)).within(0.0, 1.0 - 1e-5)?;
    let samplers: [&dyn Sampler; 2] = [&reverse, &flow];
    for sampler in samplers {
        let samples = sampler.sample(&model, &noise, &mut rng)?;
        close(mean(&samples)?, 2.0, 0.05);
        close(variance(&samples)?, 0.25, 0.05);
    }
    Ok(())
}
// ANCHOR_END: reverse

// ANCHOR: bound
/// Log-densities by the flow, and their bound by denoising errors alone.
#[test]
fn likelihoods_of_a_score() -> Result<()> {
    let law = gaussian(1.0, 0.5)?;
    let schedule = VariancePreserving::default();
    let noises = law.field(Prediction::Noise, schedule);
    let model = Model::new(&noises, Prediction::Noise, schedule);
    let x1 = Tensor::new(&[[1.0], [0.2]], &Device::Cpu)?;
    let exact = values(
        &law.score(CondOt::default())
            .log_density(&Time::Shared(1.0), &x1)?,
    )?;

    let flow = Likelihood::new(model).within(0.0, 1.0 - 1e-5)?;
    let flow = values(&flow.log_density(&accurate()?, &x1)?.nats)?;
    let bound = LikelihoodBound::new(model, Key::from_seed(0)).within(0.0, 1.0 - 1e-4)?;
    let bound = bound.strata(2000)?.log_density(&x1)?;
    let (nats, errors) = (values(&bound.nats)?, values(&bound.standard_error)?);
    for i in 0..2 {
        close(flow[i], exact[i], 0.02); // at t = 0 a trace of the data is left: α = 0.0066
        assert!(
            nats[i] < exact[i] + 4.0 * errors[i] + 0.02,
            "{nats:?} {exact:?}"
        );
        close(nats[i], exact[i], 0.1);
    }
    Ok(())
}
// ANCHOR_END: bound

// ANCHOR: exercise_1
/// The transition of VP: the factor is exp(−½ ∫β), the variance 1 minus its square.
#[test]
fn exercise_1_transitions() -> Result<()> {
    let process = ForwardProcess::new(VariancePreserving::default());
    let law = process.transition(0.9, 0.4)?; // from s = 0.1 to s = 0.6
    let integral: f64 = 0.1 * 0.5 + 0.5 * 19.9 * (0.36 - 0.01);
    close(law.factor, (-0.5 * integral).exp(), 1e-12);
    close(law.deviation.powi(2), 1.0 - (-integral).exp(), 1e-12);
    Ok(())
}
// ANCHOR_END: exercise_1

// ANCHOR: exercise_2
/// No diffusion of the way back changes the marginals.
#[test]
fn exercise_2_any_diffusion() -> Result<()> {
    let law = gaussian(2.0, 0.25)?;
    let schedule = CondOt::default();
    let velocity = law.velocity(schedule);
    let model = Model::new(&velocity, Prediction::Velocity, schedule);
    let mut rng = Generator::from_seed(0);
    let noise = normal(1500, 1, &mut rng)?;
    let times = equal_times(0.0, 1.0, 100)?;
    for strength in [0.1, 1.0, 3.0] {
        let sde = PathSde::new(NoiseLevel::new(strength)?);
        let samples = sde.sample(&model, &noise, &times, &mut rng)?;
        close(mean(&samples)?, 2.0, 0.05);
        close(variance(&samples)?, 0.25, 0.05);
    }
    Ok(())
}
// ANCHOR_END: exercise_2

// ANCHOR: exercise_3
/// On VE the flow from N(0, v + σ²) scales by √((v + σ_min²)/(v + σ_max²)).
#[test]
fn exercise_3_the_flow_of_ve() -> Result<()> {
    let (v, low, high) = (0.25, 0.01, 50.0);
    let velocity = gaussian(0.0, v)?.velocity(VarianceExploding::new(low, high)?);
    let start = Tensor::new(&[[30.0]], &Device::Cpu)?;
    let end = accurate()?.solve(&velocity, &start, 0.0, 1.0)?.end()?;
    let ratio = ((v + low * low) / (v + high * high)).sqrt();
    close(number(&end)?, 30.0 * ratio, 1e-6);
    Ok(())
}
// ANCHOR_END: exercise_3
