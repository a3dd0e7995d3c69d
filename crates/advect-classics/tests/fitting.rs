//! Flows that are fitted by both divergences.

use advect_classics::flow::{
    ActNorm, Affine, AffineCoupling, Bijection, Composition, IndependenceMetropolis, Inverted,
    Mask, MaskedAutoregressive, MaskedPerceptron, NormalizingFlow, Permutation, forward_kl,
    importance_weights, reverse_kl,
};
use advect_core::testing::device;
use advect_core::{Generator, Key, Result, shape};
use advect_models::Mlp;
use advect_nn::{Activation, ParameterStore, TimeEmbedding};
use advect_train::{Adam, AdamConfig, Trainer};
use candle_core::{DType, Tensor};
use rand_distr::StandardUniform;

use crate::common::{assert_means, scalar};

fn trainer(store: &ParameterStore, rate: f64) -> Trainer<Adam> {
    let config = AdamConfig {
        learning_rate: rate,
        ..AdamConfig::default()
    };
    let optimizer = Adam::from_store(store, config).unwrap();
    Trainer::new(store, optimizer, Generator::from_seed(1))
}

/// Two half circles with noise.
fn moons(count: usize, rng: &mut Generator) -> Result<Tensor> {
    let angles = rng.values(&StandardUniform, count)?;
    let point = |(k, u): (usize, f64)| {
        let (sin, cos) = (std::f64::consts::PI * u).sin_cos();
        if k % 2 == 0 {
            [cos, sin]
        } else {
            [1.0 - cos, 0.5 - sin]
        }
    };
    let points: Vec<[f64; 2]> = angles.into_iter().enumerate().map(point).collect();
    let noise = (rng.normal((count, 2), DType::F64, device())? * 0.1)?;
    let points = Tensor::from_vec(points.concat(), (count, 2), device())?;
    Ok((points + noise)?.to_dtype(DType::F32)?)
}

#[test]
fn a_flow_beats_a_gaussian_on_two_moons() {
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, device());
    let mut layers: Vec<Box<dyn Bijection>> = Vec::new();
    for k in 0..4 {
        let net = Mlp::config(2)
            .outputs(4)
            .hidden(&[32, 32])
            .time(TimeEmbedding::None);
        let net = net.build(&store.builder().pp(k)).unwrap();
        layers.push(Box::new(AffineCoupling::affine(
            Mask::alternating(&[2], k).unwrap(),
            net,
        )));
    }
    layers.push(Box::new(ActNorm::new(2, &store.builder()).unwrap()));
    let flow = NormalizingFlow::new(&[2], Composition::new(&[2], layers).unwrap()).unwrap();
    let mut trainer = trainer(&store, 5e-3);
    flow.initialize(&moons(512, trainer.rng()).unwrap())
        .unwrap();
    trainer
        .run(
            300,
            |_: usize, rng: &mut Generator| forward_kl(&flow, &moons(256, rng)?),
            &mut (),
        )
        .unwrap();
    let test = moons(4000, &mut Generator::from_seed(9)).unwrap();
    let loss = scalar(&forward_kl(&flow, &test).unwrap());

    // The best Gaussian: its entropy, by the determinant of the covariance.
    let x = test.to_dtype(DType::F64).unwrap();
    let x = x.broadcast_sub(&x.mean_keepdim(0).unwrap()).unwrap();
    let c = (x.t().unwrap().contiguous().unwrap().matmul(&x).unwrap() / 4000.0).unwrap();
    let c = c.to_vec2::<f64>().unwrap();
    let determinant = c[0][0] * c[1][1] - c[0][1] * c[1][0];
    let gaussian = 0.5 * ((2.0 * std::f64::consts::PI).powi(2) * determinant).ln() + 1.0;
    assert!(loss < gaussian - 0.3, "{loss} {gaussian}");
}

/// A Gaussian `e^(−½ (y − m)ᵀ A (y − m))` with correlated elements, of which an inverse autoregressive layer is the exact flow: ln Z = ln 2π − ½ ln det A.
#[test]
fn the_reverse_divergence_finds_the_normaliser() {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let made =
        MaskedPerceptron::new(&[0, 1], 0, &[], 2, Activation::Tanh, &store.builder()).unwrap();
    let layer = MaskedAutoregressive::new(made, Affine::default()).unwrap();
    let layers: Vec<Box<dyn Bijection>> = vec![
        Box::new(Inverted(layer)),
        Box::new(Permutation::reversed(2).unwrap()),
    ];
    let flow = NormalizingFlow::new(&[2], Composition::new(&[2], layers).unwrap()).unwrap();
    let precision = Tensor::new(&[[2.0f64, 0.8], [0.8, 1.0]], device()).unwrap();
    let mean = Tensor::new(&[1.0f64, -0.5], device()).unwrap();
    let target = |y: &Tensor| {
        let y = y.broadcast_sub(&mean)?;
        Ok((shape::sum_per_sample(&(y.matmul(&precision)? * &y)?)? * -0.5)?)
    };
    let mut trainer = trainer(&store, 0.02);
    let loss = |_: usize, rng: &mut Generator| {
        reverse_kl(&flow, target, &flow.noise(128, DType::F64, device(), rng)?)
    };
    trainer.run(400, loss, &mut ()).unwrap();
    let noise = flow
        .noise(4000, DType::F64, device(), trainer.rng())
        .unwrap();
    let (_, weights) = importance_weights(&flow, target, &noise).unwrap();
    let exact = (2.0 * std::f64::consts::PI).ln() - 0.5 * (2.0f64 - 0.64).ln();
    let (found, error) = (weights.log_mean(), weights.standard_error());
    assert!(
        (found - exact).abs() < 4.0 * error + 1e-12,
        "{found} ± {error}, {exact}"
    );
    assert!(
        error < 0.01 && weights.effective_sample_size() > 3500.0,
        "{error}"
    );

    // A flow that does not fit gives the same by more unequal weights, and the chain the same law.
    let poor = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let poor = NormalizingFlow::new(&[2], ActNorm::new(2, &poor.builder()).unwrap()).unwrap();
    let noise = poor
        .noise(20000, DType::F64, device(), trainer.rng())
        .unwrap();
    let (_, weights) = importance_weights(&poor, target, &noise).unwrap();
    assert!((weights.log_mean() - exact).abs() < 4.0 * weights.standard_error());
    assert!(weights.standard_error() > error);
    let chain = IndependenceMetropolis::new(poor, target)
        .chain(&noise, trainer.rng())
        .unwrap();
    assert!(
        (0.2..0.8).contains(&chain.acceptance_rate),
        "{}",
        chain.acceptance_rate
    );
    // Every twentieth state, as neighbours are alike.
    let rows = Tensor::arange_step(100u32, 20000, 20, device()).unwrap();
    assert_means(&chain.states.index_select(&rows, 0).unwrap(), &[1.0, -0.5]);
}
