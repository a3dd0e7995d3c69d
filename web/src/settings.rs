//! What a reader chooses, by the names that the page has for it.

use advect::prelude::*;

/// The paths, by the names of [`Settings::path`].
pub const PATHS: [&str; 4] = ["straight", "trigonometric", "variance", "bridge"];

/// The couplings, by the names of [`Settings::coupling`].
pub const COUPLINGS: [&str; 3] = ["independent", "optimal", "entropic"];

/// The samplers, by the names that [`Playground::trajectories`](crate::Playground::trajectories) takes.
pub const SAMPLERS: [&str; 6] = ["euler", "midpoint", "heun", "rk4", "dopri5", "sde"];

/// The width of the noise of a Schrödinger bridge, σ; its pairs have the entropy `2 σ²`.
const BRIDGE: f64 = 0.5;

/// What a flow is trained with.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// One of [`PATHS`].
    pub path: String,
    /// One of [`COUPLINGS`].
    pub coupling: String,
    /// The seed of everything random.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            path: PATHS[0].into(),
            coupling: COUPLINGS[0].into(),
            seed: 0,
        }
    }
}

impl Settings {
    /// The loss of the velocity on the path, on pairs of the coupling.
    pub(crate) fn objective(&self) -> Result<Box<dyn Objective>> {
        let coupling = self.pairs()?;
        Ok(match self.path.as_str() {
            "bridge" => {
                // Its velocity is infinite at both ends.
                let bridge = flow_matching(SchrodingerBridge::new(BRIDGE)?);
                let within = UniformWithin::new(0.005, 0.995)?;
                Box::new(Coupled::new(coupling, bridge.times(within)))
            }
            _ => {
                // The velocity of the variance-preserving path grows without bound at the data.
                let affine = flow_matching(Affine::new(self.schedule()?));
                let within = UniformWithin::new(0.0, 0.999)?;
                Box::new(Coupled::new(coupling, affine.times(within)))
            }
        })
    }

    /// The schedule of the path.
    ///
    /// # Errors
    /// [`Error::Range`] for a path that has none.
    pub(crate) fn schedule(&self) -> Result<Box<dyn Schedule>> {
        Ok(match self.path.as_str() {
            "straight" => Box::new(CondOt::default()),
            "trigonometric" => Box::new(Cosine),
            "variance" => Box::new(VariancePreserving::default()),
            "bridge" => {
                let accepted = "a path of data and one noise, as a score needs it";
                return Err(Error::range("path", &self.path, accepted));
            }
            other => return Err(unknown("path", other, &PATHS)),
        })
    }

    fn pairs(&self) -> Result<Box<dyn Coupling>> {
        Ok(match self.coupling.as_str() {
            "independent" => Box::new(Independent),
            "optimal" => Box::new(ExactOt),
            "entropic" => Box::new(EntropicOt::new(2.0 * BRIDGE * BRIDGE)?),
            other => return Err(unknown("coupling", other, &COUPLINGS)),
        })
    }

    /// Whether the score follows from the velocity: the noise has to be independent of the data.
    pub(crate) fn check_score(&self) -> Result<()> {
        if self.coupling != COUPLINGS[0] {
            let accepted = "independent pairs for the stochastic sampler: others have no score that follows from the velocity";
            return Err(Error::range("coupling", &self.coupling, accepted));
        }
        self.schedule().map(drop)
    }
}

/// The error for a name that is none of those known.
pub(crate) fn unknown(argument: &'static str, given: &str, known: &[&str]) -> Error {
    Error::range(argument, given, format!("one of {}", known.join(", ")))
}
