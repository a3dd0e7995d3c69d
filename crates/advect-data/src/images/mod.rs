//! Images from files: [MNIST](mnist) and data sets in its format, [CIFAR-10](cifar10), and, with the feature `images`,
//! which is on by default, `Folder`s of PNG and JPEG, and grids of samples as PNG by `write_grid`.

mod cifar10;
#[cfg(feature = "images")]
mod folder;
#[cfg(feature = "images")]
mod grid;
mod idx;
mod mnist;

pub use cifar10::cifar10;
#[cfg(feature = "images")]
pub use folder::{Damaged, Folder};
#[cfg(feature = "images")]
pub use grid::write_grid;
pub use idx::read_idx;
pub use mnist::{mnist, mnist_files};

use advect_core::{Error, Result};
use candle_core::{Device, Tensor};

/// Images with their labels, in the CPU's memory and in the form of the files: one byte per channel and
/// pixel. [`Normalization`](crate::Normalization) converts them to numbers that networks learn from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Images {
    /// The images: u8, `(count, channels, height, width)`.
    pub pixels: Tensor,
    /// The labels: u32, `(count,)`.
    pub labels: Tensor,
    /// The names of the classes, if they have names.
    pub classes: Vec<String>,
}

impl Images {
    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.labels.elem_count()
    }

    /// Returns whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the channels, height and width of an image, for the configuration of a U-Net.
    pub fn dim(&self) -> [usize; 3] {
        let dims = self.pixels.dims();
        [dims[1], dims[2], dims[3]]
    }

    /// Creates images from their bytes, `(count, channels, height, width)` one after the other, with a label for each
    /// image.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are as many bytes as the shape says, and as many labels as images.
    pub fn new(
        pixels: Vec<u8>,
        shape: [usize; 4],
        labels: Vec<u32>,
        classes: Vec<String>,
    ) -> Result<Self> {
        let count = labels.len();
        if shape[0] != count {
            let accepted = format!("({},), one label for each image", shape[0]);
            return Err(Error::shape("labels", &[count], accepted));
        }
        if shape
            .iter()
            .try_fold(1usize, |n, &side| n.checked_mul(side))
            != Some(pixels.len())
        {
            let accepted = format!("{shape:?}, one byte for each channel and pixel");
            return Err(Error::shape("pixels", &[pixels.len()], accepted));
        }
        Ok(Images {
            pixels: Tensor::from_vec(pixels, shape.to_vec(), &Device::Cpu)?,
            labels: Tensor::from_vec(labels, count, &Device::Cpu)?,
            classes,
        })
    }
}

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// The part for training.
    Train,
    /// The part for tests.
    Test,
}
