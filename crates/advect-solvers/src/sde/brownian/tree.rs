//! The tree of halvings below each cell, which is never stored.

use std::sync::PoisonError;

use advect_core::{Error, Generator, Result};
use candle_core::{DType, Device, Tensor};

use super::BrownianPath;
use super::part::{Known, Part};
use crate::sde::sum;

/// The intermediate results of the last query.
#[derive(Debug, Default)]
pub(super) struct Memory {
    cell: Option<(usize, Known)>,
    /// The halves of each interval on the way down, by the node's number.
    halves: Vec<(u64, Known, Known)>,
    /// The path from the start of a cell to a place in it.
    prefix: Option<(usize, f64, Part)>,
}

/// An interval of the tree, and the path over it.
struct Interval {
    cell: usize,
    /// Its number in the cell.
    node: u64,
    /// The number of halvings that made it.
    level: usize,
    /// The time from the cell's start to its own.
    start: f64,
    length: f64,
    path: Known,
}

/// The error of a path whose areas are not drawn.
pub(super) fn without_areas() -> Error {
    Error::range("path", "one without areas", "one with areas")
}

impl BrownianPath {
    /// Standard normal numbers at a place under the key. They and what is made of them stay on the host, where sums
    /// are rounded in one way, so that a path has the same bits on every device.
    fn draw(&self, cell: usize, node: u64, which: u64) -> Result<Tensor> {
        let key = self.key.child(cell as u64);
        // Nodes of the tree are numbered from 1; 0 is the whole cell.
        self.normal(
            &mut Generator::resume(key, 2 * node + which),
            self.shape.dims(),
        )
    }

    /// Standard normal numbers of a shape, by the numbers of the samples if these have some.
    pub(super) fn normal(&self, generator: &mut Generator, shape: &[usize]) -> Result<Tensor> {
        match self.first_sample {
            None => generator.normal(shape, self.dtype, &Device::Cpu),
            Some(first) => {
                let like = Tensor::zeros((), self.dtype, &Device::Cpu)?.broadcast_as(shape)?;
                generator.normal_by_sample(first, &like)
            }
        }
    }

    /// The increment of a whole cell, and its space–time Lévy area.
    pub(super) fn cell_with_area(&self, cell: usize) -> Result<(Tensor, Tensor)> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.cell(&mut memory, cell)?;
        known
            .area
            .map(|area| (known.value, area))
            .ok_or_else(without_areas)
    }

    /// The path over a whole cell, which is kept for the next query.
    fn cell(&self, memory: &mut Memory, cell: usize) -> Result<Known> {
        if let Some((known, path)) = &memory.cell
            && *known == cell
        {
            return Ok(path.clone());
        }
        let width = self.width();
        let value = (self.draw(cell, 0, 0)? * width.sqrt())?;
        let area = match self.areas {
            true => Some((self.draw(cell, 0, 1)? * (width / 12.0).sqrt())?),
            false => None,
        };
        let known = Known { value, area };
        *memory = Memory {
            cell: Some((cell, known.clone())),
            ..Memory::default()
        };
        Ok(known)
    }

    /// The halves of an interval of a known path.
    fn halve(
        &self,
        memory: &mut Memory,
        (cell, node, level): (usize, u64, usize),
        known: &Known,
        length: f64,
    ) -> Result<(Known, Known)> {
        if let Some((number, left, right)) = memory.halves.get(level)
            && *number == node
        {
            return Ok((left.clone(), right.clone()));
        }
        let z = self.draw(cell, node, 0)?;
        let halves = match &known.area {
            None => {
                let left = sum(&[(0.5, &known.value), (0.5 * length.sqrt(), &z)])?;
                let right = (&known.value - &left)?;
                let plain = |value| Known { value, area: None };
                (plain(left), plain(right))
            }
            // Foster, Oberhauser and Lyons, An optimal polynomial approximation of Brownian motion, 2020: with the
            // area the path in the middle deviates less, and the areas of the halves follow.
            Some(area) => {
                let n = self.draw(cell, node, 1)?;
                let (z_scale, n_scale) = ((length / 16.0).sqrt(), (length / 12.0).sqrt());
                let left = sum(&[(0.5, &known.value), (1.5, area), (z_scale, &z)])?;
                let right = (&known.value - &left)?;
                let of = |sign: f64| {
                    sum(&[
                        (0.25, area),
                        (-0.5 * z_scale, &z),
                        (0.5 * sign * n_scale, &n),
                    ])
                };
                let with = |value, area| Known {
                    value,
                    area: Some(area),
                };
                (with(left, of(1.0)?), with(right, of(-1.0)?))
            }
        };
        memory.halves.truncate(level);
        memory
            .halves
            .push((node, halves.0.clone(), halves.1.clone()));
        Ok(halves)
    }

    /// The path from the start of a cell to `to` in it.
    pub(super) fn prefix(&self, cell: usize, to: f64) -> Result<Part> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = &mut *memory;
        if let Some((of, at, part)) = &memory.prefix
            && (*of, *at) == (cell, to)
        {
            return Ok(part.clone());
        }
        let part = self.pieces(memory, cell, (0.0, to))?;
        memory.prefix = Some((cell, to, part.clone()));
        Ok(part)
    }

    /// The path between two places in a cell, which are counted from its start.
    ///
    /// The increment is the difference of those from the start of the cell. So is the integral in f64, which has digits enough for
    /// that down to the shortest intervals. In other dtypes little would be left of the integral of a short interval, and it is
    /// put together from the intervals of the tree between the two places.
    pub(super) fn within(&self, cell: usize, (from, to): (f64, f64)) -> Result<Part> {
        let first = self.prefix(cell, from)?;
        if first.length == 0.0 || !self.areas || self.dtype == DType::F64 {
            return self.prefix(cell, to)?.less(first);
        }
        let between = {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            self.pieces(&mut memory, cell, (from, to))?
        };
        Ok(Part {
            value: (self.prefix(cell, to)?.value - first.value)?,
            ..between
        })
    }

    /// The same, put together from the intervals of the tree between the two places.
    fn pieces(&self, memory: &mut Memory, cell: usize, places: (f64, f64)) -> Result<Part> {
        let whole = Interval {
            cell,
            node: 1,
            level: 0,
            start: 0.0,
            length: self.width(),
            path: self.cell(memory, cell)?,
        };
        self.gather(memory, Part::empty(&whole.path)?, &whole, places)
    }

    /// Adds the path over an interval to the part before it, as far as the interval is between two places in the cell.
    fn gather(
        &self,
        memory: &mut Memory,
        part: Part,
        interval: &Interval,
        (from, to): (f64, f64),
    ) -> Result<Part> {
        let Interval {
            cell,
            node,
            level,
            start,
            length,
            ref path,
        } = *interval;
        let slack = self.slack();
        let (from_here, to_here) = (from - start, to - start);
        let (begins, ends) = (from_here <= slack, to_here >= length - slack);
        if to_here <= slack || (!begins && from_here >= length - slack) {
            return Ok(part);
        }
        if begins && ends {
            return part.then(&path.part(length)?);
        }
        if level == self.depth {
            let z = self.draw(cell, node, 0)?;
            let whole = match ends {
                true => path.part(length)?,
                false => path.inside(to_here, length, &z)?,
            };
            return part.then(&match begins {
                true => whole,
                false => whole.less(path.inside(from_here, length, &z)?)?,
            });
        }
        let (left, right) = self.halve(memory, (cell, node, level), path, length)?;
        let half = |second: bool, path: Known| Interval {
            cell,
            node: 2 * node + u64::from(second),
            level: level + 1,
            start: if second { start + 0.5 * length } else { start },
            length: 0.5 * length,
            path,
        };
        let part = self.gather(memory, part, &half(false, left), (from, to))?;
        self.gather(memory, part, &half(true, right), (from, to))
    }
}
