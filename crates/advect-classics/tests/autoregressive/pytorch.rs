//! Numbers of PyTorch.

use advect_classics::autoregressive::{Autoregressive, CausalTransformer, GatedRecurrentUnit};
use advect_core::testing::{assert_close, device};
use advect_nn::ParameterStore;
use candle_core::{DType, Tensor};

use super::store;

/// Numbers of PyTorch: `golden/sequences_torch.py`.
#[test]
fn numbers_of_pytorch() {
    let text = include_str!("../golden/sequences_torch.json");
    let golden: serde_json::Value = serde_json::from_str(text).unwrap();
    let formula = |number: usize, dims: &[usize]| {
        let count: usize = dims.iter().product();
        let k = number as f64;
        let values = (0..count).map(|i| 0.5 * (0.7 * i as f64 * (1.0 + 0.1 * k) + k).sin());
        Tensor::from_vec(values.collect::<Vec<_>>(), dims, device()).unwrap()
    };
    let set = |store: &ParameterStore| {
        let mut parameters = store.parameters();
        parameters.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (k, (_, var)) in parameters.iter().enumerate() {
            var.set(&formula(k, var.dims())).unwrap();
        }
    };
    let expected = |value: &serde_json::Value, dims: &[usize]| {
        let numbers = value
            .as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_f64().unwrap());
        Tensor::from_vec(numbers.collect::<Vec<_>>(), dims, device()).unwrap()
    };
    let parameters = store(DType::F64);
    let gru = GatedRecurrentUnit::new(3, 4, 2, &parameters.builder()).unwrap();
    set(&parameters);
    let (outputs, state) = gru
        .forward(&formula(20, &[2, 5, 3]), &formula(21, &[2, 2, 4]))
        .unwrap();
    assert_close(
        &outputs,
        &expected(&golden["gru"]["outputs"], &[2, 5, 4]),
        0.0,
        1e-13,
    );
    assert_close(
        &state,
        &expected(&golden["gru"]["state"], &[2, 2, 4]),
        0.0,
        1e-13,
    );

    let parameters = store(DType::F64);
    let config = CausalTransformer::config(5, 7).width(8).heads(2).layers(2);
    let model = config.build(&parameters.builder()).unwrap();
    set(&parameters);
    let tokens = Tensor::new(&[[1u32, 0, 4, 2, 3, 3], [2, 2, 1, 0, 4, 1]], device()).unwrap();
    let logits = model.logits(&tokens).unwrap();
    assert_close(
        &logits,
        &expected(&golden["transformer"]["logits"], &[2, 6, 5]),
        0.0,
        1e-12,
    );
}
