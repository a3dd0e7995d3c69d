//! The independent coupling q(x0, x1) = q0(x0) q1(x1).

use advect_core::{Generator, Result, check};
use candle_core::Tensor;

use super::{Coupling, Pairs};

/// A coupling that pairs each source sample with a target sample at random, by a uniformly random permutation.
///
/// Batches drawn independently are such a coupling already; this is for batches that are not.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::coupling::{Coupling, Independent};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::zeros((5, 2), DType::F32, &Device::Cpu)?;
/// let pairs = Independent.pair(&x, &x, &mut Generator::from_seed(0))?;
/// assert_eq!(pairs.source_indices().to_vec1::<u32>()?, [0, 1, 2, 3, 4]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Independent;

impl Coupling for Independent {
    fn pair(&self, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<Pairs> {
        let batch = check::batch("x0", x0)?;
        check::batch("x1", x1)?;
        check::alike("x1", x1, "x0", x0)?;
        let source = Tensor::arange(0u32, batch as u32, x0.device())?;
        Pairs::new(source, rng.permutation(batch, x0.device())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coupling::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check_permutation(&Independent);
        contract::check_one_size(&Independent);
    }
}
