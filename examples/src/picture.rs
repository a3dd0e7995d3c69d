//! Pictures as PNG files.

use std::fmt::Display;
use std::path::Path;

use advect::core::file;
use advect::prelude::{Error, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

/// The whole picture, or a part of it.
pub type Canvas<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Draws on a white picture of this width and height, and writes it as PNG, whole or not at all.
///
/// # Errors
/// [`Error::File`] if it can't be written, and those of `draw`.
pub fn picture(
    path: &Path,
    (width, height): (u32, u32),
    draw: impl FnOnce(&Canvas<'_>) -> Result<()>,
) -> Result<()> {
    let failed = |e: &dyn Display| Error::file(path, e);
    let mut pixels = vec![255; 3 * width as usize * height as usize];
    {
        let size = (width, height);
        let root = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        draw(&root)?;
        root.present().map_err(|e| failed(&e))?;
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().map_err(|e| failed(&e))?;
    writer.write_image_data(&pixels).map_err(|e| failed(&e))?;
    writer.finish().map_err(|e| failed(&e))?;
    file::write_atomically(path, |f| f.write_all(&file))
}
