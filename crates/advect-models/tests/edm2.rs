//! EDM2's network: numbers of PyTorch, derivatives, magnitudes, weights of unit size, and what bad input gets.

use std::collections::HashMap;
use std::path::PathBuf;

use advect_core::testing::{assert_close, device};
use advect_core::{Conditional, Error, Field, Generator, Key, Observer, Result, Time, check};
use advect_models::{Edm2UNet, Edm2UNetConfig, NoiseUncertainty};
use advect_nn::{ParameterStore, Stateful, Weights};
use advect_paths::preconditioner::{EdmPreconditioner, Preconditioned, Preconditioner};
use advect_paths::schedule::{EdmSchedule, Schedule};
use candle_core::{DType, Tensor, Var};
use candle_nn::VarBuilder;

use crate::derivatives::{self, normal, number, randomize};
use crate::edm::Hollow;

fn store(dtype: DType) -> ParameterStore {
    ParameterStore::new(Key::from_seed(0), dtype, device())
}

fn small() -> Edm2UNetConfig {
    let config = Edm2UNet::config(2, 4).channels(4).multipliers(&[1, 2]);
    config.blocks(1).attention(&[2]).head_channels(4).classes(3)
}

fn path() -> PathBuf {
    format!(
        "{}/tests/golden/edm2.safetensors",
        env!("CARGO_MANIFEST_DIR")
    )
    .into()
}

fn golden() -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path(), device()).unwrap()
}

fn published() -> Edm2UNetConfig {
    let config = Edm2UNet::config(2, 8).channels(4).multipliers(&[1, 2]);
    let config = config.blocks(1).attention(&[4]).head_channels(4).classes(5);
    let config = config.label_balance(0.3).skip_balance(0.6);
    config
        .residual_balance(0.4)
        .attention_balance(0.25)
        .clip(1.2)
}

#[test]
fn defaults_are_those_of_the_paper() {
    let config = Edm2UNet::config(4, 64)
        .channels(192)
        .multipliers(&[1, 2, 3, 4]);
    let config = config.blocks(3).head_channels(64).dropout(0.0).clip(256.0);
    let config = config.label_balance(0.5).skip_balance(0.5);
    let config = config.residual_balance(0.3).attention_balance(0.3);
    assert_eq!(config, Edm2UNet::small(4, 64));
    assert_eq!(Edm2UNet::medium(4, 64), config.channels(256).dropout(0.1));
}

/// The network and its uncertainty, with the weights of the golden file: neither a name too many nor one too few.
fn loaded(dtype: DType, config: &Edm2UNetConfig) -> (ParameterStore, Edm2UNet, NoiseUncertainty) {
    let store = store(dtype);
    let net = config.build(&store.builder().pp("unet")).unwrap();
    let uncertainty = NoiseUncertainty::new(6, &store.builder()).unwrap();
    store
        .load(Weights::new(path()).within("w").cast(dtype))
        .unwrap();
    (store, net, uncertainty)
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    let [a, b] = [a, b].map(|x| x.to_dtype(DType::F64).unwrap());
    let largest = |x: &Tensor| number(&x.abs().unwrap().max_all().unwrap());
    largest(&(a - &b).unwrap()) / largest(&b)
}

/// The numbers of `golden/make_edm2.py`, which were compared with those of NVlabs' code.
#[test]
fn values_and_gradients_are_those_of_pytorch() {
    let golden = golden();
    for (dtype, tolerance) in [(DType::F32, 1e-4), (DType::F64, 1e-9)] {
        for checkpointing in [false, true] {
            let (store, net, uncertainty) =
                loaded(dtype, &published().checkpointing(checkpointing));
            let time = Time::PerSample(golden["in.noise_labels"].clone());
            let x = Var::from_tensor(&golden["in.x"].to_dtype(dtype).unwrap()).unwrap();
            let y = net.at_given(&time, &x, &golden["in.labels"]).unwrap();
            let gradients = y.sqr().unwrap().mean_all().unwrap().backward().unwrap();
            let mut worst = difference(&y, &golden["out.y"]);
            worst = worst.max(difference(gradients.get(&x).unwrap(), &golden["grad.x"]));
            for (name, var) in store.parameters() {
                let Some(name) = name.strip_prefix("unet.") else {
                    continue;
                };
                let ours = gradients.get(&var);
                let ours = ours.unwrap_or_else(|| panic!("{name} has no gradient"));
                worst = worst.max(difference(ours, &golden[&format!("grad.{name}")]));
            }
            println!("{dtype:?}: {worst:.1e}");
            assert!(worst < tolerance, "{dtype:?}: {worst:e}");

            let (schedule, edm) = (EdmSchedule::default(), EdmPreconditioner::default());
            let sigmas = golden["in.sigma"].to_vec1::<f64>().unwrap();
            let times: Vec<f64> = (sigmas.iter())
                .map(|sigma| schedule.time_at_log_snr(-2.0 * sigma.ln()))
                .collect();
            let denoiser = Preconditioned::new(net.given(&golden["in.labels"]), &edm, schedule);
            let denoised = denoiser.at(&Time::per_sample(&times).unwrap(), &x).unwrap();
            let error = difference(&denoised, &golden["out.denoised"]);
            assert!(error < tolerance, "{dtype:?}: {error:e}");
            let labels: Vec<f64> = sigmas.iter().map(|s| edm.label(0.0, *s)).collect();
            let u = uncertainty.at(&Time::per_sample(&labels).unwrap()).unwrap();
            let error = difference(&u, &golden["out.logvar"]);
            assert!(error < tolerance, "{dtype:?}: {error:e}");
        }
    }
}

#[test]
fn every_option_has_its_derivatives() {
    let labels = Tensor::new(&[2u32, 3], device()).unwrap();
    let configs = [
        small(),
        small().attention(&[2, 4]).clip(0.7).residual_balance(0.6),
        small()
            .noise_multiplier(2)
            .embedding_multiplier(3)
            .outputs(3),
        small()
            .label_balance(0.3)
            .skip_balance(0.7)
            .attention_balance(0.4),
    ];
    for (i, config) in configs.into_iter().enumerate() {
        let store = store(DType::F64);
        let net = config.build(&store.builder()).unwrap();
        randomize(&store);
        assert_eq!(net.cost().parameters, store.element_count());
        if i != 2 {
            derivatives::check(&net, &store, &[2, 2, 4, 4], &labels);
        }
        derivatives::check_parameters(&net, &store, &[2, 2, 4, 4], &labels);
    }
}

#[test]
fn no_class_is_the_zero_vector_and_the_twin_follows() {
    let store = store(DType::F64);
    let net = small().build(&store.builder()).unwrap();
    randomize(&store);
    let (x, t) = (normal(1, &[2, 2, 4, 4]), Time::Shared(0.5));
    let none = net.no_condition(&x).unwrap();
    assert_eq!(none.to_vec1::<u32>().unwrap(), [3, 3]);
    let plain = net.at(&t, &x).unwrap();
    assert_close(&net.at_given(&t, &x, &none).unwrap(), &plain, 1e-12, 1e-12);
    let first = Tensor::new(&[0i64, 3], device()).unwrap();
    let given = net.at_given(&t, &x, &first).unwrap();
    let apart = |i| difference(&given.get(i).unwrap(), &plain.get(i).unwrap());
    assert!(apart(0) > 0.01 && apart(1) < 1e-12);

    let twin = net.on(&store.frozen()).unwrap();
    randomize(&store);
    let y = twin.at(&t, &x).unwrap();
    assert!(!y.track_op());
    assert_close(&y, &net.at(&t, &x).unwrap(), 0.0, 0.0);
    // A sample's value does not depend on the others, and images of another size are as good.
    let alone = twin.at(&t, &x.narrow(0, 1, 1).unwrap()).unwrap();
    assert_close(&alone, &y.narrow(0, 1, 1).unwrap(), 1e-10, 1e-10);
    let other = twin.at(&t, &normal(3, &[1, 2, 8, 6])).unwrap();
    assert_eq!(other.dims(), [1, 2, 8, 6]);
}

#[test]
fn recomputed_blocks_drop_the_same_features() {
    let store = store(DType::F64);
    let config = small().dropout(0.5).label_dropout(0.5);
    let net = config.build(&store.builder()).unwrap();
    randomize(&store);
    let again = config.checkpointing(true).build(&store.builder()).unwrap();
    let (x, t) = (normal(1, &[2, 2, 4, 4]), Time::Shared(0.5));
    let labels = Tensor::new(&[0u32, 1], device()).unwrap();
    let evaluate = |net: &Edm2UNet| {
        let y = net.at_given(&t, &x, &labels).unwrap();
        let gradients = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        (y, gradients)
    };
    let [key, other] = [1, 2].map(Key::from_seed);
    let (y, gradients) = evaluate(&net.dropping(key));
    let (same, recomputed) = evaluate(&again.dropping(key));
    assert_close(&same, &y, 0.0, 0.0);
    for var in store.vars() {
        let [a, b] = [&gradients, &recomputed].map(|g| g.get(&var).unwrap());
        assert_close(a, b, 1e-12, 1e-12);
    }
    assert!(difference(&evaluate(&net.dropping(other)).0, &y) > 1e-3);
    assert!(difference(&evaluate(&net).0, &y) > 1e-3);
    // Of the labels, all of them.
    let deaf = small().label_dropout(1.0).build(&store.builder()).unwrap();
    let none = net.no_condition(&x).unwrap();
    let dropped = deaf.dropping(key).at_given(&t, &x, &labels).unwrap();
    assert_close(
        &dropped,
        &net.at_given(&t, &x, &none).unwrap(),
        1e-12,
        1e-12,
    );
}

/// Inputs of unit variance have outputs of unit variance, at any depth and level of noise, without a step of training.
#[test]
fn magnitudes_are_preserved() {
    for (seed, blocks) in [(0, 1), (1, 4)] {
        let store = ParameterStore::new(Key::from_seed(seed), DType::F32, device());
        let config = Edm2UNet::config(3, 16).channels(32).multipliers(&[1, 2]);
        let config = config
            .blocks(blocks)
            .attention(&[8])
            .head_channels(16)
            .classes(7);
        let net = config.build(&store.builder()).unwrap();
        let mut gains = 0;
        for (name, var) in store.parameters() {
            if name == "out_gain" || (seed == 1 && name.ends_with("emb_gain")) {
                let gain = if name == "out_gain" { 1f32 } else { 0.3 };
                var.set(&Tensor::new(gain, device()).unwrap()).unwrap();
                gains += 1;
            }
        }
        assert_eq!(gains, [1, 1 + 1 + 2 * 4 + 3 + 2 * 5][seed as usize]);
        let x = normal(1, &[2, 3, 16, 16]).to_dtype(DType::F32).unwrap();
        let labels = Tensor::new(&[2u32, 7], device()).unwrap();
        for label in [-1.5, 1.0] {
            let y = net.at_given(&Time::Shared(label), &x, &labels).unwrap();
            let variance = number(&y.sqr().unwrap().mean_all().unwrap());
            println!("{blocks} blocks, label {label}: {variance}");
            assert!((0.6..1.6).contains(&variance), "{blocks}: {variance}");
        }
    }
}

#[test]
fn weights_are_normalized_in_place() {
    let parameters = store(DType::F64);
    let net = small().build(&parameters.builder()).unwrap();
    let uncertainty = NoiseUncertainty::new(16, &parameters.builder()).unwrap();
    randomize(&parameters);
    let (x, t) = (normal(1, &[2, 2, 4, 4]), Time::Shared(0.5));
    let (y, u) = (net.at(&t, &x).unwrap(), uncertainty.at(&t).unwrap());
    let gains = |store: &ParameterStore| {
        let state = store.state();
        [
            state["out_gain"].clone(),
            state["enc.2x2_down.emb_gain"].clone(),
        ]
        .map(|g| number(&g))
    };
    let before = gains(&parameters);
    let mut both = (
        net.weight_normalization().unwrap(),
        uncertainty.weight_normalization().unwrap(),
    );
    assert!(both.observe("any event").unwrap().is_continue());
    assert_eq!(gains(&parameters), before);
    let mut weights = 0;
    for (name, var) in parameters.parameters() {
        if name.ends_with("weight") {
            let rows = var.flatten_from(1).unwrap();
            let means = rows.sqr().unwrap().mean(1).unwrap();
            assert_close(&means, &means.ones_like().unwrap(), 1e-2, 0.0);
            weights += 1;
        }
    }
    assert_eq!(weights + 11, parameters.parameters().len());
    assert_close(&net.at(&t, &x).unwrap(), &y, 1e-3, 1e-3);
    assert_close(&uncertainty.at(&t).unwrap(), &u, 1e-3, 1e-3);

    let twin = net.on(&parameters.frozen()).unwrap();
    let error = twin.weight_normalization().unwrap_err().to_string();
    assert!(
        error.starts_with("network: got frozen parameters"),
        "{error}"
    );
}

/// A file of our own has all names, buffers included.
#[test]
fn a_saved_network_is_loaded_by_name() {
    let (store, net, uncertainty) = loaded(DType::F32, &published());
    let buffers: Vec<String> = store.buffers().into_iter().map(|(name, _)| name).collect();
    let expected = ["unet.emb_fourier", "logvar_fourier"];
    let expected = expected.map(|name| [format!("{name}.freqs"), format!("{name}.phases")]);
    assert_eq!(buffers, expected.concat());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("network.safetensors");
    store.save(&file).unwrap();
    let other = ParameterStore::new(Key::from_seed(1), DType::F32, device());
    let copy = published().build(&other.builder().pp("unet")).unwrap();
    let again = NoiseUncertainty::new(6, &other.builder()).unwrap();
    other.load(&file).unwrap();
    let (x, t) = (normal(1, &[2, 2, 8, 8]), Time::Shared(0.5));
    let x = x.to_dtype(DType::F32).unwrap();
    assert_close(
        &copy.at(&t, &x).unwrap(),
        &net.at(&t, &x).unwrap(),
        0.0,
        0.0,
    );
    let (a, b) = (again.at(&t).unwrap(), uncertainty.at(&t).unwrap());
    assert_close(&a, &b, 0.0, 0.0);
}

/// The published numbers of parameters (Karras et al. 2024: 125, 280, 498, 777, 1119 and 1523 millions), to the last one as PyTorch
/// counts them for NVlabs' code, and its operations, less those of resampling.
#[test]
fn published_networks_have_their_number_of_parameters() {
    let builder = VarBuilder::from_backend(Box::new(Hollow), DType::F32, device().clone());
    let sizes = [
        (Edm2UNet::extra_small(4, 64), 124_713_125),
        (Edm2UNet::small(4, 64), 280_212_709),
        (Edm2UNet::medium(4, 64), 497_807_653),
        (Edm2UNet::large(4, 64), 777_497_957),
        (Edm2UNet::extra_large(4, 64), 1_119_283_621),
        (Edm2UNet::extra_extra_large(4, 64), 1_523_164_645),
    ];
    for (i, (config, parameters)) in sizes.into_iter().enumerate() {
        let cost = config.classes(1000).build(&builder).unwrap().cost();
        assert_eq!(cost.parameters, parameters);
        if i < 2 {
            let counted = [89_907_437_568, 201_644_765_184][i];
            let resampling = [4_915_200, 7_372_800][i];
            assert_eq!(cost.operations, counted - resampling);
        }
    }
}

#[test]
fn initial_values_follow_their_laws() {
    let store = store(DType::F64);
    let config = Edm2UNet::config(3, 8).channels(64).multipliers(&[1, 2]);
    config.blocks(1).build(&store.builder()).unwrap();
    for (name, var) in store.parameters() {
        let values = var.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let count = values.len() as f64;
        let variance = values.iter().map(|v| v * v).sum::<f64>() / count;
        let expected = f64::from(u8::from(name.ends_with("weight")));
        let error = (variance - expected).abs();
        assert!(error <= 6.0 * (2.0 / count).sqrt() * expected, "{name}");
    }
    let state = store.state();
    let of = |name: &str| state[name].to_vec1::<f64>().unwrap();
    let size = of("emb_fourier.freqs").iter().map(|f| f * f).sum::<f64>() / 64.0;
    let tau = std::f64::consts::TAU;
    assert!((size / (tau * tau) - 1.0).abs() < 5.0 * (2.0f64 / 64.0).sqrt());
    let phases = of("emb_fourier.phases");
    assert!(phases.iter().all(|p| (0.0..tau).contains(p)));
    assert!((phases.iter().sum::<f64>() / 64.0 / tau - 0.5).abs() < 5.0 / (12f64 * 64.0).sqrt());
}

#[test]
fn bad_input_is_a_typed_error() {
    let parameters = store(DType::F32);
    let builder = parameters.builder();
    let refused = |config: Edm2UNetConfig, argument: &str| match config.build(&builder) {
        Err(Error::Range { argument: name, .. } | Error::Shape { argument: name, .. }) => {
            assert_eq!(name, argument);
        }
        other => panic!("{argument}: {other:?}"),
    };
    refused(Edm2UNet::config(0, 8), "image channels");
    refused(Edm2UNet::config(3, 12), "resolution");
    refused(small().channels(0), "channels");
    refused(small().channels(1 << 62), "channels");
    refused(small().multipliers(&[]), "multipliers");
    refused(small().multipliers(&[1, 0]), "multipliers");
    refused(small().multipliers(&[1, usize::MAX]), "multipliers");
    refused(small().blocks(0), "blocks");
    refused(small().outputs(0), "outputs");
    refused(small().attention(&[3]), "attention");
    refused(small().head_channels(3), "head_channels");
    refused(small().head_channels(0), "head_channels");
    refused(small().dropout(f64::NAN), "dropout");
    refused(small().label_dropout(1.5), "label_dropout");
    refused(small().embedding_multiplier(0), "embedding_multiplier");
    refused(
        small().embedding_multiplier(usize::MAX),
        "embedding_multiplier",
    );
    refused(small().noise_multiplier(0), "noise_multiplier");
    refused(small().noise_multiplier(usize::MAX), "noise_multiplier");
    refused(small().label_balance(-0.1), "label_balance");
    refused(small().skip_balance(f64::NAN), "skip_balance");
    refused(small().residual_balance(1.1), "residual_balance");
    refused(
        small().attention_balance(f64::INFINITY),
        "attention_balance",
    );
    refused(small().clip(0.0), "clip");
    refused(small().clip(f64::NAN), "clip");
    let error = NoiseUncertainty::new(0, &builder).unwrap_err();
    assert!(error.to_string().starts_with("features: got 0"), "{error}");
    assert!(parameters.parameters().is_empty() && parameters.buffers().is_empty());

    let store = store(DType::F32);
    let net = small().build(&store.builder()).unwrap();
    let x = Tensor::zeros((2, 2, 4, 4), DType::F32, device()).unwrap();
    let t = Time::Shared(0.5);
    let wrong = |found: Result<Tensor>, argument: &str| {
        let error = found.unwrap_err().to_string();
        assert!(error.starts_with(argument), "{error}");
    };
    wrong(net.at(&t, &x.narrow(1, 0, 1).unwrap()), "x: ");
    wrong(net.at(&t, &x.narrow(3, 0, 3).unwrap()), "x: ");
    wrong(net.at(&t, &x.narrow(0, 0, 0).unwrap()), "x: ");
    wrong(net.at(&t, &x.to_dtype(DType::F64).unwrap()), "x: ");
    wrong(net.at(&Time::Shared(f64::NAN), &x), "t: ");
    for labels in [&[0u32, 4][..], &[0, 1, 2]] {
        let labels = Tensor::new(labels, device()).unwrap();
        wrong(net.at_given(&t, &x, &labels), "condition: ");
    }
    let plain = small()
        .classes(0)
        .build(&store.builder().pp("plain"))
        .unwrap();
    let labels = Tensor::new(&[0u32, 1], device()).unwrap();
    wrong(plain.at_given(&t, &x, &labels), "condition: ");
    assert!(plain.no_condition(&x).is_err());
    let uncertainty = NoiseUncertainty::new(4, &store.builder()).unwrap();
    wrong(uncertainty.at(&Time::Shared(f64::INFINITY)), "label: ");
}

/// Also where all features of a pixel are 0, whose size has no derivative.
#[test]
fn zeros_have_values_and_gradients() {
    let store = store(DType::F32);
    let net = small().build(&store.builder()).unwrap();
    for var in store.vars() {
        let value = if var.rank() == 0 { 1.0 } else { 0.0 };
        var.set(&Tensor::full(value as f32, var.shape(), device()).unwrap())
            .unwrap();
    }
    let x = Var::zeros((1, 2, 4, 4), DType::F32, device()).unwrap();
    let y = net.at(&Time::Shared(0.5), &x).unwrap();
    let gradients = (&y + 1.0).unwrap().sqr().unwrap().sum_all().unwrap();
    let gradients = gradients.backward().unwrap();
    assert!(check::is_finite(&y).unwrap());
    for var in store.vars().iter().chain([&x]) {
        assert!(check::is_finite(gradients.get(var).unwrap()).unwrap());
    }
}

#[test]
fn networks_run_in_16_bits() {
    for dtype in [DType::F16, DType::BF16] {
        let store = store(dtype);
        let net = small().build(&store.builder()).unwrap();
        randomize(&store);
        let mut rng = Generator::from_seed(1);
        let x = rng.normal((2, 2, 4, 4), dtype, device()).unwrap();
        let labels = Tensor::new(&[0u32, 3], device()).unwrap();
        let y = net.at_given(&Time::Shared(0.5), &x, &labels).unwrap();
        assert_eq!((y.dims(), y.dtype()), (x.dims(), dtype));
        assert!(check::is_finite(&y).unwrap());
        net.weight_normalization().unwrap().normalize().unwrap();
    }
}
