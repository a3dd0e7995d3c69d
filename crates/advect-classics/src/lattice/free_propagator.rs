//! The free field in closed form (Montvay and Münster 1994, section 2.1).

use std::f64::consts::TAU;

use advect_core::{Result, check};
use candle_core::{Device, Tensor};

use super::periodic::check_extents;

/// Returns `⟨φ(0) φ(x)⟩` of the free field of a [`Phi4`](super::Phi4) with λ = 0, shaped as the lattice, in f64:
///
/// `G(x) = (1/V) Σ_k cos(k·x) / (2 (m² + k̂²))`, `k̂² = Σ_μ 4 sin²(k_μ/2)`, over momenta `k_μ = 2π n_μ/L_μ`.
///
/// ```
/// use advect_classics::lattice::free_propagator;
/// # fn main() -> advect_core::Result<()> {
/// // Two sites: the modes φ₀ ± φ₁ have k̂² = 0 and 4.
/// let propagator = free_propagator(&[2], 0.5)?.to_vec1::<f64>()?;
/// assert!((propagator[0] - 0.5 * (1.0 + 1.0 / 9.0)).abs() < 1e-15);
/// assert!((propagator[1] - 0.5 * (1.0 - 1.0 / 9.0)).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`](advect_core::Error::Shape) for a lattice without sites, [`Error::Range`](advect_core::Error::Range) unless m² is above 0.
pub fn free_propagator(extents: &[usize], mass_squared: f64) -> Result<Tensor> {
    let sites = check_extents(extents, 1)?;
    check::positive("mass_squared", mass_squared)?;
    let angle = |n: usize, extent: usize| TAU * n as f64 / extent as f64;
    let mut values: Vec<f64> = (0..sites)
        .map(|site| {
            let digits = coordinates(site, extents);
            let pairs = digits.iter().zip(extents);
            let momentum = pairs.map(|(n, l)| 4.0 * (0.5 * angle(*n, *l)).sin().powi(2));
            0.5 / (mass_squared + momentum.sum::<f64>())
        })
        .collect();
    // The sum over momenta, one dimension after the other: the values are even in each.
    let mut stride = sites;
    for &extent in extents {
        stride /= extent;
        let before = values.clone();
        for (site, value) in values.iter_mut().enumerate() {
            let x = site / stride % extent;
            let first = site - x * stride;
            let terms = (0..extent).map(|n| {
                let phase = angle(n * x % extent, extent);
                before[first + n * stride] * phase.cos()
            });
            *value = terms.sum::<f64>() / extent as f64;
        }
    }
    Ok(Tensor::from_vec(values, extents, &Device::Cpu)?)
}

/// The coordinates of a site in row-major order.
pub(super) fn coordinates(mut site: usize, extents: &[usize]) -> Vec<usize> {
    let mut coordinates = vec![0; extents.len()];
    for (place, extent) in coordinates.iter_mut().zip(extents).rev() {
        *place = site % extent;
        site /= extent;
    }
    coordinates
}
