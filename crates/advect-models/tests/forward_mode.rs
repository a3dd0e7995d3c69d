//! The MLP's derivative along a direction, and training through it.

use advect_core::testing::{assert_close, device, gradient};
use advect_core::{Conditional, Field, Generator, Jvp, Key, Result, Time};
use advect_models::Mlp;
use advect_nn::{Activation, ParameterStore, TimeEmbedding};
use candle_core::{DType, Tensor};

fn network(activation: Activation) -> (ParameterStore, Mlp) {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let net = Mlp::config(3)
        .hidden(&[6, 5])
        .activation(activation)
        .time(TimeEmbedding::Fourier { frequencies: 2 })
        .classes(2)
        .build(&store.builder())
        .unwrap();
    (store, net)
}

fn normal(seed: u64, rows: usize) -> Tensor {
    Generator::from_seed(seed)
        .normal((rows, 3), DType::F64, device())
        .unwrap()
}

#[test]
fn derivatives_are_those_of_finite_differences() {
    let (_, net) = network(Activation::Silu);
    let (x, dx, dt) = (normal(1, 4), normal(2, 4), 0.7);
    let labels = Tensor::new(&[0u32, 1, 2, 1], device()).unwrap();
    let given = net.given(&labels);
    let times = [0.1, 0.4, 0.5, 0.9];
    let at = |t: f64, h: f64| {
        Time::per_sample(&times.map(|s| if t < 0.0 { s + h * dt } else { t + h * dt }))
    };
    let shared = |_: f64, h: f64| Ok(Time::Shared(0.3 + h * dt));
    let check = |field: &dyn Jvp, time: &dyn Fn(f64, f64) -> Result<Time>| {
        let value = |h: f64| {
            field
                .at(&time(-1.0, h).unwrap(), &(&x + (&dx * h).unwrap()).unwrap())
                .unwrap()
        };
        let central = |h: f64| ((value(h) - value(-h)).unwrap() / (2.0 * h)).unwrap();
        let numeric = (((central(5e-4) * 4.0).unwrap() - central(1e-3)).unwrap() / 3.0).unwrap();
        let (y, tangent) = field.jvp(&time(-1.0, 0.0).unwrap(), &x, dt, &dx).unwrap();
        assert_close(&y, &value(0.0), 1e-13, 1e-13);
        assert_close(&tangent, &numeric, 1e-8, 1e-9);
    };
    check(&net, &at);
    check(&net, &shared);
    check(&given, &at);
}

/// Hutchinson's estimate `E_v[v · J v]` of the divergence, squared, as a loss: one backward gives the gradient of every
/// parameter, as finite differences do.
#[test]
fn the_divergence_trains_by_one_backward() {
    for activation in [
        Activation::Silu,
        Activation::Gelu,
        Activation::Tanh,
        Activation::Softplus,
        Activation::Elu,
    ] {
        let (store, net) = network(activation);
        let (x, t) = (normal(1, 5), Time::Shared(0.4));
        let probes: Vec<Tensor> = (10..13).map(|seed| normal(seed, 5)).collect();
        let loss = || -> Result<Tensor> {
            let mut total = Tensor::zeros(5, DType::F64, device())?;
            for v in &probes {
                let (_, tangent) = net.jvp(&t, &x, 0.0, v)?;
                total = (total + (tangent * v)?.sum(1)?)?;
            }
            Ok(total.sqr()?.mean_all()?)
        };
        let grads = loss().unwrap().backward().unwrap();
        for (name, var) in store.parameters() {
            let value = var.as_detached_tensor().copy().unwrap();
            let at = |p: &Tensor| {
                var.set(p)?;
                Ok(loss()?.to_scalar::<f64>()?)
            };
            let numeric = gradient(at, &value, 1e-3).unwrap();
            var.set(&value).unwrap();
            match grads.get(&var) {
                Some(ours) => assert_close(ours, &numeric, 1e-6, 1e-7),
                // The last bias is added to the value alone.
                None => {
                    assert_eq!(name, "layers.2.bias");
                    assert_close(&numeric, &numeric.zeros_like().unwrap(), 0.0, 1e-9);
                }
            }
        }
    }
}

#[test]
fn the_estimate_is_the_divergence() {
    // With the unit vectors as probes v · J v sums to the trace, here of finite differences.
    let (_, net) = network(Activation::Silu);
    let x = normal(4, 1);
    let t = Time::Shared(0.2);
    let mut ours = 0.0;
    let mut numeric = 0.0;
    for i in 0..3usize {
        let unit =
            Tensor::new(&[[0, 1, 2].map(|j| f64::from(u8::from(i == j)))], device()).unwrap();
        let (_, tangent) = net.jvp(&t, &x, 0.0, &unit).unwrap();
        ours += (tangent * &unit)
            .unwrap()
            .sum_all()
            .unwrap()
            .to_scalar::<f64>()
            .unwrap();
        let component = |h: f64| {
            let moved = (&x + (&unit * h).unwrap()).unwrap();
            net.at(&t, &moved).unwrap().to_vec2::<f64>().unwrap()[0][i]
        };
        numeric += advect_core::testing::derivative(component, 0.0, 1e-3);
    }
    assert!((ours - numeric).abs() < 1e-8, "{ours} {numeric}");
}

#[test]
fn tangents_that_do_not_fit_are_refused() {
    let (_, net) = network(Activation::Silu);
    let error = net
        .jvp(&Time::Shared(0.0), &normal(1, 4), 0.0, &normal(1, 3))
        .unwrap_err();
    assert!(error.to_string().starts_with("tangent: "), "{error}");
}
