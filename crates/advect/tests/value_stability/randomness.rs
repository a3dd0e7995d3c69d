//! Keys, generators and Brownian paths.

use advect::prelude::*;

use crate::{CPU, check, elements};

#[test]
fn keys() {
    let key = Key::from_seed(7);
    let keys = [
        key,
        key.child(3),
        key.named("noise"),
        Generator::from(key).split(),
    ];
    let hex: Vec<String> = keys.iter().map(Key::to_hex).collect();
    assert_eq!(
        hex,
        [
            "c80c403bd0206c0937a63b6ff24f251e3cbb2f1bb384565a9aa066150d1b203f",
            "c78ef7bc5881f0e5b356af776fd2b02b067ff51bc1def5a4ba05ee36f095ac2e",
            "2883318ddf7ef2941375017800290f4a4a545a47be61052fd050c4b9444346de",
            "5c64f2eda542a089173e7aba91dff8672ba7a5cdaec98c3d8cfe691540a3e9f8"
        ]
    );
}

#[test]
fn draws() {
    let mut rng = Generator::from_seed(7);
    let normal = rng.normal(3, DType::F64, &CPU).unwrap();
    let narrow = rng.normal(3, DType::F32, &CPU).unwrap();
    let uniform = rng.uniform(0.0..1.0, 3, DType::F64, &CPU).unwrap();
    let cut = rng.uniform(0.0..1.0, 3, DType::F32, &CPU).unwrap();
    let wide = rng.uniform(-2.0..3.0, 3, DType::F64, &CPU).unwrap();
    let integers = rng.integers(0..1000, 5, &CPU).unwrap();
    let permutation = rng.permutation(8, &CPU).unwrap();
    let by_sample = rng.normal_by_sample(5, &normal).unwrap();
    check(&[
        (
            "normal",
            elements(&normal),
            &[-0.7753719332177971, -1.3834217200084091, 0.8897130187430372],
        ),
        (
            "normal in f32",
            elements(&narrow),
            &[1.0263856649398804, -1.8126389980316162, 0.8288601636886597],
        ),
        (
            "uniform",
            elements(&uniform),
            &[0.3001283809047114, 0.3775449188664195, 0.24914398054898546],
        ),
        (
            "uniform in f32",
            elements(&cut),
            &[0.18154186010360718, 0.09286433458328247, 0.9790049195289612],
        ),
        (
            "uniform of a range",
            elements(&wide),
            &[2.9450818180413805, 1.0056520143053422, 0.2884008490345291],
        ),
        (
            "integers",
            elements(&integers),
            &[530.0, 689.0, 315.0, 790.0, 336.0],
        ),
        (
            "permutation",
            elements(&permutation),
            &[5.0, 4.0, 7.0, 0.0, 6.0, 3.0, 2.0, 1.0],
        ),
        (
            "normal by sample",
            elements(&by_sample),
            &[
                -0.9862739322725059,
                0.026329586495709552,
                1.2104268832356415,
            ],
        ),
    ]);
    // Beyond the first block, which a thread of its own fills.
    let long = rng.normal(20_000, DType::F64, &CPU).unwrap();
    let last = long.narrow(0, 19_998, 2).unwrap();
    check(&[(
        "normal, far on",
        elements(&last),
        &[1.4178092823828092, -0.3738866705686929],
    )]);
    assert_eq!(rng.position(), 9);
}

#[test]
fn brownian_paths() {
    let x = Tensor::zeros((1, 2), DType::F64, &CPU).unwrap();
    let path = || BrownianPath::new(Key::from_seed(7), &x, 0.0, 1.0).unwrap();
    let cells = path().cells(4).unwrap();
    let areas = path().areas().increment_with_integral(0.2, 0.7).unwrap();
    let by_sample = path().by_sample(3).increment(0.2, 0.7).unwrap();
    check(&[
        (
            "whole",
            elements(&path().increment(0.0, 1.0).unwrap()),
            &[-0.5730376248713283, 0.8810420398644191],
        ),
        (
            "part",
            elements(&path().increment(0.2, 0.7).unwrap()),
            &[0.44806269415575994, -0.3012414457708441],
        ),
        (
            "of cells",
            elements(&cells.increment(0.2, 0.7).unwrap()),
            &[-0.5013112977377912, -0.305460728617132],
        ),
        (
            "by sample",
            elements(&by_sample),
            &[0.5632958585437088, -0.6869942833208417],
        ),
        (
            "with areas",
            elements(&areas.value),
            &[-0.6839178592770404, 1.2901150626288134],
        ),
        (
            "areas",
            elements(&areas.integral),
            &[-0.11597574826384785, 0.43683175010421954],
        ),
    ]);
}
