//! The loss of models with an unknown normaliser (Hinton 2002, "Training products of experts by minimizing contrastive
//! divergence", eq. 4 and 5).

use advect_core::{Energy, Error, Result, Time, check};
use candle_core::Tensor;

/// Returns `⟨E⟩_data − ⟨E⟩_negatives`, a scalar whose gradient is that of the mean negative log-likelihood of the data if the negatives are samples of
/// the model: `∂(−log p) = ⟨∂E⟩_data − ⟨∂E⟩_model`. The energy is taken at time 0.
///
/// The energy is asked once, at the data and the negatives together: that of a sample must not depend on the others, nor on their number.
///
/// Its value is no likelihood and need not fall. The negatives are constants, whatever graph they come from; there may be more or fewer of them than data.
///
/// ```
/// use advect_classics::boltzmann::{BoltzmannMachine, contrastive_loss};
/// use candle_core::{Device, Tensor, Var};
/// # fn main() -> advect_core::Result<()> {
/// let bias = Var::new(&[0f64], &Device::Cpu)?;
/// let machine = BoltzmannMachine::new(Tensor::new(&[[0f64]], &Device::Cpu)?, bias.as_tensor().clone())?;
/// let (data, negatives) = (Tensor::new(&[[1f64]], &Device::Cpu)?, Tensor::new(&[[1f64], [0.0]], &Device::Cpu)?);
/// let gradients = contrastive_loss(&machine, &data, &negatives)?.backward()?;
/// // More ones are wanted: the gradient −1 + ½ makes the bias grow.
/// assert_eq!(gradients.get(&bias).unwrap().to_vec1::<f64>()?, [-0.5]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`] naming negatives that are not samples like the data, or an energy that is not one number for each sample; the errors of the energy.
#[doc(alias = "contrastive divergence")]
#[doc(alias = "EBM")]
pub fn contrastive_loss(energy: &impl Energy, data: &Tensor, negatives: &Tensor) -> Result<Tensor> {
    check::batch("data", data)?;
    check::batch("negatives", negatives)?;
    if data.dims()[1..] != negatives.dims()[1..] {
        let accepted = format!("samples of the shape {:?} of the data's", &data.dims()[1..]);
        return Err(Error::shape("negatives", negatives.dims(), accepted));
    }
    check::same_kind("negatives", negatives, "data", data)?;
    // One pass for both: an energy is a function of its sample alone.
    let both = Tensor::cat(&[data, &negatives.detach()], 0)?;
    let energies = energy.at(&Time::Shared(0.0), &both)?;
    let count = data.dims()[0];
    if energies.dims() != [both.dims()[0]] {
        let accepted = format!("({},), one number for each sample", both.dims()[0]);
        return Err(Error::shape("energy", energies.dims(), accepted));
    }
    let of_data = energies.narrow(0, 0, count)?.mean_all()?;
    let of_negatives = energies.narrow(0, count, negatives.dims()[0])?.mean_all()?;
    Ok((of_data - of_negatives)?)
}
