//! Detection of stiffness: of steps that stability, and not accuracy, keeps short.

use advect_core::{Coefficient, Result};

use crate::stepper::Step;
use crate::{State, Status, Tableau};

/// The number of steps before the limit that are looked at.
const LAST: usize = 32;
/// The least number of them that tells something.
const LEAST: u32 = 8;
/// The part of the stability boundary from which on a step is as long as stability allows.
const NEAR: f64 = 0.75;

/// The test of Hairer and Wanner (Solving Ordinary Differential Equations II, section IV.2) on the last steps before the
/// limit, so that it costs nothing where there is no question.
///
/// Two stages at the end of a step, at states z and z', have slopes k and k', and `ρ = |h| ‖k − k'‖ / ‖z − z'‖` estimates
/// |h λ| for the dominant eigenvalue λ: in a stiff equation it stays about where the method becomes unstable.
pub(crate) struct Stiffness {
    tableau: Option<&'static Tableau>,
    near: u32,
    looked: u32,
}

impl Stiffness {
    /// For a method with a tableau. Others are not watched, nor are implicit ones and those without two stages at the end.
    pub(crate) fn new(tableau: Option<&'static Tableau>) -> Self {
        let has_two = |tableau: &&Tableau| {
            let nodes = tableau.nodes();
            tableau.is_explicit() && nodes.len() > 2 && nodes.ends_with(&[1.0, 1.0])
        };
        Stiffness {
            tableau: tableau.filter(has_two),
            near: 0,
            looked: 0,
        }
    }

    /// Looks at an accepted step, after which so many are left before the limit.
    pub(crate) fn look<X: State>(&mut self, left: usize, step: &Step<X>) -> Result<()> {
        let Some(tableau) = self.tableau.filter(|_| left <= LAST) else {
            return Ok(());
        };
        let [.., before, last] = tableau.matrix() else {
            return Ok(());
        };
        let [.., k_before, k_last] = &step.slopes[..] else {
            return Ok(());
        };
        // (z − z') / h
        let weight = |(j, a): (usize, &f64)| a - before.get(j).copied().unwrap_or(0.0);
        let weights = last.iter().enumerate().map(weight).map(Coefficient::Shared);
        let terms: Vec<_> = weights.zip(&step.slopes).collect();
        let moved = X::combine(&terms)?;
        let (one, minus) = (Coefficient::Shared(1.0), Coefficient::Shared(-1.0));
        let changed = X::combine(&[(one, k_last), (minus, k_before)])?;
        let size = |x: &X| Ok::<_, advect_core::Error>(x.scaled_error(x, x, 0.0, 1.0)?.rms());
        let rho = size(&changed)? / size(&moved)?;
        self.looked += 1;
        self.near += u32::from(rho >= NEAR * tableau.real_stability());
        Ok(())
    }

    /// The status of an integration that reached its limit of steps.
    pub(crate) fn at_limit(&self) -> Status {
        match self.looked >= LEAST && 4 * self.near >= 3 * self.looked {
            true => Status::Stiff,
            false => Status::StepLimit,
        }
    }
}
