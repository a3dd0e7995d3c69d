//! The scalar field with a quartic interaction, in the convention of Albergo, Kanwar and Shanahan 2019, "Flow-based generative models for Markov chain Monte Carlo in lattice
//! field theory", eq. 17.

use advect_core::{Error, Result, check, shape};
use candle_core::Tensor;

use super::Action;
use super::periodic::{check_extents, check_field, sum_of_forward_neighbours};

/// A real field with the action
///
/// `S(φ) = Σ_x [ Σ_μ (φ(x + μ̂) − φ(x))² + m² φ(x)² + λ φ(x)⁴ ]`
///
/// with periodic boundaries in any number of dimensions. There is no factor ½: the free field, λ = 0, has the covariance `½ (−Δ + m²)⁻¹` ([`free_propagator`](super::free_propagator)). For
/// λ > 0 the parameter m² may be negative; the field is magnetised where it is negative enough.
///
/// ```
/// use advect_classics::lattice::{Action, Phi4};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let theory = Phi4::new(&[3], 0.5, 2.0)?;
/// let field = Tensor::new(&[[1f64, 0.0, 0.0]], &Device::Cpu)?;
/// assert_eq!(theory.action(&field)?.to_vec1::<f64>()?, [2.0 + 0.5 + 2.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "scalar field theory")]
#[doc(alias = "phi^4")]
#[derive(Debug, Clone, PartialEq)]
pub struct Phi4 {
    extents: Vec<usize>,
    mass_squared: f64,
    coupling: f64,
}

impl Phi4 {
    /// Creates the theory on a lattice, with m² and λ.
    ///
    /// # Errors
    /// [`Error::Shape`] for a lattice without sites; [`Error::Range`] unless λ > 0, or λ = 0 and m² > 0, both finite: `e^(−S)` could not be normalised.
    pub fn new(extents: &[usize], mass_squared: f64, coupling: f64) -> Result<Self> {
        check_extents(extents, 1)?;
        check::finite_number("mass_squared", mass_squared)?;
        check::non_negative("coupling", coupling)?;
        if coupling == 0.0 && mass_squared <= 0.0 {
            let accepted = "a number above 0, as the coupling is 0";
            return Err(Error::range("mass_squared", mass_squared, accepted));
        }
        Ok(Phi4 {
            extents: extents.to_vec(),
            mass_squared,
            coupling,
        })
    }

    /// Returns the extents of the lattice.
    pub fn extents(&self) -> &[usize] {
        &self.extents
    }

    /// Returns m².
    pub fn mass_squared(&self) -> f64 {
        self.mass_squared
    }

    /// Returns λ.
    pub fn coupling(&self) -> f64 {
        self.coupling
    }
}

impl Action for Phi4 {
    fn action(&self, field: &Tensor) -> Result<Tensor> {
        check_field(field, &self.extents)?;
        let x = shape::wide(field)?;
        let square = x.sqr()?;
        // Σ_x Σ_μ (φ(x + μ̂) − φ(x))² = Σ_x [2 d φ(x)² − 2 φ(x) Σ_μ φ(x + μ̂)].
        let diagonal = 2.0 * self.extents.len() as f64 + self.mass_squared;
        let inner = (&square * self.coupling)?.affine(1.0, diagonal)?;
        let neighbours = (x * (sum_of_forward_neighbours(&shape::wide(field)?)? * 2.0)?)?;
        shape::sum_per_sample(&((square * inner)? - neighbours)?)
    }
}
