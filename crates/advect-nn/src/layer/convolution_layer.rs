//! A convolutional layer.

use advect_core::{Error, Result, check};
use advect_ops::{Convolution, Value, conv1d, conv1d_onto, conv2d, conv2d_onto};
use candle_core::Tensor;
use candle_nn::{Init, VarBuilder};

use crate::Cost;

/// A convolutional layer for images or sequences, with weight and bias. Its initialisation is PyTorch's: both uniform
/// on `±1/√(inputs · kernel size)`.
///
/// ```
/// use advect_core::Key;
/// use advect_nn::{ConvolutionLayer, ParameterStore};
/// use advect_ops::Convolution;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let layer = ConvolutionLayer::new(3, 8, &[3, 3], Convolution::padded(1), &store.builder())?;
/// let y = layer.forward(&Tensor::zeros((2, 3, 5, 7), DType::F32, &Device::Cpu)?)?;
/// assert_eq!(y.dims(), [2, 8, 5, 7]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Conv2d")]
#[doc(alias = "Conv1d")]
#[derive(Debug, Clone)]
pub struct ConvolutionLayer {
    weight: Tensor,
    bias: Tensor,
    convolution: Convolution,
}

impl ConvolutionLayer {
    /// Creates a layer from `inputs` to `outputs` channels, with parameters `weight` `(outputs, inputs / groups, ...)`
    /// and `bias` `(outputs,)`. The `kernel` has the sizes of the weights of images (height and width) or of sequences
    /// (length).
    ///
    /// # Errors
    /// [`Error::Range`] for 0 inputs or outputs, groups that do not divide them, or a kernel that is neither; errors of the
    /// builder.
    pub fn new(
        inputs: usize,
        outputs: usize,
        kernel: &[usize],
        convolution: Convolution,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let each = (inputs / convolution.groups.max(1)) as f64;
        let bound = 1.0 / (each * product(kernel) as f64).sqrt();
        let init = Init::Uniform {
            lo: -bound,
            up: bound,
        };
        Self::initialized(inputs, outputs, kernel, convolution, [init, init], builder)
    }

    /// Creates a layer as [`ConvolutionLayer::new`] does, but with a weight and a bias of zeros, for the last layer of
    /// a branch that starts as zero.
    ///
    /// # Errors
    /// As [`ConvolutionLayer::new`].
    #[doc(alias = "zero_module")]
    pub fn zero(
        inputs: usize,
        outputs: usize,
        kernel: &[usize],
        convolution: Convolution,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let zeros = [candle_nn::init::ZERO; 2];
        Self::initialized(inputs, outputs, kernel, convolution, zeros, builder)
    }

    /// Creates a layer as [`ConvolutionLayer::new`] does, with other laws of the initial weight and bias.
    ///
    /// # Errors
    /// As [`ConvolutionLayer::new`].
    pub fn initialized(
        inputs: usize,
        outputs: usize,
        kernel: &[usize],
        convolution: Convolution,
        [weight, bias]: [Init; 2],
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        check::at_least_one("inputs", inputs)?;
        check::at_least_one("outputs", outputs)?;
        check::at_least_one("kernel", product(kernel))?;
        let groups = check::at_least_one("groups", convolution.groups)?;
        if !(1..=2).contains(&kernel.len()) {
            let accepted = "a length, or a height and a width";
            return Err(Error::range("kernel", format!("{kernel:?}"), accepted));
        }
        if !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
            let accepted = format!(
                "a common divisor of the numbers of inputs, {inputs}, and of outputs, {outputs}"
            );
            return Err(Error::range("groups", groups, accepted));
        }
        let mut shape = vec![outputs, inputs / groups];
        shape.extend(kernel);
        Ok(ConvolutionLayer {
            weight: builder.get_with_hints(shape, "weight", weight)?,
            bias: builder.get_with_hints(outputs, "bias", bias)?,
            convolution,
        })
    }

    /// Returns the layer's value at images `(batch, inputs, height, width)` or sequences `(batch, inputs, length)`,
    /// according to the kernel.
    ///
    /// # Errors
    /// Errors of [`conv2d`].
    pub fn forward<V: Value>(&self, x: &V) -> Result<V> {
        let bias = Some(&self.bias);
        match self.weight.rank() {
            3 => conv1d(x, &self.weight, bias, &self.convolution),
            _ => conv2d(x, &self.weight, bias, &self.convolution),
        }
    }

    /// Returns the layer's value added to another, in one pass: see [`conv2d_onto`].
    ///
    /// # Errors
    /// Errors of [`conv2d_onto`].
    pub fn forward_onto<V: Value>(&self, x: &V, onto: &V) -> Result<V> {
        let bias = Some(&self.bias);
        match self.weight.rank() {
            3 => conv1d_onto(x, &self.weight, bias, &self.convolution, onto),
            _ => conv2d_onto(x, &self.weight, bias, &self.convolution, onto),
        }
    }

    /// Returns the cost for a sample of a size (its height and width, or its length), and replaces the size by the size
    /// of the value.
    pub fn cost(&self, size: &mut [usize]) -> Cost {
        let c = &self.convolution;
        let skipped = 2 - size.len().min(2);
        for (i, size) in size.iter_mut().enumerate() {
            let side = skipped + i;
            let span = (self.weight.dims()[2 + i] - 1).saturating_mul(c.dilation[side]);
            let padded = size.saturating_add(c.padding[side].saturating_mul(2));
            let places = padded.saturating_sub(span.saturating_add(1)) / c.stride[side].max(1);
            *size = places.saturating_add(1);
        }
        let weights = self.weight.elem_count();
        Cost::of(weights + self.bias.elem_count(), weights, product(size))
    }

    /// Returns the weight, `(outputs, inputs / groups, ...)`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Returns the bias, `(outputs,)`.
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }
}

/// The product of sizes, or the largest number.
fn product(sizes: &[usize]) -> usize {
    (sizes.iter()).fold(1, |product, &size| product.saturating_mul(size))
}
