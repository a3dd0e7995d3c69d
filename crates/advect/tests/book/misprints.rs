//! Formulas that circulate with errors: each check finds the right one and refuses the printed one.

use super::snapshots::{Slope, moved};
use super::{accurate, close, gaussian, mean, normal, number, values, variance};
use advect::candle::Var;
use advect::prelude::*;
use advect::solvers::energy::GradientField;
use advect::solvers::sde::Additive;
use advect::trajectories::objective::ActionMatching;
use advect::trajectories::path::Chain;

// ANCHOR: helper
/// Fails unless the right formula gives the number, and the printed one misses it by far.
#[track_caller]
fn right_not_printed(found: f64, right: f64, printed: f64, tolerance: f64) {
    close(found, right, tolerance);
    let apart = (found - printed).abs();
    assert!(apart > 10.0 * tolerance, "the printed one is {apart} off");
}
// ANCHOR_END: helper

// ANCHOR: adjoint
/// `L = ½ x(T)²` with `dx/dt = θ x`: by a difference quotient, and by ±∫₀ᵀ a x dt with a = dL/dx.
#[test]
fn the_sign_of_the_adjoint() -> Result<()> {
    let (theta, x0, end, h): (f64, f64, f64, f64) = (0.3, 2.0, 1.5, 1e-5);
    let loss = |theta: f64| {
        let field = system_fn(move |_, [x]: &[f64; 1]| Ok([theta * x]));
        let [x] = accurate()?.solve(&field, &[x0], 0.0, end)?.end()?;
        Ok::<_, Error>(0.5 * x * x)
    };
    let gradient = (loss(theta + h)? - loss(theta - h)?) / (2.0 * h);
    // a(t) = x(T) e^(θ(T − t)), so that a x = x(T) x0 e^(θT) at all times.
    let integral = end * x0 * x0 * (2.0 * theta * end).exp();
    right_not_printed(gradient, integral, -integral, 1e-3);
    Ok(())
}
// ANCHOR_END: adjoint

// ANCHOR: names
/// Of the standard deviation of x_t for data of variance 1: VP keeps it, VE lets it explode.
#[test]
fn vp_and_ve() -> Result<()> {
    let mut rng = Generator::from_seed(0);
    let (x0, x1) = (normal(20_000, 1, &mut rng)?, normal(20_000, 1, &mut rng)?);
    let (vp, ve) = (VariancePreserving::default(), VarianceExploding::default());
    let t = Time::Shared(0.5);
    let preserved = variance(&Affine::new(vp).sample(&t, &x0, &x1, &mut rng)?.x)?;
    close(preserved, 1.0, 0.05);
    let exploded = variance(&Affine::new(ve).sample(&t, &x0, &x1, &mut rng)?.x)?;
    close(exploded, 1.0 + ve.sigma(0.5).powi(2), 0.05);
    // μ = α x1 belongs to VP, μ = x1 to VE.
    assert!(vp.alpha(0.5) < 0.3 && ve.alpha(0.5) == 1.0);
    close(vp.sigma(0.5), (1.0 - vp.alpha(0.5).powi(2)).sqrt(), 1e-12);
    Ok(())
}
// ANCHOR_END: names

// ANCHOR: interpolant
/// `E[|F|² − 2 ∂_t I·F]` is least at the mean of ∂_t I, here 3. `E|F − 2 ∂_t I·F|` is 0 at F = 0.
#[test]
fn the_squares_of_interpolants() -> Result<()> {
    let slopes = (normal(20_000, 1, &mut Generator::from_seed(0))? + 3.0)?;
    let candidates: Vec<f64> = (0..=60).map(|k| 0.1 * f64::from(k)).collect();
    let least = |loss: &dyn Fn(f64) -> Result<f64>| -> Result<f64> {
        let mut best = (f64::INFINITY, 0.0);
        for &f in &candidates {
            best = if loss(f)? < best.0 {
                (loss(f)?, f)
            } else {
                best
            };
        }
        Ok(best.1)
    };
    let right = least(&|f| Ok(f * f - 2.0 * f * mean(&slopes)?))?;
    let printed = least(&|f| mean(&((&slopes * (-2.0 * f))? + f)?.abs()?))?;
    close(right, 3.0, 0.06);
    close(printed, 0.0, 1e-12);
    Ok(())
}
// ANCHOR_END: interpolant

// ANCHOR: action
/// The loss of the potential a·x on samples that move from 0 to 3 exceeds its least value, at a = 3, by ½ |a − 3|², not by ½ |a − 3|.
#[test]
fn the_square_of_action_matching() -> Result<()> {
    let objective = ActionMatching::new(Chain::new(ExactOt, Affine::new(CondOt::default()), 200)?);
    let loss = |a: f64| {
        let velocity = GradientField::new(Slope(a), &[])?;
        number(&objective.loss(&velocity, &moved()?, &mut Generator::from_seed(1))?)
    };
    let gap = loss(7.0)? - loss(3.0)?;
    right_not_printed(gap, 0.5 * 16.0, 0.5 * 4.0, 0.5);
    Ok(())
}
// ANCHOR_END: action

// ANCHOR: boltzmann
/// A step θ − ε(⟨∂E⟩_data − ⟨∂E⟩_model) raises the likelihood, a step with + lowers it.
#[test]
fn the_sign_of_boltzmann_learning() -> Result<()> {
    let data = Tensor::new(&[[1.0, 1.0], [1.0, 0.0]], &Device::Cpu)?;
    let weight = Tensor::zeros((2, 2), DType::F64, &Device::Cpu)?;
    let likelihood = |bias: &Tensor| -> Result<f64> {
        let machine = BoltzmannMachine::new(weight.clone(), bias.clone())?;
        mean(&machine.log_likelihood(&data, &machine.log_partition()?)?)
    };
    let bias = Tensor::zeros(2, DType::F64, &Device::Cpu)?;
    let (model, _) = BoltzmannMachine::new(weight.clone(), bias.clone())?.moments()?;
    let phases = (model - data.mean(0)?)?; // ⟨∂E⟩_data − ⟨∂E⟩_model, as ∂E/∂b = −x
    let before = likelihood(&bias)?;
    assert!(likelihood(&(&bias - (&phases * 0.1)?)?)? > before + 0.01);
    assert!(likelihood(&(&bias + (&phases * 0.1)?)?)? < before - 0.01);
    Ok(())
}
// ANCHOR_END: boltzmann

// ANCHOR: gan
/// A generator that descends the value ⟨ln(1 − D(x))⟩_q moves towards the data; one that ascends moves away.
#[test]
fn the_generator_descends() -> Result<()> {
    // Data N(3, 1), samples N(m, 1): the best discriminator is D = 1/(1 + e^(−logit)), logit = (3 − m) x + c.
    let z = normal(20_000, 1, &mut Generator::from_seed(0))?;
    let m = Var::new(&[1.0], &Device::Cpu)?;
    let samples = z.broadcast_add(m.as_tensor())?;
    let logit = ((samples * 2.0)? - 4.0)?; // c = (m² − 9)/2 at m = 1
    let one_minus_d = (logit.exp()? + 1.0)?.recip()?;
    let gradients = one_minus_d.log()?.mean_all()?.backward()?;
    let slope = values(gradients.get(&m).expect("tracked"))?[0];
    assert!(slope < -0.1, "{slope}"); // so that m − ε·slope is nearer to 3
    Ok(())
}
// ANCHOR_END: gan

// ANCHOR: determinant
/// The density of y = −2 x at a point: with |det| it is positive and right, with det it is negative.
#[test]
fn the_bars_of_the_determinant() -> Result<()> {
    let (x, y): (f64, f64) = (0.4, -0.8);
    let normal =
        |x: f64, v: f64| (-0.5 * x * x / v).exp() / (2.0 * std::f64::consts::PI * v).sqrt();
    let (right, printed) = (normal(x, 1.0) / 2.0, normal(x, 1.0) / -2.0);
    right_not_printed(normal(y, 4.0), right, printed, 1e-12);
    Ok(())
}
// ANCHOR_END: determinant

// ANCHOR: weight
/// At the last step of DDPM's bound, α = 0.98: without it the weight is 2 % too small.
#[test]
fn the_alpha_of_the_weight() -> Result<()> {
    let ddpm = DiscreteDiffusion::default();
    let bound = VariationalBound::new(ddpm.clone());
    let (k, batch) = (1000, 1);
    let at = |x: f64| Tensor::full(x, (batch, 1), &Device::Cpu);
    // The bound of two predictions at one step differs by T · weight · (difference of the squared errors).
    let loss = |error: f64| -> Result<f64> {
        let noise = 0.5;
        let network = field_fn(|_, x: &Tensor| Ok(x.affine(0.0, noise + error)?));
        number(&bound.losses_at(&network, &at(noise)?, &at(1.0)?, &[ddpm.time(k)])?)
    };
    let weight = (loss(2.0)? - loss(0.0)?) / (4.0 * 1000.0);
    let (beta, rest) = (ddpm.beta(k), 1.0 - ddpm.alpha_bar(k));
    let right = beta / (2.0 * (1.0 - beta) * rest);
    right_not_printed(weight, right, beta / (2.0 * rest), 1e-6);
    Ok(())
}
// ANCHOR_END: weight

// ANCHOR: drift
/// `dx = −½ β x ds + √β dw` keeps a variance of 1; with the drift −β x it falls to ½, with β x it explodes.
#[test]
fn the_drift_of_vp() -> Result<()> {
    let x0 = normal(2000, 1, &mut Generator::from_seed(0))?;
    let after = |factor: f64| {
        let drift = field_fn(move |_, x| Ok((x * factor)?));
        let path = BrownianPath::new(Key::from_seed(1), &x0, 0.0, 3.0)?;
        let stepper = EulerMaruyama::new(Additive(|_: f64| 1.0), path);
        let solver = Solver::new(stepper, Fixed::steps(60)?);
        variance(&solver.solve(&drift, &x0, 0.0, 3.0)?.end()?)
    };
    close(after(-0.5)?, 1.0, 0.1);
    close(after(-1.0)?, 0.5, 0.08);
    assert!(after(1.0)? > 100.0);
    Ok(())
}
// ANCHOR_END: drift

// ANCHOR: letters
/// DDPM's ᾱ is the square of a path's α, and its time runs the other way.
#[test]
fn the_letters_of_ddpm() -> Result<()> {
    let ddpm = DiscreteDiffusion::default();
    let k = 300;
    close(ddpm.alpha(ddpm.time(k)).powi(2), ddpm.alpha_bar(k), 1e-12);
    assert!((ddpm.alpha(ddpm.time(k)) - ddpm.alpha_bar(k)).abs() > 0.1);
    assert!((ddpm.alpha_bar(k) - (1.0 - ddpm.beta(k))).abs() > 0.1); // α_k is another thing still
    assert!(ddpm.alpha(0.9) > ddpm.alpha(0.1));
    // Told the wrong direction, a network of the noise is one of nothing.
    let law = gaussian(2.0, 0.25)?;
    let x = Tensor::new(&[[1.0]], &Device::Cpu)?;
    let noise = |t: f64| {
        number(
            &law.field(Prediction::Noise, &ddpm)
                .at(&Time::Shared(t), &x)?,
        )
    };
    assert!((noise(0.9)? - noise(0.1)?).abs() > 1.0);
    Ok(())
}
// ANCHOR_END: letters
