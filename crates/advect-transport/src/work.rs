//! How much work there was, for tests: what a machine does beside doesn't change it.

#[cfg(test)]
thread_local! {
    static DONE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Notes that so many costs, edges or nodes were looked at.
#[inline(always)]
pub(crate) fn count(looked_at: usize) {
    #[cfg(test)]
    DONE.set(DONE.get() + looked_at);
    let _ = looked_at;
}

/// The work that a function did on this thread.
#[cfg(test)]
pub(crate) fn of(work: impl FnOnce()) -> usize {
    let before = DONE.get();
    work();
    DONE.get() - before
}
