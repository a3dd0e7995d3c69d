//! What takes part in an integration besides the field.

use std::ops::ControlFlow;

use advect_core::Result;

use crate::{Event, Piece};

/// Who sees each accepted step.
pub(crate) type Watcher<'a, X> = dyn FnMut(&Piece<X>) -> Result<ControlFlow<()>> + 'a;

/// Who sees the state after each accepted step.
pub(crate) type Observer<'a, X> = dyn FnMut(f64, &X) -> Result<ControlFlow<()>> + 'a;

/// What takes part in an integration besides the field.
pub(crate) struct Hooks<'a, 'b, X> {
    pub(crate) event: Option<&'a Event<'b, X>>,
    pub(crate) watcher: Option<&'a mut Watcher<'b, X>>,
    pub(crate) observer: Option<&'a mut Observer<'b, X>>,
    /// Whether each step is taken out of the graph.
    pub(crate) detached: bool,
}

impl<X> Default for Hooks<'_, '_, X> {
    fn default() -> Self {
        Hooks {
            event: None,
            watcher: None,
            observer: None,
            detached: false,
        }
    }
}
