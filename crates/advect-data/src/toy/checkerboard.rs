//! A checkerboard (as in FFJORD, Grathwohl et al. 2019).

use advect_core::{Error, Result, check};

use super::{Rng, Toy, uniform};

/// The uniform distribution on the dark squares of a board of `squares` × `squares` squares of side `side`, centred on
/// the origin.
///
/// ```
/// use advect_data::toy::Checkerboard;
/// let data = Checkerboard::default();
/// assert_eq!((data.squares, data.side), (4, 2.0)); // from −4 to 4
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Checkerboard {
    /// The number of squares along a side, even; 4 by default.
    pub squares: usize,
    /// The side of a square; 2 by default.
    pub side: f64,
}

impl Default for Checkerboard {
    fn default() -> Self {
        Checkerboard {
            squares: 4,
            side: 2.0,
        }
    }
}

impl Toy for Checkerboard {
    fn check(&self) -> Result<()> {
        if self.squares == 0 || !self.squares.is_multiple_of(2) {
            return Err(Error::range(
                "squares",
                self.squares,
                "an even number of at least 2",
            ));
        }
        check::positive("side", self.side)?;
        Ok(())
    }

    fn point(&self, index: usize, rng: Rng<'_>) -> [f64; 2] {
        // The dark squares in turn, row by row.
        let half = (self.squares / 2).max(1);
        let dark = match self.squares.checked_mul(half) {
            Some(count) => index % count.max(1),
            // More than there are indices.
            None => index,
        };
        let row = dark / half;
        let column = 2 * (dark % half) + row % 2;
        [column, row].map(|k| self.side * (k as f64 + uniform(rng) - 0.5 * self.squares as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::contract;

    #[test]
    fn keeps_the_contract() {
        for p in contract::check(&Checkerboard::default(), 4.0) {
            let square = (p[0] / 2.0).floor() as i64 + (p[1] / 2.0).floor() as i64;
            assert_eq!(square.rem_euclid(2), 0, "{p:?}");
        }
        // More dark squares than can be counted.
        for squares in [1 << 32, usize::MAX - 1] {
            let board = Checkerboard { squares, side: 2.0 };
            let points = board.sample(
                7,
                candle_core::DType::F32,
                &candle_core::Device::Cpu,
                &mut advect_core::Generator::from_seed(0),
            );
            assert_eq!(points.unwrap().dims(), [7, 2]);
        }
        assert!(
            Checkerboard {
                squares: 3,
                side: 1.0
            }
            .check()
            .is_err()
        );
        assert!(
            Checkerboard {
                squares: 2,
                side: 0.0
            }
            .check()
            .is_err()
        );
    }
}
