use candle_core::DType;

use super::{activation, combine, group_norm, norm, scaled_error, squared_errors, sums, update};

/// NVRTC needs no GPU.
#[test]
fn sources_compile() {
    let families = [
        &activation::FAMILY,
        &combine::FAMILY,
        &group_norm::FAMILY,
        &norm::FAMILY,
        &scaled_error::FAMILY,
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
                assert!(program.contains(".entry"), "{}", family.name);
            }
        }
    }
}
