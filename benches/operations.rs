//! Single operations: `cargo bench --bench operations`.
#![allow(clippy::unwrap_used, missing_docs)]

use advect::ops::{
    Convolution, attention, conv2d, conv2d_gradients, group_norm, group_norm_gradients,
};
use advect::prelude::*;
use criterion::{Criterion, criterion_group, criterion_main};

fn normal(seed: u64, shape: &[usize]) -> Tensor {
    Generator::from_seed(seed)
        .normal(shape, DType::F32, &Device::Cpu)
        .unwrap()
}

fn group_norm_silu(c: &mut Criterion) {
    let (x, g) = (normal(0, &[32, 64, 32, 32]), normal(1, &[32, 64, 32, 32]));
    let (scale, shift) = (normal(2, &[64]), normal(3, &[64]));
    c.bench_function("op/groupnorm_silu_fwd_bwd/b32_c64_s32", |b| {
        b.iter(|| {
            let silu = Activation::Silu;
            let y = group_norm(&x, 32, &scale, &shift, 1e-5, silu).unwrap();
            (
                y,
                group_norm_gradients(&x, 32, &scale, &shift, 1e-5, silu, &g).unwrap(),
            )
        });
    });
}

fn attention_forward(c: &mut Criterion) {
    let [q, k, v] = [0, 1, 2].map(|seed| normal(seed, &[8, 4, 256, 64]));
    c.bench_function("op/attention_fwd/b8_h4_n256_d64", |b| {
        b.iter(|| attention(&q, &k, &v, None).unwrap());
    });
}

fn conv3x3(c: &mut Criterion) {
    for (batch, channels, size) in [(32, 64, 32), (32, 128, 16), (32, 32, 28)] {
        let shape = [batch, channels, size, size];
        let (x, g) = (normal(0, &shape), normal(1, &shape));
        let weight = normal(2, &[channels, channels, 3, 3]);
        let same = Convolution::padded(1);
        let name = format!("b{batch}_c{channels}_s{size}");
        c.bench_function(&format!("op/conv3x3_fwd/{name}"), |b| {
            b.iter(|| conv2d(&x, &weight, None, &same).unwrap());
        });
        c.bench_function(&format!("op/conv3x3_fwd_bwd/{name}"), |b| {
            b.iter(|| {
                let y = conv2d(&x, &weight, None, &same).unwrap();
                (y, conv2d_gradients(&x, &weight, &same, &g).unwrap())
            });
        });
    }
}

criterion_group!(benches, group_norm_silu, attention_forward, conv3x3);
criterion_main!(benches);
