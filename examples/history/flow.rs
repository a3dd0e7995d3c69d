//! Flow matching on straight lines, and the flow by an adaptive solver.

use std::time::Instant;

use advect::prelude::*;
use advect::solvers::divergence::Probe;
use advect_examples::report::quantize;

use crate::task::{Bits, Entry, PIXELS, Task};

pub(crate) fn run(task: &Task) -> Result<Entry> {
    let store = task.store("flow");
    let net = Mlp::config(PIXELS)
        .hidden(&[task.width; 3])
        .time(TimeEmbedding::Fourier { frequencies: 8 })
        .build(&store.builder())?;
    let objective = rectified_flow();
    let (trainer, training) = task.train(
        &store,
        "flow matching",
        (2e-3, 2 * task.steps),
        |step, rng| {
            let x = task.noisy_batch(step, rng)?;
            objective.loss(&net, &rng.normal_like(&x)?, &x, rng)
        },
    )?;
    let net = net.on(&trainer.averaged().frozen())?;

    let solver = Solver::new(Dopri5, Adaptive::new(1e-4, 1e-4)?);
    let model = Model::new(&net, Prediction::Velocity, CondOt::default());
    let likelihood =
        Likelihood::new(model).hutchinson(Probe::Rademacher, 8, task.key.named("probes"))?;
    let found = likelihood.log_density(&solver, &task.noisy_test()?)?;
    let bits = task.dequantization.bits_per_dimension(&found)?;

    let started = Instant::now();
    let mut rng = task.rng("flow matching samples");
    let noise = rng.normal((task.samples, PIXELS), DType::F32, &Device::Cpu)?;
    let samples = solver.solve(&net, &noise, 0.0, 1.0)?.end()?;
    Ok(Entry {
        parameters: store.element_count(),
        bits: Bits::Bound(bits),
        samples: quantize(&samples)?,
        training,
        sampling: started.elapsed().as_secs_f64(),
    })
}
