//! A variational autoencoder with Gaussian pixels.

use std::time::Instant;

use advect::nn::Builder;
use advect::prelude::*;
use advect_examples::report::quantize;

use crate::task::{Bits, Entry, PIXELS, Task};

const LATENT: usize = 16;
/// Latent variables for each digit in the bound.
const WEIGHTS: usize = 64;

pub(crate) fn run(task: &Task) -> Result<Entry> {
    let vae = |builder: &Builder| -> Result<_> {
        let net = |from: usize, to: usize, name: &str| {
            let net = Mlp::config(from).outputs(to).hidden(&[task.width; 2]);
            let net = net.time(TimeEmbedding::None).build(&builder.pp(name))?;
            Ok::<_, Error>(untimed(net))
        };
        let encoder = net(PIXELS, 2 * LATENT, "encoder")?;
        let decoder = net(LATENT, PIXELS, "decoder")?;
        let likelihood = GaussianLikelihood::learned(builder)?;
        VariationalAutoencoder::new(LATENT, encoder, decoder, likelihood)
    };
    let store = task.store("autoencoder");
    let trained = vae(&store.builder())?;
    let (trainer, training) = task.train(&store, "VAE", (1e-3, task.steps), |step, rng| {
        let x = task.noisy_batch(step, rng)?;
        let bound = trained.evidence_bound(&x, &trained.noise(&x, rng)?)?;
        // The divergence counts little at first.
        bound.loss((4.0 * step as f64 / task.steps as f64).min(1.0))
    })?;
    let vae = vae(&trainer.averaged().frozen())?;

    let mut rng = task.rng("autoencoder samples");
    let test = task.noisy_test()?;
    let noise = rng.normal((WEIGHTS, test.dim(0)?, LATENT), DType::F32, &Device::Cpu)?;
    let nats = vae.importance_bound(&test, &noise)?;
    let bits = task.dequantization.bits_of_densities(&nats, PIXELS)?;

    // The expected pixels, as they are shown in papers.
    let started = Instant::now();
    let z = rng.normal((task.samples, LATENT), DType::F32, &Device::Cpu)?;
    let samples = quantize(&vae.decode(&z)?)?;
    Ok(Entry {
        parameters: store.element_count(),
        bits: Bits::Bound(bits),
        samples,
        training,
        sampling: started.elapsed().as_secs_f64(),
    })
}
