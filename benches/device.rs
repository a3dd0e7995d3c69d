//! Training, sampling and single operations on a device: `cargo bench --bench device --features cuda -- cuda`.
//!
//! Prints a line of JSON a case, `{"case", "peer", "ms", "min_ms", "runs"}`; `device_peers.py` does the same work in PyTorch. Each run
//! ends with a synchronisation. `--keep` has the driver keep memory that was freed, instead of giving it back at each synchronisation;
//! `--tf32` has products round their factors to 10 bits. Other words choose the cases that contain one of them.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::time::{Duration, Instant};

use advect::candle::Var;
use advect::core::Coefficient;
use advect::ops::{Convolution, attention, conv2d, group_norm, keep_device_memory};
use advect::prelude::*;
use advect_benches::{mlp, sit, stir};

/// The U-Net of torchcfm's example for CIFAR-10, and SiT-S/2.
const CIFAR: [usize; 4] = [128, 3, 32, 32];
const LATENTS: [usize; 4] = [128, 4, 32, 32];

fn cifar(store: &ParameterStore) -> Result<UNet> {
    let config = UNet::config(&CIFAR[1..]).channels(128).head_channels(64);
    config.attention(&[16]).build(&store.builder())
}

struct Bench {
    device: Device,
    wanted: Vec<String>,
    label: String,
}

impl Bench {
    fn store(&self) -> ParameterStore {
        self.store_of(DType::F32)
    }

    fn store_of(&self, dtype: DType) -> ParameterStore {
        ParameterStore::new(Key::from_seed(7), dtype, &self.device)
    }

    fn normal(&self, seed: u64, shape: &[usize]) -> Tensor {
        let mut rng = Generator::from_seed(seed);
        rng.normal(shape, DType::F32, &self.device).unwrap()
    }

    /// The median of what `run` takes, where the case is wanted; made and dropped with its memory.
    fn case<R>(&self, name: &str, make: impl FnOnce() -> R)
    where
        R: FnMut() -> Result<()>,
    {
        let wanted = |word: &String| name.contains(word.as_str());
        if !self.wanted.is_empty() && !self.wanted.iter().any(wanted) {
            return;
        }
        let mut run = make();
        let mut once = || {
            let start = Instant::now();
            run().unwrap();
            self.device.synchronize().unwrap();
            start.elapsed().as_secs_f64() * 1e3
        };
        for _ in 0..3 {
            once();
        }
        let (mut ms, start) = (Vec::new(), Instant::now());
        let more = |ms: &[f64]| start.elapsed() < Duration::from_millis(1500) && ms.len() < 200;
        while ms.len() < 5 || more(&ms) {
            ms.push(once());
        }
        ms.sort_by(f64::total_cmp);
        let (median, least, runs) = (ms[ms.len() / 2], ms[0], ms.len());
        let peer = &self.label;
        println!(
            r#"{{"case": "{name}", "peer": "{peer}", "ms": {median:.4}, "min_ms": {least:.4}, "runs": {runs}}}"#
        );
    }
}

fn main() {
    let words = std::env::args().skip(1).filter(|word| word != "--bench");
    let (flags, words): (Vec<String>, Vec<String>) = words.partition(|word| word.starts_with("--"));
    let (names, wanted): (Vec<String>, Vec<String>) = words
        .into_iter()
        .partition(|word| word == "cuda" || word == "cpu");
    let device = match names.first().map(String::as_str) {
        Some("cuda") => match Device::new_cuda(0) {
            Ok(device) => device,
            Err(error) => {
                eprintln!("`cuda` takes a GPU of NVIDIA and `--features cuda`: {error}");
                std::process::exit(1);
            }
        },
        Some(_) => Device::Cpu,
        // A run by `cargo test` or without arguments: nothing to be timed.
        None => {
            return eprintln!(
                "the device is an argument: `-- cuda` with `--features cuda` on a machine with a GPU, or `-- cpu`"
            );
        }
    };
    let keep = flags.iter().any(|flag| flag == "--keep");
    if keep {
        keep_device_memory(&device).unwrap();
    }
    if flags.iter().any(|flag| flag == "--tf32") {
        advect::candle::cuda::set_gemm_reduced_precision_f32(true);
    }
    let label = (flags.iter()).fold("advect".to_owned(), |label, flag| label + " " + flag);
    let bench = Bench {
        device,
        wanted,
        label,
    };
    training(&bench);
    sampling(&bench);
    operations(&bench);
}

fn step(
    objective: &impl Objective,
    net: &dyn Field,
    data: &Tensor,
    rng: &mut Generator,
    optimizer: &mut AdamW,
) -> Result<()> {
    let noise = rng.normal_like(data)?;
    let loss = objective.loss(net, &noise, data, rng)?;
    Ok(optimizer.backward_step(&loss)?)
}

fn training(bench: &Bench) {
    let objective = flow_matching(Affine::new(CondOt::default()));
    for (width, batch, dim) in [(64, 256, 2), (512, 4096, 2)] {
        bench.case(&format!("train/cfm_mlp/w{width}_b{batch}_d{dim}"), || {
            let store = bench.store();
            let net = mlp(&store, dim, width).unwrap();
            let mut optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
            let (data, mut rng) = (bench.normal(0, &[batch, dim]), Generator::from_seed(1));
            let objective = &objective;
            move || step(objective, &net, &data, &mut rng, &mut optimizer)
        });
    }
    for (end, dtype) in [("", DType::F32), ("_bf16", DType::BF16)] {
        bench.case(&format!("train/cfm_unet/cifar_c128_b128{end}"), || {
            let store = bench.store_of(dtype);
            let net = cifar(&store).unwrap();
            steps(bench, &store, net, &CIFAR, 2e-4)
        });
        bench.case(&format!("train/sit/s2_32x32x4_b128{end}"), || {
            let store = bench.store_of(dtype);
            let net = sit(&store, LATENTS).unwrap();
            // With its zeros, no gradient would go beyond the last layer.
            stir(&store).unwrap();
            steps(bench, &store, net, &LATENTS, 1e-4)
        });
    }
    bench.case("forward/sit/s2_32x32x4_b128", || {
        let store = bench.store();
        let net = sit(&store, LATENTS)
            .and_then(|net| net.on(&store.frozen()))
            .unwrap();
        forward(bench, net, &LATENTS)
    });
    bench.case("forward/unet/cifar_c128_b128", || {
        let store = bench.store();
        let net = cifar(&store)
            .and_then(|net| net.on(&store.frozen()))
            .unwrap();
        forward(bench, net, &CIFAR)
    });
}

/// Steps of training a network on states of a shape.
fn steps<N: Field + 'static>(
    bench: &Bench,
    store: &ParameterStore,
    net: N,
    shape: &[usize],
    learning_rate: f64,
) -> impl FnMut() -> Result<()> + use<N> {
    let config = AdamWConfig {
        learning_rate,
        ..AdamWConfig::default()
    };
    let objective = flow_matching(Affine::new(CondOt::default()));
    let mut optimizer = AdamW::from_store(store, config).unwrap();
    let data = bench.normal(0, shape).to_dtype(store.dtype()).unwrap();
    let mut rng = Generator::from_seed(1);
    move || step(&objective, &net, &data, &mut rng, &mut optimizer)
}

/// Evaluations of a network at states of a shape.
fn forward<N: Field + 'static>(
    bench: &Bench,
    net: N,
    shape: &[usize],
) -> impl FnMut() -> Result<()> + use<N> {
    let x = bench.normal(0, shape);
    let times: Vec<f64> = (0..shape[0]).map(|i| i as f64 / shape[0] as f64).collect();
    let t = Time::per_sample(&times).unwrap();
    move || net.at(&t, &x).map(drop)
}

fn sampling(bench: &Bench) {
    for (batch, width, dim) in [(1024, 64, 2), (1024, 512, 64)] {
        bench.case(
            &format!("sample/dopri5_1e-5_mlp{width}/b{batch}_d{dim}"),
            || {
                let store = bench.store();
                let net = mlp(&store, dim, width)
                    .and_then(|net| net.on(&store.frozen()))
                    .unwrap();
                let x = bench.normal(3, &[batch, dim]);
                let solver = Solver::new(Dopri5, Adaptive::new(1e-5, 1e-5).unwrap());
                move || solver.solve(&net, &x, 0.0, 1.0)?.end().map(drop)
            },
        );
    }
    fn ddim(net: &dyn Field, x: &Tensor, steps: usize) -> Result<()> {
        let model = Model::new(net, Prediction::Noise, &Cosine);
        let sampler = Ddim::new().on(UniformTime::within(steps, 0.02, 0.98)?);
        sampler
            .sample(&model, x, &mut Generator::from_seed(0))
            .map(drop)
    }
    bench.case("sample/ddim50_mlp512/b1024_d64", || {
        let store = bench.store();
        let net = mlp(&store, 64, 512)
            .and_then(|net| net.on(&store.frozen()))
            .unwrap();
        let x = bench.normal(3, &[1024, 64]);
        move || ddim(&net, &x, 50)
    });
    bench.case("sample/ddim10_unet/cifar_c128_b128", || {
        let store = bench.store();
        let net = cifar(&store)
            .and_then(|net| net.on(&store.frozen()))
            .unwrap();
        let x = bench.normal(3, &CIFAR);
        move || ddim(&net, &x, 10)
    });
}

/// Where the time of a U-Net goes.
fn operations(bench: &Bench) {
    let shape = [128, 128, 32, 32];
    let var = |seed, shape: &[usize]| Var::from_tensor(&bench.normal(seed, shape)).unwrap();
    let convolution = Convolution::padded(1);
    bench.case("op/conv3x3_fwd/b128_c128_s32", || {
        let (x, w) = (bench.normal(0, &shape), bench.normal(1, &[128, 128, 3, 3]));
        move || conv2d(&x, &w, None, &convolution).map(drop)
    });
    bench.case("op/conv3x3_fwd_bwd/b128_c128_s32", || {
        let (x, w) = (var(0, &shape), var(1, &[128, 128, 3, 3]));
        move || {
            let y = conv2d(x.as_tensor(), &w, None, &convolution)?;
            advect::ops::backward(&y.sum_all()?).map(drop)
        }
    });
    for backward in [false, true] {
        let name = if backward { "fwd_bwd" } else { "fwd" };
        bench.case(&format!("op/groupnorm_silu_{name}/b128_c128_s32"), || {
            let (x, scale, shift) = (var(0, &shape), var(1, &[128]), var(2, &[128]));
            move || {
                let parts = [&x, &scale, &shift].map(|var| match backward {
                    true => var.as_tensor().clone(),
                    false => var.as_detached_tensor(),
                });
                let y = group_norm(&parts[0], 32, &parts[1], &parts[2], 1e-5, Activation::Silu)?;
                match backward {
                    true => advect::ops::backward(&y.sum_all()?).map(drop),
                    false => Ok(()),
                }
            }
        });
    }
    bench.case("op/attention_fwd/b128_h4_n256_d64", || {
        let [q, k, v] = [0, 1, 2].map(|seed| bench.normal(seed, &[128, 4, 256, 64]));
        move || attention(&q, &k, &v, None).map(drop)
    });
    bench.case("op/adamw/cifar_c128", || {
        let store = bench.store();
        let _net = cifar(&store).unwrap();
        let mut optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
        move || {
            // A gradient for each variable.
            let mut sum = Tensor::zeros((), DType::F32, store.device())?;
            for var in store.vars() {
                sum = (sum + var.sum_all()?)?;
            }
            Ok(optimizer.backward_step(&sum)?)
        }
    });
    bench.case("op/normal/b128_c3_s32", || {
        let (x, mut rng) = (bench.normal(0, &CIFAR), Generator::from_seed(1));
        move || rng.normal_like(&x).map(drop)
    });
    bench.case("op/combine/b128_c3_s32", || {
        let (x, y) = (bench.normal(0, &CIFAR), bench.normal(1, &CIFAR));
        let factor = Coefficient::PerSample(vec![0.5; 128]);
        move || advect::ops::combine(&[(factor.clone(), &x), (factor.clone(), &y)]).map(drop)
    });
}
