//! The cost of a network.

/// The size of a network, and the work of evaluating it.
///
/// ```
/// use advect_core::Key;
/// use advect_nn::{Linear, ParameterStore};
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let cost = Linear::new(3, 10, &store.builder())?.cost();
/// assert_eq!(cost.parameters, 3 * 10 + 10);
/// assert_eq!(cost.operations, 2 * 3 * 10);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "FLOPs")]
#[doc(alias = "number of parameters")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cost {
    /// The number of learned numbers.
    pub parameters: usize,
    /// The number of floating-point operations in products of matrices (linear layers, convolutions as they are
    /// defined, attention) for one sample; a multiplication with its addition counts as two. A training step takes
    /// about three times as many.
    pub operations: u64,
}

impl Cost {
    /// Returns the cost of a layer with this number of parameters, which multiplies by `weights` numbers at each of
    /// `places` places.
    pub fn of(parameters: usize, weights: usize, places: usize) -> Self {
        Cost {
            parameters,
            operations: (2u64.saturating_mul(weights as u64)).saturating_mul(places as u64),
        }
    }
}

impl std::ops::Add for Cost {
    type Output = Cost;

    /// Returns the cost of two parts together.
    fn add(self, other: Cost) -> Cost {
        Cost {
            parameters: self.parameters + other.parameters,
            operations: self.operations.saturating_add(other.operations),
        }
    }
}
