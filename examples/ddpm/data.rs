//! The images: handwritten digits of 8 × 8 pixels, or MNIST.

use std::path::Path;

use advect::data::images::{Split, mnist};
use advect::objectives::decoder::Discretized;
use advect::prelude::*;

/// Digits of 8 × 8 pixels that are kept from training.
const HELD_OUT: usize = 297;

/// Images to learn from and to test on, with the number of their levels.
pub(crate) struct Data {
    pub(crate) train: Tensor,
    pub(crate) test: Tensor,
    pub(crate) dim: [usize; 3],
    levels: usize,
}

impl Data {
    pub(crate) fn read(folder: Option<&Path>, key: Key) -> Result<Self> {
        if let Some(folder) = folder {
            return Ok(Data {
                train: mnist(folder, Split::Train)?.pixels,
                test: mnist(folder, Split::Test)?.pixels,
                dim: [1, 28, 28],
                levels: 256,
            });
        }
        let digits = Digits::load(DType::F32, &Device::Cpu)?;
        let mut rng = Generator::from(key.named("split"));
        let order = rng.permutation(digits.len(), &Device::Cpu)?;
        let images = digits.images.index_select(&order, 0)?;
        let kept = digits.len() - HELD_OUT;
        Ok(Data {
            train: images.narrow(0, 0, kept)?,
            test: images.narrow(0, kept, HELD_OUT)?,
            dim: [1, 8, 8],
            levels: 17,
        })
    }

    /// The decoder of the levels.
    pub(crate) fn decoder(&self) -> Result<Discretized> {
        Discretized::new(self.levels)
    }

    /// Numbers from −1 to 1: the small digits are that already, files have bytes.
    pub(crate) fn normalized(&self, images: &Tensor) -> Result<Tensor> {
        match images.dtype() {
            DType::U8 => Normalization::default().apply(images, DType::F32),
            _ => Ok(images.clone()),
        }
    }

    /// Samples on the levels.
    pub(crate) fn quantized(&self, images: &Tensor) -> Result<Tensor> {
        let top = (self.levels - 1) as f64;
        let scaled = images.clamp(-1.0, 1.0)?.affine(0.5 * top, 0.5 * top)?;
        Ok(scaled.round()?.affine(2.0 / top, -1.0)?)
    }
}
