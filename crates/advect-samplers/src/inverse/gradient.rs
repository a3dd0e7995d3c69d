//! The gradient of a likelihood through a denoiser: `∇_x log p(y | x̂1(x)) = Jᵀ ∂ log p(y | x̂1)/∂x̂1`.

use std::cell::RefCell;

use advect_core::{Field, Result, Time, field_fn};
use advect_paths::Prediction;
use advect_paths::schedule::Schedule;
use advect_solvers::divergence::Transposed;
use candle_core::Tensor;

use super::Likelihood;

/// A field's value at a state and the gradient of a likelihood there, by one evaluation and one backward pass.
pub(crate) struct Gradient {
    /// The value as the field gave it.
    pub(crate) value: Tensor,
    /// `∇_x log p(y | x̂1(x))`.
    pub(crate) of_likelihood: Tensor,
}

impl Gradient {
    pub(crate) fn new(
        field: &dyn Field,
        prediction: Prediction,
        schedule: &dyn Schedule,
        likelihood: &dyn Likelihood,
        (t, x): (&Time, &Tensor),
    ) -> Result<Self> {
        let whole = RefCell::new(None);
        // Without the variances that may come after it.
        let predicted = field_fn(|t: &Time, x: &Tensor| {
            let value = field.at(t, x)?;
            whole.replace(Some(value.detach()));
            match (x.dims().get(1), value.dims().get(1)) {
                (Some(&count), Some(&channels)) if channels == 2 * count => {
                    Ok(value.narrow(1, 0, count)?)
                }
                _ => Ok(value),
            }
        });
        // x̂1 = a x + b value, so that Jᵀ slope = a slope + b (∂value/∂x)ᵀ slope: the same conversion.
        let to_data = |x: &Tensor, value: &Tensor| {
            prediction.convert(Prediction::Data, schedule, t, x, value)
        };
        let mut slope = x.clone();
        let (value, product) = Transposed::new(predicted).pullback(t, x, |value| {
            slope = likelihood.slope(t, schedule, &to_data(&x.detach(), value)?)?;
            Ok(slope.clone())
        })?;
        Ok(Gradient {
            value: whole.into_inner().unwrap_or(value),
            of_likelihood: to_data(&slope, &product)?,
        })
    }
}
