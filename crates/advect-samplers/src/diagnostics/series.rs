//! Series: numbers for each step and chain.

use advect_core::{Error, Result, check, shape};
use candle_core::{DType, Tensor};

/// The chains of a series, each a number for every step.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) chains: Vec<Vec<f64>>,
    pub(super) steps: usize,
}

pub(super) fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// The variance about the mean, over `n − 1`.
pub(super) fn variance(x: &[f64]) -> f64 {
    let mean = mean(x);
    x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (x.len() as f64 - 1.0)
}

impl Series {
    /// The chains of a tensor, checked, with at least a number of steps.
    pub(super) fn new(x: &Tensor, least: usize) -> Result<Self> {
        let steps = check::batch("series", x)?;
        if x.rank() > 2 || steps < least {
            let accepted = format!("(steps, chains) or (steps,), with at least {least} steps");
            return Err(Error::shape("series", x.dims(), accepted));
        }
        check::float("series", x)?;
        check::finite("series", x)?;
        let rows = shape::cast(&x.detach(), DType::F64)?.reshape((steps, ()))?;
        let chains = rows.t()?.to_vec2::<f64>()?;
        Ok(Series { chains, steps })
    }

    /// Numbers of all chains together.
    pub(super) fn len(&self) -> usize {
        self.steps * self.chains.len()
    }

    pub(super) fn mean(&self) -> f64 {
        self.chains.iter().map(|c| mean(c)).sum::<f64>() / self.chains.len() as f64
    }

    /// The mean product of deviations from a mean, `lag` steps apart within chains.
    pub(super) fn covariance(&self, mean: f64, lag: usize) -> f64 {
        let products = self.chains.iter().map(|chain| {
            let pairs = chain.iter().zip(&chain[lag..]);
            pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>()
        });
        products.sum::<f64>() / ((self.steps - lag) * self.chains.len()) as f64
    }

    /// The two halves of each chain, without the step in the middle of an odd number.
    pub(super) fn split(&self) -> Self {
        let half = self.steps / 2;
        let parts = self
            .chains
            .iter()
            .flat_map(|chain| [&chain[..half], &chain[self.steps - half..]].map(<[f64]>::to_vec));
        Series {
            chains: parts.collect(),
            steps: half,
        }
    }
}
