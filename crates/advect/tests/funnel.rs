//! Neal's funnel (Neal 2003, "Slice sampling", section 8): `v ~ N(0, 3²)` and d − 1 numbers `x_i ~ N(0, e^v)`, whose density has the integral 1. Its neck, at low v, is narrower than any one step size.
//! Samples by Hamiltonian Monte Carlo and by a flow have the marginal of v; chains of the density as it stands, with masses that are adapted, do not.

use advect::classics::flow::Affine;
use advect::prelude::*;
use advect::samplers::diagnostics::CorrelatedMean;
use advect::samplers::hamiltonian::{HamiltonianMonteCarlo, WarmUp};
use advect::samplers::langevin::{Differentiated, LogDensity};
use std::f64::consts::PI;

/// ln p of rows `(v, x_1, …, x_(d−1))`, with its constant.
fn funnel(y: &Tensor) -> Result<Tensor> {
    let others = y.dim(1)? - 1;
    let v = y.narrow(1, 0, 1)?.squeeze(1)?;
    let squares = y.narrow(1, 1, others)?.sqr()?.sum(1)?;
    let neck = ((v.sqr()? * (-1.0 / 18.0))? - (0.5 * (2.0 * PI * 9.0).ln()))?;
    let rest = ((squares * v.neg()?.exp()?)?
        + v.affine(others as f64, others as f64 * (2.0 * PI).ln())?)?;
    Ok((neck - (rest * 0.5)?)?)
}

/// `v = 3 z_0` and `x_i = z_i e^(v/2)`, with the logarithm of the determinant.
fn stretched(z: &Tensor) -> Result<(Tensor, Tensor)> {
    let others = z.dim(1)? - 1;
    let v = (z.narrow(1, 0, 1)? * 3.0)?;
    let x = z.narrow(1, 1, others)?.broadcast_mul(&(&v * 0.5)?.exp()?)?;
    let volume = v.squeeze(1)?.affine(0.5 * others as f64, 3f64.ln())?;
    Ok((Tensor::cat(&[&v, &x], 1)?, volume))
}

/// The first numbers of 40 chains' states after a warm-up with masses for each element, `(draws, chains)`, and the number of divergences.
fn neck(density: &impl LogDensity, dim: usize, rng: &mut Generator) -> Result<(Tensor, usize)> {
    let start = rng.normal((40, dim), DType::F64, &Device::Cpu)?;
    let sampler = HamiltonianMonteCarlo::new(0.1, 15)?.jitter(0.1)?;
    let warm = WarmUp::new(150)?.run(&sampler, density, &start, rng)?;
    let chains = warm.sampler.run(density, &warm.x, 150, rng)?;
    let first = chains.states.narrow(2, 0, 1)?.squeeze(2)?;
    Ok((first, chains.divergences))
}

/// The probability of v below −4, Φ(−4/3).
const BELOW: f64 = 0.091_211_22;

fn below(v: &Tensor) -> Tensor {
    v.lt(-4.0).unwrap().to_dtype(DType::F64).unwrap()
}

#[test]
fn chains_reach_the_neck_in_stretched_coordinates_alone() {
    let mut rng = Generator::from_seed(3);
    for dim in [2, 10] {
        let density = Differentiated(|z: &Tensor| {
            let (y, volume) = stretched(z)?;
            Ok((funnel(&y)? + volume)?)
        });
        let (z, divergences) = neck(&density, dim, &mut rng).unwrap();
        let v = (z * 3.0).unwrap();
        for (series, expected) in [
            (v.clone(), 0.0),
            (v.sqr().unwrap(), 9.0),
            (below(&v), BELOW),
        ] {
            let mean = CorrelatedMean::new(&series).unwrap();
            let (value, error) = (mean.mean(), mean.standard_error());
            assert!(
                (value - expected).abs() < 4.0 * error,
                "{dim}: {value} ± {error}, {expected}"
            );
        }
        assert_eq!(divergences, 0);

        // As it stands, they stop where the neck is narrower than their step, and divergences tell so.
        let (v, divergences) = neck(&Differentiated(funnel), dim, &mut rng).unwrap();
        let share = CorrelatedMean::new(&below(&v)).unwrap().mean();
        assert!(share < 0.3 * BELOW, "{dim}: {share}");
        assert!(divergences > 10, "{dim}: {divergences}");
    }
}

/// The noise of an inverse autoregressive layer that is linear in the noise before each element: it contains the funnel exactly, which training has to find without a sample of it.
#[test]
fn a_flow_finds_normaliser_and_neck() {
    for dim in [2, 5, 10] {
        let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
        let (order, builder) = ((0..dim).collect::<Vec<_>>(), store.builder());
        let net = MaskedPerceptron::new(&order, 0, &[], 2, Activation::Tanh, &builder).unwrap();
        let layer = MaskedAutoregressive::new(net, Affine::unbounded()).unwrap();
        let flow = NormalizingFlow::new(&[dim], Inverted(layer)).unwrap();
        let optimizer = Adam::from_store(&store, AdamConfig::default()).unwrap();
        let steps = 400;
        let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1))
            .learning_rate(WarmupCosine::new(0.03, 1, steps).unwrap())
            .clip_norm(5.0)
            .unwrap();
        let loss = |_: usize, rng: &mut Generator| {
            let noise = flow.noise(128, DType::F64, &Device::Cpu, rng)?;
            reverse_kl(&flow, funnel, &noise)
        };
        trainer.run(steps, loss, &mut ()).unwrap();

        let rng = trainer.rng();
        let noise = flow.noise(4000, DType::F64, &Device::Cpu, rng).unwrap();
        let (y, weights) = importance_weights(&flow, funnel, &noise).unwrap();
        let (found, error) = (weights.log_mean(), weights.standard_error());
        assert!(found.abs() < 4.0 * error, "{dim}: {found} ± {error}");
        let size = weights.effective_sample_size();
        assert!(size > 2000.0, "{dim}: {size}");
        let share = weights.normalized().unwrap();
        let v = y.narrow(1, 0, 1).unwrap().squeeze(1).unwrap();
        let mean = |values: &Tensor| {
            let sum = (values * &share).unwrap().sum_all().unwrap();
            sum.to_scalar::<f64>().unwrap()
        };
        for (values, expected) in [
            (v.clone(), 0.0),
            (v.sqr().unwrap(), 9.0),
            (below(&v), BELOW),
        ] {
            let found = mean(&values);
            // Σ w² (f − ⟨f⟩)² for weights w whose sum is 1.
            let squares = ((values - found).unwrap().sqr().unwrap() * &share).unwrap();
            let error = mean(&squares).sqrt();
            let bound = 4.0 * error;
            assert!(
                (found - expected).abs() < bound,
                "{dim}: {found} ± {error}, {expected}"
            );
        }
    }
}
