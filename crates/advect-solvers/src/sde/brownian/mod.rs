//! Brownian motion as a function of a key.

mod convolution;
mod levy;
mod part;
mod tree;

use std::sync::Mutex;

use advect_core::{Error, Key, Result, check};
use candle_core::{DType, Device, Shape, Tensor};

use super::sum;
use crate::clock::{spacing, span};
use part::Part;
use tree::{Memory, without_areas};

pub use levy::LevyIncrement;

/// A Brownian path: increments of independent Brownian motions, one for each element of a tensor, over any part of a
/// span of time.
///
/// The span is cut into cells, one unless set. The increment of each cell is drawn at the cell's place under the key;
/// within a cell the path is refined by halving, each middle drawn given the ends (Lévy's construction; as a tree that is
/// never stored, Li et al., Scalable gradients for stochastic differential equations, 2020). So the path depends on the
/// key, the span and the number of cells, and not on earlier queries, their order, or the step sizes. The
/// memory is that of one way through the tree; what the last query met is kept, so that queries in order are fast.
///
/// Steps that end on cells cost one draw each: set [`BrownianPath::cells`] to the number of steps where they are equal.
///
/// Halving ends at a part of the cell given by [`BrownianPath::tolerance`]. Below that, single values still have their
/// exact law, but are not independent enough, and integrals are their means: don't make steps so small. Times that
/// differ by a few roundings are the same.
///
/// ```
/// use advect_core::Key;
/// use advect_solvers::sde::BrownianPath;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::zeros(4, DType::F64, &Device::Cpu)?;
/// let path = BrownianPath::new(Key::from_seed(1), &x, 0.0, 1.0)?;
/// let whole = path.increment(0.2, 0.7)?.to_vec1::<f64>()?;
/// let (a, b) = (path.increment(0.2, 0.3)?.to_vec1::<f64>()?, path.increment(0.3, 0.7)?.to_vec1::<f64>()?);
/// assert!((whole[2] - (a[2] + b[2])).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[doc(alias = "Wiener process")]
#[doc(alias = "BrownianTree")]
#[doc(alias = "VirtualBrownianTree")]
pub struct BrownianPath {
    key: Key,
    shape: Shape,
    dtype: DType,
    device: Device,
    start: f64,
    end: f64,
    cells: usize,
    depth: usize,
    areas: bool,
    /// The number of the first sample, if samples are numbered.
    first_sample: Option<u64>,
    memory: Mutex<Memory>,
}

/// The increment of a path from s to t, and its time integral.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Increment {
    /// The increment `W(t) − W(s)`.
    pub value: Tensor,
    /// The time integral `∫ (W(u) − W(s)) du` over u from s to t: the iterated integral `I_(1,0)`.
    pub integral: Tensor,
}

impl Clone for BrownianPath {
    /// Returns the same path, without intermediate results.
    fn clone(&self) -> Self {
        BrownianPath {
            shape: self.shape.clone(),
            device: self.device.clone(),
            memory: Mutex::default(),
            ..*self
        }
    }
}

/// Halvings of a cell, unless set.
const DEPTH: usize = 24;

impl BrownianPath {
    /// Creates a path for states (or a noise) shaped like `x`, between two times in either order.
    ///
    /// # Errors
    /// [`Error::Range`] unless the times are finite and differ, [`Error::DType`] unless `x` is a float.
    pub fn new(key: Key, x: &Tensor, start: f64, end: f64) -> Result<Self> {
        check::float("x", x)?;
        let (start, end) = span(start, end)?;
        if start == end {
            let given = format!("{start} to {end}");
            return Err(Error::range("start, end", given, "a finite span"));
        }
        Ok(BrownianPath {
            key,
            shape: x.shape().clone(),
            dtype: x.dtype(),
            device: x.device().clone(),
            start: start.min(end),
            end: start.max(end),
            cells: 1,
            depth: DEPTH,
            areas: false,
            first_sample: None,
            memory: Mutex::default(),
        })
    }

    /// Sets the number of cells, which changes the path. Use the number of steps if they are equal. An increment
    /// costs a draw for each cell that it spans.
    ///
    /// # Errors
    /// [`Error::Range`] for 0, for more than 2²⁴, and for cells that f64 does not tell apart.
    pub fn cells(self, count: usize) -> Result<Self> {
        const MOST: usize = 1 << 24;
        let path = BrownianPath {
            cells: count.clamp(1, MOST),
            memory: Mutex::default(),
            ..self
        };
        let resolved = 4.0 * spacing(path.start.abs().max(path.end.abs()));
        if path.cells != count || (count > 1 && path.width() < resolved) {
            let accepted =
                format!("a number from 1 to {MOST}, with cells of at least {resolved:e}");
            return Err(Error::range("count", count, accepted));
        }
        Ok(path)
    }

    /// Sets the part of a cell to which the path is refined, which changes the path: 2⁻²⁴ by default, and not below
    /// 2⁻⁵⁰.
    ///
    /// # Errors
    /// [`Error::Range`] unless above 0 and below 1.
    pub fn tolerance(self, part: f64) -> Result<Self> {
        if !(part > 0.0 && part < 1.0) {
            return Err(Error::range("part", part, "a number above 0 and below 1"));
        }
        let depth = (-part.log2()).ceil().clamp(1.0, 50.0) as usize;
        Ok(BrownianPath {
            depth,
            memory: Mutex::default(),
            ..self
        })
    }

    /// Enables time integrals of the path, which changes the path. Methods of order 1.5 need them.
    pub fn areas(self) -> Self {
        BrownianPath {
            areas: true,
            memory: Mutex::default(),
            ..self
        }
    }

    /// Numbers the samples along the first dimension `first`, `first + 1`, …, which changes the path. The path of a
    /// sample depends on its number, not on the other samples of the batch.
    pub fn by_sample(self, first: u64) -> Self {
        BrownianPath {
            first_sample: Some(first),
            memory: Mutex::default(),
            ..self
        }
    }

    /// Returns the length of the shortest intervals to which the path is refined: a cell's length, halved a whole number of times.
    /// Increments over intervals that are not shorter have their exact law and are independent of each other.
    pub fn resolution(&self) -> f64 {
        self.width() * f64::powi(0.5, self.depth as i32)
    }

    /// Returns the shape of the path's values.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Returns `W(t) − W(s)`, which is normal with variance `|t − s|` and independent over disjoint intervals.
    ///
    /// # Errors
    /// [`Error::Range`] for times outside of the span.
    pub fn increment(&self, s: f64, t: f64) -> Result<Tensor> {
        Ok(self.between(s, t)?.value.to_device(&self.device)?)
    }

    /// Returns `W(t) − W(s)` and its integral over time.
    ///
    /// # Errors
    /// [`Error::Range`] for times outside of the span, or for a path without [`BrownianPath::areas`].
    pub fn increment_with_integral(&self, s: f64, t: f64) -> Result<Increment> {
        let part = self.between(s, t)?;
        let integral = part.integral.ok_or_else(without_areas)?;
        Ok(Increment {
            value: part.value.to_device(&self.device)?,
            integral: integral.to_device(&self.device)?,
        })
    }

    fn between(&self, s: f64, t: f64) -> Result<Part> {
        if t < s {
            // ∫ from s down to t of W(u) − W(s).
            let forwards = self.between(t, s)?;
            let length = forwards.length;
            let integral = (forwards.integral)
                .map(|integral| sum(&[(length, &forwards.value), (-1.0, &integral)]))
                .transpose()?;
            return Ok(Part {
                length: -length,
                value: forwards.value.neg()?,
                integral,
            });
        }
        let (first, from) = self.place("s", s)?;
        let (last, to) = self.place("t", t)?;
        if first == last {
            return self.within(first, (from, to));
        }
        let mut part = self.within(first, (from, self.width()))?;
        for cell in first + 1..last {
            part = part.then(&self.prefix(cell, self.width())?)?;
        }
        match to > 0.0 {
            true => part.then(&self.prefix(last, to)?),
            false => Ok(part),
        }
    }

    fn width(&self) -> f64 {
        (self.end - self.start) / self.cells as f64
    }

    /// Returns the largest rounding error of times that were meant to be on the grid.
    fn slack(&self) -> f64 {
        let largest = self.start.abs().max(self.end.abs());
        16.0 * f64::EPSILON * largest.max(self.end - self.start)
    }

    /// The cell of a time, and the time since the cell's start; the last cell contains its end.
    fn place(&self, name: &'static str, t: f64) -> Result<(usize, f64)> {
        let slack = self.slack();
        if !(t >= self.start - slack && t <= self.end + slack) {
            let accepted = format!("a time from {} to {}", self.start, self.end);
            return Err(Error::range(name, t, accepted));
        }
        let position = (t - self.start) / self.width();
        let nearest = position.round();
        if (position - nearest).abs() * self.width() <= slack {
            let cell = nearest as usize;
            return Ok(match cell == self.cells {
                true => (cell - 1, self.width()),
                false => (cell, 0.0),
            });
        }
        let cell = (position.floor().max(0.0) as usize).min(self.cells - 1);
        Ok((cell, t - self.start - cell as f64 * self.width()))
    }

    /// The number of cells that end up to a time at which one ends.
    fn boundary(&self, name: &'static str, t: f64) -> Result<usize> {
        match self.place(name, t)? {
            (cell, 0.0) => Ok(cell),
            (cell, to) if to == self.width() => Ok(cell + 1),
            _ => {
                let accepted = format!(
                    "a multiple of {:e} from {}, where one of the path's {} cells ends",
                    self.width(),
                    self.start,
                    self.cells
                );
                Err(Error::range(name, t, accepted))
            }
        }
    }
}
