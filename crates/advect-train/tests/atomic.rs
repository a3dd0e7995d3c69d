//! The state after an error is the state before it, and no number becomes infinite in silence.

use advect_core::testing::device;
use advect_core::{Error, Generator, Key};
use advect_nn::{Linear, ParameterStore, Stateful};
use advect_ops::update;
use advect_train::decay::decay_fn;
use advect_train::learning_rate::learning_rate_fn;
use advect_train::optimizer::{Bounds, PerParameter, UpdateRule};
use advect_train::{
    AdamW, AdamWConfig, Checkpoint, Ema, Gradients, ParameterGroup, StatefulOptimizer, Trainer,
};
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use candle_nn::{Optimizer, SGD};

struct Run<O = AdamW> {
    store: ParameterStore,
    net: Linear,
    trainer: Trainer<O>,
}

fn store_and_net(dtype: DType) -> (ParameterStore, Linear) {
    let store = ParameterStore::new(Key::from_seed(0), dtype, device());
    let net = Linear::new(4, 1, &store.builder()).unwrap();
    (store, net)
}

fn run(dtype: DType) -> Run {
    let (store, net) = store_and_net(dtype);
    let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
    Run {
        store,
        net,
        trainer,
    }
}

/// All numbers of several parts.
fn numbers(parts: &[&dyn Stateful]) -> Vec<Vec<f64>> {
    let numbers = |x: Tensor| {
        x.flatten_all()
            .unwrap()
            .to_dtype(DType::F64)
            .unwrap()
            .to_vec1()
    };
    let parts = parts.iter().flat_map(|part| part.state().into_values());
    parts.map(|x| numbers(x).unwrap()).collect()
}

impl<O: StatefulOptimizer> Run<O> {
    fn loss(&self, factor: f64) -> Tensor {
        let mut rng = Generator::from_seed(1);
        let x = rng.normal((8, 4), self.store.dtype(), device()).unwrap();
        (self.net.forward(&x).unwrap().sum_all().unwrap() * factor).unwrap()
    }

    fn numbers(&self) -> Vec<Vec<f64>> {
        numbers(&[
            &self.store,
            self.trainer.optimizer(),
            self.trainer.averaged(),
        ])
    }

    /// A step that fails, saying so, and changes nothing.
    fn fails(&mut self, factor: f64, words: &[&str]) {
        let (before, rate) = (self.numbers(), self.trainer.optimizer().learning_rate());
        let (step, loss) = (self.trainer.step(), self.loss(factor));
        let error = self.trainer.update(&loss).unwrap_err();
        assert!(matches!(error, Error::Stopped { .. }), "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
        assert_eq!(self.numbers(), before);
        assert_eq!(self.trainer.optimizer().learning_rate(), rate);
        assert_eq!(self.trainer.step(), step);
    }
}

#[test]
fn one_spike_does_not_stop_adam_for_ever() {
    for (dtype, spike) in [(DType::F32, 1e25), (DType::F64, 1e160)] {
        let mut run = run(dtype);
        run.trainer.update(&run.loss(1.0)).unwrap();
        let words = ["stopped at step 1", "take \"second.weight\" to inf"];
        run.fails(spike, &words);
        let before = run.numbers();
        run.trainer.update(&run.loss(1.0)).unwrap();
        assert_ne!(run.numbers(), before);
    }
    // Clipped, it is a step like others.
    let Run {
        store,
        net,
        trainer,
    } = run(DType::F32);
    let trainer = trainer.clip_norm(1.0).unwrap();
    let mut run = Run {
        store,
        net,
        trainer,
    };
    run.trainer.update(&run.loss(1e25)).unwrap();
}

/// A gradient whose norm is too large for comfort, but whose squares can be held.
#[test]
fn large_gradients_that_fit_are_taken() {
    let mut run = run(DType::F32);
    let x = Tensor::full(7e18f32, (1, 4), device()).unwrap();
    let report = run
        .trainer
        .update(&run.net.forward(&x).unwrap().sum_all().unwrap())
        .unwrap();
    assert!(report.gradient_norm > 1e19);
    // With the same bits as from smaller ones: the first step is the rate in size.
    let mut other = self::run(DType::F32);
    let x = (x / 1e18).unwrap();
    other
        .trainer
        .update(&other.net.forward(&x).unwrap().sum_all().unwrap())
        .unwrap();
    let bits = |run: &Run| numbers(&[&run.store])[1].clone();
    for (a, b) in bits(&run).iter().zip(bits(&other)) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn absurd_rates_leave_no_infinite_weights() {
    for rate in [1e38, 1e300] {
        let Run {
            store,
            net,
            trainer,
        } = run(DType::F32);
        let trainer = trainer
            .learning_rate(learning_rate_fn(move |_| rate))
            .ema(0.9)
            .unwrap();
        let mut run = Run {
            store,
            net,
            trainer,
        };
        run.fails(1.0, &["stopped at step 0", "it would take"]);
    }
    // Decay alone: θ (1 − η λ).
    let (store, net) = store_and_net(DType::F32);
    let config = AdamWConfig {
        learning_rate: 1.0,
        weight_decay: 1e39,
        ..AdamWConfig::default()
    };
    let optimizer = AdamW::from_store(&store, config).unwrap();
    let trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
    Run {
        store,
        net,
        trainer,
    }
    .fails(1e-3, &["it would take \"weight\""]);
}

#[test]
fn gradients_that_are_not_finite_are_named() {
    let mut run = run(DType::F64);
    let zero = (run.net.bias() - run.net.bias().detach()).unwrap();
    let loss = (zero.sqrt().unwrap().sum_all().unwrap() + run.loss(1.0)).unwrap();
    let error = run.trainer.update(&loss).unwrap_err().to_string();
    assert!(
        error.contains("the gradient by \"bias\" is not finite"),
        "{error}"
    );
}

#[test]
fn adamw_alone_keeps_its_numbers_too() {
    let (store, net) = store_and_net(DType::F32);
    let mut optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let x = Tensor::ones((1, 4), DType::F32, device()).unwrap();
    let loss = |factor: f64| (net.forward(&x).unwrap().sum_all().unwrap() * factor).unwrap();
    optimizer.backward_step(&loss(1.0)).unwrap();
    let before = numbers(&[&store, &optimizer]);
    for factor in [1e25, f64::NAN] {
        let error = optimizer.backward_step(&loss(factor)).unwrap_err();
        assert!(matches!(Error::from(error), Error::Stopped { .. }));
    }
    optimizer.set_learning_rate(f64::NAN);
    let error = Error::from(optimizer.backward_step(&loss(1.0)).unwrap_err());
    assert!(matches!(error, Error::Range { .. }), "{error}");
    // A gradient that fits the first parameter, and one that does not fit the second.
    optimizer.set_learning_rate(1e-3);
    let mut grads = loss(1.0).backward().unwrap();
    grads.insert(
        &store.vars()[1],
        Tensor::ones(2, DType::F32, device()).unwrap(),
    );
    let error = Error::from(optimizer.step(&grads).unwrap_err());
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    assert_eq!(numbers(&[&store, &optimizer]), before);
    let config = AdamWConfig {
        epsilon: 1e-40,
        ..AdamWConfig::default()
    };
    assert!(AdamW::from_store(&store, config).is_err());
}

/// Moments that were put back from elsewhere count for the bounds.
#[test]
fn restored_moments_are_looked_at() {
    let mut run = run(DType::F32);
    run.trainer.update(&run.loss(1.0)).unwrap();
    let mut checkpoint = run.trainer.checkpoint().unwrap();
    let moments = checkpoint.parts.get_mut("optimizer").unwrap();
    let huge = Tensor::full(3e38f32, (1, 4), device()).unwrap();
    moments.insert("first.weight".into(), huge);
    moments.insert(
        "second.weight".into(),
        Tensor::zeros((1, 4), DType::F32, device()).unwrap(),
    );
    run.trainer.restore(&checkpoint).unwrap();
    run.fails(1e-9, &["it would take \"weight\" to -inf"]);
}

/// candle's optimiser, which looks at nothing.
struct Sgd(SGD, Vec<(String, Var)>);

impl Optimizer for Sgd {
    type Config = f64;
    fn new(vars: Vec<Var>, rate: f64) -> candle_core::Result<Self> {
        let named = vars.iter().cloned().enumerate();
        let named = named.map(|(i, var)| (i.to_string(), var)).collect();
        Ok(Sgd(SGD::new(vars, rate)?, named))
    }
    fn step(&mut self, grads: &GradStore) -> candle_core::Result<()> {
        self.0.step(grads)
    }
    fn learning_rate(&self) -> f64 {
        self.0.learning_rate()
    }
    fn set_learning_rate(&mut self, rate: f64) {
        self.0.set_learning_rate(rate);
    }
}

impl Stateful for Sgd {
    fn variables(&self) -> Vec<(String, Var)> {
        Vec::new()
    }
}

impl StatefulOptimizer for Sgd {
    fn parameters(&self) -> Vec<(String, Var)> {
        self.1.clone()
    }
}

#[test]
fn optimisers_from_elsewhere_are_put_back() {
    let (store, net) = store_and_net(DType::F32);
    let optimizer = Sgd::new(store.vars(), 0.1).unwrap();
    let trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
    let mut run = Run {
        store,
        net,
        trainer,
    };
    run.trainer.update(&run.loss(1.0)).unwrap();
    let trainer = run.trainer.learning_rate(learning_rate_fn(|_| 1e38));
    let mut run = Run { trainer, ..run };
    run.fails(100.0, &["stopped at step 1", "it would take \"0\""]);
}

#[test]
fn a_store_that_outgrew_its_average_moves_nothing() {
    let Run {
        store,
        net,
        trainer,
    } = run(DType::F32);
    let trainer = trainer.ema(0.9).unwrap();
    let mut run = Run {
        store,
        net,
        trainer,
    };
    run.trainer.update(&run.loss(1.0)).unwrap();
    Linear::new(4, 1, &run.store.builder().pp("more")).unwrap();
    let trainer = run
        .trainer
        .group(ParameterGroup::matching("more.*").frozen())
        .unwrap();
    let mut run = Run { trainer, ..run };
    run.fails(
        1.0,
        &["got a list of parameters of length 4, expected one of length 2, as when the average began"],
    );
}

#[test]
fn decays_out_of_range_move_nothing() {
    let Run {
        store,
        net,
        trainer,
    } = run(DType::F32);
    let trainer = trainer.ema(decay_fn(|step| 0.5 * step as f64)).unwrap();
    let mut run = Run {
        store,
        net,
        trainer,
    };
    run.trainer.update(&run.loss(1.0)).unwrap();
    run.trainer.update(&run.loss(1.0)).unwrap();
    run.fails(1.0, &["decay: got 1,"]);
}

#[test]
fn averages_take_no_nan() {
    let (store, _) = store_and_net(DType::F32);
    let ema = Ema::new(&store, 0.9).unwrap();
    let before = numbers(&[&ema]);
    store.vars()[1]
        .set(&Tensor::new(&[f32::NAN], device()).unwrap())
        .unwrap();
    let error = ema.update(0).unwrap_err().to_string();
    assert!(error.starts_with("bias: got NaN"), "{error}");
    assert_eq!(numbers(&[&ema]), before);
}

#[test]
fn checkpoints_hold_finite_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut run = run(DType::F32);
    run.trainer.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let before = run.numbers();
    let infinite = Tensor::new(&[f32::INFINITY], device()).unwrap();

    let mut checkpoint = Checkpoint::load(&path, device()).unwrap();
    let parameters = checkpoint.parts.get_mut("parameters").unwrap();
    parameters.insert("bias".into(), infinite.clone());
    let expected = "parameters/bias: got inf at flat index 0, expected finite values";
    assert_eq!(checkpoint.save(&path).unwrap_err().to_string(), expected);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    assert_eq!(
        run.trainer.restore(&checkpoint).unwrap_err().to_string(),
        expected
    );
    assert_eq!(run.numbers(), before);

    run.store.vars()[1].set(&infinite).unwrap();
    assert_eq!(run.trainer.save(&path).unwrap_err().to_string(), expected);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
}

#[test]
fn clipping_scales_all_or_nothing() {
    let [x, y] = [3f64, 4.0].map(|v| Var::new(v, device()).unwrap());
    let loss = ((x.sqr().unwrap() + y.sqr().unwrap()).unwrap() / 2.0).unwrap();
    let parameters = [("x".to_string(), x), ("y".to_string(), y)];
    let mut gradients = Gradients::of(&loss, &parameters).unwrap();
    assert_eq!(gradients.clip_norm(1.0).unwrap(), 5.0);
    let value = |gradients: &Gradients, name: &str| {
        let gradient = gradients.get(name).unwrap();
        gradient.to_scalar::<f64>().unwrap()
    };
    assert!((value(&gradients, "x") - 0.6).abs() < 1e-15);
    assert_eq!(gradients.loss(), 12.5);
    let spoil = |name: &str, gradient: Option<&Tensor>| match name {
        "x" => Ok(Some(Tensor::new(f64::NAN, device())?)),
        _ => Ok(gradient.cloned()),
    };
    gradients.map(spoil).unwrap();
    let before = value(&gradients, "y");
    let error = gradients.clip_norm(0.1).unwrap_err().to_string();
    assert!(
        error.contains("the gradient by \"x\" is not finite"),
        "{error}"
    );
    assert_eq!(value(&gradients, "y"), before);
    assert!(gradients.norm().unwrap().is_nan());
}

/// A rule that fails for parameters of two elements.
#[derive(Debug, Clone)]
struct Failing;

impl UpdateRule for Failing {
    fn check(&self) -> advect_core::Result<()> {
        Ok(())
    }
    fn learning_rate(&self) -> f64 {
        1.0
    }
    fn set_learning_rate(&mut self, _: f64) {}
    fn step(&self, x: &Var, _: &[Var], gradient: &Tensor, _: f64) -> advect_core::Result<()> {
        match x.elem_count() {
            2 => Err(Error::stopped("a step", "it was asked to")),
            _ => update::descend(x, gradient, 1.0, 1.0),
        }
    }
    fn is_harmless(&self, _: &Bounds) -> bool {
        true
    }
}

#[test]
fn a_step_that_fails_half_way_counts_for_what_it_moved() {
    let var = |n: usize, dtype| {
        let ones = Tensor::ones(n, dtype, device()).unwrap();
        (n.to_string(), Var::from_tensor(&ones).unwrap())
    };
    // The largest first, by its copy in f32.
    let named = vec![
        var(1, DType::F32),
        var(2, DType::F32),
        var(3, DType::F64),
        var(4, DType::BF16),
    ];
    let mut optimizer = PerParameter::from_named(named.clone(), Failing).unwrap();
    let mut grads = named[0].1.sum_all().unwrap().backward().unwrap();
    for (_, x) in &named {
        grads.insert(x, x.ones_like().unwrap());
    }
    let error = Error::from(optimizer.step(&grads).unwrap_err());
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
    let counts = optimizer.state();
    for (name, x) in &named {
        let moved = name == "3" || name == "4";
        let steps = counts[&format!("steps.{name}")].to_scalar::<f64>().unwrap();
        let total = x.to_dtype(DType::F64).unwrap().sum_all().unwrap();
        let total = total.to_scalar::<f64>().unwrap();
        let expected = if moved {
            (1.0, 0.0)
        } else {
            (0.0, x.elem_count() as f64)
        };
        assert_eq!((steps, total), expected, "{name}");
    }
}
