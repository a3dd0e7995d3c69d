//! The half of a field's value that an evaluation uses.

use std::cell::Cell;

/// The velocity or the force of a pair `(v, F)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Velocity,
    Force,
}

thread_local! {
    static USED: Cell<Option<Half>> = const { Cell::new(None) };
}

/// Resets what is used when it is dropped, after a panic too.
struct Reset(Option<Half>);

impl Drop for Reset {
    fn drop(&mut self) {
        USED.set(self.0);
    }
}

impl Half {
    /// Evaluates something of which only this half is used. Wrappers of fields need not know of it.
    pub(super) fn only<T>(self, evaluate: impl FnOnce() -> T) -> T {
        let _reset = Reset(USED.replace(Some(self)));
        evaluate()
    }

    /// Evaluates something inside of a half, of which both halves are used.
    pub(super) fn both<T>(evaluate: impl FnOnce() -> T) -> T {
        let _reset = Reset(USED.replace(None));
        evaluate()
    }

    /// Whether the evaluation under way on this thread uses this half.
    pub(super) fn is_used(self) -> bool {
        USED.get().is_none_or(|used| used == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_are_used_unless_said_otherwise() {
        let used = || (Half::Velocity.is_used(), Half::Force.is_used());
        assert_eq!(used(), (true, true));
        assert_eq!(Half::Force.only(used), (false, true));
        assert_eq!(
            Half::Force.only(|| Half::Velocity.only(used)),
            (true, false)
        );
        let inside = || (Half::both(used), used());
        assert_eq!(Half::Force.only(inside), ((true, true), (false, true)));
        assert_eq!(used(), (true, true));
    }
}
