//! The report of a training step.

/// The report of a training step.
///
/// ```
/// use advect_core::{Generator, Key};
/// use advect_nn::{Linear, ParameterStore};
/// use advect_train::{AdamW, AdamWConfig, Trainer};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = Linear::new(3, 1, &store.builder())?;
/// let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
/// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
/// let x = Tensor::ones((1, 3), DType::F64, &Device::Cpu)?;
/// let report = trainer.update(&net.forward(&x)?.sum_all()?)?;
/// assert_eq!((report.step, report.learning_rate), (1, 1e-3));
/// assert_eq!(report.gradient_norm, 2.0); // 1 by each of four numbers
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StepReport {
    /// The number of steps made, including this one.
    pub step: usize,
    /// The loss before the step.
    pub loss: f64,
    /// The global norm of the gradient, before clipping.
    pub gradient_norm: f64,
    /// The learning rate of the step.
    pub learning_rate: f64,
    /// The parameters for which the loss gave no gradient, apart from frozen ones. The step left them as they were.
    pub without_gradient: Vec<String>,
    /// Whether this is the first step of this trainer beyond the end of the learning-rate schedule; see
    /// [`LearningRate::end`](crate::learning_rate::LearningRate::end).
    pub schedule_ended: bool,
    /// The place and the reason of a step that was skipped; see [`NonFinite`](crate::NonFinite).
    pub skipped: Option<String>,
}

impl StepReport {
    /// The report before a step was made.
    pub(super) fn none(step: usize) -> Self {
        StepReport {
            step,
            loss: f64::NAN,
            gradient_norm: f64::NAN,
            learning_rate: f64::NAN,
            without_gradient: Vec::new(),
            schedule_ended: false,
            skipped: None,
        }
    }
}
