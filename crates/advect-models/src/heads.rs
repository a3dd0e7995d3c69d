//! Heads of attention.

use advect_core::{Error, Result};

/// The division of channels among the heads of attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heads {
    Count(usize),
    Channels(usize),
}

impl Heads {
    /// The number of heads for this number of channels.
    pub(crate) fn count(self, channels: usize) -> Result<usize> {
        let (name, given, count) = match self {
            Heads::Count(count) => ("heads", count, count),
            Heads::Channels(each) => ("head_channels", each, channels / each.max(1)),
        };
        if given == 0 || !channels.is_multiple_of(given) {
            let accepted = format!(
                "a divisor of the number of channels at a level with attention, {channels}"
            );
            return Err(Error::range(name, given, accepted));
        }
        Ok(count)
    }
}
