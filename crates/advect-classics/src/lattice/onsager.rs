//! The two-dimensional Ising model on an infinite lattice (Onsager 1944; Yang 1952).

use advect_core::{Result, check};

/// Returns the energy of a site of the two-dimensional Ising model on an infinite square lattice, `−⟨Σ_μ s(x) s(x + μ̂)⟩`, from 0 to −2 (Onsager 1944, eq. 116):
///
/// `u = −coth(2K) [1 + (2/π) κ' K₁(κ)]`, `κ = 2 sinh(2K)/cosh²(2K)`, `κ' = 2 tanh²(2K) − 1`, with the complete elliptic integral K₁.
///
/// ```
/// use advect_classics::lattice::onsager_energy;
/// # fn main() -> advect_core::Result<()> {
/// let critical = 0.5 * (1.0 + 2f64.sqrt()).ln();
/// assert!((onsager_energy(critical)? + 2f64.sqrt()).abs() < 1e-6);
/// // 2 tanh K (1 + 2 tanh² K) + …: plaquettes are the first to correct a bond.
/// let small = 0.01f64;
/// assert!((onsager_energy(small)? + 2.0 * small.tanh() * (1.0 + 2.0 * small.tanh().powi(2))).abs() < 1e-8);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`](advect_core::Error::Range) unless K is finite and above 0.
pub fn onsager_energy(coupling: f64) -> Result<f64> {
    let double = 2.0 * check::positive("coupling", coupling)?;
    // There the sum below loses digits, and the terms of this one that are left out are less than its rounding.
    if coupling < 1e-4 {
        let bond = coupling.tanh();
        return Ok(-2.0 * bond * (1.0 + 2.0 * bond * bond));
    }
    let complement = 2.0 * double.tanh().powi(2) - 1.0;
    // K₁(κ) = π/(2 agm(1, |κ'|)), as κ² + κ'² = 1; κ' K₁ vanishes with κ'.
    let term = match complement {
        0.0 => 0.0,
        _ => complement / arithmetic_geometric_mean(1.0, complement.abs()),
    };
    Ok(-(1.0 + term) / double.tanh())
}

/// Returns the spontaneous magnetisation of the two-dimensional Ising model, `(1 − sinh⁻⁴(2K))^(1/8)` above the critical coupling `½ ln(1 + √2)`, and 0 below (Yang 1952, eq. 96).
///
/// ```
/// use advect_classics::lattice::spontaneous_magnetization;
/// # fn main() -> advect_core::Result<()> {
/// assert_eq!(spontaneous_magnetization(0.4)?, 0.0);
/// assert!((spontaneous_magnetization(0.5)? - 0.911_319).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`](advect_core::Error::Range) unless K is finite and above 0.
pub fn spontaneous_magnetization(coupling: f64) -> Result<f64> {
    let double = 2.0 * check::positive("coupling", coupling)?;
    Ok((1.0 - double.sinh().powi(-4)).max(0.0).powf(0.125))
}

fn arithmetic_geometric_mean(mut a: f64, mut b: f64) -> f64 {
    // Each step doubles the digits.
    for _ in 0..60 {
        (a, b) = (0.5 * (a + b), (a * b).sqrt());
    }
    a
}
