//! The images to learn from.

use std::path::PathBuf;

use advect::data::images::{Damaged, Folder, Images, Split, cifar10, mnist};
use advect::prelude::*;

/// Where the images are; handwritten digits unless told.
#[derive(clap::Args)]
#[group(multiple = false)]
pub(crate) struct Source {
    /// A folder with the files of MNIST, or of a data set in its format.
    #[arg(long, value_name = "FOLDER")]
    mnist: Option<PathBuf>,
    /// A folder with the files of CIFAR-10 in its binary version, or one of them.
    #[arg(long, value_name = "FOLDER")]
    cifar: Option<PathBuf>,
    #[command(flatten)]
    pictures: Pictures,
}

/// A folder of pictures.
#[derive(clap::Args)]
#[group(multiple = true)]
struct Pictures {
    /// A folder of PNG and JPEG files, or of folders of them, one for each class.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Height and width to which pictures of the folder are scaled and cut.
    #[arg(long, requires = "folder")]
    size: Option<u32>,
    /// Leave out pictures of the folder that can't be read.
    #[arg(long, requires = "folder")]
    skip_damaged: bool,
}

/// Images as they are kept, with their labels.
pub(crate) struct Data {
    pub(crate) images: Tensor,
    pub(crate) labels: Tensor,
    pub(crate) classes: usize,
    pub(crate) digits: Option<Digits>,
}

impl Data {
    pub(crate) fn read(source: &Source) -> Result<Self> {
        if let Some(folder) = &source.mnist {
            return Self::of(mnist(folder, Split::Train)?);
        }
        if let Some(folder) = &source.cifar {
            return Self::of(cifar10(folder, Split::Train)?);
        }
        if let Some(path) = &source.pictures.folder {
            let mut folder = Folder::new(path);
            if let Some(size) = source.pictures.size {
                folder = folder.size(size);
            }
            if source.pictures.skip_damaged {
                folder = folder.damaged(Damaged::Skip);
            }
            let (images, skipped) = folder.read()?;
            for file in skipped {
                eprintln!("skipped {file}");
            }
            return Self::of(images);
        }
        let digits = Digits::load(DType::F32, &Device::Cpu)?;
        Ok(Data {
            images: digits.images.clone(),
            labels: digits.labels.clone(),
            classes: Digits::CLASSES,
            digits: Some(digits),
        })
    }

    fn of(images: Images) -> Result<Self> {
        let classes = images.labels.max(0)?.to_scalar::<u32>()? as usize + 1;
        Ok(Data {
            classes,
            images: images.pixels,
            labels: images.labels,
            digits: None,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.labels.elem_count()
    }

    pub(crate) fn dim(&self) -> [usize; 3] {
        let dims = self.images.dims();
        [dims[1], dims[2], dims[3]]
    }

    /// Numbers from −1 to 1: the digits are that already, files have bytes.
    pub(crate) fn normalized(&self, images: &Tensor) -> Result<Tensor> {
        match images.dtype() {
            DType::U8 => Normalization::default().apply(images, DType::F32),
            _ => Ok(images.clone()),
        }
    }
}
