//! An adversarial network: Wasserstein's distance by a critic with a penalty of its slope.

use std::time::Instant;

use advect::classics::gan::between;
use advect::nn::Builder;
use advect::prelude::*;
use advect_examples::report::quantize;

use crate::task::{BATCH, Bits, Entry, PIXELS, Task};

const LATENT: usize = 16;
/// Steps of the critic for each of the generator.
const CRITIC_STEPS: usize = 3;

pub(crate) fn run(task: &Task) -> Result<Entry> {
    let net = |from: usize, to: usize, builder: &Builder| {
        let net = Mlp::config(from).outputs(to).hidden(&[task.width; 2]);
        net.time(TimeEmbedding::None).build(builder)
    };
    let stores = [task.store("generator"), task.store("critic")];
    let generator = untimed(net(LATENT, PIXELS, &stores[0].builder())?);
    let critic = Potential(net(PIXELS, 1, &stores[1].builder())?);
    let started = Instant::now();
    let steps = task.steps;
    let mut of_generator = task.trainer(&stores[0], "generator", 1e-3, steps)?;
    let mut of_critic = task.trainer(&stores[1], "critic", 1e-3, CRITIC_STEPS * steps)?;
    let now = Time::Shared(0.0);
    let fake = |count: usize, rng: &mut Generator| -> Result<Tensor> {
        generator(&rng.normal((count, LATENT), DType::F32, &Device::Cpu)?)
    };
    for step in 1..=steps {
        let loss = |step: usize, rng: &mut Generator| {
            let real = task.noisy_batch(step, rng)?;
            let fake = fake(real.dim(0)?, rng)?.detach();
            let distance =
                Wasserstein.discriminator(&critic.at(&now, &real)?, &critic.at(&now, &fake)?)?;
            let penalty = gradient_penalty(&critic, &between(&real, &fake, rng)?)?;
            Ok((distance + (penalty * 10.0)?)?)
        };
        of_critic.run(CRITIC_STEPS * step, loss, &mut ())?;
        let loss = |_: usize, rng: &mut Generator| {
            Wasserstein.generator(&critic.at(&now, &fake(BATCH, rng)?)?)
        };
        of_generator.run(step, loss, &mut ())?;
    }
    let training = started.elapsed().as_secs_f64();

    let averaged = of_generator.averaged().frozen();
    let generator = untimed(net(LATENT, PIXELS, &averaged)?);
    let started = Instant::now();
    let mut rng = task.rng("generator samples");
    let z = rng.normal((task.samples, LATENT), DType::F32, &Device::Cpu)?;
    let samples = quantize(&generator(&z)?)?;
    Ok(Entry {
        parameters: stores.iter().map(ParameterStore::element_count).sum(),
        bits: Bits::None,
        samples,
        training,
        sampling: started.elapsed().as_secs_f64(),
    })
}
