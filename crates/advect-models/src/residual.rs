//! Residual blocks.

use advect_core::{Key, Result};
use advect_nn::{Activation, ConvolutionLayer, Cost, GroupNorm, Linear, ResamplingFilter};
use advect_ops::{Value, dropout};

use crate::resample::Resample;

/// Normalise, SiLU, convolve, tell the time, normalise, SiLU, convolve; added to the input, or to a projection of it
/// (He et al. 2016; Dhariwal and Nichol 2021, section 3).
#[derive(Debug, Clone)]
pub(crate) struct Residual {
    pub(crate) first_norm: GroupNorm,
    pub(crate) first: ConvolutionLayer,
    pub(crate) embedding: Linear,
    pub(crate) second_norm: GroupNorm,
    pub(crate) second: ConvolutionLayer,
    pub(crate) skip: Option<ConvolutionLayer>,
    pub(crate) resample: Resample,
    pub(crate) filter: ResamplingFilter,
    /// Whether time and class scale and shift the normalised features, in place of being added to them.
    pub(crate) scale_shift: bool,
    /// The factor of the sum.
    pub(crate) scale: f64,
    /// The probability of dropping a feature, and the name under which features are dropped.
    pub(crate) dropout: (f64, String),
}

impl Residual {
    /// The value at x, given the SiLU of the embedding of time and class, `(batch, features)`.
    pub(crate) fn forward<V: Value>(
        &self,
        x: &V,
        embedding: &V,
        dropping: Option<Key>,
    ) -> Result<V> {
        let resized = |x: &V| self.resample.apply(&self.filter, x);
        let h = self.first_norm.forward(x, Activation::Silu)?;
        let (h, x) = (resized(&h)?, resized(x)?);
        let embedding = self.embedding.forward(embedding)?;
        let h = if self.scale_shift {
            let h = self.first.forward(&h)?;
            let channels = h.primal().dims()[1];
            let part = |i| embedding.map_linear(|e| Ok(e.narrow(1, i * channels, channels)?));
            self.second_norm
                .adaptive(&h, &part(0)?, &part(1)?, Activation::Silu)?
        } else {
            let h = self.first.forward_onto(&h, &embedding)?;
            self.second_norm.forward(&h, Activation::Silu)?
        };
        let h = match dropping {
            Some(key) => dropout(&h, self.dropout.0, key.named(&self.dropout.1))?,
            None => h,
        };
        let y = match &self.skip {
            Some(skip) => self.second.forward_onto(&h, &skip.forward(&x)?),
            None => self.second.forward_onto(&h, &x),
        }?;
        scaled(y, self.scale)
    }

    pub(crate) fn cost(&self, size: &mut [usize]) -> Cost {
        self.resample.resize(size);
        let mut cost = self.embedding.cost() + self.first_norm.cost() + self.second_norm.cost();
        for layer in [&self.first, &self.second].into_iter().chain(&self.skip) {
            cost = cost + layer.cost(size);
        }
        cost
    }
}

/// A value times a factor.
pub(crate) fn scaled<V: Value>(x: V, factor: f64) -> Result<V> {
    match factor {
        1.0 => Ok(x),
        factor => x.map_linear(|x| Ok((x * factor)?)),
    }
}
