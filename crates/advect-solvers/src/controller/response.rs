//! The response of step sizes to errors.

use super::{Adaptive, Judgement};
use crate::stepper::Embedded;
use crate::{State, Status};

const SAFETY: f64 = 0.9;
const SHRINK: f64 = 0.2;
const GROW: f64 = 10.0;
/// Where the equations of an implicit method were not solved.
const UNSOLVED: f64 = 0.5;
/// Of a method that changes its order: it is better off with steps of one size.
const SAFETY_OF_ORDERS: f64 = 0.75;
/// Where steps of such a method become longer, and not by less.
const WORTH_GROWING: f64 = 1.5;
/// The shortest that steps become after one that was accepted.
const SHORTEN: f64 = 0.5;

/// The step size to try next.
#[derive(Debug, Clone, Copy)]
pub struct AdaptiveMemory {
    /// Its magnitude.
    size: f64,
    /// Of the last two accepted steps.
    ratios: [f64; 2],
}

impl AdaptiveMemory {
    /// Before the first step.
    pub(super) fn new(size: f64) -> Self {
        AdaptiveMemory {
            size,
            ratios: [1.0; 2],
        }
    }

    /// The time at which the next step should end, in the direction of a span.
    pub(crate) fn next(&self, t: f64, span: f64) -> f64 {
        (t + self.size.copysign(span)).clamp(f64::MIN, f64::MAX)
    }
}

/// A step that was tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tried {
    /// The time at which it began.
    pub(crate) from: f64,
    /// Its magnitude.
    pub(crate) size: f64,
    /// The ratio of its error to the tolerance; NaN or infinite for one that is useless.
    pub(crate) ratio: f64,
    /// Whether it was shorter than planned.
    pub(crate) shortened: bool,
    /// Whether its equations were solved.
    pub(crate) solved: bool,
    /// The ratio by the order of the next step and the exponent of that order, if the method changes its order.
    pub(crate) outlook: Option<(f64, f64)>,
}

impl Adaptive {
    /// Judges a step, and plans the next one.
    pub(crate) fn respond(
        &self,
        memory: &mut AdaptiveMemory,
        exponent: f64,
        tried: Tried,
    ) -> Judgement {
        let ratio = tried.ratio;
        let [p, i, d] = self.gains.map(|gain| gain * exponent);
        let [before, earlier] = memory.ratios;
        let factor = match tried.outlook {
            Some((ratio, exponent)) => SAFETY_OF_ORDERS * ratio.powf(-exponent),
            None => SAFETY * ratio.powf(-(p + i + d)) * before.powf(p + 2.0 * d) * earlier.powf(-d),
        };
        if !ratio.is_finite() || ratio > 1.0 {
            let factor = match ratio.is_finite() {
                true => factor.clamp(SHRINK, SAFETY),
                false if tried.solved => SHRINK,
                false => UNSOLVED,
            };
            let size = (tried.size * factor).max(self.smallest(tried.from));
            if size >= tried.size {
                return Judgement::Stop(match tried.solved {
                    true => Status::StepUnderflow,
                    false => Status::NoConvergence,
                });
            }
            memory.size = size;
            return Judgement::Reject;
        }
        let size = match tried.outlook {
            Some(_) => (tried.size * held(factor)).max(self.smallest(tried.from)),
            None => tried.size * factor.clamp(1.0, GROW),
        };
        // A step cut short to end at a given time says nothing against the size that was planned.
        let size = match tried.shortened {
            true => memory.size.max(size),
            false => size,
        };
        memory.size = size.min(self.max_step);
        // An error of 0 tells nothing of the next one.
        let told = if ratio == 0.0 { 1.0 } else { ratio };
        memory.ratios = [told, before];
        Judgement::Accept
    }
}

/// The factor of a method that changes its order, after an accepted step: sizes stay until a change is worth its while, by
/// the idea of Shampine and Gordon.
fn held(factor: f64) -> f64 {
    match factor {
        WORTH_GROWING.. => factor.min(GROW),
        1.0.. => 1.0,
        _ => factor.clamp(SHORTEN, SAFETY),
    }
}

/// The error of a step of size h is O(h^(q + 1)), with q the order of the error estimate.
pub(crate) fn exponent<X: State, S: Embedded<X> + ?Sized>(stepper: &S) -> f64 {
    1.0 / (stepper.error_order() + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(from: f64, size: f64, ratio: f64) -> Tried {
        Tried {
            from,
            size,
            ratio,
            shortened: false,
            solved: true,
            outlook: None,
        }
    }

    /// Söderlind's formula with numbers put in by hand.
    #[test]
    fn the_factor_is_that_of_the_formula() {
        let pid = Adaptive::new(1e-3, 1e-3).unwrap().gains(0.3, 0.4, 0.1);
        let mut memory = AdaptiveMemory {
            size: 1.0,
            ratios: [0.5, 0.25],
        };
        let judgement = pid.unwrap().respond(&mut memory, 0.2, tried(0.0, 2.0, 0.1));
        let factor = 0.9 * 0.1f64.powf(-0.16) * 0.5f64.powf(0.1) * 0.25f64.powf(-0.02);
        assert_eq!(judgement, Judgement::Accept);
        assert!((memory.size - 2.0 * factor).abs() < 1e-14);
        assert_eq!(memory.ratios, [0.1, 0.5]);
    }

    /// A step that is rejected again and again gets smaller each time, until it is the smallest.
    #[test]
    fn rejected_steps_differ_and_end() {
        for (from, smallest) in [(1.0, 10.0 * f64::EPSILON), (0.0, 0.01), (-3.0, 0.01)] {
            let adaptive = Adaptive::new(1e-3, 1e-3).unwrap();
            let adaptive = match smallest < 1e-3 {
                true => adaptive,
                false => adaptive.min_step(smallest).unwrap(),
            };
            for ratio in [1.0001, 1e9, f64::NAN] {
                let mut memory = AdaptiveMemory::new(0.5);
                let mut end = None;
                for _ in 0..400 {
                    let next = memory.next(from, 1.0);
                    assert_ne!(end, Some(next));
                    end = Some(next);
                    let judgement =
                        adaptive.respond(&mut memory, 0.2, tried(from, next - from, ratio));
                    if judgement == Judgement::Stop(Status::StepUnderflow) {
                        break;
                    }
                }
                assert_eq!(memory.size, smallest, "{from}, {ratio}");
            }
        }
    }
}
