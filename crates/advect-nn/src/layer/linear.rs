//! A fully connected layer.

use advect_core::{Result, check};
use advect_ops::{Activation, Value, linear, mlp};
use candle_core::Tensor;
use candle_nn::init::ZERO;
use candle_nn::{Init, VarBuilder};

use crate::Cost;

/// A fully connected layer `y = x Wᵀ + b`, with PyTorch's initialisation: W and b uniform on `±1/√inputs`. (candle's
/// own `linear` draws W from a Kaiming normal.)
///
/// ```
/// use advect_core::Key;
/// use advect_nn::{Linear, ParameterStore};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let layer = Linear::new(3, 2, &store.builder().pp("layer"))?;
/// let y = layer.forward(&Tensor::zeros((7, 3), DType::F32, &Device::Cpu)?)?;
/// assert_eq!(y.dims(), [7, 2]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Dense")]
#[doc(alias = "nn.Linear")]
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// Creates a layer from `inputs` to `outputs` numbers, with parameters `weight` (outputs, inputs) and `bias`
    /// (outputs).
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0 inputs or outputs; errors of the builder.
    pub fn new(inputs: usize, outputs: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        let bound = 1.0 / (inputs.max(1) as f64).sqrt();
        Self::initialized(inputs, outputs, [uniform(bound); 2], builder)
    }

    /// Creates a layer as [`Linear::new`] does, with other laws of the initial weight and bias.
    ///
    /// ```
    /// use advect_core::Key;
    /// use advect_nn::{Linear, ParameterStore};
    /// use candle_core::{DType, Device};
    /// use candle_nn::{Init, init::ZERO};
    /// # fn main() -> advect_core::Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
    /// let layer = Linear::initialized(2, 1, [Init::Const(3.0), ZERO], &store.builder())?;
    /// assert_eq!(layer.weight().to_vec2::<f32>()?, [[3.0, 3.0]]);
    /// assert_eq!(layer.bias().to_vec1::<f32>()?, [0.0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Linear::new`].
    pub fn initialized(
        inputs: usize,
        outputs: usize,
        [weight, bias]: [Init; 2],
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        check::at_least_one("inputs", inputs)?;
        check::at_least_one("outputs", outputs)?;
        Ok(Linear {
            weight: builder.get_with_hints((outputs, inputs), "weight", weight)?,
            bias: builder.get_with_hints(outputs, "bias", bias)?,
        })
    }

    /// Creates a layer as [`Linear::new`] does, but with a weight uniform on `±√(6 / (inputs + outputs))` (Glorot and
    /// Bengio 2010, eq. 16) and a bias of zeros, the initialisation of transformers.
    ///
    /// # Errors
    /// As [`Linear::new`].
    #[doc(alias = "xavier_uniform")]
    #[doc(alias = "glorot_uniform")]
    pub fn xavier(inputs: usize, outputs: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        let sizes = (inputs as f64 + outputs as f64).max(1.0);
        let weight = uniform((6.0 / sizes).sqrt());
        Self::initialized(inputs, outputs, [weight, ZERO], builder)
    }

    /// Creates a layer as [`Linear::new`] does, but with a weight and a bias of zeros, for the last layer of a network
    /// or of a residual block.
    ///
    /// # Errors
    /// As [`Linear::new`].
    #[doc(alias = "zero_module")]
    pub fn zero(inputs: usize, outputs: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        Self::initialized(inputs, outputs, [ZERO; 2], builder)
    }

    /// Returns the layer's value at `x` of shape `(..., inputs)`, a tensor or a [`Dual`](advect_ops::Dual).
    ///
    /// # Errors
    /// Errors of [`advect_ops::linear`].
    pub fn forward<V: Value>(&self, x: &V) -> Result<V> {
        self.activated(x, Activation::Identity)
    }

    /// Returns an activation of the layer's value, in one pass.
    ///
    /// # Errors
    /// Errors of [`advect_ops::linear`].
    pub fn activated<V: Value>(&self, x: &V, activation: Activation) -> Result<V> {
        linear(x, &self.weight, Some(&self.bias), activation)
    }

    /// Returns `next(activation(self(x)))` in one pass: hidden values stay in the cache.
    ///
    /// ```
    /// use advect_core::Key;
    /// use advect_nn::{Activation, Linear, ParameterStore};
    /// use candle_core::{DType, Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
    /// let first = Linear::new(3, 8, &store.builder().pp("first"))?;
    /// let second = Linear::new(8, 3, &store.builder().pp("second"))?;
    /// let x = Tensor::ones((2, 5, 3), DType::F64, &Device::Cpu)?;
    /// let y = first.then(&x, Activation::Gelu, &second)?;
    /// let step_by_step = second.forward(&first.activated(&x, Activation::Gelu)?)?;
    /// assert_eq!(y.to_vec3::<f64>()?, step_by_step.to_vec3::<f64>()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Errors of [`advect_ops::mlp`].
    #[doc(alias = "FFN")]
    pub fn then<V: Value>(&self, x: &V, activation: Activation, next: &Linear) -> Result<V> {
        let layers = [self, next].map(|layer| (&layer.weight, &layer.bias));
        mlp(&[x], &layers, activation)
    }

    /// Returns the cost: the numbers of parameters and of operations.
    pub fn cost(&self) -> Cost {
        self.cost_at(1)
    }

    /// Returns the cost of a layer that is applied at several places of a sample, such as its tokens.
    ///
    /// ```
    /// use advect_core::Key;
    /// use advect_nn::{Linear, ParameterStore};
    /// use candle_core::{DType, Device};
    /// # fn main() -> advect_core::Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
    /// let cost = Linear::new(3, 10, &store.builder())?.cost_at(16);
    /// assert_eq!((cost.parameters, cost.operations), (40, 2 * 30 * 16));
    /// # Ok(())
    /// # }
    /// ```
    pub fn cost_at(&self, places: usize) -> Cost {
        let weights = self.weight.elem_count();
        Cost::of(weights + self.bias.elem_count(), weights, places)
    }

    /// Returns the weight, `(outputs, inputs)`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Returns the bias, `(outputs,)`.
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }
}

fn uniform(bound: f64) -> Init {
    Init::Uniform {
        lo: -bound,
        up: bound,
    }
}
