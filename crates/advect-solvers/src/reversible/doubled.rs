//! Fields of pairs whose two parts both follow one field.

use advect_core::{Field, Result, Time};

use crate::State;

/// The field of a pair (x, y) whose slopes are both `f(t, y)`, for [`ReversibleHeun`](super::ReversibleHeun).
///
/// ```
/// use advect_core::{Field, Time, field_fn};
/// use advect_solvers::reversible::Doubled;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let pair = Doubled(field_fn(|_, x: &Tensor| Ok(x.neg()?)));
/// let state = (Tensor::new(&[1f64], &Device::Cpu)?, Tensor::new(&[2f64], &Device::Cpu)?);
/// let (dx, dy) = pair.at(&Time::Shared(0.0), &state)?;
/// assert_eq!((dx.to_vec1::<f64>()?, dy.to_vec1::<f64>()?), (vec![-2.0], vec![-2.0]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Doubled<F>(pub F);

impl<X: State, F: Field<X>> Field<(X, X)> for Doubled<F> {
    fn at(&self, t: &Time, (_, y): &(X, X)) -> Result<(X, X)> {
        let slope = self.0.at(t, y)?;
        Ok((slope.clone(), slope))
    }
}
