use candle_core::DType;

use super::{
    activation, attention, factors, gate, gated_recurrence, group_norm, layer_norm, log_softmax,
    rotary, softmax, sums,
};

/// NVRTC needs no GPU.
#[test]
fn sources_compile() {
    let families = [
        &activation::FAMILY,
        &attention::FAMILY,
        &factors::FAMILY,
        &gate::FAMILY,
        &gated_recurrence::FAMILY,
        &group_norm::FAMILY,
        &layer_norm::FAMILY,
        &log_softmax::FAMILY,
        &rotary::FAMILY,
        &softmax::FAMILY,
        &sums::FAMILY,
    ];
    for family in families {
        for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
            for architecture in [(7, 5), (9, 0)] {
                let program = family.compiled(dtype, architecture);
                let program =
                    program.unwrap_or_else(|error| panic!("{} {dtype:?}: {error}", family.name));
                assert!(program.contains(".entry"), "{}", family.name);
            }
        }
    }
}
