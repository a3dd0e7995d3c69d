//! Pictures as PNG files.

use std::fmt::Display;
use std::path::Path;

use advect::core::file;
use advect::prelude::{Error, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

/// Units of a canvas in a logical pixel.
pub(crate) const FINE: i32 = 4;
/// Units of a canvas in a pixel of the file.
const COARSE: usize = 2;

/// The whole picture, or a part of it, in units of a quarter of a logical pixel.
pub type Canvas<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

pub(crate) fn failed(error: impl Display) -> Error {
    Error::range("picture", error, "a drawing that succeeds")
}

/// The pixels of a picture of a logical size, in red, green and blue, with the size that they have.
pub(crate) fn pixels(
    (width, height): (u32, u32),
    draw: impl FnOnce(&Canvas<'_>) -> Result<()>,
) -> Result<(Vec<u8>, (u32, u32))> {
    let fine = (width * FINE as u32, height * FINE as u32);
    let mut canvas = vec![255; 3 * fine.0 as usize * fine.1 as usize];
    {
        let root = BitMapBackend::with_buffer(&mut canvas, fine).into_drawing_area();
        draw(&root)?;
        root.present().map_err(failed)?;
    }
    let size = (fine.0 / COARSE as u32, fine.1 / COARSE as u32);
    let row = 3 * fine.0 as usize;
    let mut averaged = Vec::with_capacity(canvas.len() / (COARSE * COARSE));
    for rows in canvas.chunks_exact(COARSE * row) {
        let (above, below) = rows.split_at(row);
        for (a, b) in above.chunks_exact(6).zip(below.chunks_exact(6)) {
            for c in 0..3 {
                let sum = [a[c], a[c + 3], b[c], b[c + 3]].map(u16::from);
                averaged.push(((sum.iter().sum::<u16>() + 2) / 4) as u8);
            }
        }
    }
    Ok((averaged, size))
}

/// Draws on a white picture of this logical width and height, and writes it as PNG, whole or not at all.
///
/// # Errors
/// [`Error::File`] if it can't be written, and those of `draw`.
pub fn picture(
    path: &Path,
    size: (u32, u32),
    draw: impl FnOnce(&Canvas<'_>) -> Result<()>,
) -> Result<()> {
    let failed = |e: &dyn Display| Error::file(path, e);
    let (pixels, (width, height)) = pixels(size, draw)?;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().map_err(|e| failed(&e))?;
    writer.write_image_data(&pixels).map_err(|e| failed(&e))?;
    writer.finish().map_err(|e| failed(&e))?;
    file::write_atomically(path, |f| f.write_all(&file))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file has twice the logical size, and the edge of a shape that ends within a pixel is soft.
    #[test]
    fn pixels_are_averaged() -> Result<()> {
        let draw = |root: &Canvas<'_>| {
            // Three columns of the canvas, one and a half of the file.
            let left = Rectangle::new([(0, 0), (3, 8)], BLACK.filled());
            root.draw(&left).map_err(failed)
        };
        let (pixels, size) = pixels((2, 2), draw)?;
        assert_eq!(size, (4, 4));
        let row = [0, 0, 0, 128, 128, 128, 255, 255, 255, 255, 255, 255];
        assert_eq!(pixels[..12], row);
        Ok(())
    }
}
