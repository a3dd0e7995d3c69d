//! Boltzmann machines and other models `p(x) ∝ e^(−E(x))` with an unknown normaliser.
//!
//! The log-likelihood has the gradient `−⟨∂E⟩_data + ⟨∂E⟩_model`, so that gradient descent is `θ ← θ − ε (⟨∂E⟩_data − ⟨∂E⟩_model)`: energies of
//! data fall and those of the model's own samples, the negatives, rise. [`contrastive_loss`] is the loss with this gradient. The rest is where
//! negatives come from, [`Negatives`]: chains that a [`MarkovKernel`] moves.
//!
//! | model | energy |
//! | --- | --- |
//! | [`BoltzmannMachine`] | `−½ xᵀWx − b·x`, binary units that are all visible |
//! | [`RestrictedBoltzmannMachine`] | hidden units summed out, visible ones [`BinaryUnits`] or [`GaussianUnits`] |
//! | any [`Energy`](advect_core::Energy) | a [`Potential`](advect_nn::Potential) of a network, for instance |
//!
//! | kernel | for |
//! | --- | --- |
//! | [`Gibbs`] | both kinds of machines |
//! | [`Langevin`] | energies of numbers |
//!
//! | negatives | chains |
//! | --- | --- |
//! | [`ContrastiveDivergence`] | a few steps from the data |
//! | [`PersistentChains`] | that go on from one loss to the next |
//! | [`ParallelTempering`] | the same at several temperatures, with exchanges |
//! | [`ReplayBuffer`] | many that go on, of which a batch moves, with some begun anew |
//!
//! ```
//! use advect_classics::boltzmann::{
//!     AnnealedImportanceSampling, Gibbs, Negatives, PersistentChains, RestrictedBoltzmannMachine, contrastive_loss,
//! };
//! use advect_core::{Generator, Key, Result};
//! use advect_nn::ParameterStore;
//! use advect_train::{Sgd, SgdConfig, Trainer};
//! use candle_core::{DType, Device, Tensor};
//! # fn main() -> Result<()> {
//! // Two patterns of four bits.
//! let data = Tensor::new(&[[1f64, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]], &Device::Cpu)?.repeat((8, 1))?;
//!
//! let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
//! let machine = RestrictedBoltzmannMachine::binary(4, 2, &store.builder())?;
//! let mut chains = PersistentChains::new(Gibbs, 1, data.zeros_like()?)?;
//! let optimizer = Sgd::from_store(&store, SgdConfig { learning_rate: 0.3, ..SgdConfig::default() })?;
//! let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1));
//! let loss = |_: usize, rng: &mut Generator| {
//!     let negatives = chains.draw(&machine, &data, rng)?;
//!     contrastive_loss(&machine, &data, &negatives)
//! };
//! trainer.run(300, loss, &mut ())?;
//!
//! let log_z = machine.log_partition()?; // exact, as there are two hidden units
//! let found = machine.log_likelihood(&data, &log_z)?.mean_all()?.to_scalar::<f64>()?;
//! assert!(found > -1.5); // of −ln 2 at best, and −4 ln 2 = −2.77 for independent bits
//! let estimate = AnnealedImportanceSampling::new(100, 50)?.log_partition(&machine, trainer.rng())?;
//! assert!((estimate.log_mean() - log_z.to_scalar::<f64>()?).abs() < 5.0 * estimate.standard_error());
//! # Ok(())
//! # }
//! ```

mod annealed_importance_sampling;
mod bernoulli;
mod boltzmann_machine;
mod contrastive_loss;
pub(crate) mod enumeration;
mod kernel;
mod negatives;
mod restricted_boltzmann_machine;
mod units;

use advect_core::{Error, Result, check};
use advect_ops::Value;
use candle_core::Tensor;

pub use annealed_importance_sampling::AnnealedImportanceSampling;
pub(crate) use bernoulli::bernoulli;
pub use boltzmann_machine::BoltzmannMachine;
pub use contrastive_loss::contrastive_loss;
pub use kernel::{Gibbs, Langevin, MarkovKernel};
pub use negatives::{
    ContrastiveDivergence, Negatives, ParallelTempering, PersistentChains, ReplayBuffer,
};
pub use restricted_boltzmann_machine::RestrictedBoltzmannMachine;
pub(crate) use units::check_binary;
pub use units::{BinaryUnits, GaussianUnits, VisibleUnits};

/// Checks that a parameter is a list of floats.
fn check_bias(argument: &'static str, bias: &Tensor) -> Result<()> {
    check::batch(argument, bias)?;
    if bias.rank() != 1 {
        return Err(Error::shape(argument, bias.dims(), "(units,)"));
    }
    check::float(argument, bias)
}

/// States `(batch, ...)` as rows, with as many numbers as there are biases.
fn as_rows<V: Value>(argument: &'static str, value: &V, bias: &Tensor) -> Result<V> {
    let x = value.primal();
    let (batch, units) = (check::batch(argument, x)?, bias.dims()[0]);
    if x.rank() < 2 || x.elem_count() != batch * units {
        let accepted = format!("(batch, ...) with a number for each of {units} units");
        return Err(Error::shape(argument, x.dims(), accepted));
    }
    check::same_kind(argument, x, "the machine", bias)?;
    value.map_linear(|x| Ok(x.reshape((batch, units))?))
}

/// `−E − ln Z`.
fn log_likelihood(energy: &Tensor, log_partition: &Tensor) -> Result<Tensor> {
    if log_partition.rank() != 0 {
        return Err(Error::shape(
            "log_partition",
            log_partition.dims(),
            "a scalar",
        ));
    }
    check::same_kind("log_partition", log_partition, "the energy", energy)?;
    Ok(energy.neg()?.broadcast_sub(log_partition)?)
}
