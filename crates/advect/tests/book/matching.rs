//! Conditional paths and flow matching.

use super::{accurate, close, mean, normal, number, two_peaks, values};
use advect::metrics::energy_distance;
use advect::ops::{Dual, Value};
use advect::prelude::*;

// ANCHOR: training
/// Flow matching in full: a network learns the velocity of straight lines from noise to data.
#[test]
fn a_network_learns_the_flow() -> Result<()> {
    let law = two_peaks()?;
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
    let net = Mlp::config(2).hidden(&[32, 32]).build(&store.builder())?;
    let objective = flow_matching(Affine::new(CondOt::default()));
    let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1));
    let loss = |_: usize, rng: &mut Generator| {
        let noise = rng.normal((256, 2), DType::F32, &Device::Cpu)?;
        let data = law.sample(256, DType::F32, &Device::Cpu, rng)?;
        objective.loss(&net, &noise, &data, rng)
    };
    trainer.run(1000, loss, &mut ())?;

    // The trained field carries noise to samples.
    let mut rng = Generator::from_seed(2);
    let noise = rng.normal((1000, 2), DType::F32, &Device::Cpu)?;
    let solver = Solver::new(Dopri5, Adaptive::new(1e-4, 1e-4)?);
    let samples = solver
        .solve(&net.on(&store.frozen())?, &noise, 0.0, 1.0)?
        .end()?;
    let drawn = law.sample(1000, DType::F32, &Device::Cpu, &mut rng)?;
    assert!(energy_distance(&samples, &drawn)? < 0.05);
    Ok(())
}
// ANCHOR_END: training

// ANCHOR: theorem_1
/// The marginal velocity is the mean of the conditional ones, weighted by how likely each led to x.
#[test]
fn theorem_1_by_hand() -> Result<()> {
    let points = [[-1.0, 0.0], [1.0, 0.5], [0.0, 2.0]];
    let data = FiniteData::new(&Tensor::new(&points, &Device::Cpu)?)?;
    let (t, x) = (0.7, [0.2, 0.4]);
    let exact = data
        .velocity(CondOt::default())
        .at(&Time::Shared(t), &Tensor::new(&[x], &Device::Cpu)?)?;

    // Of the path x_t = t x1 + (1 − t) x0: p(x | x1) = N(x; t x1, (1 − t)² I), u(x | x1) = (x1 − x)/(1 − t).
    let (mut mass, mut flux) = (0.0, [0.0; 2]);
    for x1 in points {
        let distance: f64 = (0..2).map(|i| (x[i] - t * x1[i]).powi(2)).sum();
        let weight = (-0.5 * distance / (1.0f64 - t).powi(2)).exp();
        mass += weight;
        (0..2).for_each(|i| flux[i] += weight * (x1[i] - x[i]) / (1.0 - t));
    }
    for (found, flux) in values(&exact)?.iter().zip(flux) {
        close(*found, flux / mass, 1e-9);
    }
    Ok(())
}
// ANCHOR_END: theorem_1

// ANCHOR: theorem_2
/// Regression on conditional velocities and on the marginal one differ by a number that no field changes.
#[test]
fn theorem_2_by_samples() -> Result<()> {
    let law = two_peaks()?;
    let mut rng = Generator::from_seed(0);
    let noise = normal(40_000, 2, &mut rng)?;
    let data = law.sample(40_000, DType::F64, &Device::Cpu, &mut rng)?;
    let path = Affine::new(CondOt::default());
    let conditional = flow_matching(path);
    let marginal = flow_matching(Marginal::new(path, law.velocity(CondOt::default())));

    let fields = [0.0, 0.5, -1.0].map(|a| field_fn(move |_, x: &Tensor| Ok(x.affine(a, a)?)));
    let mut gaps = Vec::new();
    for field in &fields {
        // The same pairs and times for both, hence the same seed.
        let [cfm, fm] = [
            conditional.loss(field, &noise, &data, &mut Generator::from_seed(1))?,
            marginal.loss(field, &noise, &data, &mut Generator::from_seed(1))?,
        ];
        gaps.push(number(&cfm)? - number(&fm)?);
    }
    close(gaps[1], gaps[0], 0.03);
    close(gaps[2], gaps[0], 0.03);
    assert!(gaps[0] > 0.5);
    Ok(())
}
// ANCHOR_END: theorem_2

// ANCHOR: exercise_1
/// Theorem 3, `u = (σ'/σ)(x − μ) + μ'`, for the path μ = t² x1, σ = 1 − t/2.
#[test]
fn exercise_1_theorem_3() -> Result<()> {
    let path = ConditionalGaussian::new(moments_fn(|t: &Dual, x1| {
        let mean = t.times(t)?.times(&Dual::constant(x1.clone()))?;
        let half = t.map_linear(|t| Ok((t * -0.5)?))?;
        let one = Dual::constant(half.primal().ones_like()?);
        Ok((mean, half.plus(&one)?))
    }));
    let (x, x1) = (3.0, 2.0);
    let at = |x: f64| Tensor::new(&[[x]], &Device::Cpu);
    let t = 0.6;
    let found = path.velocity_at(&Time::Shared(t), &at(x)?, &at(x1)?)?;
    let expected = -0.5 / (1.0 - 0.5 * t) * (x - t * t * x1) + 2.0 * t * x1;
    close(number(&found)?, expected, 1e-12);
    Ok(())
}
// ANCHOR_END: exercise_1

// ANCHOR: exercise_2
/// The same noise reaches the same data on every affine path: they differ in scale and in clock only.
#[test]
fn exercise_2_one_map_for_all_schedules() -> Result<()> {
    let law = two_peaks()?;
    let noise = normal(4, 2, &mut Generator::from_seed(0))?;
    let straight = accurate()?.solve(&law.velocity(CondOt::default()), &noise, 0.0, 1.0)?;
    let round = accurate()?.solve(&law.velocity(Cosine), &noise, 0.0, 1.0)?;
    let difference = (straight.end()? - round.end()?)?.abs()?;
    assert!(difference.max_all()?.to_scalar::<f64>()? < 1e-5);

    // On the way they are apart.
    let halfway = accurate()?.solve(&law.velocity(CondOt::default()), &noise, 0.0, 0.5)?;
    let other = accurate()?.solve(&law.velocity(Cosine), &noise, 0.0, 0.5)?;
    assert!(mean(&(halfway.end()? - other.end()?)?.abs()?)? > 0.1);
    Ok(())
}
// ANCHOR_END: exercise_2

// ANCHOR: exercise_3
/// Velocity, score, noise and data of one field, from each other.
#[test]
fn exercise_3_one_field_by_five_names() -> Result<()> {
    let law = two_peaks()?;
    let schedule = VariancePreserving::default();
    let (t, x) = (
        Time::Shared(0.8),
        Tensor::new(&[[0.4, -0.3]], &Device::Cpu)?,
    );
    let velocity = law.velocity(schedule);
    for prediction in [
        Prediction::Score,
        Prediction::Noise,
        Prediction::Data,
        Prediction::V,
    ] {
        let converted = Prediction::Velocity
            .field(&velocity, prediction, schedule)
            .at(&t, &x)?;
        let direct = law.field(prediction, schedule).at(&t, &x)?;
        assert!(mean(&(converted - direct)?.abs()?)? < 1e-9);
    }
    // By hand: u = (α'/α) x + (σ' − α' σ/α) E[x0 | x], and the score is −E[x0 | x]/σ.
    let (alpha, sigma) = (schedule.alpha(0.8), schedule.sigma(0.8));
    let rate = schedule.d_alpha(0.8) / alpha;
    let score = law.score(schedule).at(&t, &x)?;
    let noise = (score * -sigma)?;
    let by_hand = ((&x * rate)? + (noise * (schedule.d_sigma(0.8) - rate * sigma))?)?;
    assert!(mean(&(by_hand - velocity.at(&t, &x)?)?.abs()?)? < 1e-9);
    Ok(())
}
// ANCHOR_END: exercise_3
