//! The problems: points of a source and of a target in the plane, by the laws of the code that the paper's table was made with
//! (`atong01/conditional-flow-matching`, the data modules `gaussians`, `moons`, `scurve` and `twodim` of its `runner`).
//! Each problem there has a scale and a noise of its own.

use std::f64::consts::PI;

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

/// Two moons, moved along the second coordinate.
struct Raised(TwoMoons, f64);

impl Toy for Raised {
    fn check(&self) -> Result<()> {
        self.0.check()
    }
    fn point(&self, index: usize, rng: Rng<'_>) -> [f64; 2] {
        let [x, y] = self.0.point(index, rng);
        [x, y + self.1]
    }
}

/// Moons of twice the size, moved to the left.
fn moons() -> Raised {
    let moons = TwoMoons {
        noise: 0.05,
        scale: 2.0,
        shift: -1.0,
    };
    Raised(moons, 1.0)
}

/// Moons whose coordinates, all of both together, have mean 0 and deviation 7.
fn large_moons() -> TwoMoons {
    let noise: f64 = 0.1;
    // Without noise the first coordinate has mean 1/2 and variance 3/4, the second one mean 1/4 and this variance.
    let second = 0.5 - 4.0 / (PI * PI) + (2.0 / PI - 0.25).powi(2);
    let variance = (0.75 + second) / 2.0 + 0.125f64.powi(2) + noise * noise;
    let scale = 7.0 / variance.sqrt();
    TwoMoons {
        noise,
        scale,
        shift: -0.375 * scale,
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
            Problem::GaussiansMoons => {
                let wide = EightGaussians {
                    radius: 12.0,
                    std: 1.5,
                };
                sample(&wide, count, rng)
            }
            _ => sample(&Normal, count, rng),
        }
    }

    /// Points of the target.
    pub(crate) fn target(self, count: usize, rng: &mut Generator) -> Result<Tensor> {
        match self {
            Problem::GaussiansMoons => sample(&large_moons(), count, rng),
            Problem::NormalGaussians => {
                let wide = EightGaussians {
                    radius: 5.0,
                    std: 1.0,
                };
                sample(&wide, count, rng)
            }
            Problem::NormalMoons => sample(&moons(), count, rng),
            Problem::NormalScurve => sample(&SCurve::default(), count, rng),
        }
    }
}

fn sample(toy: &dyn Toy, count: usize, rng: &mut Generator) -> Result<Tensor> {
    toy.sample(count, DType::F32, &Device::Cpu, rng)
}
