//! Fields that take a condition, such as class labels.

use candle_core::Tensor;

use crate::{Field, Result, Time, check, forward_to};

/// A field that depends on a condition: class labels `(batch,)`, or a context `(batch, ...)`.
///
/// [`Conditional::given`] fixes the condition and returns a [`Field`]:
///
/// ```
/// use advect_core::{Conditional, Field, Result, Time};
/// use candle_core::{Device, Tensor};
///
/// /// Moves every sample towards its context.
/// struct Towards;
///
/// impl Conditional for Towards {
///     fn at_given(&self, _: &Time, x: &Tensor, context: &Tensor) -> Result<Tensor> {
///         Ok((context - x)?)
///     }
///     fn no_condition(&self, x: &Tensor) -> Result<Tensor> {
///         Ok(x.zeros_like()?)
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let x = Tensor::new(&[[1.0f32], [2.0]], &Device::Cpu)?;
/// let goal = Tensor::new(&[[5.0f32], [5.0]], &Device::Cpu)?;
/// let velocity = Towards.given(&goal).at(&Time::Shared(0.0), &x)?;
/// assert_eq!(velocity.to_vec2::<f32>()?, [[4.0], [3.0]]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "class-conditional")]
pub trait Conditional {
    /// Returns the value at time `t` and state `x`, given one condition per sample.
    ///
    /// # Errors
    /// Whatever the field reports; fields of Advect check all three arguments.
    fn at_given(&self, t: &Time, x: &Tensor, condition: &Tensor) -> Result<Tensor>;

    /// Returns the condition that means "none", one per sample of `x`. Unconditional evaluation and classifier-free
    /// guidance use it, and training puts it in place of dropped conditions.
    ///
    /// # Errors
    /// Errors of candle.
    #[doc(alias = "null condition")]
    #[doc(alias = "unconditional")]
    #[doc(alias = "CFG")]
    fn no_condition(&self, x: &Tensor) -> Result<Tensor>;

    /// Returns the field at a fixed condition, by reference. [`Given::new`] takes the field by value.
    ///
    /// The result returns its condition from [`Field::condition`], so that optimal pairs of a batch are made within
    /// each class. Pairs that are made without regard to the labels teach a conditional field a wrong law, as each
    /// class gets a part of the noise only (Cheng and Schwing 2025).
    fn given(&self, condition: &Tensor) -> Given<&Self>
    where
        Self: Sized,
    {
        Given::new(self, condition)
    }
}

forward_to!([] Conditional {
    fn at_given(&self, t: &Time, x: &Tensor, condition: &Tensor) -> Result<Tensor>;
    fn no_condition(&self, x: &Tensor) -> Result<Tensor>;
});

/// A [`Conditional`] field at a fixed condition.
///
/// ```
/// # use advect_core::{Conditional, Field, Given, Result, Time};
/// # use candle_core::{Device, Tensor};
/// # #[derive(Clone)]
/// # struct Net;
/// # impl Conditional for Net {
/// #     fn at_given(&self, _: &Time, x: &Tensor, condition: &Tensor) -> Result<Tensor> { Ok((x + condition)?) }
/// #     fn no_condition(&self, x: &Tensor) -> Result<Tensor> { Ok(x.zeros_like()?) }
/// # }
/// /// A field that owns its network and its labels.
/// fn labelled(net: &Net, labels: &Tensor) -> impl Field + Clone + Send + 'static {
///     Given::new(net.clone(), labels)
/// }
/// # fn main() -> Result<()> {
/// let x = Tensor::new(&[1f64], &Device::Cpu)?;
/// assert_eq!(labelled(&Net, &x).at(&Time::Shared(0.0), &x)?.to_vec1::<f64>()?, [2.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Given<F> {
    pub(crate) field: F,
    pub(crate) condition: Tensor,
}

impl<F> Given<F> {
    /// Fixes the condition of a field, one for each sample of the batches to come.
    pub fn new(field: F, condition: &Tensor) -> Self {
        Given {
            field,
            condition: condition.clone(),
        }
    }
}

impl<F: Conditional> Field for Given<F> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        check::same_device("condition", self.condition.device(), "x", x.device())?;
        self.field.at_given(t, x, &self.condition)
    }

    fn condition(&self) -> Option<&Tensor> {
        Some(&self.condition)
    }
}
