//! Errors of Hutchinson's estimate against the number of probes.

use std::path::Path;

use advect::prelude::*;
use advect::solvers::divergence::Probe;
use advect_examples::plot::{Axis, BLUE, Corner, ORANGE, Panel, panels};

const SIZE: usize = 16;
const REPEATS: usize = 400;

/// The field `J x`, by rows: `x Jᵀ`.
struct Linear(Tensor);

impl Field for Linear {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        Ok(x.matmul(&self.0)?)
    }
}

impl Jvp for Linear {
    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.at(t, x)?, self.at(t, dx)?))
    }
}

/// Draws it.
pub(crate) fn draw(path: &Path) -> Result<()> {
    let mut rng = Generator::from_seed(0);
    let matrix = rng.normal((SIZE, SIZE), DType::F64, &Device::Cpu)?;
    let elements = matrix.to_vec2::<f64>()?;
    let trace: f64 = (0..SIZE).map(|i| elements[i][i]).sum();
    let symmetric = ((&matrix + matrix.t()?)? * 0.5)?.to_vec2::<f64>()?;
    let all: f64 = symmetric.iter().flatten().map(|s| s * s).sum();
    let diagonal: f64 = (0..SIZE).map(|i| symmetric[i][i].powi(2)).sum();
    let field = Linear(matrix.t()?.contiguous()?);
    let x = Tensor::zeros((REPEATS, SIZE), DType::F64, &Device::Cpu)?;

    panels(path, 1, 1, 560, |areas| {
        let across = Axis::log(0.8..330.0).named("probes");
        let up = Axis::log(0.7..40.0).named("root mean square error");
        let panel = Panel::with_axes(&areas[0], "Hutchinson's estimate", across, up)?;
        for (probe, variance, colour) in [
            (Probe::Rademacher, 2.0 * (all - diagonal), &BLUE),
            (Probe::Gaussian, 2.0 * all, &ORANGE),
        ] {
            let line = [1.0, 256.0].map(|n: f64| [n, (variance / n).sqrt()]);
            panel.line(line, colour)?;
            let mut dots = Vec::new();
            for power in 0..=8 {
                let probes = Hutchinson::new(probe, 1 << power, &x, &mut rng)?;
                let found = probes.at(&field, &Time::Shared(0.0), &x)?.divergence;
                let error = (found - trace)?.sqr()?.mean_all()?.to_scalar::<f64>()?;
                dots.push([f64::from(1 << power), error.sqrt()]);
            }
            panel.dots(&dots, 5, colour)?;
        }
        let names = [("signs (Rademacher)", BLUE), ("normal", ORANGE)];
        panel.legend(Corner::TopRight, &names)?;
        Ok(())
    })
}
