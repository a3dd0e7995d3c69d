//! A step that is being made.

mod filter;

use std::ops::Range;

use advect_core::{Result, Time};

use super::equations::Equations;
use super::gradient::Solved;
use super::kept::{Kept, Past};
use super::krylov::Krylov;
use super::newton::Stages;
use super::{Coordinates, Jacobian};
use crate::stepper::{Memory, Unsolved};
use crate::{Interval, Status, Tableau};

/// The largest number of Jacobians in a set of equations whose step can't be made shorter.
const LINEARIZATIONS: usize = 30;

/// A step that is being made, stage after stage: its equations, what it keeps, and which samples failed so far.
pub(super) struct Attempt<'a, X, J: ?Sized> {
    memory: &'a mut Memory,
    equations: &'a Equations<'a, X>,
    tableau: &'static Tableau,
    jacobian: &'a J,
    /// The method without matrices, if there are none.
    krylov: Option<Krylov<'a, X>>,
    /// The part of the tableau that belongs to one set of equations, row by row.
    block: Vec<f64>,
    /// The γ of the matrix that filters error estimates, if it is not that of the equations.
    filter: Option<f64>,
    causes: Vec<Option<Status>>,
}

/// The numbers that a set of equations starts from.
pub(super) struct Known {
    /// The states of its stages without their own slopes.
    pub(super) states: Vec<Vec<f64>>,
    /// The slopes from which the iteration starts.
    pub(super) guess: Vec<Vec<f64>>,
    /// Whether these numbers are in a graph.
    pub(super) tracked: bool,
}

/// The slopes of stages that are solved for.
pub(super) struct Found<X> {
    pub(super) numbers: Vec<Vec<f64>>,
    /// The same as states, with their place in the graph.
    pub(super) slopes: Vec<X>,
}

impl<'a, X: Coordinates, J: Jacobian<X> + ?Sized> Attempt<'a, X, J> {
    /// Makes the matrices ready.
    pub(super) fn begin(
        memory: &'a mut Memory,
        equations: &'a Equations<'a, X>,
        tableau: &'static Tableau,
        jacobian: &'a J,
        filter: Option<f64>,
    ) -> Result<Self> {
        let block = tableau.implicit_block();
        let filter = filter.filter(|gamma| block.len() > 1 || *gamma != block[0]);
        let krylov = jacobian.matrix_free();
        match krylov {
            Some(_) => Kept::without_matrices(memory, equations.samples),
            None => {
                Kept::prepare(memory, equations, jacobian)?;
                Kept::factorize(memory, equations, (&block, filter));
            }
        }
        Ok(Attempt {
            krylov,
            memory,
            equations,
            tableau,
            jacobian,
            block,
            filter,
            causes: vec![None; equations.samples],
        })
    }

    /// The number of stages that are solved for together.
    pub(super) fn together(&self) -> usize {
        self.block.len().isqrt()
    }

    /// The step before.
    pub(super) fn past(&mut self) -> Option<&Past> {
        self.memory.of::<Kept>().past(self.equations)
    }

    /// Solves for the slopes of some stages; `in_graph` gives the states of the stages from their slopes. `None` if the step is lost.
    pub(super) fn solve(
        &mut self,
        range: &Range<usize>,
        known: Known,
        in_graph: impl FnOnce(&[X]) -> Result<Vec<X>>,
    ) -> Result<Option<Found<X>>> {
        let equations = self.equations;
        let times = (self.tableau.nodes()[range.clone()].iter())
            .map(|c| equations.interval.time(*c))
            .collect::<Result<Vec<Time>>>()?;
        let block = self.block.clone();
        let mut stages = Stages {
            block: &block,
            times: &times,
            known: known.states,
            slopes: known.guess,
            tracked: known.tracked || equations.x.is_tracked(),
        };
        self.iterate(&mut stages)?;
        let lost = self.causes.iter().any(Option::is_some);
        if lost && matches!(equations.interval, Interval::Shared { .. }) {
            return Ok(None);
        }
        let solved = stages
            .slopes
            .iter()
            .map(|slopes| equations.x.with_numbers(slopes.clone()));
        let mut solved = solved.collect::<Result<Vec<X>>>()?;
        if stages.tracked {
            let of_samples = self.memory.of::<Kept>().samples.iter();
            let place = Solved {
                field: equations.field,
                times: &times,
                states: in_graph(&solved)?,
                block: &block,
                sizes: &equations.sizes,
                factors: of_samples.map(|sample| sample.factors.clone()).collect(),
                products: self
                    .krylov
                    .as_ref()
                    .map(|k| (k.gmres, equations.tolerances.clone())),
            };
            solved = X::in_graph(solved, place)?;
        }
        Ok(Some(Found {
            numbers: stages.slopes,
            slopes: solved,
        }))
    }

    /// Solves for stages; where the Jacobian was an older one and not good enough, again with that at the start of the
    /// step, and where the step can't be made shorter, with that at each iterate.
    fn iterate(&mut self, stages: &mut Stages<'_>) -> Result<()> {
        let equations = self.equations;
        let guessed = stages.slopes.clone();
        let wanted: Vec<bool> = self.causes.iter().map(Option::is_none).collect();
        let mut found = self.attempt(stages, wanted, &guessed)?;
        let kept = self.memory.of::<Kept>();
        let dense = self.krylov.is_none();
        let stale = |i: usize| dense && found[i].is_some() && !kept.is_current(equations, i);
        if (0..equations.samples).any(stale) {
            Kept::refresh(self.memory, equations, self.jacobian)?;
            Kept::factorize(self.memory, equations, (&self.block, self.filter));
            let wanted = found.iter().map(Option::is_some).collect();
            found = self.attempt(stages, wanted, &guessed)?;
        }
        if dense && !equations.tolerant && found.iter().any(Option::is_some) {
            found = self.follow(stages, found)?;
        }
        let both = self.causes.iter_mut().zip(found);
        both.for_each(|(cause, found)| *cause = cause.or(found));
        Ok(())
    }

    /// Iterates with the matrices at hand. Samples that fail are put back where they began.
    fn attempt(
        &mut self,
        stages: &mut Stages<'_>,
        wanted: Vec<bool>,
        began: &[Vec<f64>],
    ) -> Result<Vec<Option<Status>>> {
        let (equations, width) = (self.equations, self.equations.width);
        let kept = self.memory.of::<Kept>();
        let found = stages.solve(
            equations,
            (&mut kept.samples, self.krylov.as_ref()),
            &wanted,
        )?;
        self.count();
        for (i, _) in found
            .iter()
            .enumerate()
            .filter(|(_, cause)| cause.is_some())
        {
            let of = i * width..(i + 1) * width;
            for (slopes, began) in stages.slopes.iter_mut().zip(began) {
                slopes[of.clone()].copy_from_slice(&began[of.clone()]);
            }
        }
        Ok(found)
    }

    /// Newton's method proper, from the state at the start: the Jacobian is that at the last stage of each iterate.
    fn follow(
        &mut self,
        stages: &mut Stages<'_>,
        mut found: Vec<Option<Status>>,
    ) -> Result<Vec<Option<Status>>> {
        let (equations, width) = (self.equations, self.equations.width);
        for (i, _) in found
            .iter()
            .enumerate()
            .filter(|(_, cause)| cause.is_some())
        {
            for slopes in &mut stages.slopes {
                slopes[i * width..(i + 1) * width].fill(0.0);
            }
        }
        let Some(t) = stages.times.last() else {
            return Ok(found);
        };
        for _ in 0..LINEARIZATIONS {
            let states = stages.states(equations);
            let at = equations
                .x
                .with_numbers(states.into_iter().next_back().unwrap_or_default())?;
            let slope = equations.field.at(t, &at)?;
            Kept::linearize(self.memory, equations, self.jacobian, (t, &at, &slope))?;
            Kept::factorize(self.memory, equations, (&self.block, self.filter));
            let wanted: Vec<bool> = found.iter().map(Option::is_some).collect();
            stages.advance(equations, &self.memory.of::<Kept>().samples, &wanted)?;
            let iterate = stages.slopes.clone();
            found = self.attempt(stages, wanted, &iterate)?;
            if found.iter().all(Option::is_none) {
                break;
            }
        }
        Ok(found)
    }

    /// Counts the products that were taken.
    fn count(&mut self) {
        if let Some(krylov) = &self.krylov {
            self.memory.count_products(krylov.take_count());
        }
    }

    /// The samples that failed.
    pub(super) fn unsolved(&self) -> Vec<Unsolved> {
        let each = self.causes.iter().enumerate();
        each.filter_map(|(i, cause)| Some(Unsolved::new(i, (*cause)?)))
            .collect()
    }

    /// Keeps the slopes of all stages for the next step. Returns the samples that failed.
    pub(super) fn finish(self, slopes: Vec<Vec<f64>>) -> Vec<Unsolved> {
        self.memory.of::<Kept>().keep(Past {
            ends: self.equations.ends(),
            sizes: self.equations.sizes.clone(),
            slopes,
        });
        self.unsolved()
    }
}
