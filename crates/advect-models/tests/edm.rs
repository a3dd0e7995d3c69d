//! EDM's networks as fields: derivatives, classes, dropout, initialisation, sizes, and what bad input gets.

use advect_core::testing::{assert_close, device};
use advect_core::{Conditional, ConditionalJvp, Error, Field, Key, Result, Time, check};
use advect_models::{
    DhariwalUNet, DhariwalUNetConfig, NoiseEmbedding, SongDecoder, SongEncoder, SongUNet,
    SongUNetConfig,
};
use advect_nn::{Cost, ParameterStore};
use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use crate::derivatives::{self, normal, number, randomize};

fn store(dtype: DType) -> ParameterStore {
    ParameterStore::new(Key::from_seed(0), dtype, device())
}

fn song() -> SongUNetConfig {
    let config = SongUNet::config(2, 4)
        .channels(4)
        .multipliers(&[1, 2])
        .blocks(1);
    config.attention(&[4]).classes(3).augmentation(2)
}

fn dhariwal() -> DhariwalUNetConfig {
    let config = DhariwalUNet::config(2, 4)
        .channels(4)
        .multipliers(&[1, 2])
        .blocks(1);
    config
        .attention(&[2])
        .head_channels(4)
        .classes(3)
        .augmentation(2)
}

/// The derivatives along a direction, by the state and by every parameter.
fn check_derivatives<N: ConditionalJvp>(net: &N, store: &ParameterStore) {
    let labels = Tensor::new(&[2u32, 3], device()).unwrap();
    derivatives::check(net, store, &[2, 2, 4, 4], &labels);
    derivatives::check_parameters(net, store, &[2, 2, 4, 4], &labels);
}

#[test]
fn every_option_has_its_derivatives() {
    let filter = [1.0, 3.0, 3.0, 1.0];
    let odd = [1.0, 2.0, 5.0, -1.0, 0.5, 0.0];
    let fourier = song().noise_embedding(NoiseEmbedding::Fourier);
    let configs = [
        song().heads(2),
        fourier.noise_multiplier(2).encoder(SongEncoder::Residual),
        song()
            .encoder(SongEncoder::Residual)
            .resample_filter(&filter),
        song().encoder(SongEncoder::Skip).decoder(SongDecoder::Skip),
        song().decoder(SongDecoder::Skip).resample_filter(&odd),
    ];
    let numbers = normal(4, &[2, 2]);
    for config in configs {
        let store = store(DType::F64);
        let net = config.build(&store.builder()).unwrap();
        randomize(&store);
        assert_eq!(net.cost().parameters, store.element_count());
        check_derivatives(&net.augmented(&numbers).unwrap(), &store);
    }
    let store = store(DType::F64);
    let net = dhariwal().build(&store.builder()).unwrap();
    randomize(&store);
    assert_eq!(net.cost().parameters, store.element_count());
    check_derivatives(&net.augmented(&numbers).unwrap(), &store);
}

#[test]
fn no_class_is_the_zero_vector_and_the_twin_follows() {
    let store = store(DType::F64);
    let net = song().build(&store.builder()).unwrap();
    randomize(&store);
    let (x, t) = (normal(1, &[2, 2, 4, 4]), Time::Shared(0.5));
    let none = net.no_condition(&x).unwrap();
    assert_eq!(none.to_vec1::<u32>().unwrap(), [3, 3]);
    let plain = net.at(&t, &x).unwrap();
    assert_close(&net.at_given(&t, &x, &none).unwrap(), &plain, 1e-12, 1e-12);
    let first = Tensor::new(&[0i64, 3], device()).unwrap();
    let given = net.at_given(&t, &x, &first).unwrap();
    let rows = |i| (given.get(i).unwrap(), plain.get(i).unwrap());
    let apart =
        |(a, b): (Tensor, Tensor)| number(&(a - b).unwrap().abs().unwrap().max_all().unwrap());
    assert!(apart(rows(0)) > 0.01 && apart(rows(1)) < 1e-12);
    // At zeros, augmentation labels say nothing.
    let zeros = net
        .augmented(&normal(2, &[2, 2]).zeros_like().unwrap())
        .unwrap();
    assert_close(&zeros.at(&t, &x).unwrap(), &plain, 1e-12, 1e-12);

    let twin = net.on(&store.frozen()).unwrap();
    randomize(&store);
    let y = twin.at(&t, &x).unwrap();
    assert!(!y.track_op());
    assert_close(&y, &net.at(&t, &x).unwrap(), 0.0, 0.0);
    // A sample's value does not depend on the others, and images of another size are as good.
    let alone = twin.at(&t, &x.narrow(0, 1, 1).unwrap()).unwrap();
    assert_close(&alone, &y.narrow(0, 1, 1).unwrap(), 1e-10, 1e-10);
    assert_eq!(
        twin.at(&t, &normal(3, &[1, 2, 8, 6])).unwrap().dims(),
        [1, 2, 8, 6]
    );
}

#[test]
fn dropout_is_a_function_of_the_key() {
    let store = store(DType::F64);
    let net = dhariwal().dropout(0.5).build(&store.builder()).unwrap();
    randomize(&store);
    let (x, t) = (normal(1, &[2, 2, 4, 4]), Time::Shared(0.5));
    let differ = |a: &DhariwalUNet, b: &DhariwalUNet, labels: &Tensor| {
        let [a, b] = [a, b].map(|net| net.at_given(&t, &x, labels).unwrap());
        number(&(a - b).unwrap().abs().unwrap().max_all().unwrap()) > 1e-6
    };
    let labels = Tensor::new(&[0u32, 1], device()).unwrap();
    let [a, b] = [0, 1].map(|seed| net.dropping(Key::from_seed(seed)));
    assert!(!differ(&a, &a, &labels) && differ(&a, &b, &labels) && differ(&a, &net, &labels));
    assert!(!differ(&net, &a.on(&store.frozen()).unwrap(), &labels));

    // Labels alone: all of them, or about half.
    let none = net.no_condition(&x).unwrap();
    let all = dhariwal()
        .dropout(0.0)
        .label_dropout(1.0)
        .build(&store.builder())
        .unwrap();
    let without = net.at_given(&t, &x, &none).unwrap();
    let key = Key::from_seed(2);
    let dropped = all.dropping(key).at_given(&t, &x, &labels).unwrap();
    assert_close(&dropped, &without, 1e-12, 1e-12);
    assert!(differ(&all, &all.dropping(key), &labels));
    let half = dhariwal()
        .dropout(0.0)
        .label_dropout(0.5)
        .build(&store.builder())
        .unwrap();
    let dropped = (0..64).filter(|&seed| {
        let half = half.dropping(Key::from_seed(seed));
        let y = half.at_given(&t, &x, &labels).unwrap().get(0).unwrap();
        let apart = (y - without.get(0).unwrap()).unwrap();
        number(&apart.abs().unwrap().max_all().unwrap()) < 1e-12
    });
    let dropped = dropped.count();
    // Five standard deviations of a binomial number.
    assert!((12..=52).contains(&dropped), "{dropped}");
}

/// Weights without numbers: all zeros are one.
pub(crate) struct Hollow;

impl SimpleBackend for Hollow {
    fn get(
        &self,
        shape: Shape,
        _: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        Tensor::zeros((), dtype, device)?.broadcast_as(shape)
    }
    fn get_unchecked(&self, _: &str, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        Tensor::zeros((), dtype, device)
    }
    fn contains_tensor(&self, _: &str) -> bool {
        false
    }
}

/// The published numbers of parameters (Karras et al. 2022: 55.7 and 296 millions), to the last one as PyTorch counts them.
#[test]
fn published_networks_have_their_number_of_parameters() {
    let builder = VarBuilder::from_backend(Box::new(Hollow), DType::F32, device().clone());
    let ddpmpp = SongUNet::ddpmpp(3, 32)
        .augmentation(9)
        .build(&builder)
        .unwrap();
    assert_eq!(ddpmpp.cost().parameters, 55_733_891);
    let ncsnpp = SongUNet::ncsnpp(3, 32)
        .augmentation(9)
        .build(&builder)
        .unwrap();
    assert_eq!(ncsnpp.cost().parameters, 56_397_827);
    let adm = DhariwalUNet::imagenet64().build(&builder).unwrap();
    assert_eq!(adm.cost().parameters, 295_899_267);
    // The multiplications that PyTorch counts, less those of resampling.
    let multiplications = |cost: Cost| cost.operations / 2;
    assert_eq!(multiplications(ddpmpp.cost()), 21_191_525_504 - 1_310_720);
    assert_eq!(multiplications(adm.cost()), 109_664_925_696 - 7_372_800);
}

/// The laws of EDM: Xavier's uniform one with its gains, or PyTorch's.
#[test]
fn initial_values_follow_their_laws() {
    let check = |name: &str, var: &Var, bound: f64| {
        let values = var.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let count = values.len() as f64;
        let largest = values.iter().fold(0f64, |m, v| m.max(v.abs()));
        let variance = values.iter().map(|v| v * v).sum::<f64>() / count;
        assert!(largest <= bound, "{name}: {largest} {bound}");
        let relative = 3.0 * variance / (bound * bound).max(f64::MIN_POSITIVE);
        assert!(
            (relative - 1.0).abs() < 5.0 / count.sqrt() || bound == 0.0,
            "{name}: {relative}"
        );
    };
    let area = |var: &Var| var.dims()[2..].iter().product::<usize>() as f64;
    let last = |name: &str| {
        ["conv1", "proj", "aux_conv", "out_conv"]
            .iter()
            .any(|n| name.contains(n))
    };
    let parameters = store(DType::F64);
    let song = SongUNet::ncsnpp(3, 16)
        .channels(32)
        .classes(10)
        .augmentation(9);
    song.multipliers(&[1, 2])
        .build(&parameters.builder())
        .unwrap();
    for (name, var) in parameters.parameters() {
        if name.contains("norm") {
            continue;
        }
        let gain = match name.as_str() {
            name if name.ends_with("bias") => 0.0,
            name if last(name) => 1e-5,
            name if name.contains("qkv") => 0.2f64.sqrt(),
            _ => 1.0,
        };
        let fans = (var.dims()[0] + var.dims().get(1).unwrap_or(&0)) as f64 * area_of(&var, area);
        check(&name, &var, gain * (6.0 / fans).sqrt());
    }
    let frequencies = parameters
        .buffers()
        .into_iter()
        .find(|(name, _)| name == "map_noise.freqs");
    let size = frequencies.unwrap().1.sqr().unwrap().mean_all().unwrap();
    // 32 squares of normal numbers: five standard deviations.
    assert!((number(&size) / 256.0 - 1.0).abs() < 5.0 * (2.0f64 / 32.0).sqrt());

    let parameters = store(DType::F64);
    let adm = DhariwalUNet::config(3, 16)
        .channels(64)
        .multipliers(&[1, 2])
        .classes(10);
    adm.augmentation(9).build(&parameters.builder()).unwrap();
    for (name, var) in parameters.parameters() {
        if name == "map_label.weight" {
            let variance = number(&var.sqr().unwrap().mean_all().unwrap());
            assert!((variance - 1.0).abs() < 0.15, "{variance}");
        } else if last(&name) || name == "map_augment.weight" {
            check(&name, &var, 0.0);
        } else if !name.contains("norm") && name.ends_with("weight") {
            check(
                &name,
                &var,
                1.0 / (var.dims()[1] as f64 * area_of(&var, area)).sqrt(),
            );
        }
    }
}

fn area_of(var: &Var, area: impl Fn(&Var) -> f64) -> f64 {
    if var.rank() > 2 { area(var) } else { 1.0 }
}

#[test]
fn bad_input_is_a_typed_error() {
    let parameters = store(DType::F32);
    let builder = parameters.builder();
    let refused = |config: SongUNetConfig, argument: &str| match config.build(&builder) {
        Err(Error::Range { argument: name, .. } | Error::Shape { argument: name, .. }) => {
            assert_eq!(name, argument);
        }
        other => panic!("{argument}: {other:?}"),
    };
    refused(SongUNet::config(0, 8), "image channels");
    refused(SongUNet::config(3, 0), "resolution");
    refused(SongUNet::config(3, 12), "resolution");
    refused(song().channels(0), "channels");
    refused(song().channels(1 << 62), "channels");
    refused(song().channels(3), "channels");
    refused(song().channels(5), "channels");
    refused(song().channels(9), "channels");
    refused(song().channels(36).multipliers(&[4, 4]), "channels");
    refused(song().multipliers(&[]), "multipliers");
    refused(song().multipliers(&[1, 0]), "multipliers");
    refused(song().multipliers(&[1, usize::MAX]), "multipliers");
    refused(song().multipliers(&[1; 65]), "multipliers");
    refused(song().blocks(0), "blocks");
    refused(song().blocks(usize::MAX), "blocks");
    refused(song().outputs(0), "outputs");
    refused(song().attention(&[3]), "attention");
    refused(song().heads(3), "heads");
    refused(song().heads(0), "heads");
    refused(song().dropout(f64::NAN), "dropout");
    refused(song().label_dropout(1.5), "label_dropout");
    refused(song().embedding_multiplier(0), "embedding_multiplier");
    refused(song().noise_multiplier(0), "noise_multiplier");
    refused(song().noise_multiplier(usize::MAX), "noise_multiplier");
    refused(song().augmentation(usize::MAX), "augmentation");
    for taps in [
        &[][..],
        &[1.0],
        &[1.0, 2.0, 1.0],
        &[1.0, -1.0],
        &[f64::NAN, 1.0],
        &[1.0; 18],
    ] {
        refused(song().resample_filter(taps), "resample_filter");
    }
    let heads = dhariwal().head_channels(3).build(&builder).unwrap_err();
    assert!(heads.to_string().starts_with("head_channels"), "{heads}");
    assert!(parameters.parameters().is_empty() && parameters.buffers().is_empty());
    refused(song().classes(usize::MAX), "map_label.weight");

    let store = store(DType::F32);
    let net = song().build(&store.builder()).unwrap();
    let x = Tensor::zeros((2, 2, 4, 4), DType::F32, device()).unwrap();
    let t = Time::Shared(0.5);
    let wrong = |found: Result<Tensor>, argument: &str| {
        let error = found.unwrap_err();
        assert!(error.to_string().starts_with(argument), "{error}");
    };
    wrong(net.at(&t, &x.narrow(1, 0, 1).unwrap()), "x: ");
    wrong(net.at(&t, &x.narrow(3, 0, 3).unwrap()), "x: ");
    wrong(net.at(&t, &x.narrow(2, 0, 0).unwrap()), "x: ");
    wrong(net.at(&t, &x.get(0).unwrap()), "x: ");
    wrong(net.at(&t, &x.to_dtype(DType::F64).unwrap()), "x: ");
    wrong(net.at(&t, &x.narrow(0, 0, 0).unwrap()), "x: ");
    for labels in [&[0u32, 4][..], &[0, 1, 2]] {
        let labels = Tensor::new(labels, device()).unwrap();
        wrong(net.at_given(&t, &x, &labels), "condition: ");
    }
    let numbers = |rows: usize, columns| Tensor::zeros((rows, columns), DType::F32, device());
    assert!(net.augmented(&numbers(2, 3).unwrap()).is_err());
    let three = net.augmented(&numbers(3, 2).unwrap()).unwrap();
    wrong(three.at(&t, &x), "x: ");
    let plain = song().classes(0).augmentation(0).heads(4);
    let plain = plain.build(&store.builder().pp("plain")).unwrap();
    assert!(plain.augmented(&numbers(2, 2).unwrap()).is_err());
    wrong(
        plain.at_given(&t, &x, &Tensor::new(&[0u32, 1], device()).unwrap()),
        "condition: ",
    );
    assert!(plain.no_condition(&x).is_err());
}

#[test]
fn networks_run_in_16_bits() {
    for dtype in [DType::F16, DType::BF16] {
        let store = store(dtype);
        let net = song()
            .resample_filter(&[1.0, 3.0, 3.0, 1.0])
            .build(&store.builder())
            .unwrap();
        let x = normal(1, &[2, 2, 4, 4]).to_dtype(dtype).unwrap();
        let labels = Tensor::new(&[0u32, 3], device()).unwrap();
        let y = net.at_given(&Time::Shared(0.5), &x, &labels).unwrap();
        assert_eq!((y.dims(), y.dtype()), (x.dims(), dtype));
        assert!(check::is_finite(&y).unwrap());
    }
}
