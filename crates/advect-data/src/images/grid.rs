//! Grids of images as one picture.

use std::io::Cursor;
use std::path::Path;

use advect_core::{Error, Result, check, file};
use candle_core::{DType, Device, Tensor};
use image::{DynamicImage, ImageFormat, RgbImage};

/// Pixels between images.
const GAP: usize = 2;
/// The most pixels of a picture.
const MOST: usize = 1 << 28;

/// Writes images as one PNG picture, atomically: rows of `columns` images, with white between them. Images are floats
/// `(count, channels, height, width)` from −1 (black) to 1 (white), beyond which they are cut off, or bytes as they are, with one channel or
/// with three.
///
/// ```
/// use advect_data::images::write_grid;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let samples = Tensor::zeros((6, 1, 8, 8), DType::F32, &Device::Cpu)?;
/// let path = std::env::temp_dir().join(format!("advect-grid-{}.png", std::process::id()));
/// write_grid(&path, &samples, 3)?;
/// // Three columns and two rows of 8 × 8, with gaps of 2 around each.
/// assert_eq!(image::image_dimensions(&path).unwrap(), (32, 22));
/// # std::fs::remove_file(path).unwrap();
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] for another rank or number of channels; [`Error::Range`] for 0 columns, or 2²⁸ pixels and more;
/// [`Error::NonFinite`]; [`Error::File`] if it can't be written.
#[doc(alias = "make_grid")]
#[doc(alias = "save_image")]
pub fn write_grid(path: impl AsRef<Path>, images: &Tensor, columns: usize) -> Result<()> {
    let path = path.as_ref();
    let &[count, channels @ (1 | 3), height, width] = images.dims() else {
        let accepted = "(count, 1 or 3, height, width)";
        return Err(Error::shape("images", images.dims(), accepted));
    };
    check::batch("images", images)?;
    let columns = check::at_least_one("columns", columns)?.min(count);
    let bytes = match images.dtype() {
        DType::U8 => images.clone(),
        _ => {
            check::float("images", images)?;
            check::finite("images", images)?;
            let scaled = images.to_dtype(DType::F32)?.affine(127.5, 127.5)?;
            scaled.round()?.clamp(0f32, 255f32)?.to_dtype(DType::U8)?
        }
    };
    let bytes = bytes
        .to_device(&Device::Cpu)?
        .flatten_all()?
        .to_vec1::<u8>()?;
    let side = |count: usize, size: usize| {
        let cells = size.checked_add(GAP)?.checked_mul(count)?;
        cells.checked_add(GAP)
    };
    let sides = side(columns, width).zip(side(count.div_ceil(columns), height));
    let sides = sides.filter(|(w, h)| w.checked_mul(*h).is_some_and(|n| n < MOST));
    let Some((across, down)) = sides else {
        let accepted = format!("images of fewer than {MOST} pixels in all");
        return Err(Error::range(
            "images",
            format!("{:?}", images.dims()),
            accepted,
        ));
    };
    let mut pixels = vec![255; 3 * across * down];
    for i in 0..count {
        let (top, left) = (i / columns * (height + GAP), i % columns * (width + GAP));
        for (row, column) in (0..height).flat_map(|row| (0..width).map(move |c| (row, c))) {
            let to = 3 * ((top + GAP + row) * across + left + GAP + column);
            for channel in 0..3 {
                let plane = i * channels + channel.min(channels - 1);
                pixels[to + channel] = bytes[(plane * height + row) * width + column];
            }
        }
    }
    let picture = RgbImage::from_raw(across as u32, down as u32, pixels);
    let picture = picture.ok_or_else(|| Error::file(path, "its size does not fit a picture"))?;
    let mut png = Cursor::new(Vec::new());
    let encoded = DynamicImage::from(picture).write_to(&mut png, ImageFormat::Png);
    encoded.map_err(|e| Error::file(path, e))?;
    file::write_atomically(path, |f| f.write_all(png.get_ref()))
}
