//! Dropping conditions in training, so that one network learns the conditional and the unconditional
//! field (Ho and Salimans 2022, algorithm 1).

use advect_core::{Conditional, Error, Generator, Result, check, shape};
use candle_core::{DType, Device, Tensor};

/// The dropout of conditions: each sample's condition is replaced by [`Conditional::no_condition`] with a given probability.
///
/// ```
/// use advect_core::{Conditional, Generator, Result, Time};
/// use advect_objectives::ConditionDropout;
/// use candle_core::{DType, Device, Tensor};
/// # struct Net;
/// # impl Conditional for Net {
/// #     fn at_given(&self, _: &Time, x: &Tensor, _: &Tensor) -> Result<Tensor> { Ok(x.clone()) }
/// #     fn no_condition(&self, x: &Tensor) -> Result<Tensor> { Ok(Tensor::full(10u32, x.dim(0)?, x.device())?) }
/// # }
/// # fn main() -> Result<()> {
/// # let net = Net; // its "no condition" is label 10
/// let x = Tensor::zeros((1000, 2), DType::F32, &Device::Cpu)?;
/// let labels = Tensor::zeros(1000, DType::U32, &Device::Cpu)?;
/// let mut rng = Generator::from_seed(0);
/// let labels = ConditionDropout::new(0.1)?.apply(&net, &x, &labels, &mut rng)?.to_vec1::<u32>()?;
/// let dropped = labels.iter().filter(|&&label| label == 10).count();
/// assert!((70..130).contains(&dropped));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "classifier-free guidance")]
#[doc(alias = "CFG")]
#[doc(alias = "label dropout")]
#[doc(alias = "unconditional")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConditionDropout {
    probability: f64,
}

impl ConditionDropout {
    /// Creates a dropout with a probability in [0, 1].
    ///
    /// # Errors
    /// [`Error::Range`] outside.
    pub fn new(probability: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&probability) {
            return Err(Error::range(
                "probability",
                probability,
                "a number in [0, 1]",
            ));
        }
        Ok(ConditionDropout { probability })
    }

    /// Returns the field's conditions for the batch `x`, with some of them dropped.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::DType`] or [`Error::Device`] if `condition` does not go with the field's
    /// [`Conditional::no_condition`]; see [`check::condition`].
    pub fn apply<F: Conditional + ?Sized>(
        &self,
        field: &F,
        x: &Tensor,
        condition: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let none = field.no_condition(x)?;
        let (condition, none) = check::condition("condition", condition, &none)?;
        let batch = check::batch("condition", &condition)?;
        let draws = rng.uniform(0.0..1.0, batch, DType::F64, &Device::Cpu)?;
        let drop = draws.lt(self.probability)?.to_device(condition.device())?;
        let drop = shape::column(&drop, condition.rank())?.broadcast_as(condition.shape())?;
        Ok(drop.where_cond(&none, &condition)?)
    }
}
