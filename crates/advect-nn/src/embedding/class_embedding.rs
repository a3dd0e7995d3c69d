//! Class labels as input of a network.

use advect_core::{Error, Result, check};
use advect_ops::{Activation, linear};
use candle_core::Tensor;
use candle_nn::{Init, VarBuilder};

use crate::Cost;

/// The features that represent "no class".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoClass {
    /// Learned features, like those of a class: one more row of the table.
    Learned,
    /// Zeros, for features that are added to others.
    Zero,
}

/// Learned features of class labels in `0..classes`. Label `classes` means "none", as classifier-free guidance needs it
/// (Ho and Salimans 2022, section 3.2).
///
/// In place of a label a sample may have weights of the classes (soft labels): a row of floats, by which the features of the classes are summed. Where
/// "none" is learned, it has the last weight.
///
/// ```
/// use advect_core::Key;
/// use advect_nn::{ClassEmbedding, NoClass, ParameterStore};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let classes = ClassEmbedding::new(10, 64, NoClass::Zero, "weight", &store.builder().pp("label_emb"))?;
/// let features = classes.embed(&Tensor::new(&[7u32, 10], &Device::Cpu)?)?;
/// assert_eq!(features.dims(), [2, 64]);
/// assert_eq!(features.get(1)?.to_vec1::<f32>()?, [0.0; 64]);
/// let [seven, three] = [7u32, 3].map(|label| classes.embed(&Tensor::new(&[label], &Device::Cpu)?));
/// let mut weights = vec![0f32; 10];
/// (weights[7], weights[3]) = (0.75, 0.25);
/// let between = classes.embed(&Tensor::from_vec(weights, (1, 10), &Device::Cpu)?)?;
/// let error = (between - ((seven? * 0.75)? + (three? * 0.25)?)?)?.abs()?.max_all()?;
/// assert!(error.to_scalar::<f32>()? < 1e-6);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "nn.Embedding")]
#[doc(alias = "soft labels")]
#[doc(alias = "label embedding")]
#[doc(alias = "CFG")]
#[derive(Debug, Clone)]
pub struct ClassEmbedding {
    /// `(classes, features)`, with a row more if that of none is learned.
    table: Tensor,
    none: NoClass,
}

impl ClassEmbedding {
    /// Creates a table of `features` numbers for each class, under the given parameter name. Its initial values are
    /// standard normal numbers (PyTorch's law).
    ///
    /// # Errors
    /// [`Error::Range`] for no classes or no features; errors of the builder.
    pub fn new(
        classes: usize,
        features: usize,
        none: NoClass,
        name: &str,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        Self::initialized(classes, features, none, 1.0, name, builder)
    }

    /// Creates a table as [`ClassEmbedding::new`] does, with initial values of another standard deviation.
    ///
    /// # Errors
    /// As [`ClassEmbedding::new`].
    pub fn initialized(
        classes: usize,
        features: usize,
        none: NoClass,
        deviation: f64,
        name: &str,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        check::at_least_one("classes", classes)?;
        check::at_least_one("class features", features)?;
        let init = Init::Randn {
            mean: 0.0,
            stdev: deviation,
        };
        let rows = match none {
            NoClass::Learned => classes.saturating_add(1),
            NoClass::Zero => classes,
        };
        let table = builder.get_with_hints((rows, features), name, init)?;
        Ok(ClassEmbedding { table, none })
    }

    /// Returns the number of classes, which is also the label that means "none".
    pub fn classes(&self) -> usize {
        match self.none {
            NoClass::Learned => self.table.dims()[0] - 1,
            NoClass::Zero => self.table.dims()[0],
        }
    }

    /// Returns the features of labels, `(batch,)` of u8, u32 or i64 in `0..=classes`, or of weights of the classes, floats
    /// `(batch, classes)`, or `(batch, classes + 1)` where "none" is learned: `(batch, features)`.
    ///
    /// # Errors
    /// [`Error`] naming `condition`, if it is neither.
    pub fn embed(&self, labels: &Tensor) -> Result<Tensor> {
        self.look_up(labels, check::batch("condition", labels)?)
    }

    fn look_up(&self, labels: &Tensor, batch: usize) -> Result<Tensor> {
        if let Some(weights) = class_weights(labels, [batch, self.table.dims()[0]], &self.table)? {
            let columns = self.table.t()?;
            return linear(weights, &columns, None, Activation::Identity);
        }
        check::labels("condition", labels, batch, self.classes() + 1)?;
        let device = self.table.device();
        check::same_device("condition", labels.device(), "the network", device)?;
        let labels = labels.contiguous()?;
        match self.none {
            NoClass::Learned => Ok(self.table.index_select(&labels, 0)?),
            NoClass::Zero => {
                let table = Tensor::cat(&[&self.table, &self.of_none()?], 0)?;
                Ok(table.index_select(&labels, 0)?)
            }
        }
    }

    /// Returns the features that represent "no class", `(1, features)`.
    ///
    /// # Errors
    /// Errors of candle.
    pub fn of_none(&self) -> Result<Tensor> {
        match self.none {
            NoClass::Learned => Ok(self.table.narrow(0, self.classes(), 1)?),
            NoClass::Zero => Ok(self.table.narrow(0, 0, 1)?.zeros_like()?),
        }
    }

    /// Returns the cost: the number of parameters. Looking up costs no operations.
    pub fn cost(&self) -> Cost {
        Cost::of(self.table.elem_count(), 0, 0)
    }

    /// Returns the features of the labels of a batch of states, for a network that may have no classes. Without labels,
    /// these are the features that stand for no class, `(1, features)`, if they are learned.
    ///
    /// # Errors
    /// [`Error`] naming `condition` for labels that do not fit, or that a network without classes is given.
    pub fn of(
        classes: Option<&Self>,
        x: &Tensor,
        labels: Option<&Tensor>,
    ) -> Result<Option<Tensor>> {
        match (classes, labels) {
            (None, Some(_)) => {
                let accepted = "no condition, as this network has no classes";
                Err(Error::range("condition", "a tensor of labels", accepted))
            }
            (Some(classes), Some(labels)) => {
                Ok(Some(classes.look_up(labels, check::batch("x", x)?)?))
            }
            (Some(classes), None) if classes.none == NoClass::Learned => {
                Ok(Some(classes.of_none()?))
            }
            (_, None) => Ok(None),
        }
    }

    /// Returns labels that mean "none", one for each sample of a batch of states.
    ///
    /// # Errors
    /// [`Error`] for an empty batch, [`Error::Range`] naming `condition` for a network without classes.
    pub fn no_labels(classes: Option<&Self>, x: &Tensor) -> Result<Tensor> {
        let Some(classes) = classes else {
            let accepted = "a network with classes";
            return Err(Error::range(
                "condition",
                "a network without classes",
                accepted,
            ));
        };
        let none = classes.classes() as u32;
        Ok(Tensor::full(none, check::batch("x", x)?, x.device())?)
    }
}

/// Returns a condition that has weights of classes in place of labels, floats of rank 2, after a check that their shape is this,
/// their dtype and device those of another tensor; `None` for other conditions.
///
/// ```
/// use advect_nn::class_weights;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let weights = Tensor::new(&[[0.5f32, 0.5, 0.0]], &Device::Cpu)?;
/// assert!(class_weights(&weights, [1, 3], &weights)?.is_some());
/// assert!(class_weights(&Tensor::new(&[1u32], &Device::Cpu)?, [1, 3], &weights)?.is_none());
/// let error = class_weights(&weights, [1, 4], &weights).unwrap_err().to_string();
/// assert!(error.starts_with("condition: got shape [1, 3]"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`], [`Error::DType`] or [`Error::Device`] naming `condition` for others, [`Error::NonFinite`] for weights that are not finite.
#[doc(alias = "soft labels")]
pub fn class_weights<'a>(
    condition: &'a Tensor,
    [batch, classes]: [usize; 2],
    like: &Tensor,
) -> Result<Option<&'a Tensor>> {
    if condition.rank() != 2 || !condition.dtype().is_float() {
        return Ok(None);
    }
    if condition.dims() != [batch, classes] {
        let accepted = format!("({batch},), labels, or ({batch}, {classes}), weights of classes");
        return Err(Error::shape("condition", condition.dims(), accepted));
    }
    check::same_kind("condition", condition, "the network", like)?;
    check::finite("condition", condition)?;
    Ok(Some(condition))
}
