//! Observers, which receive the events of a run and may stop it.

use std::ops::ControlFlow;

use crate::{FromFn, Result};

/// An observer of a run, which receives each event `E`: a step of a solver, a level of a sampler, an update of a
/// trainer.
///
/// It can report, keep, store, and stop the run. These are observers, too:
///
/// | observer | does |
/// | --- | --- |
/// | `()` | nothing |
/// | [`observer_fn`] | calls a closure |
/// | [`stop_when`] | stops the run when a condition holds |
/// | `(a, b)` | tells both, and stops the run if either does |
/// | `&mut O`, `Box<O>` | tells `O` |
/// | `Option<O>` | tells `O`, if there is one |
///
/// ```
/// use std::ops::ControlFlow;
/// use advect_core::{Observer, observer_fn};
/// # fn main() -> advect_core::Result<()> {
/// let mut seen = Vec::new();
/// let record = observer_fn(|step: &usize| seen.push(*step));
/// let enough = observer_fn(|step: &usize| match step {
///     2 => ControlFlow::Break(()),
///     _ => ControlFlow::Continue(()),
/// });
/// let mut both = (record, enough);
/// assert!(both.observe(&1)?.is_continue());
/// assert!(both.observe(&2)?.is_break());
/// assert_eq!(seen, [1, 2]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "callback")]
#[doc(alias = "hook")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not observe `{E}`",
    note = "a closure becomes an observer by `observer_fn(|event: &…| …)`"
)]
pub trait Observer<E: ?Sized> {
    /// Receives an event. `Break` stops the run after it.
    ///
    /// # Errors
    /// An error ends the run with it.
    fn observe(&mut self, event: &E) -> Result<ControlFlow<()>>;
}

impl<E: ?Sized> Observer<E> for () {
    fn observe(&mut self, _: &E) -> Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }
}

impl<E: ?Sized, O: Observer<E> + ?Sized> Observer<E> for &mut O {
    fn observe(&mut self, event: &E) -> Result<ControlFlow<()>> {
        (**self).observe(event)
    }
}

impl<E: ?Sized, O: Observer<E> + ?Sized> Observer<E> for Box<O> {
    fn observe(&mut self, event: &E) -> Result<ControlFlow<()>> {
        (**self).observe(event)
    }
}

impl<E: ?Sized, O: Observer<E>> Observer<E> for Option<O> {
    fn observe(&mut self, event: &E) -> Result<ControlFlow<()>> {
        match self {
            Some(observer) => observer.observe(event),
            None => Ok(ControlFlow::Continue(())),
        }
    }
}

impl<E: ?Sized, A: Observer<E>, B: Observer<E>> Observer<E> for (A, B) {
    fn observe(&mut self, event: &E) -> Result<ControlFlow<()>> {
        let verdicts = [self.0.observe(event)?, self.1.observe(event)?];
        Ok(match verdicts.contains(&ControlFlow::Break(())) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    }
}

/// Creates an [`Observer`] from a closure, which returns nothing, a [`ControlFlow`], or a [`Result`] of either.
#[doc(alias = "callback")]
pub fn observer_fn<E: ?Sized, V: Verdict, F: FnMut(&E) -> V>(f: F) -> FromFn<F> {
    FromFn(f)
}

/// Creates an [`Observer`] that stops the run after the first event for which a condition holds.
///
/// ```
/// use advect_core::{Observer, stop_when};
/// # fn main() -> advect_core::Result<()> {
/// let mut enough = stop_when(|step: &usize| *step >= 2);
/// assert!(enough.observe(&1)?.is_continue());
/// assert!(enough.observe(&2)?.is_break());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "early stopping")]
pub fn stop_when<E: ?Sized>(
    mut condition: impl FnMut(&E) -> bool,
) -> FromFn<impl FnMut(&E) -> ControlFlow<()>> {
    FromFn(move |event: &E| match condition(event) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    })
}

impl<E: ?Sized, V: Verdict, F: FnMut(&E) -> V> Observer<E> for FromFn<F> {
    fn observe(&mut self, event: &E) -> Result<ControlFlow<()>> {
        (self.0)(event).control()
    }
}

/// The return type of a closure that observes: nothing, a [`ControlFlow`], or a [`Result`] of either.
pub trait Verdict {
    /// Converts the value to a [`ControlFlow`], which says whether the run goes on.
    ///
    /// # Errors
    /// The closure's own.
    fn control(self) -> Result<ControlFlow<()>>;
}

impl Verdict for () {
    fn control(self) -> Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }
}

impl Verdict for ControlFlow<()> {
    fn control(self) -> Result<ControlFlow<()>> {
        Ok(self)
    }
}

impl<V: Verdict> Verdict for Result<V> {
    fn control(self) -> Result<ControlFlow<()>> {
        self?.control()
    }
}
