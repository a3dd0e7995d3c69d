//! The derivatives of a network whose condition is given, and its cost.

use advect_core::testing::{assert_close, device};
use advect_core::{Conditional, ConditionalJvp, Generator, Jvp, Time};
use advect_nn::ParameterStore;
use candle_core::{DType, Tensor, Var};

pub(crate) fn normal(seed: u64, shape: &[usize]) -> Tensor {
    Generator::from_seed(seed)
        .normal(shape, DType::F64, device())
        .unwrap()
}

pub(crate) fn number(x: &Tensor) -> f64 {
    x.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

/// Replaces all parameters, also the zeros, so that everything matters.
pub(crate) fn randomize(store: &ParameterStore) {
    for (i, (_, var)) in store.parameters().into_iter().enumerate() {
        let values = (normal(100 + i as u64, var.dims()) * 0.3).unwrap();
        var.set(&values.to_dtype(var.dtype()).unwrap()).unwrap();
    }
}

/// Checks the derivative along a direction by finite differences, the gradient of the state against it, and that every
/// parameter has a gradient.
pub(crate) fn check<N: ConditionalJvp>(
    net: &N,
    store: &ParameterStore,
    shape: &[usize],
    condition: &Tensor,
) {
    let (x, dx, dt) = (normal(1, shape), normal(2, shape), 0.6);
    let value = |h: f64| {
        let x = (&x + (&dx * h).unwrap()).unwrap();
        net.at_given(&Time::Shared(0.3 + h * dt), &x, condition)
            .unwrap()
    };
    let (y, along) = net
        .jvp_given(&Time::Shared(0.3), &x, condition, dt, &dx)
        .unwrap();
    assert_close(&y, &value(0.0), 1e-12, 1e-12);
    assert_close(&along, &slope(value), 1e-7, 1e-7);

    // g · (J dx) = (Jᵀ g) · dx, without a change of time.
    let g = normal(3, y.dims());
    let (_, along) = net
        .given(condition)
        .jvp(&Time::Shared(0.3), &x, 0.0, &dx)
        .unwrap();
    let forwards = number(&(along * &g).unwrap().sum_all().unwrap());
    let var = Var::from_tensor(&x).unwrap();
    let y = net.at_given(&Time::Shared(0.3), &var, condition).unwrap();
    let gradients = (y * &g).unwrap().sum_all().unwrap().backward().unwrap();
    let backwards = (gradients.get(&var).unwrap() * &dx)
        .unwrap()
        .sum_all()
        .unwrap();
    let backwards = number(&backwards);
    assert!(
        (forwards - backwards).abs() < 1e-10 * (1.0 + forwards.abs()),
        "{forwards} {backwards}"
    );
    for (name, var) in store.parameters() {
        assert!(gradients.get(&var).is_some(), "{name} has no gradient");
    }

    let times = Time::per_sample(&vec![0.3; shape[0]]).unwrap();
    let each = net.at_given(&times, &x, condition).unwrap();
    assert_close(&each, &value(0.0), 1e-12, 1e-12);
}

/// Checks the gradient of every parameter along a direction by finite differences.
pub(crate) fn check_parameters<N: Conditional>(
    net: &N,
    store: &ParameterStore,
    shape: &[usize],
    condition: &Tensor,
) {
    let x = normal(1, shape);
    let at = || net.at_given(&Time::Shared(0.3), &x, condition).unwrap();
    let g = normal(3, at().dims());
    let loss = || (at() * &g).unwrap().sum_all().unwrap();
    let gradients = loss().backward().unwrap();
    for (i, (name, var)) in store.parameters().into_iter().enumerate() {
        let gradient = gradients.get(&var);
        let gradient = gradient.unwrap_or_else(|| panic!("{name} has no gradient"));
        let (start, direction) = (var.copy().unwrap(), normal(500 + i as u64, var.dims()));
        let moved = |h: f64| {
            let values = (&start + (&direction * h).unwrap()).unwrap();
            var.set(&values).unwrap();
            number(&loss().detach())
        };
        let numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6;
        var.set(&start).unwrap();
        let ours = number(&(gradient * &direction).unwrap().sum_all().unwrap());
        let error = (ours - numeric).abs();
        assert!(
            error < 1e-6 * (1.0 + ours.abs()),
            "{name}: {ours} {numeric}"
        );
    }
}

/// The derivative at 0 by differences of fourth order.
pub(crate) fn slope(value: impl Fn(f64) -> Tensor) -> Tensor {
    let central = |h: f64| ((value(h) - value(-h)).unwrap() / (2.0 * h)).unwrap();
    (((central(5e-5) * 4.0).unwrap() - central(1e-4)).unwrap() / 3.0).unwrap()
}
