//! DDPM: a prediction of the noise, and ancestral steps.

use std::time::Instant;

use advect::objectives::decoder::Discretized;
use advect::objectives::objective::ReverseVariance;
use advect::prelude::*;
use advect::samplers::likelihood::BitsPerDimension;
use advect_examples::report::quantize;

use crate::task::{Bits, Entry, LEVELS, PIXELS, Task};

pub(crate) fn run(task: &Task) -> Result<Entry> {
    let schedule = match task.levels {
        1000 => DiscreteDiffusion::default(),
        steps => DiscreteDiffusion::cosine(steps)?,
    };
    let store = task.store("diffusion");
    let net = Mlp::config(PIXELS)
        .hidden(&[task.width; 3])
        .time(TimeEmbedding::Fourier { frequencies: 8 })
        .build(&store.builder())?;
    let objective = ddpm(schedule.clone());
    let (trainer, training) = task.train(&store, "DDPM", (2e-3, 2 * task.steps), |step, rng| {
        let x = task.batch(step)?;
        objective.loss(&net, &rng.normal_like(&x)?, &x, rng)
    })?;
    let net = net.on(&trainer.averaged().frozen())?;

    let mut rng = task.rng("diffusion samples");
    let bound = VariationalBound::new(schedule.clone())
        .variance(ReverseVariance::Posterior)
        .decoder(Discretized::new(LEVELS)?);
    let nats = bound.terms(&net, &task.test, &mut rng)?.total()?;
    let bits = BitsPerDimension::of_levels(&nats, PIXELS)?;

    let started = Instant::now();
    let noise = rng.normal((task.samples, PIXELS), DType::F32, &Device::Cpu)?;
    let sampler = Ancestral::new().on(Respaced::all(task.levels)?);
    let model = Model::new(&net, Prediction::Noise, &schedule);
    let samples = sampler.sample(&model, &noise, &mut rng)?;
    Ok(Entry {
        parameters: store.element_count(),
        bits: Bits::Bound(bits),
        samples: quantize(&samples)?,
        training,
        sampling: started.elapsed().as_secs_f64(),
    })
}
