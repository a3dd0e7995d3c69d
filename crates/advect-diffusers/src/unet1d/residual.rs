//! Residual blocks of sequences.

use advect_core::Result;
use advect_nn::{Activation, ConvolutionLayer, Cost, GroupNorm, Linear};
use advect_ops::{Convolution, Value};
use candle_nn::VarBuilder;

use super::mish::mish;

/// The groups of normalisations; diffusers has no setting for it.
const GROUPS: usize = 8;

/// Convolve, normalise, Mish. diffusers calls it `Conv1dBlock`.
#[derive(Debug, Clone)]
struct Step {
    convolution: ConvolutionLayer,
    norm: GroupNorm,
}

impl Step {
    fn new(inputs: usize, outputs: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        let (padded, conv) = (Convolution::padded(2), builder.pp("conv1d"));
        Ok(Step {
            norm: GroupNorm::new(GROUPS, outputs, &builder.pp("group_norm"))?,
            convolution: ConvolutionLayer::new(inputs, outputs, &[5], padded, &conv)?,
        })
    }

    fn forward<V: Value>(&self, x: &V) -> Result<V> {
        let h = self.convolution.forward(x)?;
        mish(&self.norm.forward(&h, Activation::Identity)?)
    }

    fn cost(&self, size: &mut [usize]) -> Cost {
        self.convolution.cost(size) + self.norm.cost()
    }
}

/// A step, what is told of the time, a step; added to the input, or to a projection of it (Janner et al. 2022, figure
/// A1). diffusers calls it `ResidualTemporalBlock1D`.
#[derive(Debug, Clone)]
pub(super) struct Residual {
    first: Step,
    time: Linear,
    second: Step,
    shortcut: Option<ConvolutionLayer>,
}

impl Residual {
    pub(super) fn new(
        inputs: usize,
        outputs: usize,
        features: usize,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let shortcut = match inputs == outputs {
            true => None,
            false => {
                let (plain, builder) = (Convolution::padded(0), builder.pp("residual_conv"));
                let layer = ConvolutionLayer::new(inputs, outputs, &[1], plain, &builder)?;
                Some(layer)
            }
        };
        Ok(Residual {
            first: Step::new(inputs, outputs, &builder.pp("conv_in"))?,
            time: Linear::new(features, outputs, &builder.pp("time_emb"))?,
            second: Step::new(outputs, outputs, &builder.pp("conv_out"))?,
            shortcut,
        })
    }

    /// The value at x, given the Mish of the features of time, `(batch, features)`.
    pub(super) fn forward<V: Value>(&self, x: &V, features: &V) -> Result<V> {
        let told = self.time.forward(features)?;
        let told = told.map_linear(|e| Ok(e.unsqueeze(2)?))?;
        let h = self.first.forward(x)?.plus(&told)?;
        let h = self.second.forward(&h)?;
        match &self.shortcut {
            Some(shortcut) => shortcut.forward_onto(x, &h),
            None => h.plus(x),
        }
    }

    pub(super) fn cost(&self, size: &mut [usize]) -> Cost {
        let steps = self.first.cost(size) + self.time.cost() + self.second.cost(size);
        let shortcut = self.shortcut.as_ref().map(|layer| layer.cost(size));
        steps + shortcut.unwrap_or_default()
    }
}
