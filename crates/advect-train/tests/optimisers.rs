//! Every optimiser: against its formula in Python (`golden/optimisers.py`), towards a minimum, and without leaving NaN.

use advect_core::testing::{assert_close, device};
use advect_core::{Error, Generator, Key};
use advect_nn::{Linear, ParameterStore, State, Stateful};
use advect_train::learning_rate::learning_rate_fn;
use advect_train::optimizer::{PerParameter, UpdateRule};
use advect_train::{
    Adam, AdamConfig, AdamWConfig, LionConfig, Momentum, MuonConfig, ParameterGroup, SgdConfig,
    StatefulOptimizer, Trainer,
};
use candle_core::{DType, Tensor, Var};
use candle_nn::Optimizer;
use serde_json::Value;

/// Calls a generic function with the settings of each optimiser.
macro_rules! for_each_optimizer {
    ($f:ident) => {
        $f(AdamWConfig::default());
        $f(AdamConfig {
            weight_decay: 0.1,
            ..AdamConfig::default()
        });
        $f(sgd(Momentum::None, 0.0));
        $f(sgd(Momentum::classical(0.9), 0.1));
        $f(sgd(Momentum::nesterov(0.9), 0.0));
        $f(LionConfig::default());
        $f(MuonConfig::default());
    };
}

fn sgd(momentum: Momentum, weight_decay: f64) -> SgdConfig {
    SgdConfig {
        learning_rate: 0.1,
        momentum,
        weight_decay,
    }
}

fn follows<R: UpdateRule>(name: &str, shape: &[usize], rule: R) {
    let golden: Value =
        serde_json::from_str(include_str!("golden/optimisers_python.json")).unwrap();
    let tensor = |value: &Value| {
        let values: Vec<f64> = serde_json::from_value(value.clone()).unwrap();
        Tensor::from_vec(values, shape, device()).unwrap()
    };
    let trajectory = golden["trajectories"][name].as_array().unwrap();
    let gradients = golden["gradients"].as_array().unwrap();
    for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 2e-5)] {
        let start = tensor(&golden["start"]).to_dtype(dtype).unwrap();
        let x = Var::from_tensor(&start).unwrap();
        let mut optimizer = PerParameter::new(vec![x.clone()], rule.clone()).unwrap();
        for (gradient, expected) in gradients.iter().zip(trajectory) {
            let gradient = tensor(gradient).to_dtype(dtype).unwrap();
            let loss = (x.as_tensor() * gradient).unwrap().sum_all().unwrap();
            optimizer.backward_step(&loss).unwrap();
            let expected = tensor(expected).to_dtype(dtype).unwrap();
            assert_close(&x.as_detached_tensor(), &expected, tolerance, tolerance);
        }
    }
}

#[test]
fn formulas() {
    follows("sgd", &[6], sgd(Momentum::None, 0.2));
    let (factor, dampening) = (0.9, 0.3);
    let momentum = Momentum::Classical { factor, dampening };
    follows("momentum", &[2, 3], sgd(momentum, 0.2));
    follows("nesterov", &[6], sgd(Momentum::nesterov(0.8), 0.0));
    let adam = AdamConfig {
        learning_rate: 0.01,
        beta2: 0.99,
        weight_decay: 0.3,
        ..AdamConfig::default()
    };
    follows("adam", &[6], adam);
    let lion = LionConfig {
        learning_rate: 0.01,
        weight_decay: 0.5,
        ..LionConfig::default()
    };
    follows("lion", &[6], lion);
    let decaying = MuonConfig {
        weight_decay: 0.1,
        ..MuonConfig::default()
    };
    follows("muon wide", &[2, 3], decaying);
    follows("muon tall", &[3, 2], MuonConfig::default());
    follows("muon vector", &[6], decaying);
    // The kernel of a convolution is a matrix with a row for each output channel.
    follows("muon tall", &[3, 1, 2], MuonConfig::default());
}

/// By hand: steps of size 1 down x²/2 from 1, with momentum ½, and one of each kind of decay.
#[test]
fn a_few_steps_by_hand() {
    let steps = |momentum: Momentum| {
        let x = Var::new(1f64, device()).unwrap();
        let rule = SgdConfig {
            learning_rate: 0.5,
            momentum,
            weight_decay: 0.0,
        };
        let mut optimizer = PerParameter::new(vec![x.clone()], rule).unwrap();
        let mut values = Vec::new();
        for _ in 0..3 {
            let loss = (x.sqr().unwrap() / 2.0).unwrap();
            optimizer.backward_step(&loss).unwrap();
            values.push(x.to_scalar::<f64>().unwrap());
        }
        values
    };
    assert_eq!(steps(Momentum::None), [0.5, 0.25, 0.125]);
    // v = 1, 1, 0.5.
    assert_eq!(steps(Momentum::classical(0.5)), [0.5, 0.0, -0.25]);
    // g = 1, ¼, -1/16; v = 1, ¾, 5/16; d = g + v/2.
    assert_eq!(steps(Momentum::nesterov(0.5)), [0.25, -0.0625, -0.109375]);
}

#[test]
fn adam_without_decay_is_adamw() {
    let run = |adam: bool| {
        let x = Var::new(&[1f32, -2.0, 3.0], device()).unwrap();
        let adamw = AdamWConfig {
            weight_decay: 0.0,
            ..AdamWConfig::default()
        };
        let mut steps: Box<dyn FnMut(&Tensor)> = match adam {
            true => {
                let mut adam = Adam::new(vec![x.clone()], AdamConfig::default()).unwrap();
                Box::new(move |loss| adam.backward_step(loss).unwrap())
            }
            false => {
                let mut adamw = PerParameter::new(vec![x.clone()], adamw).unwrap();
                Box::new(move |loss| adamw.backward_step(loss).unwrap())
            }
        };
        for _ in 0..10 {
            steps(&x.sqr().unwrap().sum_all().unwrap());
        }
        x.to_vec1::<f32>().unwrap()
    };
    assert_eq!(run(true), run(false));
}

/// A least-squares problem whose minimum is 0.
fn finds_the_minimum<R: UpdateRule>(rule: R) {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let net = Linear::new(3, 2, &store.builder()).unwrap();
    let mut rng = Generator::from_seed(1);
    let x = rng.normal((16, 3), DType::F64, device()).unwrap();
    let w = rng.normal((3, 2), DType::F64, device()).unwrap();
    let y = (x.matmul(&w).unwrap() + 0.5).unwrap();
    let optimizer = PerParameter::from_store(&store, rule.clone()).unwrap();
    let total = 1500;
    // Muon's other parameters have a smaller rate.
    let peak = match format!("{rule:?}").starts_with("Muon") {
        true => 1.0,
        false => 0.02,
    };
    let rate = move |step: usize| peak * (1.0 - step as f64 / total as f64).powi(2);
    let mut trainer = Trainer::new(&store, optimizer, rng)
        .learning_rate(learning_rate_fn(rate))
        .group(ParameterGroup::matching("*").weight_decay(0.0))
        .unwrap();
    let loss = |_: usize, _: &mut Generator| Ok((net.forward(&x)? - &y)?.sqr()?.mean_all()?);
    trainer.run(total, loss, &mut ()).unwrap();
    let last = trainer.report().loss;
    assert!(last < 1e-4, "{rule:?}: {last}");
}

#[test]
fn minima_are_found() {
    for_each_optimizer!(finds_the_minimum);
}

/// Parameters and what the optimiser remembers.
fn copy(parts: &[&dyn Stateful]) -> Vec<State> {
    let copied = |(name, x): (String, Tensor)| (name, x.copy().unwrap());
    let states = parts.iter().map(|part| part.state());
    states
        .map(|state| state.into_iter().map(copied).collect())
        .collect()
}

fn leaves_no_nan<R: UpdateRule>(rule: R) {
    for (dtype, huge) in [(DType::F32, 1e38), (DType::F64, 1e300)] {
        let store = ParameterStore::new(Key::from_seed(0), dtype, device());
        let net = Linear::new(3, 2, &store.builder()).unwrap();
        let x = Tensor::ones((1, 3), dtype, device()).unwrap();
        let mut optimizer = PerParameter::from_store(&store, rule.clone()).unwrap();
        let loss = |factor: f64| (net.forward(&x).unwrap().sum_all().unwrap() * factor).unwrap();
        optimizer.backward_step(&loss(1.0)).unwrap();
        let rates = [rule.learning_rate(), huge];
        for (factor, rate) in [1.0, huge, f64::NAN]
            .into_iter()
            .flat_map(|f| rates.map(|r| (f, r)))
        {
            let before = copy(&[&store, &optimizer]);
            optimizer.set_learning_rate(rate);
            match optimizer.backward_step(&loss(factor)) {
                Ok(()) => {
                    for x in copy(&[&store, &optimizer]).iter().flat_map(State::values) {
                        advect_core::check::finite("x", x).unwrap();
                    }
                    // From where it was, for the next one.
                    store.restore(&before[0]).unwrap();
                    optimizer.restore(&before[1]).unwrap();
                }
                Err(error) => {
                    let error = Error::from(error);
                    assert!(matches!(error, Error::Stopped { .. }), "{error}");
                    for (x, y) in copy(&[&store, &optimizer]).iter().zip(&before) {
                        for (name, x) in x {
                            assert_close(x, &y[name], 0.0, 0.0);
                        }
                    }
                }
            }
        }
        let error = optimizer.backward_step(&loss(f64::NAN));
        assert!(error.is_err(), "{rule:?}");
    }
}

#[test]
fn no_step_leaves_nan() {
    for_each_optimizer!(leaves_no_nan);
}

/// A setting that is infinite in f32 makes NaN of a zero.
fn multiplies_no_zero_by_infinity<R: UpdateRule>(rule: R) {
    for (rate, decay) in [(1e39, 0.0), (0.1, 1e39), (1e30, 1e30), (0.0, 1e39)] {
        let x = Var::zeros((2, 2), DType::F32, device()).unwrap();
        let mut rule = rule.clone();
        rule.set_learning_rate(rate);
        rule.set_weight_decay(decay).unwrap();
        let mut optimizer = PerParameter::new(vec![x.clone()], rule).unwrap();
        let loss = x.sqr().unwrap().sum_all().unwrap();
        if let Err(error) = optimizer.backward_step(&loss) {
            let error = Error::from(error);
            assert!(matches!(error, Error::Stopped { .. }), "{error}");
        }
        for x in copy(&[&optimizer]).iter().flat_map(State::values) {
            advect_core::check::finite("memory", x).unwrap();
        }
        assert_eq!(x.to_vec2::<f32>().unwrap(), [[0.0; 2]; 2]);
    }
}

#[test]
fn zeros_stay_zeros() {
    for_each_optimizer!(multiplies_no_zero_by_infinity);
}

fn refuses_other_arguments<R: UpdateRule>(rule: R) {
    let integers = Var::zeros(2, DType::U32, device()).unwrap();
    let refused = PerParameter::from_named(vec![("w".into(), integers)], rule.clone());
    assert!(matches!(refused, Err(Error::DType { argument, .. }) if argument == "w"));
    let mut bad = rule.clone();
    bad.set_learning_rate(f64::NAN);
    let refused = PerParameter::from_named(vec![], bad).unwrap_err();
    assert!(matches!(refused, Error::Range { argument, .. } if argument == "learning_rate"));
    // Views and empty parameters.
    let x = Var::zeros((0, 3), DType::F32, device()).unwrap();
    let y = Var::ones((2, 3), DType::F32, device()).unwrap();
    let mut optimizer = PerParameter::new(vec![x.clone(), y.clone()], rule).unwrap();
    let loss = (x.sum_all().unwrap() + y.t().unwrap().sqr().unwrap().sum_all().unwrap()).unwrap();
    optimizer.backward_step(&loss).unwrap();
    assert!(y.to_vec2::<f32>().unwrap()[1][2] < 1.0);
}

/// Of a loss whose gradient is the same everywhere, so that parameters of 16 bits and of 32 have the same one.
fn moves_sixteen_bits_as_their_copies<R: UpdateRule>(rule: R) {
    let start = [[1f32, -0.5], [0.25, 0.0]];
    let slopes = [[0.5f32, 1.0], [-2.0, 0.125]];
    for dtype in [DType::F16, DType::BF16] {
        let cast = |x: [[f32; 2]; 2]| {
            let x = Tensor::new(&x, device()).unwrap();
            x.to_dtype(dtype).unwrap()
        };
        let x = Var::new(&start, device()).unwrap();
        let half = Var::from_tensor(&cast(start)).unwrap();
        let mut single = PerParameter::new(vec![x.clone()], rule.clone()).unwrap();
        let mut optimizer = PerParameter::new(vec![half.clone()], rule.clone()).unwrap();
        for _ in 0..30 {
            let slopes_of = Tensor::new(&slopes, device()).unwrap();
            let loss = (x.as_tensor() * slopes_of).unwrap().sum_all().unwrap();
            single.backward_step(&loss).unwrap();
            let loss = (half.as_tensor() * cast(slopes)).unwrap();
            optimizer.backward_step(&loss.sum_all().unwrap()).unwrap();
            let (parameter, master) = optimizer.masters().remove(0);
            let wide = |x: &Tensor| x.to_dtype(DType::F32).unwrap().to_vec2::<f32>().unwrap();
            assert_eq!(wide(&master), wide(&x));
            let rounded = x.to_dtype(dtype).unwrap();
            assert_eq!(wide(&parameter), wide(&rounded));
        }
        assert_eq!(optimizer.masters()[0].0.id(), half.id());
        let names: Vec<String> = optimizer.state().into_keys().collect();
        assert!(names.contains(&"master.0".to_string()), "{names:?}");
    }
}

#[test]
fn parameters_of_16_bits_have_copies_of_32() {
    for_each_optimizer!(moves_sixteen_bits_as_their_copies);
}

#[test]
fn arguments() {
    for_each_optimizer!(refuses_other_arguments);
}

fn goes_on<R: UpdateRule>(rule: R) {
    let run = |stops: bool| {
        let x = Var::new(&[[1f32, -2.0], [3.0, 0.5]], device()).unwrap();
        let named = vec![("x".to_string(), x.clone())];
        let mut optimizer = PerParameter::from_named(named.clone(), rule.clone()).unwrap();
        for step in 0..6 {
            if stops && step == 3 {
                let state = optimizer.state();
                optimizer = PerParameter::from_named(named.clone(), rule.clone()).unwrap();
                optimizer.restore(&state).unwrap();
            }
            let loss = x.sqr().unwrap().sum_all().unwrap();
            optimizer.backward_step(&loss).unwrap();
        }
        assert_eq!(optimizer.parameters().len(), 1);
        x.to_vec2::<f32>().unwrap()
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn states_are_all_that_is_remembered() {
    for_each_optimizer!(goes_on);
}
