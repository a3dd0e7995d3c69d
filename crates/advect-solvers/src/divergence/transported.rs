//! The result of a flow: the samples and the integrals along their way.

use advect_core::Result;
use candle_core::{DType, Tensor};

use crate::Statistics;

/// Samples that a [`Flow`](super::Flow) moved, and the integrals along their way; in f32 for samples of 16 bits.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Transported {
    /// The samples at the end, of the dtype that they had at the start.
    pub x: Tensor,
    /// The change `log p(x(end)) − log p(x(start)) = −∫ ∇·f dt` of the log-density of each sample, `(batch,)`.
    pub log_density_change: Tensor,
    /// The estimates of that change by each probe, `(batch, probes)`, if there are two probes or more. Their mean is the change.
    pub by_probe: Option<Tensor>,
    /// The kinetic energy `∫ |f|² |dt|` of each sample, `(batch,)`, if it was asked for.
    pub kinetic_energy: Option<Tensor>,
    /// The integral `∫ ‖∂f/∂x‖² |dt|` for each sample, `(batch,)`, if it was asked for.
    pub jacobian_norm: Option<Tensor>,
    /// The cost of the integration.
    pub statistics: Statistics,
}

impl Transported {
    /// Creates the result of samples and the change of their log-density alone. The other fields can be set afterwards.
    pub fn new(x: Tensor, log_density_change: Tensor) -> Self {
        Transported {
            x,
            log_density_change,
            by_probe: None,
            kinetic_energy: None,
            jacobian_norm: None,
            statistics: Statistics::default(),
        }
    }

    /// Returns the change of the log-density and its standard error by the probes, each `(batch,)` and in f64. There
    /// is no standard error for fewer than two probes.
    ///
    /// # Errors
    /// The errors of candle.
    pub fn log_density_estimate(&self) -> Result<(Tensor, Option<Tensor>)> {
        let Some(estimates) = &self.by_probe else {
            return Ok((self.log_density_change.to_dtype(DType::F64)?, None));
        };
        let estimates = estimates.to_dtype(DType::F64)?;
        let count = estimates.dims2()?.1;
        let mean = estimates.mean_keepdim(1)?;
        let squares = estimates.broadcast_sub(&mean)?.sqr()?.sum(1)?;
        let error = (squares / (count * (count - 1)) as f64)?.sqrt()?;
        Ok((mean.squeeze(1)?, Some(error)))
    }
}
