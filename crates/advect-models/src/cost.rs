//! What a network costs.

/// The size of a network, and the work of evaluating it.
///
/// ```
/// use advect_core::Key;
/// use advect_models::{Mlp, ParameterStore};
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// // Two numbers and the time, through ten units, to two numbers.
/// let net = Mlp::config(2).hidden(&[10]).build(&store.builder())?;
/// let cost = net.cost();
/// assert_eq!(cost.parameters, 3 * 10 + 10 + 10 * 2 + 2);
/// assert_eq!(cost.operations, 2 * (3 * 10 + 10 * 2));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cost {
    /// Numbers that are learned.
    pub parameters: usize,
    /// Floating-point operations of the products of matrices (linear layers, convolutions as they are defined, attention)
    /// for one sample, a multiplication with its addition counted as two. A training step takes about three times as many.
    pub operations: u64,
}

impl Cost {
    /// Of a layer with so many parameters, which multiplies by so many weights at so many places.
    pub(crate) fn of(parameters: usize, weights: usize, places: usize) -> Self {
        Cost {
            parameters,
            operations: (2u64.saturating_mul(weights as u64)).saturating_mul(places as u64),
        }
    }
}

impl std::ops::Add for Cost {
    type Output = Cost;

    /// Of both, one after the other.
    fn add(self, other: Cost) -> Cost {
        Cost {
            parameters: self.parameters + other.parameters,
            operations: self.operations.saturating_add(other.operations),
        }
    }
}
