//! A small classifier of grey images of 28 × 28 pixels.

use advect_core::{Error, Key, Result};
use advect_nn::{Activation, ConvolutionLayer, Linear, ParameterStore, State, Stateful};
use advect_ops::{Convolution, avg_pool, without_graph};
use candle_core::safetensors::load_buffer;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use crate::{FeatureExtractor, check_images};

const SIDE: usize = 28;
const FEATURES: usize = 64;

/// A small convolutional classifier of grey images of 28 × 28 pixels, whose last hidden layer of 64 values serves as features where no weights of
/// Inception-v3 are available, and whose classes show whether a conditional model generates the requested classes.
///
/// Two trained ones are shipped, made by `cargo run --release --example classifier`: [`Classifier::mnist`] and
/// [`Classifier::fashion_mnist`]. Distances by their features compare with each other only: they are no FID, and have nothing to do with distances
/// by another classifier.
///
/// Three convolutions of 3 × 3 with 32, 64 and 64 channels and SiLU, means of 2 × 2 pixels after the first and the second, steps of two in the third; then
/// linear layers to 64 features with SiLU and to 10 logits: 121,994 parameters.
///
/// ```
/// use advect_features::Classifier;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // A vertical stroke is a 1.
/// let mut pixels = vec![0u8; 28 * 28];
/// for row in 5..23 {
///     pixels[28 * row + 13..28 * row + 16].fill(255);
/// }
/// let image = Tensor::from_vec(pixels, (1, 1, 28, 28), &Device::Cpu)?;
/// assert_eq!(Classifier::mnist(&Device::Cpu)?.classes(&image)?, [1]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Classifier {
    convolutions: [ConvolutionLayer; 3],
    hidden: Linear,
    last: Linear,
}

impl Classifier {
    /// Loads the classifier of MNIST's digits; it classifies 99.0 % of the 10,000 test images correctly.
    ///
    /// # Errors
    /// Errors of candle.
    pub fn mnist(device: &Device) -> Result<Self> {
        let weights = include_bytes!("../weights/mnist.safetensors");
        Self::shipped("mnist.safetensors", weights, device)
    }

    /// Loads the classifier of Fashion-MNIST's clothes; it classifies 88.9 % of the 10,000 test images correctly.
    ///
    /// # Errors
    /// Errors of candle.
    #[doc(alias = "FashionMNIST")]
    pub fn fashion_mnist(device: &Device) -> Result<Self> {
        let weights = include_bytes!("../weights/fashion_mnist.safetensors");
        Self::shipped("fashion_mnist.safetensors", weights, device)
    }

    /// Weights of 16 bits, computed with in f32.
    fn shipped(name: &str, weights: &[u8], device: &Device) -> Result<Self> {
        let state: candle_core::Result<State> = (load_buffer(weights, device)?.into_iter())
            .map(|(name, tensor)| Ok((name, tensor.to_dtype(DType::F32)?)))
            .collect();
        let store = ParameterStore::new(Key::from_seed(0), DType::F32, device);
        Self::new(&store.builder())?;
        store.restore(&state?).map_err(|e| Error::file(name, e))?;
        Self::new(&store.frozen())
    }

    /// Creates a classifier with parameters from a builder.
    ///
    /// # Errors
    /// Errors of the builder.
    pub fn new(builder: &VarBuilder<'_>) -> Result<Self> {
        let layer = |name, inputs, outputs, stride| {
            let convolution = Convolution {
                stride: [stride; 2],
                ..Convolution::padded(1)
            };
            ConvolutionLayer::new(inputs, outputs, &[3, 3], convolution, &builder.pp(name))
        };
        Ok(Classifier {
            convolutions: [
                layer("first", 1, 32, 1)?,
                layer("second", 32, 64, 1)?,
                layer("third", 64, 64, 2)?,
            ],
            hidden: Linear::new(4 * 4 * 64, FEATURES, &builder.pp("hidden"))?,
            last: Linear::new(FEATURES, 10, &builder.pp("last"))?,
        })
    }

    /// Returns the features `(n, 64)` and the logits `(n, 10)` of images `(n, 1, 28, 28)` from −1 (0) to 1 (255), with gradients, for
    /// training.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::DType`] for images that don't fit.
    pub fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let silu = Activation::Silu;
        let [first, second, third] = &self.convolutions;
        let x = avg_pool(&silu.apply(&first.forward(x)?)?, 2)?;
        let x = avg_pool(&silu.apply(&second.forward(&x)?)?, 2)?;
        let x = silu.apply(&third.forward(&x)?)?.flatten_from(1)?;
        let features = self.hidden.activated(&x, silu)?;
        let logits = self.last.forward(&features)?;
        Ok((features, logits))
    }

    /// Returns the logits `(n, 10)` of features `(n, 64)`.
    ///
    /// # Errors
    /// Errors of [`advect_ops::linear`].
    pub fn logits(&self, features: &Tensor) -> Result<Tensor> {
        without_graph(|| self.last.forward(features))
    }

    /// Returns the most likely class of each image of `(n, 1, 28, 28)`, u8.
    ///
    /// # Errors
    /// As [`FeatureExtractor::features`].
    pub fn classes(&self, images: &Tensor) -> Result<Vec<u32>> {
        let logits = self.logits(&self.features_by(images, 500)?)?;
        Ok(logits.argmax(1)?.to_vec1()?)
    }
}

impl FeatureExtractor for Classifier {
    fn features(&self, images: &Tensor) -> Result<Tensor> {
        check_images(images, &[1])?;
        if images.dims()[2..] != [SIDE, SIDE] {
            let accepted = format!("(n, 1, {SIDE}, {SIDE})");
            return Err(Error::shape("images", images.dims(), accepted));
        }
        let device = self.last.weight().device();
        let x = images.to_device(device)?.to_dtype(DType::F32)?;
        without_graph(|| Ok(self.forward(&x.affine(2.0 / 255.0, -1.0)?)?.0))
    }
}
