//! The flow of samples and masses by one field of velocity and growth.

use advect_core::{Error, Field, Jvp, Result, Time, check};
use candle_core::Tensor;

/// The field of samples and of the logarithms of their masses, `dx/dt = v(t, x)`, `d(ln m)/dt = g(t, x)`, from one field whose values
/// `(batch, d + 1)` at samples `(batch, d)` are v and, in the last column, g.
///
/// It is a [`MassFlow`](crate::MassFlow) with derivatives along directions of the state, so that log-densities can be integrated along it: they change by
/// `d(ln ρ)/dt = g − ∇·v` along the way of a sample. States are `(batch, d + 1)`, with `ln m` in the last column.
///
/// ```
/// use advect_core::{Field, Jvp, Result, Time};
/// use advect_trajectories::GrowthFlow;
/// use candle_core::{Device, Tensor};
///
/// /// v = x, g = x².
/// struct Net;
/// impl Field for Net {
///     fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
///         Ok(Tensor::cat(&[x, &x.sqr()?], 1)?)
///     }
/// }
/// impl Jvp for Net {
///     fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
///         Ok((self.at(t, x)?, Tensor::cat(&[dx, &((x * dx)? * 2.0)?], 1)?))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let flow = GrowthFlow::new(Net);
/// let state = Tensor::new(&[[3f64, 0.5]], &Device::Cpu)?;
/// let along = Tensor::new(&[[1f64, 7.0]], &Device::Cpu)?;
/// let (value, slope) = flow.jvp(&Time::Shared(0.0), &state, 0.0, &along)?;
/// assert_eq!(value.to_vec2::<f64>()?, [[3.0, 9.0]]);
/// assert_eq!(slope.to_vec2::<f64>()?, [[1.0, 6.0]]); // the mass has no influence
/// # Ok(())
/// # }
/// ```
#[doc(alias = "growth")]
#[doc(alias = "unbalanced")]
#[derive(Debug, Clone, Copy)]
pub struct GrowthFlow<F> {
    field: F,
}

impl<F: Field> GrowthFlow<F> {
    /// Creates the field of samples and masses from a field of velocity and growth.
    pub fn new(field: F) -> Self {
        GrowthFlow { field }
    }

    /// Returns the field of velocity and growth.
    pub fn field(&self) -> &F {
        &self.field
    }
}

/// The columns of a state but the last one, for the state or for its directions.
fn samples(argument: &'static str, state: &Tensor) -> Result<Tensor> {
    if state.rank() != 2 || state.dims()[1] < 2 {
        let accepted = "(batch, d + 1), samples and the logarithm of their mass";
        return Err(Error::shape(argument, state.dims(), accepted));
    }
    Ok(state.narrow(1, 0, state.dims()[1] - 1)?.contiguous()?)
}

impl<F: Field> Field for GrowthFlow<F> {
    fn at(&self, t: &Time, state: &Tensor) -> Result<Tensor> {
        let value = self.field.at(t, &samples("state", state)?)?;
        check::alike("field", &value, "state", state)?;
        Ok(value)
    }
}

impl<F: Jvp> Jvp for GrowthFlow<F> {
    fn jvp(&self, t: &Time, state: &Tensor, dt: f64, along: &Tensor) -> Result<(Tensor, Tensor)> {
        check::alike("along", along, "state", state)?;
        let dx = samples("along", along)?;
        let (value, slope) = self.field.jvp(t, &samples("state", state)?, dt, &dx)?;
        check::alike("field", &value, "state", state)?;
        Ok((value, slope))
    }

    fn jvp_each(
        &self,
        t: &Time,
        state: &Tensor,
        along: &[Tensor],
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let x = samples("state", state)?;
        let dx = along.iter().map(|along| {
            check::alike("along", along, "state", state)?;
            samples("along", along)
        });
        let (value, slopes) = (self.field).jvp_each(t, &x, &dx.collect::<Result<Vec<_>>>()?)?;
        check::alike("field", &value, "state", state)?;
        Ok((value, slopes))
    }
}
