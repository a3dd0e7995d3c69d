//! Guidance of a network with classes.

use advect_core::testing::{assert_close, device};
use advect_core::{Conditional, Field, Generator, Key, Time};
use advect_models::Mlp;
use advect_nn::ParameterStore;
use advect_samplers::guidance::Guided;
use candle_core::{DType, Tensor};

#[test]
fn guidance_mixes_the_conditional_and_the_plain_field() {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let net = Mlp::config(3)
        .hidden(&[5])
        .classes(3)
        .build(&store.builder())
        .unwrap();
    let x = Generator::from_seed(1)
        .normal((4, 3), DType::F64, device())
        .unwrap();
    let t = Time::per_sample(&[0.1, 0.4, 0.7, 1.0]).unwrap();
    let labels = Tensor::new(&[0u32, 2, 1, 3], device()).unwrap();
    let (plain, given) = (
        net.at(&t, &x).unwrap(),
        net.given(&labels).at(&t, &x).unwrap(),
    );
    for (weight, dtype) in [
        (0.0, DType::U32),
        (1.0, DType::I64),
        (2.5, DType::I64),
        (2.5, DType::U8),
    ] {
        let labels = labels.to_dtype(dtype).unwrap();
        let guided = Guided::new(&net, &labels, weight)
            .unwrap()
            .at(&t, &x)
            .unwrap();
        let expected = ((&plain * (1.0 - weight)).unwrap() + (&given * weight).unwrap()).unwrap();
        assert_close(&guided, &expected, 1e-12, 1e-13);
    }
}
