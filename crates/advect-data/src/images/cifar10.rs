//! CIFAR-10.

use std::path::Path;

use advect_core::{Error, Result};

use super::{Images, Split, bytes};

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

/// CIFAR-10 (Krizhevsky 2009) in its binary version: a folder with `data_batch_1.bin` to `data_batch_5.bin` and
/// `test_batch.bin`, or one of those files. 50,000 images to learn from, 10,000 to test on, `(3, 32, 32)`.
///
/// # Errors
/// [`Error::File`] for a file that is missing or damaged: not whole images, or labels that are none.
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
        let bytes = bytes(file)?;
        let images = bytes.chunks_exact(1 + PIXELS);
        if bytes.is_empty() || !images.remainder().is_empty() {
            let reason = format!(
                "it has {} bytes, a multiple of {} is accepted",
                bytes.len(),
                1 + PIXELS
            );
            return Err(Error::file(file, reason));
        }
        for (i, image) in images.enumerate() {
            if usize::from(image[0]) >= CLASSES.len() {
                let reason = format!("image {i} has label {}, 0 to 9 are accepted", image[0]);
                return Err(Error::file(file, reason));
            }
            labels.push(u32::from(image[0]));
            pixels.extend_from_slice(&image[1..]);
        }
    }
    let classes = CLASSES.map(String::from).to_vec();
    Images::new(pixels, [labels.len(), 3, 32, 32], labels, classes)
}
