//! Sizes and dtypes that no network can have get typed errors.

use advect_core::testing::device;
use advect_core::{Error, Field, Generator, Key, Result, Time};
use advect_models::{Mlp, UNet};
use advect_nn::{
    Activation, ClassEmbedding, ConvolutionLayer, GroupNorm, Linear, NoClass, ParameterStore,
    TimeEmbedding,
};
use advect_ops::{Convolution, Dual};
use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;

const HUGE: usize = 1 << 62;

fn store(dtype: DType) -> ParameterStore {
    ParameterStore::new(Key::from_seed(0), dtype, device())
}

/// A typed error that begins with the name of what is wrong.
fn refused<T>(name: &str, build: impl FnOnce(&VarBuilder<'_>) -> Result<T>) {
    let store = store(DType::F32);
    match build(&store.builder()).map(|_| ()) {
        Err(error @ (Error::Range { .. } | Error::Shape { .. } | Error::DType { .. })) => {
            assert!(error.to_string().starts_with(name), "{name}: {error}");
        }
        other => panic!("{name}: {other:?}"),
    }
    // What is refused before the first layer leaves the store empty.
    assert!(
        name.contains(".") || store.parameters().is_empty(),
        "{name}"
    );
}

#[test]
fn layers_of_absurd_sizes_are_refused() {
    let padded = Convolution::padded(1);
    refused("weight: ", |b| Linear::new(HUGE, 8, b));
    refused("weight: ", |b| Linear::new(1, HUGE, b));
    refused("weight: ", |b| Linear::new(usize::MAX, usize::MAX, b));
    // It could be counted, and does not fit.
    refused("weight: ", |b| Linear::new(1 << 20, 1 << 20, b));
    refused("weight: ", |b| {
        ConvolutionLayer::new(1 << 40, 1 << 40, &[3, 3], padded, b)
    });
    refused("weight: ", |b| {
        ConvolutionLayer::new(1, 1, &[HUGE, HUGE], padded, b)
    });
    refused("weight: ", |b| GroupNorm::new(1, HUGE, b));
    for none in [NoClass::Learned, NoClass::Zero] {
        refused("table: ", |b| {
            ClassEmbedding::new(usize::MAX, 2, none, "table", b)
        });
        refused("table: ", |b| {
            ClassEmbedding::new(1 << 40, 1 << 40, none, "table", b)
        });
    }
}

#[test]
fn perceptrons_of_absurd_sizes_are_refused() {
    refused("dim: ", |b| Mlp::config(0).build(b));
    refused("hidden: ", |b| Mlp::config(1).hidden(&[4, 0]).build(b));
    let fourier = |frequencies| TimeEmbedding::Fourier { frequencies };
    refused("frequencies: ", |b| {
        Mlp::config(1).time(fourier(0)).build(b)
    });
    refused("layers.0.weight: ", |b| Mlp::config(usize::MAX).build(b));
    refused("layers.0.weight: ", |b| {
        Mlp::config(1).hidden(&[usize::MAX]).build(b)
    });
    refused("frequencies: ", |b| {
        Mlp::config(1).time(fourier(usize::MAX)).build(b)
    });
    refused("classes: ", |b| Mlp::config(1).classes(usize::MAX).build(b));
}

#[test]
fn u_nets_of_absurd_sizes_are_refused() {
    let config = || UNet::config(&[1, 8, 8]).groups(1).channels(4);
    refused("channels: ", |b| {
        config().channels(HUGE).multipliers(&[1e-17]).build(b)
    });
    // A pair of features of time is the least.
    refused("channels: ", |b| config().channels(1).build(b));
    refused("outputs: ", |b| config().outputs(HUGE).build(b));
    refused("blocks: ", |b| config().blocks(HUGE).build(b));
    refused("multipliers: ", |b| config().multipliers(&[1e300]).build(b));
    refused("multipliers: ", |b| {
        config().multipliers(&[f64::NAN]).build(b)
    });
    refused("groups: ", |b| config().groups(0).build(b));
    refused("multipliers: ", |b| config().groups(HUGE).build(b));
    refused("outputs: ", |b| UNet::config(&[HUGE, 8, 8]).build(b));
    refused("input_blocks.0.0.weight: ", |b| {
        UNet::config(&[HUGE, 8, 8]).outputs(1).build(b)
    });
    refused("dim: ", |b| UNet::config(&[]).build(b));
    refused("label_emb.weight: ", |b| {
        config().classes(usize::MAX).build(b)
    });
    refused("heads: ", |b| config().heads(HUGE).build(b));
    refused("heads: ", |b| config().heads(0).build(b));
    refused("heads: ", |b| {
        config().heads_upwards(0).attention(&[8]).build(b)
    });
    refused("head_channels: ", |b| config().head_channels(HUGE).build(b));
    refused("attention: ", |b| config().attention(&[0]).build(b));
    // Images of any size cost what they cost.
    let store = store(DType::F32);
    let config = UNet::config(&[1, HUGE, HUGE]).groups(1).channels(4);
    let net = config
        .multipliers(&[1.0, 1.0])
        .blocks(1)
        .build(&store.builder())
        .unwrap();
    assert_eq!(net.cost().operations, u64::MAX);
}

#[test]
fn parameters_are_floats() {
    for dtype in [DType::U8, DType::U32, DType::I64, DType::F8E4M3] {
        let store = store(dtype);
        let error = Linear::new(2, 2, &store.builder()).unwrap_err();
        assert!(matches!(error, Error::DType { .. }), "{error}");
        assert!(store.parameters().is_empty());
    }
}

#[test]
fn states_of_integers_are_refused() {
    let store = store(DType::F32);
    let b = store.builder();
    let mlp = Mlp::config(4).hidden(&[4]).build(&b.pp("mlp")).unwrap();
    let unet = UNet::config(&[1, 4, 4])
        .groups(1)
        .channels(4)
        .multipliers(&[1.0])
        .blocks(1);
    let unet = unet.build(&b.pp("unet")).unwrap();
    let linear = Linear::new(4, 4, &b.pp("linear")).unwrap();
    let convolution = ConvolutionLayer::new(1, 1, &[3, 3], Convolution::padded(1), &b.pp("conv"));
    let convolution = convolution.unwrap();
    let norm = GroupNorm::new(1, 1, &b.pp("norm")).unwrap();
    let embedding = TimeEmbedding::Fourier { frequencies: 2 };
    let t = Time::Shared(0.5);
    for dtype in [DType::U8, DType::U32, DType::I64] {
        let zeros = |shape: &[usize]| Tensor::zeros(shape, dtype, device()).unwrap();
        let (rows, images) = (zeros(&[2, 4]), zeros(&[2, 1, 4, 4]));
        for (name, value) in [
            ("mlp", mlp.at(&t, &rows)),
            ("unet", unet.at(&t, &images)),
            ("linear", linear.forward(&rows)),
            ("convolution", convolution.forward(&images)),
            ("norm", norm.forward(&images, Activation::Tanh)),
            ("embedding", embedding.embed(&times(0.5), &rows)),
        ] {
            assert!(
                matches!(value, Err(Error::DType { .. })),
                "{name} {dtype:?}: {value:?}"
            );
        }
    }
}

fn times(t: f64) -> Tensor {
    Tensor::new(&[t], device()).unwrap()
}

#[test]
fn absurd_features_of_time_are_refused() {
    let x = Tensor::zeros((1, 2), DType::F32, device()).unwrap();
    let fourier = TimeEmbedding::Fourier { frequencies: HUGE };
    let sinusoidal = TimeEmbedding::Sinusoidal {
        features: usize::MAX,
    };
    for embedding in [fourier, sinusoidal] {
        let error = embedding.embed(&times(0.5), &x).unwrap_err();
        assert!(matches!(error, Error::Range { .. }), "{error}");
        let dual = Dual::new(times(0.5), times(1.0)).unwrap();
        assert!(embedding.embed(&dual, &x).is_err());
    }
}

/// In 16 bits networks have values, finite ones.
#[test]
fn networks_run_in_16_bits() {
    for dtype in [DType::F16, DType::BF16] {
        let store = store(dtype);
        let b = store.builder();
        let mut rng = Generator::from_seed(1);
        let mlp = Mlp::config(16)
            .hidden(&[8])
            .classes(3)
            .build(&b.pp("mlp"))
            .unwrap();
        let unet = UNet::config(&[1, 4, 4])
            .groups(1)
            .channels(4)
            .multipliers(&[1.0])
            .blocks(1);
        let unet = unet.classes(3).build(&b.pp("unet")).unwrap();
        let x = rng.normal((2, 1, 4, 4), dtype, device()).unwrap();
        for net in [&mlp as &dyn Field, &unet] {
            let y = net.at(&Time::Shared(0.5), &x).unwrap();
            assert_eq!((y.dims(), y.dtype()), (x.dims(), dtype));
            assert!(advect_core::check::is_finite(&y).unwrap());
        }
    }
}
