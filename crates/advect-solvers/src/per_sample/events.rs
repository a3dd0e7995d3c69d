//! Events of samples, each with its own clock.

use advect_core::Result;

use crate::event::{Interruption, Watch, Watched};
use crate::stepper::Step;
use crate::{Occurrence, Samples};

/// The events of each sample, which see it alone, as a batch of one.
pub(super) struct SampleEvents<'a, X> {
    /// One for each sample; none without events.
    watches: Vec<Watch<'a, X>>,
    /// The samples that an event interrupts in the step under way.
    interrupted: Vec<Interrupted<X>>,
}

/// A sample that an event interrupts: its place among those under way, and its number.
struct Interrupted<X> {
    place: u32,
    sample: usize,
    at: Interruption<X>,
}

impl<'a, X: Samples> SampleEvents<'a, X> {
    /// At the start of integrations to `end`.
    pub(super) fn new(events: &'a [Watched<'a, X>], start: f64, x: &X, end: f64) -> Result<Self> {
        let mut watches = Vec::new();
        if !events.is_empty() {
            for sample in 0..x.samples("x0")? as u32 {
                watches.push(Watch::new(
                    events,
                    start,
                    &X::gather(&[x], &[sample])?,
                    end,
                )?);
            }
        }
        Ok(SampleEvents {
            watches,
            interrupted: Vec::new(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }

    /// Takes note of a step that was accepted of the sample at a place: `x` and `step` are those of all samples.
    /// Returns the time of an event that interrupts it, and whether it stops there; `attempt` makes the sample's step to
    /// another end, from its state and slope.
    pub(super) fn look(
        &mut self,
        (place, sample): (u32, usize),
        (t, next): (f64, f64),
        (x, step): (&X, &Step<X>),
        attempt: impl Fn(f64, &X, Option<&X>) -> Result<Step<X>>,
    ) -> Result<Option<(f64, bool)>> {
        let alone = |x: &X| X::gather(&[x], &[place]);
        let own = Step {
            x: alone(&step.x)?,
            error: None,
            slopes: Vec::new(),
            last_slope: None,
            unsolved: Vec::new(),
            nodes: Vec::new(),
            outlook: None,
        };
        let attempt = |fraction: f64| {
            let slope = step.slopes.first().map(alone).transpose()?;
            attempt(t + fraction * (next - t), &alone(x)?, slope.as_ref())
        };
        let found = self.watches[sample].look((t, next), &own, attempt)?;
        Ok(found.map(|at| {
            let told = (at.t, at.stops);
            self.interrupted.push(Interrupted { place, sample, at });
            told
        }))
    }

    /// The states at the ends of a step, of which those interrupted end at events.
    pub(super) fn at_events(&self, x: X) -> Result<X> {
        let states = self.interrupted.iter().map(|i| (i.place, &i.at.step.x));
        replace(x, &states.collect::<Vec<_>>())
    }

    /// Changes the states of samples that go on from an event. Returns their places, too.
    pub(super) fn change(&mut self, x: X) -> Result<(X, Vec<u32>)> {
        let (mut places, mut states) = (Vec::new(), Vec::new());
        for Interrupted { place, sample, at } in std::mem::take(&mut self.interrupted) {
            if !at.stops {
                places.push(place);
                states.push(self.watches[sample].change(&at, at.step.x.clone())?);
            }
        }
        let changed: Vec<_> = places.iter().copied().zip(&states).collect();
        Ok((replace(x, &changed)?, places))
    }

    /// Checks that a sample which reached the end can't have missed an event.
    pub(super) fn finish(&self, sample: usize) -> Result<()> {
        self.watches.get(sample).map_or(Ok(()), Watch::finish)
    }

    /// The events that happened to each of `count` samples.
    pub(super) fn into_occurrences(self, count: usize) -> Vec<Vec<Occurrence<X>>> {
        let mut all: Vec<_> = self.watches.into_iter().map(|w| w.occurrences).collect();
        all.resize_with(count, Vec::new);
        all
    }
}

/// Puts samples into places of a batch.
fn replace<X: Samples>(x: X, samples: &[(u32, &X)]) -> Result<X> {
    if samples.is_empty() {
        return Ok(x);
    }
    let count = x.samples("x")? as u32;
    let mut positions: Vec<u32> = (0..count).collect();
    let mut parts = vec![&x];
    for (i, (place, sample)) in (count..).zip(samples) {
        positions[*place as usize] = i;
        parts.push(*sample);
    }
    X::gather(&parts, &positions)
}
