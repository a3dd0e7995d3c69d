//! Markov chains by a discriminator (Turner et al. 2019, "Metropolis–Hastings generative adversarial networks").

use advect_core::{Error, Generator, Result, check, shape};
use candle_core::{DType, Device, Tensor};
use rand_distr::StandardUniform;

use crate::independence_chain::Chain;

/// The last states of corrected chains.
#[derive(Debug, Clone)]
pub struct CorrectedSamples {
    /// The last state of each chain, `(chains, ...)`, part of no graph.
    pub samples: Tensor,
    /// The share of the proposals after the first that were accepted, 0 without any.
    pub acceptance_rate: f64,
}

/// Returns the ends of independent Metropolis–Hastings chains whose proposals are generated samples, `(steps, chains, ...)`, accepted with the probability `min(1, r(x')/r(x))`, by the
/// outputs `ln r = ln p/q` of a discriminator, `(steps, chains)`. The first row is where the chains start: generated samples, or data. The law of the ends comes near to p with the
/// number of steps, if the outputs are right.
///
/// ```
/// use advect_classics::gan::discriminator_chain;
/// use advect_core::Generator;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let proposals = Tensor::new(&[[1f64, 2.0], [3.0, 4.0]], &Device::Cpu)?;
/// let outputs = Tensor::new(&[[0f64, 0.0], [0.0, -1000.0]], &Device::Cpu)?;
/// let ends = discriminator_chain(&proposals, &outputs, &mut Generator::from_seed(0))?;
/// assert_eq!(ends.samples.to_vec1::<f64>()?, [3.0, 2.0]);
/// assert_eq!(ends.acceptance_rate, 0.5);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] for outputs that are not one for each proposal, [`Error::NonFinite`] unless they are finite.
#[doc(alias = "MH-GAN")]
pub fn discriminator_chain(
    proposals: &Tensor,
    log_ratios: &Tensor,
    rng: &mut Generator,
) -> Result<CorrectedSamples> {
    check::batch("proposals", proposals)?;
    check::float("log_ratios", log_ratios)?;
    let &[steps, chains, ..] = proposals.dims() else {
        let accepted = "(steps, chains, ...)";
        return Err(Error::shape("proposals", proposals.dims(), accepted));
    };
    if log_ratios.dims() != [steps, chains] {
        let accepted = format!("({steps}, {chains}), one for each proposal");
        return Err(Error::shape("log_ratios", log_ratios.dims(), accepted));
    }
    check::finite("log_ratios", log_ratios)?;
    let ratios = shape::cast(&log_ratios.detach(), DType::F64)?.to_vec2::<f64>()?;
    let uniform: Vec<f64> = rng.values(&StandardUniform, steps * chains)?;
    let of_chain = |chain: usize| {
        let proposal = |step: usize| (ratios[step][chain], uniform[step * chains + chain]);
        Chain::new((0..steps).map(proposal))
    };
    let runs: Vec<Chain> = (0..chains).map(of_chain).collect();
    let ends = runs.iter().filter_map(|run| run.places.last()).enumerate();
    let places: Vec<u32> = ends
        .map(|(chain, step)| (step * chains + chain) as u32)
        .collect();
    let places = Tensor::from_vec(places, chains, &Device::Cpu)?.to_device(proposals.device())?;
    let flat = proposals.detach().flatten(0, 1)?;
    Ok(CorrectedSamples {
        samples: flat.index_select(&places, 0)?,
        acceptance_rate: Chain::acceptance_rate(&runs),
    })
}
