//! The memory of a stepper.

use std::any::Any;
use std::fmt;

use crate::Statistics;
use crate::controller::Tolerances;

/// A value that a stepper keeps from one step to the next, such as a factorised matrix.
pub trait Remembered: Any + fmt::Debug {
    /// Keeps the samples at these positions, in this order, where some have left the batch.
    fn gather(&mut self, positions: &[u32]);
}

/// The memory of one integration, in which a stepper keeps values from step to step. Each integration begins with an
/// empty one, so that its result does not depend on what ran before.
///
/// ```
/// use advect_solvers::stepper::{Memory, Remembered};
/// #[derive(Debug, Default)]
/// struct Sizes(Vec<f64>);
/// impl Remembered for Sizes {
///     fn gather(&mut self, positions: &[u32]) {
///         self.0 = positions.iter().map(|&i| self.0[i as usize]).collect();
///     }
/// }
/// let mut memory = Memory::default();
/// memory.of::<Sizes>().0 = vec![0.1, 0.2, 0.3];
/// memory.gather(&[2, 0]);
/// assert_eq!(memory.of::<Sizes>().0, [0.3, 0.1]);
/// ```
#[derive(Debug, Default)]
pub struct Memory {
    tolerances: Option<Tolerances>,
    kept: Option<Box<dyn Remembered>>,
    /// How many tries of the step under way were rejected.
    rejections: usize,
    /// The cost since it was last asked for.
    statistics: Statistics,
}

impl Memory {
    /// Creates an empty memory of an integration whose errors are controlled by these tolerances.
    /// [`Memory::default`] is that of an integration without error control.
    pub fn new(tolerances: Option<Tolerances>) -> Self {
        Memory {
            tolerances,
            ..Memory::default()
        }
    }

    /// Returns the tolerances of the integration, if there are any. An equation that a step
    /// solves need not be solved far more exactly.
    pub fn tolerances(&self) -> Option<Tolerances> {
        self.tolerances
    }

    /// Returns the number of tries of the step under way that were rejected.
    pub fn rejections(&self) -> usize {
        self.rejections
    }

    /// Takes note that a step was accepted, or a try of it rejected.
    pub(crate) fn judged(&mut self, accepted: bool) {
        self.rejections = match accepted {
            true => 0,
            false => self.rejections + 1,
        };
    }

    /// Returns the value that is kept, or an empty one in its place if there is none of this type.
    pub fn of<T: Remembered + Default>(&mut self) -> &mut T {
        let known = (self.kept.as_deref()).is_some_and(|kept| (kept as &dyn Any).is::<T>());
        if !known {
            self.kept = None;
        }
        let kept = self.kept.get_or_insert_with(|| Box::new(T::default()));
        match (kept.as_mut() as &mut dyn Any).downcast_mut() {
            Some(kept) => kept,
            None => unreachable!("the value was just made of this type"),
        }
    }

    /// Keeps the samples at these positions, where some have left the batch.
    pub fn gather(&mut self, positions: &[u32]) {
        if let Some(kept) = &mut self.kept {
            kept.gather(positions);
        }
    }

    /// Counts Jacobians and factorisations.
    pub(crate) fn count(&mut self, jacobians: usize, factorizations: usize) {
        self.statistics.jacobians += jacobians;
        self.statistics.factorizations += factorizations;
    }

    /// Counts products with Jacobians.
    pub(crate) fn count_products(&mut self, products: usize) {
        self.statistics.products += products;
    }

    /// Returns what was counted since the last call.
    pub(crate) fn take_cost(&mut self) -> Statistics {
        std::mem::take(&mut self.statistics)
    }
}
