//! Linear combinations.

use advect_core::{Coefficient, Result};
use advect_kernels::cuda::Fresh;
use advect_kernels::cuda::combine::combine;
use candle_core::{DType, Tensor};

use super::OnCuda;
use crate::combine::Combine;

/// The sum of contiguous terms, without a graph.
pub(crate) fn at_once<'a>(
    terms: impl Iterator<Item = (&'a Coefficient, &'a Tensor)> + Clone,
) -> Result<Tensor> {
    let factors = factors(terms.clone())?;
    Ok(sum(terms, factors.as_ref())?.into_tensor())
}

/// The sum, given the factors of samples.
fn sum<'a>(
    terms: impl Iterator<Item = (&'a Coefficient, &'a Tensor)>,
    factors: Option<&Tensor>,
) -> Result<Fresh> {
    let term = |(c, x): (&Coefficient, &'a Tensor)| match c {
        Coefficient::Shared(c) => (Some(*c), x),
        Coefficient::PerSample(_) => (None, x),
    };
    let terms: Vec<(Option<f64>, &Tensor)> = terms.map(term).collect();
    Ok(combine(&terms, factors)?)
}

/// The factors of samples where the terms are, a row for each term that has some: one transfer for all.
fn factors<'a>(
    terms: impl Iterator<Item = (&'a Coefficient, &'a Tensor)>,
) -> Result<Option<Tensor>> {
    let (mut values, mut like) = (Vec::new(), None);
    for (c, x) in terms {
        if let Coefficient::PerSample(c) = c {
            values.extend_from_slice(c);
            like = Some(x);
        }
    }
    let Some(like) = like else {
        return Ok(None);
    };
    let (shape, device) = (((), like.dims()[0]), like.device());
    Ok(Some(match like.dtype() {
        DType::F64 => Tensor::from_vec(values, shape, device)?,
        _ => {
            let values: Vec<f32> = values.into_iter().map(|c| c as f32).collect();
            Tensor::from_vec(values, shape, device)?
        }
    }))
}

impl OnCuda for Combine {
    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Fresh, Vec<Tensor>)> {
        let terms = self.0.iter().zip(inputs.iter().copied());
        let factors = factors(terms.clone())?;
        let y = sum(terms, factors.as_ref())?;
        Ok((y, factors.into_iter().collect()))
    }

    fn backward(
        &self,
        _: &[&Tensor],
        _: &Tensor,
        saved: &[Tensor],
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let mut row = 0;
        let each = |(c, &wanted): (&Coefficient, &bool)| -> Result<Option<Tensor>> {
            let own = match (c, saved.first()) {
                (Coefficient::PerSample(_), Some(factors)) => {
                    row += 1;
                    Some(factors.narrow(0, row - 1, 1)?)
                }
                _ => None,
            };
            if !wanted {
                return Ok(None);
            }
            Ok(Some(match c {
                Coefficient::Shared(1.0) => gradient.clone(),
                _ => sum(std::iter::once((c, gradient)), own.as_ref())?.into_tensor(),
            }))
        };
        self.0.iter().zip(wanted).map(each).collect()
    }
}
