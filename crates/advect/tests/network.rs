//! Networks by one forward pass: outputs of any shape, potentials and their gradients, features of time of one's own.

use advect::core::Energy;
use advect::core::testing::{assert_close, gradient};
use advect::nn::{Potential, TimeFeatures};
use advect::ops::{Dual, Value};
use advect::prelude::*;

fn store() -> ParameterStore {
    ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu)
}

fn normal(seed: u64, shape: &[usize]) -> Tensor {
    let mut rng = Generator::from_seed(seed);
    rng.normal(shape, DType::F64, &Device::Cpu).unwrap()
}

fn potential(store: &ParameterStore) -> Potential<Mlp> {
    let config = Mlp::config(3).hidden(&[7, 5]).outputs(1);
    Potential(config.build(&store.builder()).unwrap())
}

#[test]
fn a_potential_has_a_gradient_backwards_and_forwards() {
    let store = store();
    let energy = potential(&store);
    let (x, t) = (normal(1, &[4, 3]), Time::Shared(0.3));
    let numeric = gradient(|x| Ok(energy.at(&t, x)?.sum_all()?.to_scalar()?), &x, 1e-5);
    let numeric = numeric.unwrap();
    let field = GradientField::new(energy.clone(), &store.tensors()).unwrap();
    let backwards = field.at(&t, &x).unwrap();
    assert_close(&backwards, &numeric, 1e-8, 1e-9);
    for i in 0..3 {
        let unit = Tensor::new(
            &[[0, 1, 2].map(|j| f64::from(u8::from(i == j)))],
            &Device::Cpu,
        )
        .unwrap();
        let unit = unit.broadcast_as((4, 3)).unwrap().contiguous().unwrap();
        let (_, forwards) = energy.jvp(&t, &x, 0.0, &unit).unwrap();
        let column = backwards.narrow(1, i, 1).unwrap().squeeze(1).unwrap();
        assert_close(&forwards, &column, 1e-12, 1e-13);
    }
    // As a field it is trained: every weight has the gradient of differences.
    let loss = || Ok::<_, Error>(field.at(&t, &x)?.sqr()?.sum_all()?);
    let gradients = loss().unwrap().backward().unwrap();
    for (name, var) in store
        .parameters()
        .iter()
        .filter(|(name, _)| name.ends_with("weight"))
    {
        let value = var.as_detached_tensor().copy().unwrap();
        let at = |p: &Tensor| {
            var.set(p)?;
            Ok(loss()?.to_scalar::<f64>()?)
        };
        let numeric = gradient(at, &value, 1e-5).unwrap();
        var.set(&value).unwrap();
        let ours = gradients.get(var).unwrap_or_else(|| panic!("{name}"));
        assert_close(ours, &numeric, 1e-6, 1e-8);
    }
}

#[test]
fn outputs_have_any_shape() {
    let (store, x, t) = (store(), normal(2, &[5, 1, 2, 2]), Time::Shared(0.5));
    let build = |name: &str, config: advect::models::MlpConfig| {
        config.build(&store.builder().pp(name)).unwrap()
    };
    let encoder = build(
        "encoder",
        Mlp::config(4).outputs(6).time(TimeEmbedding::None),
    );
    let code = encoder.evaluate(&t, &x, None).unwrap();
    assert_eq!(code.dims(), [5, 6]);
    let late = encoder.evaluate(&Time::Shared(0.9), &x, None).unwrap();
    assert_close(&code, &late, 0.0, 0.0);
    let decoder = build("decoder", Mlp::config(6).outputs(4));
    assert_eq!(decoder.evaluate(&t, &code, None).unwrap().dims(), [5, 4]);
    let (_, along) = encoder
        .evaluate_each(&t, &x, None, &[x.clone(), x.clone()])
        .unwrap();
    assert_eq!(along[1].dims(), [5, 6]);

    let refused = Potential(encoder).at(&t, &x).unwrap_err();
    assert!(matches!(refused, Error::Shape { argument, .. } if argument == "network"));
    let none = Mlp::config(2).outputs(0).build(&store.builder());
    assert!(matches!(none, Err(Error::Range { argument, .. }) if argument == "outputs"));
}

#[test]
fn features_of_time_may_be_of_ones_own() {
    /// `t` and `t²`.
    #[derive(Debug)]
    struct Powers;
    impl Powers {
        fn powers<V: Value>(t: &V) -> Result<V> {
            let t = t.map_linear(|t| Ok(t.unsqueeze(1)?))?;
            V::concatenate(&[&t, &t.times(&t)?], 1)
        }
    }
    impl TimeFeatures for Powers {
        fn dim(&self) -> usize {
            2
        }
        fn of(&self, t: &Tensor) -> Result<Tensor> {
            Self::powers(t)
        }
        fn of_dual(&self, t: &Dual) -> Result<Dual> {
            Self::powers(t)
        }
    }
    let store = store();
    let net = Mlp::config(2)
        .hidden(&[6])
        .time(Powers)
        .build(&store.builder())
        .unwrap();
    let x = normal(3, &[2, 2]);
    for t in [Time::Shared(0.4), Time::per_sample(&[0.1, 0.8]).unwrap()] {
        let (_, along) = net.jvp(&t, &x, 1.0, &x.zeros_like().unwrap()).unwrap();
        let at = |h: f64| {
            let t: Vec<f64> = t.values().unwrap().iter().map(|t| t + h).collect();
            let t = if t.len() == 1 {
                Time::Shared(t[0])
            } else {
                Time::per_sample(&t).unwrap()
            };
            net.at(&t, &x).unwrap()
        };
        let numeric = ((at(1e-5) - at(-1e-5)).unwrap() / 2e-5).unwrap();
        assert_close(&along, &numeric, 1e-8, 1e-10);
    }
}
