//! Display of a run's progress.

#[cfg(feature = "progress")]
mod bar;

#[cfg(feature = "progress")]
pub use bar::Progress;

/// An event of a run whose progress can be shown, by [`Progress`] or your own observer.
///
/// ```
/// use advect_core::{Advance, observer_fn, Observer};
/// struct Epoch(usize);
/// impl Advance for Epoch {
///     fn position(&self) -> usize {
///         self.0
///     }
///     fn length(&self) -> Option<usize> {
///         Some(10)
///     }
///     fn message(&self) -> String {
///         format!("epoch {}", self.0)
///     }
/// }
/// let mut shown = Vec::new();
/// let mut observer = observer_fn(|event: &Epoch| shown.push(event.message()));
/// observer.observe(&Epoch(3)).unwrap();
/// assert_eq!(shown, ["epoch 3"]);
/// assert!(Epoch(10).is_milestone() && !Epoch(3).is_milestone());
/// ```
pub trait Advance {
    /// Returns the number of steps made.
    fn position(&self) -> usize;

    /// Returns the number of steps at the end of the run, if it is known.
    fn length(&self) -> Option<usize>;

    /// Returns the message to show beside the count.
    fn message(&self) -> String;

    /// Returns a number that jumps from step to step, with its name. It is shown smoothed, before the message.
    fn noisy(&self) -> Option<(&'static str, f64)> {
        None
    }

    /// Returns remarks on this step, each with a name. If several remarks have the same name, the first is shown.
    fn notes(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Returns whether the event gets its own line in a log that has a line only now and then. By default, the last
    /// step does.
    fn is_milestone(&self) -> bool {
        self.length() == Some(self.position())
    }
}
