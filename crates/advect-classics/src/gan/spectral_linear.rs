//! Layers whose weights have the spectral norm 1 (Miyato et al. 2018, "Spectral normalization for generative adversarial networks").

use std::sync::{Arc, Mutex, PoisonError};

use advect_core::{Error, Result, check};
use advect_nn::{Activation, Builder, Linear};
use advect_ops::{Value, linear};
use candle_core::{D, DType, Tensor};

/// A fully connected layer `y = x Wᵀ/σ(W) + b`, with the largest singular value `σ(W) = uᵀ W v`: a map of Lipschitz constant 1.
///
/// u and v are held from step to step and come nearer to the singular vectors at each [`update`](SpectralLinear::update), by power iteration (algorithm 1): call it once before each of
/// the discriminator's steps. They are constants of a gradient; σ is not. Clones share them.
///
/// They are part of no store and no checkpoint: after weights have been loaded or set, call `update(100)`. Until then σ is not that of the new weights.
///
/// ```
/// use advect_classics::gan::SpectralLinear;
/// use advect_core::Key;
/// use advect_nn::{Activation, ParameterStore};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let layer = SpectralLinear::new(2, 2, &store.builder())?;
/// store.vars()[0].set(&Tensor::new(&[[3f64, 0.0], [0.0, 6.0]], &Device::Cpu)?)?;
/// layer.update(50)?;
/// let weight = layer.weight()?.to_vec2::<f64>()?;
/// assert!((weight[0][0] - 0.5).abs() < 1e-12 && (weight[1][1] - 1.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "SN-GAN")]
#[doc(alias = "spectral_norm")]
#[derive(Debug, Clone)]
pub struct SpectralLinear {
    layer: Linear,
    /// `(1, outputs)` and `(1, inputs)`.
    vectors: Arc<Mutex<(Tensor, Tensor)>>,
}

/// Iterations at the beginning.
const FIRST: usize = 100;

impl SpectralLinear {
    /// Creates a layer from `inputs` to `outputs` numbers, with the parameters of a [`Linear`].
    ///
    /// # Errors
    /// As [`Linear::new`].
    pub fn new(inputs: usize, outputs: usize, builder: &Builder) -> Result<Self> {
        let layer = Linear::new(inputs, outputs, builder)?;
        // The row of the largest sum of squares: not orthogonal to the vector sought but by accident.
        let rows = layer.weight().detach();
        let longest = rows.sqr()?.sum(1)?.argmax(0)?.unsqueeze(0)?;
        let right = rows.index_select(&longest, 0)?;
        let left = Tensor::zeros((1, outputs), right.dtype(), right.device())?;
        let layer = SpectralLinear {
            layer,
            vectors: Arc::new(Mutex::new((left, right))),
        };
        layer.update(FIRST)?;
        Ok(layer)
    }

    /// Brings u and v nearer to the singular vectors of the current weight, by a number of power iterations; one is
    /// enough where weights change little.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 iterations.
    pub fn update(&self, iterations: usize) -> Result<()> {
        check::at_least_one("iterations", iterations)?;
        let weight = self.layer.weight().detach();
        let transposed = weight.t()?.contiguous()?;
        let unit = |x: Tensor| -> Result<Tensor> {
            let norm = x.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
            Ok(x.broadcast_div(&(norm + 1e-12)?)?)
        };
        let mut vectors = self.vectors.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..iterations {
            let left = unit(vectors.1.matmul(&transposed)?)?;
            let right = unit(left.matmul(&weight)?)?;
            // With weights of 0 there are no vectors to come nearer to.
            if right
                .sqr()?
                .sum_all()?
                .to_dtype(DType::F64)?
                .to_scalar::<f64>()?
                == 0.0
            {
                break;
            }
            *vectors = (left, right);
        }
        Ok(())
    }

    /// Returns `W/σ(W)`, `(outputs, inputs)`, differentiable by W.
    ///
    /// # Errors
    /// Errors of candle.
    pub fn weight(&self) -> Result<Tensor> {
        let (left, right) = {
            let vectors = self.vectors.lock().unwrap_or_else(PoisonError::into_inner);
            vectors.clone()
        };
        let weight = self.layer.weight();
        let norm = (left.matmul(weight)? * right)?.sum_all()?;
        Ok::<_, Error>(weight.broadcast_div(&norm)?)
    }

    /// Returns an activation of the layer's value at x, `(..., inputs)`.
    ///
    /// # Errors
    /// Errors of [`advect_ops::linear`].
    pub fn activated<V: Value>(&self, x: &V, activation: Activation) -> Result<V> {
        linear(x, &self.weight()?, Some(self.layer.bias()), activation)
    }
}
