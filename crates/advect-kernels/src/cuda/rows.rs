//! How the rows of a matrix are divided among blocks, for sums along them.

use super::{Argument, Grid};

/// Elements of one piece at most, and threads that it has.
const PIECE: usize = 4096;
const THREADS: usize = 256;

/// The rows of a matrix: short ones have a warp each, others a block for each piece.
pub(super) struct Rows {
    pub(super) count: usize,
    width: usize,
    pub(super) pieces: usize,
    pub(super) short: bool,
}

impl Rows {
    /// The rows of so many elements.
    pub(super) fn new(elements: usize, width: usize) -> Self {
        let count = elements / width.max(1);
        Rows {
            count,
            width,
            pieces: width.div_ceil(PIECE).max(1),
            short: width <= 256 && count > 1,
        }
    }

    /// What the kernel for short rows, or that for pieces, takes last.
    pub(super) fn sizes<'a>(&self) -> Vec<Argument<'a>> {
        let width = Argument::Size(self.width);
        match self.short {
            true => vec![Argument::Size(self.count), width],
            false => vec![Argument::Size(self.pieces), Argument::Size(PIECE), width],
        }
    }

    /// A warp or some blocks for each row.
    pub(super) fn grid(&self) -> Grid {
        let blocks = match self.short {
            true => self.count.div_ceil(THREADS / 32),
            false => self.count * self.pieces,
        };
        Grid::new(blocks, THREADS)
    }
}
