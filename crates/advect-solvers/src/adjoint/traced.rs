//! Fields under a backward pass.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use advect_core::{Field, Result, Time};
use advect_ops::with_gradient;
use candle_core::Tensor;

use crate::detached::check_constant;

/// A field whose derivatives a backward pass takes. It tells one that does not depend on the state, whose derivative is 0,
/// from one whose value was taken out of the graph: in the first step of the pass, and wherever a value is in no graph.
pub(super) struct Traced<'a, F: ?Sized> {
    field: &'a F,
    /// Whether a gradient came back to a state.
    reached: Arc<AtomicBool>,
    /// The first evaluation: the time, the state and the value.
    first: RefCell<Option<(Time, Tensor, Tensor)>>,
    settled: Cell<bool>,
    constant: Cell<bool>,
}

impl<'a, F: Field + ?Sized> Traced<'a, F> {
    pub(super) fn new(field: &'a F) -> Self {
        Traced {
            field,
            reached: Arc::default(),
            first: RefCell::default(),
            settled: Cell::new(false),
            constant: Cell::new(false),
        }
    }

    /// Checks, after the gradients of a step, that some came through the field.
    pub(super) fn settle(&self) -> Result<()> {
        if self.settled.replace(true) || self.reached.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.first.take() {
            Some((t, x, value)) => self.check(&t, &x, &value),
            None => Ok(()),
        }
    }

    fn check(&self, t: &Time, x: &Tensor, value: &Tensor) -> Result<()> {
        if self.constant.get() {
            return Ok(());
        }
        check_constant("field", |x| self.field.at(t, x), x, value)?;
        self.constant.set(true);
        Ok(())
    }
}

impl<F: Field + ?Sized> Field for Traced<'_, F> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let value = match self.settled.get() {
            true => self.field.at(t, x)?,
            false => {
                let reached = self.reached.clone();
                let marked = with_gradient(x, std::slice::from_ref(x), move |g, _| {
                    reached.store(true, Ordering::Relaxed);
                    Ok(vec![g.clone()])
                })?;
                let value = self.field.at(t, &marked)?;
                let mut first = self.first.borrow_mut();
                first.get_or_insert_with(|| (t.clone(), x.detach(), value.detach()));
                value
            }
        };
        if x.track_op() && !value.track_op() {
            self.check(t, x, &value)?;
        }
        Ok(value)
    }
}
