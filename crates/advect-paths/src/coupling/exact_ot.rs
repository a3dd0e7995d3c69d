//! Minibatch optimal transport (Pooladian et al. 2023; OT-CFM, Tong et al. 2024).

use advect_core::{Generator, Result, check};
use advect_transport::{Cost, assignment};
use candle_core::Tensor;

use super::{Coupling, Pairs};

/// Pairs the batches by the permutation π that minimises `Σ_i |x0_i − x1_π(i)|²`, exactly.
///
/// Every sample occurs once: nothing is drawn, unlike resampling from a transport plan, which repeats
/// some samples and leaves out others.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::coupling::{Coupling, ExactOt};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x0 = Tensor::new(&[[0.0f32], [1.0], [2.0]], &Device::Cpu)?;
/// let x1 = Tensor::new(&[[2.5f32], [0.5], [1.5]], &Device::Cpu)?;
/// let pairs = ExactOt.pair(&x0, &x1, &mut Generator::from_seed(0))?;
/// assert_eq!(pairs.target_indices().to_vec1::<u32>()?, [1, 2, 0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ExactOt;

impl Coupling for ExactOt {
    fn pair(&self, x0: &Tensor, x1: &Tensor, _: &mut Generator) -> Result<Pairs> {
        let batch = check::batch("x0", x0)?;
        check::alike("x1", x1, "x0", x0)?;
        let columns = assignment(&Cost::squared_euclidean(x0, x1)?)?;
        let target: Vec<u32> = columns.into_iter().map(|j| j as u32).collect();
        Pairs::new(
            Tensor::arange(0u32, batch as u32, x0.device())?,
            Tensor::from_vec(target, batch, x0.device())?,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coupling::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&ExactOt);
    }
}
