//! A continuous normalizing flow trained by maximum likelihood.

use std::sync::Arc;

use advect::core::normal::log_standard_normal;
use advect::data::toy::Toy;
use advect::prelude::*;
use advect::solvers::divergence::{Divergence, Exact, Flow, Hutchinson, Probe};

/// How a field of 3 × 64 with tanh is fitted to a density of the plane.
#[derive(Debug, Clone, Copy)]
pub struct MaximumLikelihoodFit {
    /// Training steps.
    pub steps: usize,
    /// Samples in a batch.
    pub batch: usize,
    /// What the divergence is estimated by, one probe a solve, as FFJORD does; none for the exact one.
    pub probe: Option<Probe>,
}

impl MaximumLikelihoodFit {
    /// Trains the field, and returns it with its averaged weights.
    ///
    /// # Errors
    /// Those of the solver and of the trainer.
    pub fn train(&self, toy: &dyn Toy, key: &Key, device: &Device) -> Result<Mlp> {
        let store = ParameterStore::new(key.named("parameters"), DType::F32, device);
        let net = Mlp::config(2)
            .hidden(&[64; 3])
            .activation(Activation::Tanh)
            .build(&store.builder())?;
        let parameters = store.tensors();
        let config = AdamWConfig {
            weight_decay: 0.0,
            ..AdamWConfig::default()
        };
        let optimizer = AdamW::from_store(&store, config)?;
        let mut trainer = Trainer::new(&store, optimizer, key.named("training").into())
            .learning_rate(WarmupCosine::new(5e-3, self.steps / 20, self.steps)?)
            .ema(0.99)?;
        let adjoint = Checkpointed::new(Solver::new(Rk4, Fixed::steps(10)?), 10)?;
        let loss = |_: usize, rng: &mut Generator| {
            let x = toy.sample(self.batch, DType::F32, device, rng)?;
            let divergence: Box<dyn Divergence + Send + Sync> = match self.probe {
                Some(probe) => Box::new(Hutchinson::new(probe, 1, &x, rng)?),
                None => Box::new(Exact),
            };
            let flow = Arc::new(Flow::new(net.clone(), divergence));
            let back = flow.transport_by(&adjoint, &parameters, &x, 1.0, 0.0)?;
            let log_density = (log_standard_normal(&back.x)? - back.log_density_change)?;
            Ok(log_density.mean_all()?.neg()?)
        };
        trainer.run(self.steps, loss, &mut Progress::new("likelihood"))?;
        net.on(&trainer.averaged().frozen())
    }
}
