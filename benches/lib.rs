//! What the benchmarks share. A benchmark's id names the work: shapes, tolerances, steps.

use advect::models::SongUNet;
use advect::prelude::*;

/// The velocity network of torchcfm's examples: `[x, t]` through three SELU layers.
///
/// # Errors
/// Those of the store.
pub fn mlp(store: &ParameterStore, dim: usize, width: usize) -> Result<Mlp> {
    Mlp::config(dim)
        .hidden(&[width; 3])
        .activation(Activation::Selu)
        .build(&store.builder())
}

/// The same perceptron with parameters outside of any graph.
///
/// # Errors
/// Those of candle.
pub fn frozen_mlp(dim: usize, width: usize) -> Result<Mlp> {
    let store = store();
    mlp(&store, dim, width)?.on(&store.frozen())
}

/// U-Nets of torchcfm's examples, by name, with a batch: that for MNIST, with attention at full resolution, as its defaults
/// give, and that for CIFAR-10 at half width.
pub const UNETS: [(&str, [usize; 4]); 2] = [
    ("mnist_c32_b32", [32, 1, 28, 28]),
    ("cifar_c64_b8", [8, 3, 32, 32]),
];

/// The U-Net for images of a shape in [`UNETS`].
///
/// # Errors
/// Those of the store.
pub fn unet(store: &ParameterStore, shape: [usize; 4]) -> Result<UNet> {
    let config = UNet::config(&shape[1..]).attention(&[16]);
    let config = match shape[1] {
        1 => config.channels(32).blocks(1),
        _ => config.channels(64).head_channels(64),
    };
    config.build(&store.builder())
}

/// The transformer SiT-S/2 for latents of images, by name, with a batch.
pub const TRANSFORMER: (&str, [usize; 4]) = ("s2_32x32x4_b8", [8, 4, 32, 32]);

/// SiT-S/2 with 1000 classes, for states of a shape.
///
/// # Errors
/// Those of the store.
pub fn sit(store: &ParameterStore, shape: [usize; 4]) -> Result<DiffusionTransformer> {
    let config = DiffusionTransformer::small(&shape[1..], 2).classes(1000);
    config.build(&store.builder())
}

/// DDPM++ for images of CIFAR-10, by name, with a batch.
pub const DDPMPP: (&str, [usize; 4]) = ("ddpmpp_32x32x3_b8", [8, 3, 32, 32]);

/// DDPM++ as EDM trains it on CIFAR-10, for images of a shape.
///
/// # Errors
/// Those of the store.
pub fn ddpmpp(store: &ParameterStore, shape: [usize; 4]) -> Result<SongUNet> {
    SongUNet::ddpmpp(shape[1], shape[2]).build(&store.builder())
}

/// Replaces parameters that are zeros by small normal numbers.
///
/// # Errors
/// Those of candle.
pub fn stir(store: &ParameterStore) -> Result<()> {
    let mut rng = Generator::from_seed(5);
    for (_, var) in store.parameters() {
        let largest = var.abs()?.max_all()?.to_dtype(DType::F32)?;
        if largest.to_scalar::<f32>()? == 0.0 {
            var.set(&(rng.normal_like(&var)? * 0.02)?)?;
        }
    }
    Ok(())
}

/// An empty store of f32 parameters on the CPU.
pub fn store() -> ParameterStore {
    ParameterStore::new(Key::from_seed(7), DType::F32, &Device::Cpu)
}

/// Standard normal points.
///
/// # Errors
/// Those of candle.
pub fn points(seed: u64, count: usize, dim: usize) -> Result<Tensor> {
    Generator::from_seed(seed).normal((count, dim), DType::F32, &Device::Cpu)
}
