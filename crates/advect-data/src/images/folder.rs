//! Folders of pictures.

use std::collections::HashSet;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use advect_core::{Error, Result, check, file};
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use super::Images;

/// The number of pixels that a picture may have by default: that of 8,192 × 8,192.
const MOST_PIXELS: u64 = 1 << 26;

/// The treatment of files that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Damaged {
    /// An unreadable file is an error.
    #[default]
    Refuse,
    /// Unreadable files are skipped, and returned beside the images.
    Skip,
}

/// A folder of PNG and JPEG files. If it has subfolders, each is a class, in the order of their names, and the pictures
/// in it, and in folders within it, are of that class. Files with other extensions are skipped, as are hidden files,
/// whose names begin with a dot. Links to folders are followed, except those that lead back to a folder they lie in.
///
/// ```no_run
/// use advect_data::images::Folder;
/// # fn main() -> advect_core::Result<()> {
/// let (flowers, _) = Folder::new("flowers").size(64).read()?;
/// assert_eq!(flowers.dim(), [3, 64, 64]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ImageFolder")]
#[doc(alias = "PNG")]
#[doc(alias = "JPEG")]
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    size: Option<u32>,
    most_pixels: u64,
    grey: bool,
    damaged: Damaged,
}

impl Folder {
    /// Creates a reader of colour pictures that all have the same size.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Folder {
            path: path.into(),
            size: None,
            most_pixels: MOST_PIXELS,
            grey: false,
            damaged: Damaged::Refuse,
        }
    }

    /// Crops each picture to its central square, and scales it to this many pixels per side (by a triangle filter,
    /// which covers the area that one pixel comes from). Without this, pictures of several sizes are an error.
    #[doc(alias = "Resize")]
    #[doc(alias = "CenterCrop")]
    pub fn size(mut self, pixels: u32) -> Self {
        self.size = Some(pixels);
        self
    }

    /// Sets the largest number of pixels that a picture may have, 8,192 × 8,192 by default: even a small file may
    /// unpack to gigabytes. Reading takes at most 32 bytes for each of them, besides the pictures that are read.
    pub fn most_pixels(mut self, pixels: u64) -> Self {
        self.most_pixels = pixels;
        self
    }

    /// Reads one channel, of luminance, in place of red, green and blue.
    #[doc(alias = "grayscale")]
    pub fn grey(mut self) -> Self {
        self.grey = true;
        self
    }

    /// Sets the treatment of files that can't be read; an error by default.
    pub fn damaged(mut self, damaged: Damaged) -> Self {
        self.damaged = damaged;
        self
    }

    /// Reads all pictures. Returns them, and the skipped files, each with its fault.
    ///
    /// # Errors
    /// [`Error::File`] for a folder that can't be read or has no pictures, for one picture among other classes, for a
    /// picture that is damaged or has too many pixels, unless those are skipped, or of another size than the first;
    /// [`Error::Range`] for a size of 0 or beyond [`Folder::most_pixels`].
    pub fn read(&self) -> Result<(Images, Vec<Error>)> {
        if let Some(size) = self.size {
            check::at_least_one("size", size as usize)?;
            if u64::from(size).pow(2) > self.most_pixels {
                let accepted = format!("a square of at most {} pixels", self.most_pixels);
                return Err(Error::range("size", size, accepted));
            }
        }
        let (files, classes) = self.files()?;
        let (mut pixels, mut labels, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        let mut first: Option<(u32, u32)> = None;
        for (path, label) in &files {
            let image = match self.decode(path) {
                Ok(image) => image,
                Err(error) if self.damaged == Damaged::Skip => {
                    skipped.push(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let size = (image.width(), image.height());
            let expected = *first.get_or_insert(size);
            if size != expected {
                let reason = format!(
                    "it is {} × {}, the first is {} × {}: give a size to scale them to",
                    size.0, size.1, expected.0, expected.1
                );
                return Err(Error::file(path, reason));
            }
            let (bytes, channels) = match self.grey {
                true => (image.into_luma8().into_raw(), 1),
                false => (image.into_rgb8().into_raw(), 3),
            };
            (pixels.try_reserve(bytes.len())).map_err(|e| Error::file(path, e))?;
            // From channels side by side to planes.
            for channel in 0..channels {
                pixels.extend(bytes.iter().skip(channel).step_by(channels));
            }
            labels.push(*label);
        }
        let Some((width, height)) = first else {
            let reason = format!(
                "none of its PNG and JPEG files could be read ({} in all)",
                files.len()
            );
            return Err(Error::file(&self.path, reason));
        };
        let channels = if self.grey { 1 } else { 3 };
        let shape = [labels.len(), channels, height as usize, width as usize];
        Ok((Images::new(pixels, shape, labels, classes)?, skipped))
    }

    /// The pictures with their labels, and the names of the classes.
    fn files(&self) -> Result<(Vec<Labelled>, Vec<String>)> {
        let root = canonical(&self.path)?;
        let Entries { folders, files } = entries(&self.path, &root)?;
        if folders.is_empty() {
            return Ok((
                files.into_iter().map(|file| (file, 0)).collect(),
                Vec::new(),
            ));
        }
        if let Some(file) = files.first() {
            return Err(Error::file(
                file,
                "it is beside the folders of classes, not in one of them",
            ));
        }
        let (mut labelled, mut classes) = (Vec::new(), Vec::new());
        for (label, folder) in (0..).zip(&folders) {
            let files = pictures_within(folder, &root)?;
            labelled.extend(files.into_iter().map(|file| (file, label)));
            let name = folder.file_name().unwrap_or_default();
            classes.push(name.to_string_lossy().into_owned());
        }
        Ok((labelled, classes))
    }

    fn decode(&self, path: &Path) -> Result<DynamicImage> {
        let wrong = |e: &dyn std::fmt::Display| Error::file(path, e);
        let reader = ImageReader::new(BufReader::new(file::open(path)?));
        let mut reader = reader.with_guessed_format().map_err(|e| wrong(&e))?;
        // The widest pixels have four channels of 16 bits; the rest is what a decoder works with.
        let mut limits = Limits::default();
        limits.max_alloc = Some(self.most_pixels.saturating_mul(16).saturating_add(1 << 24));
        reader.limits(limits);
        let decoder = reader.into_decoder().map_err(|e| wrong(&e))?;
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > self.most_pixels {
            return Err(wrong(&format!(
                "it has {width} × {height} pixels; expected at most {}: see Folder::most_pixels",
                self.most_pixels
            )));
        }
        let image = DynamicImage::from_decoder(decoder).map_err(|e| wrong(&e))?;
        let Some(size) = self.size else {
            return Ok(image);
        };
        // Cut first: scaled as a whole, a long and thin picture would be a huge one.
        let side = image.width().min(image.height());
        let (left, top) = ((image.width() - side) / 2, (image.height() - side) / 2);
        let square = image.crop_imm(left, top, side, side);
        drop(image);
        Ok(square.resize_exact(size, size, FilterType::Triangle))
    }
}

/// A file, and the number of its class.
type Labelled = (PathBuf, u32);

/// The contents of a folder, sorted by name.
struct Entries {
    folders: Vec<PathBuf>,
    /// The pictures.
    files: Vec<PathBuf>,
}

/// The folders and the pictures in a folder, but for links to folders that `root` lies in.
fn entries(folder: &Path, root: &Path) -> Result<Entries> {
    let failed = |e: std::io::Error| Error::file(folder, e);
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        if path.is_dir() {
            if !root.starts_with(canonical(&path)?) {
                folders.push(path);
            }
        } else if ["png", "jpg", "jpeg"]
            .iter()
            .any(|known| extension == *known)
        {
            files.push(path);
        }
    }
    folders.sort();
    files.sort();
    Ok(Entries { folders, files })
}

/// The pictures in a folder within `root`, and in all folders within it, each once.
fn pictures_within(folder: &Path, root: &Path) -> Result<Vec<PathBuf>> {
    let (mut pictures, mut seen) = (Vec::new(), HashSet::new());
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        if seen.insert(canonical(&folder)?) {
            let Entries { folders, files } = entries(&folder, root)?;
            pictures.extend(files);
            open.extend(folders.into_iter().rev());
        }
    }
    pictures.sort();
    Ok(pictures)
}

/// A folder by the one path that all links to it share.
fn canonical(folder: &Path) -> Result<PathBuf> {
    fs::canonicalize(folder).map_err(|e| Error::file(folder, e))
}
