//! Gibbs sampling of Boltzmann machines.

use advect_core::{Generator, Result};
use candle_core::Tensor;

use super::MarkovKernel;
use crate::boltzmann::{BoltzmannMachine, RestrictedBoltzmannMachine, VisibleUnits};

/// Gibbs sampling: a sweep through the units of a [`BoltzmannMachine`], or all hidden and then all visible units of a
/// [`RestrictedBoltzmannMachine`].
///
/// ```
/// use advect_classics::boltzmann::{BoltzmannMachine, Gibbs, MarkovKernel};
/// use advect_core::Generator;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let machine = BoltzmannMachine::new(Tensor::new(&[[0f64]], &Device::Cpu)?, Tensor::new(&[3f64.ln()], &Device::Cpu)?)?;
/// let x = Tensor::zeros((4000, 1), candle_core::DType::F64, &Device::Cpu)?;
/// let x = Gibbs.steps(&machine, &x, 1, &mut Generator::from_seed(0))?;
/// assert!((x.mean_all()?.to_scalar::<f64>()? - 0.75).abs() < 0.03);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gibbs;

impl MarkovKernel<BoltzmannMachine> for Gibbs {
    fn step(&self, model: &BoltzmannMachine, x: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        model.gibbs(x, rng)
    }
}

impl<U: VisibleUnits> MarkovKernel<RestrictedBoltzmannMachine<U>> for Gibbs {
    fn step(
        &self,
        model: &RestrictedBoltzmannMachine<U>,
        x: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        model.gibbs(x, rng)
    }
}
