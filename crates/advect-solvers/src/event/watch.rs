//! The events of an integration under way.

use advect_core::{Error, Result};

use super::tracked::Tracked;
use super::{Reaction, Watched};
use crate::stepper::Step;
use crate::{Occurrence, State};

/// The events of an integration, and those that happened.
pub(crate) struct Watch<'a, X> {
    events: Vec<One<'a, X>>,
    end: f64,
    pub(crate) occurrences: Vec<Occurrence<X>>,
}

struct One<'a, X> {
    watched: &'a Watched<'a, X>,
    tracked: Tracked<'a, X>,
    /// How often it happened.
    count: usize,
}

impl<X> One<'_, X> {
    /// Whether the integration stops where it happens the next time.
    fn stops(&self) -> bool {
        matches!(self.watched.reaction, Reaction::Stop(n) if self.count + 1 >= n)
    }

    /// Whether the step ends where it happens the next time.
    fn interrupts(&self) -> bool {
        self.stops() || matches!(self.watched.reaction, Reaction::Change(_))
    }
}

/// An event within a step: its number, its time, and the step that ends there.
struct Found<X> {
    event: usize,
    t: f64,
    step: Step<X>,
}

/// A step that ends at events which interrupt the integration.
pub(crate) struct Interruption<X> {
    pub(crate) t: f64,
    pub(crate) step: Step<X>,
    /// Whether the integration stops there.
    pub(crate) stops: bool,
    /// The size of the step in which it was found.
    h: f64,
    /// The events there.
    events: Vec<usize>,
}

impl<'a, X: State> Watch<'a, X> {
    /// At the start of an integration to `end`.
    pub(crate) fn new(events: &'a [Watched<'a, X>], start: f64, x: &X, end: f64) -> Result<Self> {
        let one = |watched: &'a Watched<'a, X>| {
            Ok(One {
                watched,
                tracked: Tracked::new(watched.event, start, x, None)?,
                count: 0,
            })
        };
        Ok(Watch {
            events: events.iter().map(one).collect::<Result<_>>()?,
            end,
            occurrences: Vec::new(),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Takes note of a step from `t` to `next` and of the events in it, up to the first that interrupts the integration,
    /// if one does. `attempt` makes the step again to a fraction of its size.
    pub(crate) fn look(
        &mut self,
        (t, next): (f64, f64),
        step: &Step<X>,
        mut attempt: impl FnMut(f64) -> Result<Step<X>>,
    ) -> Result<Option<Interruption<X>>> {
        let h = next - t;
        let direction = h.signum();
        let mut found = Vec::new();
        for (event, one) in self.events.iter_mut().enumerate() {
            if let Some((t, step)) = one.tracked.look((t, next), step, &mut attempt)? {
                found.push(Found { event, t, step });
            }
        }
        found.sort_by(|a, b| (direction * a.t).total_cmp(&(direction * b.t)));
        // An event that comes after the end does not count.
        found.retain(|f| (self.end - f.t) * direction >= 0.0);
        let first = found.iter().position(|f| self.events[f.event].interrupts());
        let Some(first) = first else {
            for Found { event, t, step } in found {
                self.note(event, t, &step.x);
            }
            return Ok(None);
        };
        let (at, step) = (found[first].t, found[first].step.clone());
        // Several may happen at one time: those that an integration from here would take for passed.
        let near = |f: &Found<X>| self.events[f.event].tracked.resolution(at, h);
        let together = |f: &Found<X>| (f.t - at).abs() <= near(f);
        let mut events: Vec<usize> = (found.iter().filter(|f| together(f)))
            .map(|f| f.event)
            .collect();
        events.sort_unstable();
        let stops = events.iter().any(|&event| self.events[event].stops());
        let before = found.into_iter().take(first);
        for Found { event, t, step } in before.filter(|f| !events.contains(&f.event)) {
            self.note(event, t, &step.x);
        }
        for &event in &events {
            self.note(event, at, &step.x);
        }
        Ok(Some(Interruption {
            t: at,
            step,
            stops,
            h,
            events,
        }))
    }

    fn note(&mut self, event: usize, t: f64, x: &X) {
        self.events[event].count += 1;
        self.occurrences.push(Occurrence::new(event, t, x.clone()));
    }

    /// Changes the state by the events of an interruption, in the order in which they were added. The integration goes on
    /// from the new state as another one would.
    pub(crate) fn change(&mut self, at: &Interruption<X>, x: X) -> Result<X> {
        let mut x = x;
        for &event in &at.events {
            if let Reaction::Change(effect) = &self.events[event].watched.reaction {
                let changed = effect(at.t, &x)?;
                changed.alike("effect", "x", &x)?;
                changed.check("effect")?;
                x = changed;
            }
        }
        for one in &mut self.events {
            one.tracked = Tracked::new(one.watched.event, at.t, &x, Some(at.h))?;
        }
        Ok(x)
    }

    /// Checks, at the end, that no event may have been missed.
    ///
    /// # Errors
    /// [`Error::Range`] that names an event whose function is NaN.
    pub(crate) fn finish(&self) -> Result<()> {
        let since = |(event, one): (usize, &One<'_, X>)| Some((event, one.tracked.nan_since()?));
        match self.events.iter().enumerate().find_map(since) {
            None => Ok(()),
            Some((event, t)) => Err(Error::range(
                format!("event {event}"),
                format!("NaN from t = {t} to the end"),
                "a number there",
            )),
        }
    }
}
