//! What a training step did.

/// What a training step did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StepReport {
    /// The number of steps made, this one included.
    pub step: usize,
    /// The loss before the step.
    pub loss: f64,
    /// The global norm of the gradient, before clipping.
    pub gradient_norm: f64,
    /// The learning rate of the step.
    pub learning_rate: f64,
    /// The parameters that the loss gave no gradient, frozen ones aside: the step left them as they were.
    pub without_gradient: Vec<String>,
    /// Whether this is the first step beyond the end of the learning-rate schedule that this trainer made; see
    /// [`LearningRate::end`](crate::learning_rate::LearningRate::end).
    pub schedule_ended: bool,
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
        }
    }
}
