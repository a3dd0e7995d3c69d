use candle_core::DType;

use super::{activation, convolution, group_norm, layers, planes, sums};

/// NVRTC needs no GPU.
#[test]
fn sources_compile() {
    for family in [
        &activation::FAMILY,
        &convolution::FAMILY,
        &group_norm::FAMILY,
        &layers::FAMILY,
        &planes::FAMILY,
        &sums::FAMILY,
    ] {
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
