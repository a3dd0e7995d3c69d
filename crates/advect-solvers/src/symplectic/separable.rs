//! Equations of positions and momenta, made of two fields.

use advect_core::{Coefficient, Field, Result, Time};

use super::half::Half;
use crate::State;

/// The equations `dq/dt = v(t, p)`, `dp/dt = F(t, q)` of a pair (q, p), made of the fields v and F: velocity and force.
///
/// Their Hamiltonian, if they have one, is `T(p) + V(q)` with `v = ∂T/∂p` and `F = −∂V/∂q`. A second-order equation
/// `d²q/dt² = F(t, q)` has the velocity p itself.
///
/// A [symplectic](crate::symplectic) method evaluates only the one of the two that it uses, and gets 0 for the other; all other
/// methods evaluate both.
///
/// ```
/// use advect_core::{Field, Time, field_fn};
/// use advect_solvers::symplectic::Separable;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // A mass of 2 kg on a spring.
/// let velocity = field_fn(|_, p: &Tensor| Ok((p / 2.0)?));
/// let force = field_fn(|_, q: &Tensor| Ok((q * -3.0)?));
/// let spring = Separable::new(velocity, force);
/// let state = (Tensor::new(&[1f64], &Device::Cpu)?, Tensor::new(&[4f64], &Device::Cpu)?);
/// let (dq, dp) = spring.at(&Time::Shared(0.0), &state)?;
/// assert_eq!((dq.to_vec1::<f64>()?, dp.to_vec1::<f64>()?), (vec![2.0], vec![-3.0]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Separable<V, F> {
    velocity: V,
    force: F,
}

impl<V, F> Separable<V, F> {
    /// Creates the equations from a velocity, a field of (t, p), and a force, a field of (t, q).
    pub fn new(velocity: V, force: F) -> Self {
        Separable { velocity, force }
    }
}

impl<X: State, V: Field<X>, F: Field<X>> Field<(X, X)> for Separable<V, F> {
    fn at(&self, t: &Time, (q, p): &(X, X)) -> Result<(X, X)> {
        // What the two fields evaluate themselves, such as other equations of this kind, has both of its halves.
        let of = |half: Half, field: &dyn Field<X>, x: &X| match half.is_used() {
            true => Half::both(|| field.at(t, x)),
            false => X::combine(&[(Coefficient::Shared(0.0), x)]),
        };
        let velocity = of(Half::Velocity, &self.velocity, p)?;
        Ok((velocity, of(Half::Force, &self.force, q)?))
    }
}
