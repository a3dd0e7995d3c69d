//! A restricted Boltzmann machine with Gaussian pixels, by persistent contrastive divergence.

use std::f64::consts::LN_2;
use std::time::Instant;

use advect::prelude::*;
use advect_examples::report::quantize;

use crate::task::{BATCH, Bits, Entry, PIXELS, Task};

/// Chains of annealed importance sampling.
const CHAINS: usize = 200;

pub(crate) fn run(task: &Task) -> Result<Entry> {
    let scale = Scale::of(task)?;
    let store = task.store("boltzmann");
    let machine = RestrictedBoltzmannMachine::gaussian(PIXELS, task.width, &store.builder())?;
    let start = Tensor::zeros((BATCH, PIXELS), DType::F32, &Device::Cpu)?;
    let mut chains = PersistentChains::new(Gibbs, 2, start)?;
    let (trainer, training) = task.train(
        &store,
        "Boltzmann machine",
        (2e-3, task.steps),
        |step, rng| {
            let data = scale.apply(&task.noisy_batch(step, rng)?)?;
            let negatives = chains.draw(&machine, &data, rng)?;
            contrastive_loss(&machine, &data, &negatives)
        },
    )?;
    let averaged = trainer.averaged().frozen();
    let machine = RestrictedBoltzmannMachine::gaussian(PIXELS, task.width, &averaged)?;

    let mut rng = task.rng("boltzmann samples");
    let data = scale.apply(&task.dequantization.apply(&task.train, &mut rng)?)?;
    let annealing = AnnealedImportanceSampling::new(task.levels, CHAINS)?.based_on(&data);
    let estimate = annealing.log_partition(&machine, &mut rng)?;
    let log_z = Tensor::new(estimate.log_mean() as f32, &Device::Cpu)?;
    let nats = machine.log_likelihood(&scale.apply(&task.noisy_test()?)?, &log_z)?;
    let nats = (nats.to_dtype(DType::F64)? - scale.log_volume()?)?;
    let bits = task.dequantization.bits_of_densities(&nats, PIXELS)?;
    let error = estimate.standard_error() / (LN_2 * PIXELS as f64);

    // The expected pixels at the end of Gibbs chains from noise.
    let started = Instant::now();
    let mut v = rng.normal((task.samples, PIXELS), DType::F32, &Device::Cpu)?;
    for _ in 0..task.levels {
        v = machine.gibbs(&v, &mut rng)?;
    }
    let v = machine.visible_mean(&machine.sample_hidden(&v, &mut rng)?)?;
    Ok(Entry {
        parameters: store.element_count(),
        bits: Bits::Estimate(bits, error),
        samples: quantize(&scale.invert(&v)?)?,
        training,
        sampling: started.elapsed().as_secs_f64(),
    })
}

/// Pixels of mean 0 and variance 1, where some hardly vary.
struct Scale {
    mean: Tensor,
    deviation: Tensor,
}

impl Scale {
    fn of(task: &Task) -> Result<Self> {
        let mut rng = task.rng("boltzmann scale");
        let data = task.dequantization.apply(&task.train, &mut rng)?;
        Ok(Scale {
            mean: data.mean_keepdim(0)?,
            deviation: data.var_keepdim(0)?.sqrt()?,
        })
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.broadcast_sub(&self.mean)?
            .broadcast_div(&self.deviation)?)
    }

    fn invert(&self, v: &Tensor) -> Result<Tensor> {
        Ok(v.broadcast_mul(&self.deviation)?
            .broadcast_add(&self.mean)?)
    }

    /// What a density of v has more than that of x, in nats.
    fn log_volume(&self) -> Result<f64> {
        let sum = self.deviation.to_dtype(DType::F64)?.log()?.sum_all()?;
        Ok(sum.to_scalar::<f64>()?)
    }
}
