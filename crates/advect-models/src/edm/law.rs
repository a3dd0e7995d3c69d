//! The laws of initial weights.

use advect_core::Result;
use advect_nn::{ConvolutionLayer, Linear};
use advect_ops::Convolution;
use candle_nn::init::ZERO;
use candle_nn::{Init, VarBuilder};

/// The laws of the initial weights of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Law {
    /// Song's: uniform on `±g √(6/(fan_in + fan_out))` (Glorot and Bengio 2010, eq. 16) with biases of 0, where g is 1,
    /// `√0.2` for queries, keys and values, and 1e-5 for the last layer of a branch.
    Song,
    /// Dhariwal's: weights and biases uniform on `±1/√fan_in`, and zeros for the last layer of a branch.
    Dhariwal,
}

/// The place of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Inner,
    /// Queries, keys and values.
    Query,
    /// The last layer of a branch that is to be learned.
    Last,
}

impl Law {
    /// The laws of a weight and of a bias.
    pub(super) fn of(self, place: Place, fan_in: usize, fan_out: usize) -> [Init; 2] {
        let uniform = |bound: f64| Init::Uniform {
            lo: -bound,
            up: bound,
        };
        match self {
            Law::Song => {
                let gain = match place {
                    Place::Inner => 1.0,
                    Place::Query => 0.2f64.sqrt(),
                    Place::Last => 1e-5,
                };
                let fans = fan_in as f64 + fan_out as f64;
                [uniform(gain * (6.0 / fans).sqrt()), ZERO]
            }
            Law::Dhariwal if place == Place::Last => [ZERO; 2],
            Law::Dhariwal => [uniform(1.0 / (fan_in as f64).sqrt()); 2],
        }
    }

    /// A fully connected layer.
    pub(super) fn linear(
        self,
        inputs: usize,
        outputs: usize,
        builder: &VarBuilder<'_>,
    ) -> Result<Linear> {
        let laws = self.of(Place::Inner, inputs, outputs);
        Linear::initialized(inputs, outputs, laws, builder)
    }

    /// A convolution with a kernel of `side × side`, which keeps the size of images that have `more` zeros around them.
    pub(super) fn convolution(
        self,
        place: Place,
        [inputs, outputs]: [usize; 2],
        side: usize,
        more: usize,
        builder: &VarBuilder<'_>,
    ) -> Result<ConvolutionLayer> {
        let area = side * side;
        let (fan_in, fan_out) = (inputs.saturating_mul(area), outputs.saturating_mul(area));
        let laws = self.of(place, fan_in, fan_out);
        let padded = Convolution::padded(side / 2 + more);
        ConvolutionLayer::initialized(inputs, outputs, &[side, side], padded, laws, builder)
    }
}
