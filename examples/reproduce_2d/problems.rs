//! The problems: points of a source and of a target in the plane.

use advect::data::toy::{EightGaussians, Rng, SCurve, Toy, TwoMoons, normal};
use advect::prelude::*;
use clap::ValueEnum;

/// A pair of laws to transport between.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Problem {
    /// From eight Gaussians to two moons.
    GaussiansMoons,
    /// From a normal law to eight Gaussians.
    NormalGaussians,
    /// From a normal law to two moons.
    NormalMoons,
    /// From a normal law to an S.
    NormalScurve,
}

/// A standard normal law in the plane.
struct Normal;

impl Toy for Normal {
    fn check(&self) -> Result<()> {
        Ok(())
    }
    fn point(&self, _: usize, rng: Rng<'_>) -> [f64; 2] {
        [normal(rng), normal(rng)]
    }
}

impl Problem {
    /// The name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Problem::GaussiansMoons => "8gaussians → moons",
            Problem::NormalGaussians => "N → 8gaussians",
            Problem::NormalMoons => "N → moons",
            Problem::NormalScurve => "N → scurve",
        }
    }

    /// Points of the source.
    pub(crate) fn source(self, count: usize, rng: &mut Generator) -> Result<Tensor> {
        match self {
            Problem::GaussiansMoons => sample(&EightGaussians::default(), count, rng),
            _ => sample(&Normal, count, rng),
        }
    }

    /// Points of the target.
    pub(crate) fn target(self, count: usize, rng: &mut Generator) -> Result<Tensor> {
        match self {
            Problem::NormalGaussians => sample(&EightGaussians::default(), count, rng),
            Problem::NormalScurve => sample(&SCurve::default(), count, rng),
            _ => sample(&TwoMoons::default(), count, rng),
        }
    }
}

fn sample(toy: &dyn Toy, count: usize, rng: &mut Generator) -> Result<Tensor> {
    toy.sample(count, DType::F32, &Device::Cpu, rng)
}
