//! Densities between two laws of numbers, for three choices of γ.

use std::path::Path;

use advect::paths::path::gamma::{BrownianBridge, Constant, Gamma, Parabola};
use advect::prelude::*;
use advect_examples::plot::{Axis, Palette, Panel, panels};

const CELLS: usize = 120;

/// Two peaks of numbers.
fn peaks(at: [f64; 2]) -> Result<GaussianMixture> {
    let means = Tensor::new(&at, &Device::Cpu)?.unsqueeze(1)?;
    GaussianMixture::new(&[0.5, 0.5], &means, vec![Covariance::isotropic(0.02)?; 2])
}

/// The density at each of a number of times, one after the other, at the places x.
fn densities(gamma: impl Gamma, x: &Tensor) -> Result<Vec<f64>> {
    let law = JointLaw::independent(&peaks([-2.0, 1.0])?, &peaks([-1.0, 2.0])?)?;
    let velocity = law.velocity(Interpolant::new(CondOt::default(), gamma));
    let mut all = Vec::new();
    for k in 0..CELLS {
        let t = (k as f64 + 0.5) / CELLS as f64;
        let row = velocity.log_density(&Time::Shared(t), x)?.exp()?;
        all.extend(row.to_vec1::<f64>()?);
    }
    Ok(all)
}

/// Draws it.
pub(crate) fn draw(path: &Path) -> Result<()> {
    let place = |i: usize| -3.5 + 7.0 * (i as f64 + 0.5) / CELLS as f64;
    let places: Vec<f64> = (0..CELLS).map(place).collect();
    let x = Tensor::from_vec(places, (CELLS, 1), &Device::Cpu)?;
    let columns = [
        ("no noise", densities(Constant::new(0.0)?, &x)?),
        ("t (1 − t)", densities(Parabola, &x)?),
        ("√(t (1 − t))", densities(BrownianBridge::new(1.0)?, &x)?),
    ];
    panels(path, 1, 3, 400, |areas| {
        for (area, (title, densities)) in areas.iter().zip(&columns) {
            let (x, y) = (
                Axis::linear(-3.5..3.5).named("x"),
                Axis::linear(0.0..1.0).named("t"),
            );
            let panel = Panel::with_axes(area, &format!("γ: {title}"), x, y)?;
            panel.heat([-3.5..3.5, 0.0..1.0], CELLS, densities, Palette::Viridis)?;
        }
        Ok(())
    })
}
