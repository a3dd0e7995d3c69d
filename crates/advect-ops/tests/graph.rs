//! Values with gradients of one's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use advect_core::Error;
use advect_ops::{Activation, with_gradient, without_graph};
use candle_core::{DType, Device, Tensor, Var};

fn var(values: &[f64]) -> Var {
    Var::new(values, &Device::Cpu).unwrap()
}

/// From one input to more than candle's operations take, tracked and not, for values that are parts of others.
#[test]
fn any_number_of_inputs_get_their_gradients() {
    for count in 1..9 {
        let vars: Vec<Var> = (0..count).map(|i| var(&[f64::from(i), 1.0])).collect();
        let mut inputs: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
        inputs.insert(
            1.min(inputs.len()),
            Tensor::new(&[7f64, 7.0], &Device::Cpu).unwrap(),
        );
        let wide = Tensor::new(&[[1f64, 2.0, 3.0], [4.0, 5.0, 6.0]], &Device::Cpu).unwrap();
        let value = wide.narrow(0, 1, 1).unwrap().narrow(1, 1, 2).unwrap();
        let y = with_gradient(&value, &inputs, |g, inputs| {
            (inputs.iter().map(|x| Ok((g.squeeze(0)? * x)?))).collect()
        });
        let y = y.unwrap();
        assert_eq!(y.to_vec2::<f64>().unwrap(), [[5.0, 6.0]]);
        let loss = (&y * Tensor::new(&[[10f64, 100.0]], &Device::Cpu).unwrap()).unwrap();
        let gradients = loss.sum_all().unwrap().backward().unwrap();
        for (i, v) in vars.iter().enumerate() {
            let gradient = gradients.get(v).unwrap().flatten_all().unwrap();
            assert_eq!(gradient.to_vec1::<f64>().unwrap(), [10.0 * i as f64, 100.0]);
        }
    }
}

#[test]
fn wrong_numbers_of_gradients_are_an_error() {
    let x = var(&[1.0]);
    let y = with_gradient(x.as_tensor(), &[x.as_tensor().clone()], |_, _| Ok(vec![])).unwrap();
    let error = Error::from(y.sum_all().unwrap().backward().unwrap_err());
    assert!(matches!(error, Error::Range { argument, .. } if argument == "backward"));
    let untracked = Tensor::ones(2, DType::F32, &Device::Cpu).unwrap();
    let y = with_gradient(x.as_tensor(), &[untracked], |_, _| Ok(vec![])).unwrap();
    assert!(!y.track_op());
}

#[test]
fn the_graph_comes_back_after_a_panic() {
    let x = var(&[1.0]);
    let run = || without_graph(|| panic!("on purpose"));
    assert!(std::panic::catch_unwind(run).is_err());
    assert!(Activation::Silu.apply(x.as_tensor()).unwrap().track_op());
}
