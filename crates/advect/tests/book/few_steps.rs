//! Samples in few steps.

use super::{accurate, close, gaussian, mean, normal, number, two_peaks};
use advect::objectives::objective::one_step_distillation;
use advect::prelude::*;

// ANCHOR: solvers
/// The same flow in 20 evaluations by three methods, and their distances from its true ends.
#[test]
fn better_steps() -> Result<()> {
    let law = two_peaks()?;
    let schedule = VariancePreserving::default();
    let denoiser = law.denoiser(schedule);
    let model = Model::new(&denoiser, Prediction::Data, schedule);
    let mut rng = Generator::from_seed(0);
    let noise = normal(200, 2, &mut rng)?;
    let levels = |count| UniformLogSnr::new(count)?.range(0.002, 150.0);
    let exact = DpmSolver::order(2)?
        .on(levels(2000)?)
        .sample(&model, &noise, &mut rng)?;

    let ddim = Ddim::new().on(levels(20)?);
    let second = DpmSolver::order(2)?.on(levels(20)?);
    let third = UniPc::order(3)?.on(levels(20)?);
    let mut errors = Vec::new();
    let samplers: [&dyn Sampler; 3] = [&ddim, &second, &third];
    for sampler in samplers {
        let samples = sampler.sample(&model, &noise, &mut rng)?;
        errors.push(mean(&(samples - &exact)?.abs()?)?);
    }
    assert!(
        errors[1] < 0.5 * errors[0] && errors[2] < errors[1],
        "{errors:?}"
    );
    Ok(())
}
// ANCHOR_END: solvers

// ANCHOR: distillation
/// From N(0, 1) to N(2, ¼) the flow is z ↦ 2 + ½ z. Distilled, it is one step, and the loss is 0.
#[test]
fn one_step() -> Result<()> {
    let velocity = gaussian(2.0, 0.25)?.velocity(CondOt::default());
    let z0 = normal(100, 1, &mut Generator::from_seed(0))?;
    let (z0, z1) = reflow(&velocity, &accurate()?, &z0, 100)?;
    let student = field_fn(|_, z| Ok(z.affine(-0.5, 2.0)?)); // v(0, z) = z1 − z0
    let loss = one_step_distillation().loss(&student, &z0, &z1, &mut Generator::from_seed(1))?;
    close(number(&loss)?, 0.0, 1e-9);
    Ok(())
}
// ANCHOR_END: distillation

// ANCHOR: exercise_1
/// The state at time r of the way that passes x at time t.
fn state(velocity: &dyn Field, t: f64, x: &Tensor, r: f64) -> Result<Tensor> {
    accurate()?.solve(velocity, x, t, r)?.end()
}

/// A consistency function, from any state to the end of its way, has one value along a way.
#[test]
fn exercise_1_consistency() -> Result<()> {
    let velocity = two_peaks()?.velocity(CondOt::default());
    let start = Tensor::new(&[[0.4, -1.1]], &Device::Cpu)?;
    let ends: Vec<Tensor> = (1..5)
        .map(|k| {
            let t = 0.2 * f64::from(k);
            let on_the_way = state(&velocity, 0.0, &start, t)?;
            state(&velocity, t, &on_the_way, 1.0)
        })
        .collect::<Result<_>>()?;
    for end in &ends[1..] {
        assert!(number(&(end - &ends[0])?.abs()?)? < 1e-5);
    }
    Ok(())
}
// ANCHOR_END: exercise_1

// ANCHOR: exercise_2
/// The mean velocity u(x_t, r, t) = (x_t − x_r)/(t − r) satisfies `u = v − (t − r) du/dt` along ways.
#[test]
fn exercise_2_the_mean_velocity() -> Result<()> {
    let velocity = two_peaks()?.velocity(CondOt::default());
    let x = Tensor::new(&[[0.4, -1.1]], &Device::Cpu)?;
    let (r, t, h) = (0.3, 0.7, 1e-3);
    let average =
        |t: f64, x: &Tensor| Ok::<_, Error>(((x - state(&velocity, t, x, r)?)? / (t - r))?);
    // The total derivative follows the way: at t ± h the state is x ± h v.
    let [later, earlier] = [h, -h].map(|h| average(t + h, &state(&velocity, t, &x, t + h)?));
    let slope = ((later? - earlier?)? / (2.0 * h))?;
    let v = velocity.at(&Time::Shared(t), &x)?;
    let right = (v - (slope * (t - r))?)?;
    assert!(number(&(average(t, &x)? - right)?.abs()?)? < 1e-3);
    assert!(number(&(average(t, &x)? - velocity.at(&Time::Shared(t), &x)?)?.abs()?)? > 0.05);
    Ok(())
}
// ANCHOR_END: exercise_2

// ANCHOR: exercise_3
/// The denoiser is the best sample in one step by squared error, and not a sample: its variance is too small.
#[test]
fn exercise_3_the_mean_is_no_sample() -> Result<()> {
    let law = gaussian(0.0, 1.0)?;
    let schedule = Cosine;
    let mut rng = Generator::from_seed(0);
    let x1 = normal(20_000, 1, &mut rng)?;
    let t = Time::Shared(0.5);
    let x = Affine::new(schedule)
        .sample(&t, &normal(20_000, 1, &mut rng)?, &x1, &mut rng)?
        .x;
    let denoised = law.denoiser(schedule).at(&t, &x)?;
    close(mean(&denoised.sqr()?)?, 0.5, 0.02); // α² = sin²(π/4)
    Ok(())
}
// ANCHOR_END: exercise_3
