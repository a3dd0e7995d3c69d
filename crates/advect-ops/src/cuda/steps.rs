//! Steps of parameters in one launch.

use advect_core::Result;
use advect_kernels::cuda::TENSORS;
use advect_kernels::cuda::update::{self, Step};
use candle_core::{Tensor, Var};

use crate::update::{apart, place};

/// Steps of one kind that one launch makes, none of which changes memory that another one uses.
#[derive(Default)]
pub(crate) struct Launch {
    steps: Vec<Step>,
    /// Where their variables lie.
    changed: Vec<usize>,
    /// Where their sources lie.
    read: Vec<usize>,
}

impl Launch {
    /// Adds a step of variables that are contiguous and apart. Starts the launch before that if it is full, or not for this step.
    pub(crate) fn add<const N: usize>(
        &mut self,
        variables: [&Var; N],
        source: Tensor,
        step: impl FnOnce([&Tensor; N], &Tensor) -> Step,
    ) -> Result<()> {
        let (changed, read) = (variables.map(|var| place(var)), place(&source));
        let uses = |x: &usize| self.changed.contains(x) || self.read.contains(x);
        if changed.iter().any(uses) || self.changed.contains(&read) {
            self.start()?;
        }
        let source = apart(source, &variables)?;
        let step = step(variables.map(|var| var.as_tensor()), &source);
        let unlike = |first: &Step| !first.is_like(&step);
        if self.len() == TENSORS || self.steps.first().is_some_and(unlike) {
            self.start()?;
        }
        self.steps.push(step);
        self.changed.extend(changed);
        self.read.push(read);
        Ok(())
    }

    /// Makes the steps, by one launch; without any, none is started.
    pub(crate) fn start(&mut self) -> Result<()> {
        update::make(&self.steps)?;
        self.steps.clear();
        self.changed.clear();
        self.read.clear();
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }
}
