use candle_core::DType;

use super::{
    activation, attention, combine, convolution, dropout, factors, gate, gated_recurrence,
    group_norm, layer_norm, layers, log_softmax, masters, norm, planes, random, rotary,
    scaled_error, softmax, squared_errors, sums, update,
};

/// NVRTC needs no GPU.
#[test]
fn sources_compile() {
    let families = [
        &activation::FAMILY,
        &attention::FAMILY,
        &combine::FAMILY,
        &convolution::FAMILY,
        &dropout::FAMILY,
        &factors::FAMILY,
        &gate::FAMILY,
        &gated_recurrence::FAMILY,
        &group_norm::FAMILY,
        &layer_norm::FAMILY,
        &layers::FAMILY,
        &log_softmax::FAMILY,
        &masters::FAMILY,
        &norm::FAMILY,
        &planes::FAMILY,
        &random::FAMILY,
        &rotary::FAMILY,
        &scaled_error::FAMILY,
        &softmax::FAMILY,
        &squared_errors::FAMILY,
        &sums::FAMILY,
        &update::FAMILY,
    ];
    for family in families {
        for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
            for architecture in [(7, 5), (9, 0)] {
                let program = family.compiled(dtype, architecture);
                let program =
                    program.unwrap_or_else(|error| panic!("{} {dtype:?}: {error}", family.name));
                assert!(program.to_src().contains(".entry"), "{}", family.name);
            }
        }
    }
}

#[test]
fn an_unknown_gpu_is_named() {
    let error = sums::FAMILY.compiled(DType::F32, (1, 0)).unwrap_err();
    assert!(
        error.to_string().contains("compute capability 1.0"),
        "{error}"
    );
}
