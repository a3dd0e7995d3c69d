//! The order of the heads of attention.

use std::ops::Range;

use advect_kernels::attention::Sizes;

/// The order of the channels of queries, keys and values.
#[doc(alias = "QKVAttention")]
#[doc(alias = "QKVAttentionLegacy")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum HeadOrder {
    /// Head by head: queries, keys and values of the first head, then of the second: `(heads, 3, d)`. (The older of the
    /// two orders in Dhariwal and Nichol's code, and its default.)
    #[default]
    ByHead,
    /// Role by role: the queries of all heads, then the keys, then the values: `(3, heads, d)`. (Their newer order.)
    ByRole,
}

impl HeadOrder {
    /// The channels of role 0, 1 or 2 of a head.
    fn channels(self, role: usize, head: usize, heads: usize, d: usize) -> Range<usize> {
        let first = match self {
            HeadOrder::ByHead => 3 * head + role,
            HeadOrder::ByRole => role * heads + head,
        };
        first * d..(first + 1) * d
    }

    /// The channels of each head's queries, keys and values.
    pub(super) fn all(self, sizes: &Sizes) -> Vec<[Range<usize>; 3]> {
        let Sizes { heads, d, .. } = *sizes;
        let of = |head| std::array::from_fn(|role| self.channels(role, head, heads, d));
        (0..heads).map(of).collect()
    }
}
