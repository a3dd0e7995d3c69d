//! A field of a Schrödinger bridge: a combination of its two drifts.

use std::fmt;
use std::sync::Arc;

use advect_core::{Field, Jvp, Result, Time, check};
use candle_core::{DType, Device, Tensor};

use super::rows::Values;

/// A field of a Schrödinger bridge in closed form: its velocity, its score or a drift. The methods of
/// [`GaussianBridge`](super::GaussianBridge) and [`EntropicBridge`](super::EntropicBridge) make it.
///
/// Values are computed in f64 on the host, and are constants for automatic differentiation. Derivatives along
/// directions ([`Jvp`]) are exact too; along time, they are known for Gaussians only.
#[derive(Clone)]
pub struct BridgeField {
    terms: Vec<(f64, Arc<dyn Jvp + Send + Sync>)>,
}

impl fmt::Debug for BridgeField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let factors: Vec<f64> = self.terms.iter().map(|(factor, _)| *factor).collect();
        f.debug_struct("BridgeField")
            .field("factors", &factors)
            .finish_non_exhaustive()
    }
}

impl BridgeField {
    /// The sum of multiples of fields.
    pub(super) fn new<F: Jvp + Send + Sync + 'static>(terms: &[(f64, &Arc<F>)]) -> Self {
        let term = |(factor, field): &(f64, &Arc<F>)| {
            let field: Arc<dyn Jvp + Send + Sync> = Arc::<F>::clone(field);
            (*factor, field)
        };
        BridgeField {
            terms: terms.iter().map(term).collect(),
        }
    }
}

/// A state in f64, on the host.
fn wide(argument: &'static str, x: &Tensor) -> Result<Tensor> {
    check::float(argument, x)?;
    let x = x.detach().to_device(&Device::Cpu)?;
    Ok(x.to_dtype(DType::F64)?)
}

/// Adds a multiple of a field's values.
fn add(sum: &mut [f64], factor: f64, values: &Tensor) -> Result<()> {
    let values = values.flatten_all()?.to_vec1::<f64>()?;
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += factor * value;
    }
    Ok(())
}

impl Field for BridgeField {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let state = wide("x", x)?;
        let mut sum = vec![0.0; x.elem_count()];
        for (factor, field) in &self.terms {
            add(&mut sum, *factor, &field.at(t, &state)?)?;
        }
        Values(sum).finish(t, x, x.dims())
    }
}

impl Jvp for BridgeField {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        check::alike("dx", dx, "x", x)?;
        let (state, direction) = (wide("x", x)?, wide("dx", dx)?);
        let (mut value, mut along) = (vec![0.0; x.elem_count()], vec![0.0; x.elem_count()]);
        for (factor, field) in &self.terms {
            let (of_value, of_along) = field.jvp(t, &state, dt, &direction)?;
            add(&mut value, *factor, &of_value)?;
            add(&mut along, *factor, &of_along)?;
        }
        let value = Values(value).finish(t, x, x.dims())?;
        Ok((value, Values(along).finish(t, x, x.dims())?))
    }
}
