//! EDM's networks compute what NVlabs' do, with their weights.

use std::collections::HashMap;
use std::path::PathBuf;

use advect_core::testing::{assert_close, device};
use advect_core::{Conditional, Field, Key, Time};
use advect_models::{DhariwalUNet, SongDecoder, SongEncoder, SongUNet, SongUNetConfig};
use advect_nn::{Network, ParameterStore, Stateful, Weights};
use advect_paths::preconditioner::{
    EdmPreconditioner, Preconditioned, Preconditioner, VePreconditioner, VpPreconditioner,
};
use advect_paths::schedule::{EdmSchedule, Schedule};
use candle_core::{DType, Tensor, Var};

fn path(name: &str) -> PathBuf {
    let folder = env!("CARGO_MANIFEST_DIR");
    format!("{folder}/tests/golden/{name}.safetensors").into()
}

fn golden(name: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path(name), device()).unwrap()
}

/// The networks that NVlabs' own code answered for.
fn published() -> [(&'static str, SongUNetConfig); 2] {
    let small = |config: SongUNetConfig| config.channels(16).multipliers(&[1, 2]).blocks(1);
    [
        ("song_ddpmpp", small(SongUNet::ddpmpp(3, 8)).attention(&[4])),
        ("song_ncsnpp", small(SongUNet::ncsnpp(3, 8)).attention(&[4])),
    ]
}

/// A network with the weights of a file.
fn loaded(name: &str, dtype: DType, build: impl FnOnce(&advect_nn::Builder)) -> ParameterStore {
    let store = ParameterStore::new(Key::from_seed(0), dtype, device());
    build(&store.builder());
    // Neither a name too many nor one too few, buffers included.
    let weights = Weights::new(path(name)).within("w").cast(dtype);
    store.load(weights).unwrap();
    store
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    let [a, b] = [a, b].map(|x| x.to_dtype(DType::F64).unwrap());
    let largest = |x: &Tensor| {
        let x = x.abs().unwrap().flatten_all().unwrap();
        x.max(0).unwrap().to_scalar::<f64>().unwrap()
    };
    largest(&(a - &b).unwrap()) / largest(&b)
}

#[test]
fn values_are_those_of_nvlabs() {
    for (name, config) in published() {
        let golden = golden(name);
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-5)] {
            let mut net = None;
            let store = loaded(name, dtype, |b| net = Some(config.build(b).unwrap()));
            let net = net.unwrap().on(&store.frozen()).unwrap();
            let noise = golden["in.noise_labels"].to_dtype(DType::F64).unwrap();
            let x = golden["in.x"].to_dtype(dtype).unwrap();
            let y = net.at(&Time::PerSample(noise), &x).unwrap();
            let error = difference(&y, &golden["out.y"]);
            println!("{name} in {dtype:?}: {error:.1e}");
            assert!(error < tolerance, "{name} in {dtype:?}: {error:e}");
        }
    }
}

/// The options that those two do not have: ADM, skips on both sides, classes and augmentation labels. The numbers are of
/// `golden/make_edm.py`, which answers what NVlabs' code does where that was asked.
#[test]
fn values_and_gradients_are_those_of_pytorch() {
    let dhariwal = DhariwalUNet::config(3, 8).channels(8).multipliers(&[1, 2]);
    let dhariwal = dhariwal.blocks(1).attention(&[4]).head_channels(8);
    let dhariwal = dhariwal.classes(5).augmentation(2);
    let skip = SongUNet::config(3, 8).channels(8).multipliers(&[1, 2]);
    let skip = skip.blocks(1).attention(&[4]).encoder(SongEncoder::Skip);
    let skip = skip
        .decoder(SongDecoder::Skip)
        .resample_filter(&[1.0, 3.0, 3.0, 1.0]);
    let skip = skip.classes(5).augmentation(2);
    for dtype in [DType::F32, DType::F64] {
        let mut net = None;
        let store = loaded("edm_dhariwal", dtype, |b| {
            net = Some(dhariwal.build(b).unwrap())
        });
        let numbers = golden("edm_dhariwal");
        let net = net.unwrap();
        let net = net.augmented(&numbers["in.augment"].to_dtype(dtype).unwrap());
        compare("edm_dhariwal", &net.unwrap(), &store, &numbers);

        let mut net = None;
        let store = loaded("edm_skip", dtype, |b| net = Some(skip.build(b).unwrap()));
        let numbers = golden("edm_skip");
        let net = net.unwrap();
        let net = net.augmented(&numbers["in.augment"].to_dtype(dtype).unwrap());
        compare("edm_skip", &net.unwrap(), &store, &numbers);
    }
}

/// Compares the value, and the gradients of x and all parameters for the mean of squares.
fn compare<N: Network + Conditional>(
    name: &str,
    net: &N,
    store: &ParameterStore,
    golden: &HashMap<String, Tensor>,
) {
    let dtype = store.dtype();
    let noise = golden["in.noise_labels"].to_dtype(DType::F64).unwrap();
    let x = Var::from_tensor(&golden["in.x"].to_dtype(dtype).unwrap()).unwrap();
    let time = Time::PerSample(noise);
    let y = net.at_given(&time, &x, &golden["in.labels"]).unwrap();
    let gradients = y.sqr().unwrap().mean_all().unwrap().backward().unwrap();
    let mut worst = difference(&y, &golden["out.y"]);
    worst = worst.max(difference(gradients.get(&x).unwrap(), &golden["grad.x"]));
    for (name, var) in store.parameters() {
        let expected = &golden[&format!("grad.{name}")];
        let ours = gradients.get(&var);
        let ours = ours.unwrap_or_else(|| panic!("{name} has no gradient"));
        // Those of biases before a normalisation with one channel a group are zero but for rounding.
        let size = expected.abs().unwrap().max_all().unwrap();
        if size.to_scalar::<f32>().unwrap() > 1e-6 {
            worst = worst.max(difference(ours, expected));
        }
    }
    println!("{name} in {dtype:?}: {worst:.1e}");
    assert!(worst < 1e-4, "{name} in {dtype:?}: {worst:e}");
}

/// The denoiser `c_skip y + c_out F(c_in y; c_noise)` tells the network EDM's noise label: for σ of 0.3 and 2, NVlabs'
/// network was asked at `ln(σ)/4`.
#[test]
fn preconditioners_tell_the_noise_label() {
    let (name, config) = published()[0].clone();
    let golden = golden(name);
    let mut net = None;
    loaded(name, DType::F32, |b| net = Some(config.build(b).unwrap()));
    let net = net.unwrap();
    let (schedule, edm) = (EdmSchedule::default(), EdmPreconditioner::default());
    let sigmas = [0.3f64, 2.0];
    let times = sigmas.map(|sigma| schedule.time_at_log_snr(-2.0 * sigma.ln()));
    let column = |f: &dyn Fn(f64) -> f64| {
        let numbers: Vec<f32> = sigmas.iter().map(|s| f(*s) as f32).collect();
        Tensor::from_vec(numbers, (2, 1, 1, 1), device()).unwrap()
    };
    // The state of which the network sees the input of the golden numbers.
    let state = golden["in.x"]
        .broadcast_div(&column(&|s| edm.input(s)))
        .unwrap();
    let denoiser = Preconditioned::new(&net, &edm, &schedule);
    let ours = denoiser
        .at(&Time::per_sample(&times).unwrap(), &state)
        .unwrap();
    let skip = state.broadcast_mul(&column(&|s| edm.skip(s))).unwrap();
    let output = golden["out.y"]
        .broadcast_mul(&column(&|s| edm.output(s)))
        .unwrap();
    assert_close(&ours, &(skip + output).unwrap(), 1e-4, 1e-4);
    // The other preconditioners' labels go the same way.
    let others: [&dyn Preconditioner; 2] = [&VpPreconditioner::default(), &VePreconditioner];
    for preconditioner in others {
        let denoiser = Preconditioned::new(&net, preconditioner, &schedule);
        let x = golden["in.x"].clone();
        let ours = denoiser.at(&Time::Shared(times[0]), &x).unwrap();
        let (t, noise) = (times[0], sigmas[0]);
        let label = Time::Shared(preconditioner.label(t, noise));
        let inner = net
            .at(&label, &(&x * preconditioner.input(noise)).unwrap())
            .unwrap();
        let expected = (x * preconditioner.skip(noise)).unwrap();
        let expected = (expected + (inner * preconditioner.output(noise)).unwrap()).unwrap();
        assert_close(&ours, &expected, 1e-4, 1e-4);
    }
}

#[test]
fn buffers_are_loaded_and_filters_are_checked() {
    let (name, config) = published()[1].clone();
    let store = loaded(name, DType::F32, |b| drop(config.build(b).unwrap()));
    let names = |list: Vec<(String, Var)>| list.into_iter().map(|(name, _)| name);
    assert!(names(store.parameters()).all(|n| !n.ends_with("filter") && !n.ends_with("freqs")));
    assert_eq!(store.buffers().len(), 6);
    let frequencies = |store: &ParameterStore| {
        let state = store.state();
        state["map_noise.freqs"].to_vec1::<f32>().unwrap()
    };
    let golden = golden(name);
    let expected = golden["w.map_noise.freqs"].to_vec1::<f32>().unwrap();
    assert_eq!(frequencies(&store), expected);

    // Through a file of our own.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("network.safetensors");
    store.save(&file).unwrap();
    let other = ParameterStore::new(Key::from_seed(1), DType::F32, device());
    config.build(&other.builder()).unwrap();
    assert_ne!(frequencies(&other), expected);
    other.load(&file).unwrap();
    assert_eq!(frequencies(&other), expected);
    assert_eq!(frequencies(&other.duplicate().unwrap()), expected);

    let mut state = store.state();
    let filter = "enc.4x4_down.skip.resample_filter";
    state.insert(
        filter.into(),
        Tensor::full(0.0625f32, (1, 1, 4, 4), device()).unwrap(),
    );
    let error = other.restore(&state).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{filter}: got [0.0625,")),
        "{error}"
    );
    state.remove(filter);
    assert!(other.restore(&state).is_err());
    // A network with another filter does not fit the store, either.
    let taps = config.resample_filter(&[1.0, 2.0, 2.0, 1.0]);
    let error = taps.build(&store.builder()).unwrap_err().to_string();
    assert!(error.contains("resample_filter"), "{error}");
}
