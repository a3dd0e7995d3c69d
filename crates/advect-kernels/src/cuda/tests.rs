use candle_core::DType;

use super::{
    Family, activation, attention, combine, convolution, dropout, factors, gate, gated_recurrence,
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
fn products_are_rounded_where_bits_are_those_of_the_cpu() {
    // Whether a kernel of a name fuses products with sums.
    let fuses = |family: &Family, name: &str, dtype| {
        let program = family.compiled(dtype, (9, 0)).unwrap().to_src();
        let kernels: Vec<_> = (program.split(".entry ").skip(1))
            .filter(|kernel| kernel.starts_with(name))
            .collect();
        assert!(!kernels.is_empty(), "{name}");
        kernels.iter().any(|kernel| kernel.contains("fma."))
    };
    for dtype in [DType::F32, DType::F64] {
        for name in ["adamw", "momentum", "lion", "descend", "average"] {
            assert!(!fuses(&update::FAMILY, name, dtype), "{name} {dtype:?}");
        }
    }
    assert!(!fuses(&random::FAMILY, "uniform", DType::F64));
    assert!(fuses(&combine::FAMILY, "combine", DType::F32));
}

#[test]
fn an_unknown_gpu_is_named() {
    let error = sums::FAMILY.compiled(DType::F32, (1, 0)).unwrap_err();
    assert!(
        error.to_string().contains("compute capability 1.0"),
        "{error}"
    );
}
