use advect_core::{Coefficient, Error, Result, check};
use advect_ops::{ScaledError, combine, scaled_error, scaled_errors};
use candle_core::{DType, Tensor};

use super::{Samples, State};

impl State for Tensor {
    fn combine(terms: &[(Coefficient, &Self)]) -> Result<Self> {
        combine(terms)
    }

    fn check(&self, argument: &'static str) -> Result<()> {
        check::batch(argument, self)?;
        check::float(argument, self)?;
        check::finite(argument, self)
    }

    fn alike(&self, argument: &'static str, name: &'static str, reference: &Self) -> Result<()> {
        check::alike(argument, self, name, reference)
    }

    fn not_finite(&self) -> Result<Option<usize>> {
        if check::is_finite(self)? {
            return Ok(None);
        }
        match check::finite("x", self) {
            Err(Error::NonFinite { index, .. }) => {
                let samples = self.dims().first().copied().unwrap_or(1).max(1);
                Ok(Some(index / (self.elem_count() / samples).max(1)))
            }
            other => other.map(|()| None),
        }
    }

    fn detach(&self) -> Self {
        Tensor::detach(self)
    }

    fn unit_roundoff(&self) -> f64 {
        let digits = match self.dtype() {
            DType::BF16 => 8,
            DType::F16 => 11,
            DType::F32 => 24,
            _ => 53,
        };
        f64::powi(2.0, -digits)
    }

    fn scaled_error(&self, x: &Self, y: &Self, rtol: f64, atol: f64) -> Result<ScaledError> {
        scaled_error(self, x, y, rtol, atol)
    }
}

impl Samples for Tensor {
    fn samples(&self, argument: &'static str) -> Result<usize> {
        check::batch(argument, self)
    }

    fn gather(parts: &[&Self], positions: &[u32]) -> Result<Self> {
        let all = match parts {
            [one] => (*one).clone(),
            _ => Tensor::cat(parts, 0)?,
        };
        let positions = Tensor::from_slice(positions, positions.len(), all.device())?;
        Ok(all.contiguous()?.index_select(&positions, 0)?)
    }

    fn scaled_errors(&self, x: &Self, y: &Self, rtol: f64, atol: f64) -> Result<Vec<ScaledError>> {
        scaled_errors(self, x, y, rtol, atol)
    }
}
