//! Parameters of 16 bits with copies in f32: their training beside that in f32, resumed runs, averages, and what f16 does not hold.

use std::collections::BTreeMap;

use advect_core::testing::device;
use advect_core::{Error, Field, Generator, Key, Result, Time};
use advect_models::Mlp;
use advect_nn::{ParameterStore, Stateful};
use advect_parallel::{Ranks, Threads};
use advect_train::decay::Warmup;
use advect_train::{
    AdamW, AdamWConfig, DataParallel, Ema, LossScale, NonFinite, Sgd, SgdConfig, Trainer,
};
use candle_core::{DType, Tensor, Var};

/// A run in a dtype whose first parameters are numbers of bf16.
fn run_in(dtype: DType) -> (Trainer, impl Fn(usize, &mut Generator) -> Result<Tensor>) {
    let config = Mlp::config(2).hidden(&[32, 32]);
    let rounded = ParameterStore::new(Key::from_seed(0), DType::BF16, device());
    config.clone().build(&rounded.builder()).unwrap();
    let store = ParameterStore::new(Key::from_seed(1), dtype, device());
    let net = config.build(&store.builder()).unwrap();
    for ((_, var), (_, from)) in store.parameters().into_iter().zip(rounded.parameters()) {
        var.set(&from.to_dtype(dtype).unwrap()).unwrap();
    }
    let settings = AdamWConfig {
        learning_rate: 3e-3,
        ..AdamWConfig::default()
    };
    let optimizer = AdamW::from_store(&store, settings).unwrap();
    let trainer = Trainer::new(&store, optimizer, Generator::from_seed(2))
        .clip_norm(1.0)
        .unwrap()
        .ema(Warmup::new(0.99).unwrap())
        .unwrap();
    let loss = move |_: usize, rng: &mut Generator| {
        let x = rng.normal((64, 2), DType::F32, device())?;
        let found = net.at(&Time::Shared(0.5), &x.to_dtype(dtype)?)?;
        Ok((found.to_dtype(DType::F32)? - x.sin()?)?
            .sqr()?
            .mean_all()?)
    };
    (trainer, loss)
}

fn losses(dtype: DType) -> Vec<f64> {
    let (mut trainer, loss) = run_in(dtype);
    if dtype == DType::F16 {
        trainer = trainer.loss_scale(LossScale::default()).unwrap();
    }
    let mut losses = Vec::new();
    let observe = |trainer: &Trainer| losses.push(trainer.report().loss);
    let mut observer = advect_core::observer_fn(observe);
    trainer.run(200, loss, &mut observer).unwrap();
    losses
}

#[test]
fn losses_fall_as_in_f32() {
    let single = losses(DType::F32);
    // By the rounding of each number to 8 bits and to 11.
    for (dtype, error) in [(DType::BF16, 0.1), (DType::F16, 0.03)] {
        let half = losses(dtype);
        assert!(half[199] < 0.1 * half[0], "{dtype:?}: {half:?}");
        for (step, pair) in half.chunks(20).zip(single.chunks(20)).enumerate() {
            let [half, single] = [pair.0, pair.1].map(|losses| losses.iter().sum::<f64>());
            assert!(
                (half / single - 1.0).abs() < error,
                "{dtype:?} at {step}: {half}, {single}"
            );
        }
    }
}

/// The bits of everything that a checkpoint holds.
fn bits(trainer: &Trainer) -> Vec<(String, Vec<u32>)> {
    let checkpoint = trainer.checkpoint().unwrap();
    let parts = checkpoint.parts.iter();
    parts
        .flat_map(|(part, state)| state.iter().map(move |(name, x)| (part, name, x)))
        .map(|(part, name, x)| {
            let x = x.flatten_all().unwrap().to_dtype(DType::F32).unwrap();
            let bits = x.to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits);
            (format!("{part}/{name}"), bits.collect())
        })
        .collect()
}

#[test]
fn a_run_that_goes_on_has_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    for dtype in [DType::BF16, DType::F16] {
        let scale = LossScale {
            interval: 15,
            ..LossScale::default()
        };
        let start = || {
            let (trainer, loss) = run_in(dtype);
            (trainer.loss_scale(scale).unwrap(), loss)
        };
        let (mut whole, loss) = start();
        whole.run(40, loss, &mut ()).unwrap();
        assert!(whole.recorded("loss_scale").is_some());
        let (mut first, loss) = start();
        first.run(20, loss, &mut ()).unwrap();
        first.save(&path).unwrap();
        let (mut second, loss) = start();
        second.resume(&path).unwrap();
        second.run(40, loss, &mut ()).unwrap();
        let names = bits(&whole);
        let copies = names
            .iter()
            .filter(|(name, _)| name.starts_with("optimizer/master."));
        assert!(copies.count() > 0);
        assert!(names == bits(&second), "{dtype:?}");
    }
}

#[test]
fn an_average_may_begin_later() {
    let (mut trainer, loss) = run_in(DType::BF16);
    trainer.run(3, loss, &mut ()).unwrap();
    let plain = trainer.checkpoint().unwrap().drop_average();
    let (mut other, loss) = run_in(DType::BF16);
    other.restore(&plain.start_average().unwrap()).unwrap();
    other.run(5, loss, &mut ()).unwrap();
    let averages = other.averaged().parameters();
    assert!(averages.iter().all(|(_, x)| x.dtype() == DType::F32));
}

#[test]
fn all_ranks_have_the_average() {
    let program = |ranks: Ranks| {
        let (trainer, loss) = run_in(DType::BF16);
        let mut trainer = DataParallel::new(trainer, &ranks)?;
        trainer.run(3, |step, _, rng| loss(step, rng), &mut ())?;
        let numbers = |x: &Var| Ok(x.flatten_all()?.to_vec1::<f32>()?);
        let average = trainer.averaged()?;
        let all = average.parameters().into_iter();
        all.map(|(_, x)| numbers(&x)).collect::<Result<Vec<_>>>()
    };
    let found = Threads::new(2).unwrap().run(program);
    let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
    assert_eq!(found[0], found[1]);
}

#[test]
fn small_steps_add_up_and_changes_from_outside_count() {
    let x = Var::from_tensor(&Tensor::ones(3, DType::BF16, device()).unwrap()).unwrap();
    let store = vec![("x".to_string(), x.clone())];
    let settings = SgdConfig {
        learning_rate: 2f64.powi(-12),
        ..SgdConfig::default()
    };
    let mut optimizer = Sgd::from_named(store, settings).unwrap();
    let mut steps = |count: usize| {
        for _ in 0..count {
            let loss = x.as_tensor().sum_all().unwrap();
            candle_nn::Optimizer::backward_step(&mut optimizer, &loss).unwrap();
        }
        x.to_dtype(DType::F32).unwrap().to_vec1::<f32>().unwrap()
    };
    // The numbers below 1 are 2⁻⁸ apart: a step of 2⁻¹² is lost, sixteen are not.
    assert_eq!(steps(1), [1.0; 3]);
    assert_eq!(steps(15), [1.0 - 2f32.powi(-8); 3]);
    x.set(
        &Tensor::full(0.5f32, 3, device())
            .unwrap()
            .to_dtype(DType::BF16)
            .unwrap(),
    )
    .unwrap();
    assert_eq!(steps(16), [0.5 - 2f32.powi(-8); 3]);
}

/// The numbers now: what a state holds is changed in place.
fn numbers(x: &Tensor) -> Vec<f32> {
    let x = x.flatten_all().unwrap().to_dtype(DType::F32).unwrap();
    x.to_vec1::<f32>().unwrap()
}

fn all_numbers(state: &impl Stateful) -> BTreeMap<String, Vec<f32>> {
    let state = state.state().into_iter();
    state.map(|(name, x)| (name, numbers(&x))).collect()
}

#[test]
fn averages_are_of_the_copies() {
    let (mut trainer, loss) = run_in(DType::BF16);
    trainer.run(3, &loss, &mut ()).unwrap();
    let before = all_numbers(trainer.averaged());
    trainer.run(4, &loss, &mut ()).unwrap();
    // The decay of step 3 is (1 + 3)/(10 + 3).
    let decay = 4.0 / 13.0;
    let masters = all_numbers(trainer.optimizer());
    for (name, average) in all_numbers(trainer.averaged()) {
        let pairs = before[&name]
            .iter()
            .zip(&masters[&format!("master.{name}")]);
        for ((before, master), average) in pairs.zip(average) {
            let expected = decay * f64::from(*before) + (1.0 - decay) * f64::from(*master);
            assert!((f64::from(average) - expected).abs() < 1e-6, "{name}");
        }
    }
    // Without an optimiser it is of the parameters, in f32, too.
    let store = ParameterStore::new(Key::from_seed(0), DType::F16, device());
    Mlp::config(2).build(&store.builder()).unwrap();
    let ema = Ema::new(&store, 0.5).unwrap();
    ema.update(0).unwrap();
    assert_eq!(ema.parameters().dtype(), DType::F32);
    assert_eq!(all_numbers(ema.parameters()), all_numbers(&store));
}

#[test]
fn a_step_beyond_f16_changes_nothing() {
    let x = Tensor::new(&[30000f32, 1.0], device()).unwrap();
    let x = Var::from_tensor(&x.to_dtype(DType::F16).unwrap()).unwrap();
    let settings = SgdConfig {
        learning_rate: 10000.0,
        ..SgdConfig::default()
    };
    let mut optimizer = Sgd::from_named(vec![("x".into(), x.clone())], settings).unwrap();
    let (before, parameter) = (all_numbers(&optimizer), numbers(&x));
    let loss = x.as_tensor().neg().unwrap().sum_all().unwrap();
    let error = candle_nn::Optimizer::backward_step(&mut optimizer, &loss).unwrap_err();
    assert!(error.to_string().contains("to inf"), "{error}");
    assert_eq!(numbers(&x), parameter);
    assert_eq!(all_numbers(&optimizer), before);
}

/// A run of one number of f16 whose gradient is `slope`.
fn run_of_slope(
    slope: f64,
) -> (
    Trainer<Sgd>,
    impl Fn(usize, &mut Generator) -> Result<Tensor>,
) {
    let store = ParameterStore::new(Key::from_seed(0), DType::F16, device());
    let net = advect_nn::Linear::new(1, 1, &store.builder()).unwrap();
    let optimizer = Sgd::from_store(&store, SgdConfig::default()).unwrap();
    let trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
    let x = Tensor::ones((1, 1), DType::F16, device()).unwrap();
    let loss = move |_: usize, _: &mut Generator| {
        let found = net.forward(&x)?.to_dtype(DType::F32)?;
        Ok((found * slope)?.sum_all()?)
    };
    (trainer, loss)
}

#[test]
fn gradients_that_f16_does_not_hold_are_scaled() {
    // Two parameters, the weight and the bias.
    let norm = |slope: f64| slope * 2f64.sqrt();
    let slope = 2f64.powi(-30);
    let (mut plain, loss) = run_of_slope(slope);
    plain.run(1, loss, &mut ()).unwrap();
    assert_eq!(plain.report().gradient_norm, 0.0);
    let (trainer, loss) = run_of_slope(slope);
    let mut trainer = trainer.loss_scale(LossScale::default()).unwrap();
    trainer.run(1, loss, &mut ()).unwrap();
    assert!((trainer.report().gradient_norm / norm(slope) - 1.0).abs() < 1e-6);
    assert!(
        trainer.report().loss.abs() < 1e-8,
        "the loss is told unscaled"
    );

    // Too large a factor is halved until it fits, and doubled again after three steps that do.
    let (trainer, loss) = run_of_slope(10.0);
    let scale = LossScale {
        interval: 3,
        ..LossScale::default()
    };
    let mut trainer = trainer.loss_scale(scale).unwrap();
    trainer.run(4, &loss, &mut ()).unwrap();
    assert_eq!(trainer.recorded("loss_scale"), Some((4, 4096.0)));
    assert_eq!(trainer.recorded("skipped_steps"), Some((4, 4.0)));
    let skipped = trainer.report().skipped.clone().unwrap();
    assert!(skipped.contains("at a loss scale of 8192"), "{skipped}");
    trainer.run(7, &loss, &mut ()).unwrap();
    assert_eq!(trainer.recorded("loss_scale"), Some((7, 8192.0)));
    assert!((trainer.report().gradient_norm / norm(10.0) - 1.0).abs() < 1e-6);
    trainer.run(8, &loss, &mut ()).unwrap();
    assert_eq!(trainer.recorded("loss_scale"), Some((8, 4096.0)));

    // Where no factor helps, the run ends, or skips as it is told.
    let (trainer, loss) = run_of_slope(1e6);
    let mut trainer = trainer.loss_scale(LossScale::default()).unwrap();
    let error = trainer.run(100, &loss, &mut ()).unwrap_err();
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
    assert_eq!(trainer.step(), 16);
    let mut trainer = trainer.non_finite(NonFinite::Skip { limit: 2 }).unwrap();
    assert!(trainer.run(100, &loss, &mut ()).is_err());
    assert_eq!(trainer.step(), 18);
    let (trainer, _) = run_of_slope(1.0);
    let odd = LossScale {
        initial: 1000.0,
        ..scale
    };
    assert!(trainer.loss_scale(odd).is_err());
}

/// The loss overflows f16 when it is scaled, as it is, in f32, a loss near the end of its range.
#[test]
fn losses_whose_type_does_not_hold_the_scaled_loss_are_scaled() {
    let store = || {
        let store = ParameterStore::new(Key::from_seed(0), DType::F16, device());
        let net = advect_nn::Linear::new(1, 1, &store.builder()).unwrap();
        let optimizer = Sgd::from_store(&store, SgdConfig::default()).unwrap();
        (
            Trainer::new(&store, optimizer, Generator::from_seed(0)),
            net,
        )
    };
    let x = Tensor::ones((1, 1), DType::F16, device()).unwrap();
    for policy in [NonFinite::Stop, NonFinite::Skip { limit: 1 }] {
        let (trainer, net) = store();
        let trainer = trainer.loss_scale(LossScale::default()).unwrap();
        let mut trainer = trainer.non_finite(policy).unwrap();
        // The gradient by the loss itself is the factor: 65536 is infinite in f16.
        let loss = |_: usize, _: &mut Generator| Ok((net.forward(&x)? + 1.0)?.sum_all()?);
        let value = loss(0, &mut Generator::from_seed(0)).unwrap();
        let value = f64::from(numbers(&value)[0]);
        trainer.run(1, loss, &mut ()).unwrap();
        let skipped = trainer.report().skipped.clone().unwrap();
        assert!(skipped.contains("at a loss scale of 65536"), "{skipped}");
        assert_eq!(trainer.report().loss, value);
        trainer.run(2, loss, &mut ()).unwrap();
        let report = trainer.report();
        assert_eq!((report.skipped.as_ref(), report.loss), (None, value));
        assert!((report.gradient_norm - 2f64.sqrt()).abs() < 1e-12);
        assert_eq!(trainer.recorded("loss_scale"), Some((1, 32768.0)));
    }
    // In f32 the gradients are finite, though the loss times the factor is not.
    let (trainer, net) = store();
    let mut trainer = trainer.loss_scale(LossScale::default()).unwrap();
    let loss = |_: usize, _: &mut Generator| {
        let found = (net.forward(&x)?.to_dtype(DType::F32)? * 0.25)?;
        Ok((found + 1e37)?.sum_all()?)
    };
    trainer.run(1, loss, &mut ()).unwrap();
    let report = trainer.report();
    assert!(report.skipped.is_none() && report.loss == f64::from(1e37f32));
    assert!((report.gradient_norm - 0.125f64.sqrt()).abs() < 1e-12);
}
