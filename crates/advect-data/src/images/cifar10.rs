//! The CIFAR-10 data set.

use std::path::Path;

use advect_core::{Error, Result};

use super::{Images, Split};
use crate::source::Source;

const CLASSES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];
const PIXELS: usize = 3 * 32 * 32;
/// The images of CIFAR-10 in all: no file has more.
const MOST: usize = 60_000;

/// Said of a file that is not there.
const MISSING: &str = "there is no such file; the binary version of CIFAR-10 is at https://www.cs.toronto.edu/~kriz/cifar.html";

/// Reads CIFAR-10 (Krizhevsky 2009) in its binary version: a folder with `data_batch_1.bin` to `data_batch_5.bin` and
/// `test_batch.bin`, or one of these files. There are 50,000 training images and 10,000 test images, `(3, 32, 32)`.
///
/// # Errors
/// [`Error::File`] for a file that is missing or damaged: not whole images, labels that are none, or more than the 60,000
/// images that CIFAR-10 has in all.
pub fn cifar10(path: impl AsRef<Path>, split: Split) -> Result<Images> {
    let path = path.as_ref();
    let files = match (path.is_dir(), split) {
        (false, _) => vec![path.to_path_buf()],
        (true, Split::Train) => (1..=5)
            .map(|i| path.join(format!("data_batch_{i}.bin")))
            .collect(),
        (true, Split::Test) => vec![path.join("test_batch.bin")],
    };
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for file in &files {
        let missing = |e: Error| match file.exists() {
            true => e,
            false => Error::file(file, MISSING),
        };
        let mut source = Source::open(file).map_err(missing)?;
        let wrong = |reason: String| Error::file(file, reason);
        let mut image = [0; 1 + PIXELS];
        for i in 0.. {
            let filled = source.fill(&mut image).map_err(wrong)?;
            if filled == 0 && i > 0 {
                break;
            }
            if filled < image.len() {
                let (bytes, whole) = (i * image.len() + filled, image.len());
                return Err(wrong(format!(
                    "it has {bytes} bytes; expected a multiple of {whole}"
                )));
            }
            if i == MOST {
                return Err(wrong(format!("it has more than {MOST} images")));
            }
            if usize::from(image[0]) >= CLASSES.len() {
                return Err(wrong(format!(
                    "image {i} has label {}; expected 0 to 9",
                    image[0]
                )));
            }
            labels.push(u32::from(image[0]));
            pixels.extend_from_slice(&image[1..]);
        }
    }
    let classes = CLASSES.map(String::from).to_vec();
    Images::new(pixels, [labels.len(), 3, 32, 32], labels, classes)
}
