//! Equations of motion from an energy.

use std::sync::Arc;

use advect_core::{Energy, Error, Field, Result, Time, check};
use candle_core::Tensor;

use crate::energy::GradientField;

/// Hamilton's equations `dq/dt = ∂H/∂p`, `dp/dt = −∂H/∂q` of a pair (q, p), from an energy `H(t, (q, p))`.
///
/// q and p have the same shape `(batch, d, ...)`, and the energy sees them one after the other along the second dimension,
/// `(batch, 2 d, ...)`. Its gradient is taken by candle ([`GradientField`]), one backward pass for both, so that a
/// solution can be differentiated by the listed parameters: a Hamiltonian network (Greydanus, Dzamba and Yosinski 2019) is a
/// network with one output as a `Potential` of advect-nn. For a [symplectic](crate::symplectic) method H must be a sum
/// `T(p) + V(q)`.
///
/// ```
/// use advect_core::{Energy, Result, Time};
/// use advect_solvers::symplectic::{Hamiltonian, Leapfrog};
/// use advect_solvers::{Solver, controller::Fixed};
/// use candle_core::{Device, Tensor};
///
/// /// `½ |(q, p)|²`.
/// struct Oscillator;
/// impl Energy for Oscillator {
///     fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
///         Ok((x.sqr()?.sum(1)? * 0.5)?)
///     }
///     fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
///         Ok((self.at(t, x)?, (x * dx)?.sum(1)?))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let oscillator = Hamiltonian::new(Oscillator, &[])?;
/// let start = (Tensor::new(&[[1f64]], &Device::Cpu)?, Tensor::new(&[[0f64]], &Device::Cpu)?);
/// assert_eq!(oscillator.energy(&Time::Shared(0.0), &start)?.to_vec1::<f64>()?, [0.5]);
/// let (q, p) = Solver::new(Leapfrog, Fixed::steps(1)?).solve(&oscillator, &start, 0.0, 1.0)?.end()?;
/// assert_eq!((q.to_vec2::<f64>()?, p.to_vec2::<f64>()?), (vec![vec![0.5]], vec![vec![-0.75]]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[doc(alias = "HNN")]
#[doc(alias = "Hamiltonian neural network")]
pub struct Hamiltonian<E> {
    energy: Arc<E>,
    gradient: GradientField<Arc<E>>,
}

impl<E> Clone for Hamiltonian<E> {
    /// Returns the equations of the same energy, which is shared.
    fn clone(&self) -> Self {
        Hamiltonian {
            energy: self.energy.clone(),
            gradient: self.gradient.clone(),
        }
    }
}

impl<E> Hamiltonian<E> {
    /// Creates the equations of an energy, with the parameters with respect to which solutions are differentiated: the
    /// variables of a parameter store, or none for a frozen network.
    ///
    /// # Errors
    /// [`Error::Range`] for a parameter that is computed from others.
    pub fn new(energy: E, parameters: &[Tensor]) -> Result<Self> {
        let energy = Arc::new(energy);
        Ok(Hamiltonian {
            gradient: GradientField::new(energy.clone(), parameters)?,
            energy,
        })
    }
}

impl<E: Energy> Hamiltonian<E> {
    /// Returns the energy of each sample, `(batch,)`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless q and p have the same shape, of at least two dimensions; the errors of the energy.
    pub fn energy(&self, t: &Time, state: &(Tensor, Tensor)) -> Result<Tensor> {
        self.energy.at(t, &joined(state)?)
    }
}

impl<E: Energy + Send + Sync + 'static> Field<(Tensor, Tensor)> for Hamiltonian<E> {
    fn at(&self, t: &Time, state: &(Tensor, Tensor)) -> Result<(Tensor, Tensor)> {
        let gradient = self.gradient.at(t, &joined(state)?)?;
        let d = gradient.dim(1)? / 2;
        let (by_q, by_p) = (gradient.narrow(1, 0, d)?, gradient.narrow(1, d, d)?);
        Ok((by_p.contiguous()?, by_q.neg()?))
    }
}

/// q and p one after the other along the second dimension.
fn joined((q, p): &(Tensor, Tensor)) -> Result<Tensor> {
    check::alike("p", p, "q", q)?;
    if q.rank() < 2 {
        return Err(Error::shape("q", q.dims(), "(batch, d, ...)"));
    }
    Ok(Tensor::cat(&[q, p], 1)?)
}
