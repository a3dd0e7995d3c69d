//! Functions of configurations, whose means are the observables of a theory.

use advect_core::{Error, Result, check, shape};
use candle_core::Tensor;

use super::periodic::sum_of_forward_neighbours;

/// Returns the magnetisation `M = (1/V) Σ_x φ(x)` of each configuration, `(batch,)`.
///
/// The susceptibility is `V (⟨M²⟩ − ⟨M⟩²)`, where ⟨M⟩ = 0 in the symmetric phase, and Binder's cumulant `1 − ⟨M⁴⟩/(3 ⟨M²⟩²)`, which is 0 for a Gaussian M and ⅔ for M = ±1.
///
/// ```
/// use advect_classics::lattice::magnetization;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let field = Tensor::new(&[[[1f64, 2.0], [0.0, -1.0]]], &Device::Cpu)?;
/// assert_eq!(magnetization(&field)?.to_vec1::<f64>()?, [0.5]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`] for a scalar, an empty batch, and numbers that are no floats.
#[doc(alias = "susceptibility")]
#[doc(alias = "Binder cumulant")]
pub fn magnetization(field: &Tensor) -> Result<Tensor> {
    shape::mean_per_sample(field)
}

/// Returns the correlation of neighbours `(1/(d V)) Σ_x Σ_μ φ(x) φ(x + μ̂)` of each configuration, `(batch,)`: minus the energy of a bond of spins.
///
/// ```
/// use advect_classics::lattice::neighbour_correlation;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let field = Tensor::new(&[[1f64, 2.0, 3.0]], &Device::Cpu)?;
/// assert_eq!(neighbour_correlation(&field)?.to_vec1::<f64>()?, [(2.0 + 6.0 + 3.0) / 3.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`magnetization`]; [`Error::Shape`] for configurations without a site.
#[doc(alias = "Ising energy")]
pub fn neighbour_correlation(field: &Tensor) -> Result<Tensor> {
    check::batch("field", field)?;
    let x = shape::wide(field)?;
    let dimensions = (field.rank() - 1).max(1) as f64;
    let products = (sum_of_forward_neighbours(&x)? * x)?;
    Ok((shape::mean_per_sample(&products)? / dimensions)?)
}

/// Returns the two-point function at momentum zero of each configuration, `(batch, T)` for the last dimension of the lattice, the time:
///
/// `C(t) = (1/V) Σ_s S(s) S(s + t)`, `S(t) = Σ_x φ(x, t)` over the other dimensions.
///
/// Its mean falls as `cosh(m (t − T/2))` with the mass m of the lightest particle. `Σ_t C(t)` is the susceptibility, where ⟨φ⟩ = 0.
///
/// ```
/// use advect_classics::lattice::two_point_function;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let field = Tensor::new(&[[[1f64, 2.0], [0.0, -1.0]]], &Device::Cpu)?; // S = (1, 1)
/// assert_eq!(two_point_function(&field)?.to_vec2::<f64>()?, [[0.5, 0.5]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`neighbour_correlation`].
#[doc(alias = "correlator")]
#[doc(alias = "propagator")]
pub fn two_point_function(field: &Tensor) -> Result<Tensor> {
    let batch = check::batch("field", field)?;
    if field.rank() < 2 {
        let accepted = "(batch, ...) with the extents of a lattice";
        return Err(Error::shape("field", field.dims(), accepted));
    }
    let times = field.dims()[field.rank() - 1];
    let sites = field.elem_count() / batch;
    let x = shape::wide(field)?;
    let slices = x.reshape((batch, sites / times, times))?.sum(1)?;
    let each = (0..times).map(|t| {
        let products = (&slices * slices.roll(-(t as i32), 1)?)?;
        Ok((products.sum(1)? / sites as f64)?)
    });
    Ok(Tensor::stack(&each.collect::<Result<Vec<_>>>()?, 1)?)
}
