//! `mnist`, on files made here.

use std::fs;

use advect::models::UNet;
use advect::prelude::*;

use super::{figures, run};

/// The recipe for CIFAR-10 on a file of three images, with less of everything.
#[test]
fn the_recipe_for_cifar10_takes_its_options() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("images.bin");
    let bytes = (0..3u32).flat_map(|i| (0..3073u32).map(move |k| (i + k * (k > 0) as u32) as u8));
    fs::write(&data, bytes.collect::<Vec<u8>>()).unwrap();
    let data = data.to_str().unwrap();
    let arguments = [
        "--recipe", "cifar10", "--data", data, "--steps", "2", "--batch", "2",
    ];
    let more = ["--channels", "32", "--samples", "2"];
    let output = run("mnist", 1, &[&arguments[..], &more].concat(), folder.path());
    let lines = figures(&output);
    let recipe = lines
        .iter()
        .find(|line| line.starts_with("recipe"))
        .unwrap();
    for option in [
        "channels: 32",
        "dropout: 0.1",
        "rate: 0.0002",
        "warm_up: 5000",
        "decay: 0.9999",
    ] {
        assert!(recipe.contains(option), "{recipe}");
    }
    for file in ["cifar10.png", "cifar10.safetensors", "losses.csv"] {
        assert!(folder.path().join(file).exists(), "{file}");
    }
}

/// A network's weights are measured without training it, on noise of ten classes.
#[test]
fn weights_from_elsewhere_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, header: &[u8], bytes: Vec<u8>| {
        let bytes = [header, &bytes[..]].concat();
        fs::write(folder.path().join(name), bytes).unwrap();
    };
    for kind in ["train", "t10k"] {
        let pixels = (0..66 * 784u32).map(|k| (k.wrapping_mul(2_654_435_761) >> 24) as u8);
        let header = [0, 0, 8, 3, 0, 0, 0, 66, 0, 0, 0, 28, 0, 0, 0, 28];
        write(
            &format!("{kind}-images-idx3-ubyte"),
            &header,
            pixels.collect(),
        );
        let labels = (0..66).map(|k| k % 10).collect();
        write(
            &format!("{kind}-labels-idx1-ubyte"),
            &[0, 0, 8, 1, 0, 0, 0, 66],
            labels,
        );
    }
    let store = ParameterStore::new(Key::from_seed(5), DType::F32, &Device::Cpu);
    let net = UNet::config(&[1, 28, 28]).channels(32).blocks(1);
    let net = net.attention(&[16]).classes(10);
    net.build(&store.builder()).unwrap();
    let weights = folder.path().join("weights.safetensors");
    store.save(&weights).unwrap();
    let [data, weights] = [folder.path(), &weights].map(|path| path.to_str().unwrap());
    let arguments = ["--data", data, "--weights", weights, "--samples", "65"];
    let less = [
        "--evaluations",
        "1",
        "--samplers",
        "euler",
        "--likelihoods",
        "0",
    ];
    let out = folder.path().join("out");
    let told = figures(&run("mnist", 1, &[&arguments[..], &less].concat(), &out));
    assert!(
        told.iter().any(|line| line.starts_with("Euler ")),
        "{told:?}"
    );
    // It was not trained.
    assert!(out.join("mnist.png").exists() && !out.join("mnist.safetensors").exists());
}
