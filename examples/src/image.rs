//! Small grey images, drawn with large pixels.

use advect::prelude::{DType, Error, Result, Tensor};
use plotters::coord::Shift;
use plotters::prelude::*;

/// Draws an image `(1, height, width)` or `(height, width)` from −1 (paper) to 1 (ink), each pixel a square of `size`, at a corner `(x, y)`.
///
/// # Errors
/// [`Error::Range`] if it can't be drawn; those of candle.
pub fn draw_image(
    root: &DrawingArea<BitMapBackend<'_>, Shift>,
    image: &Tensor,
    size: i32,
    corner: (i32, i32),
) -> Result<()> {
    let width = image.dim(image.rank() - 1)? as i32;
    let pixels = image
        .to_dtype(DType::F32)?
        .flatten_all()?
        .to_vec1::<f32>()?;
    for (i, ink) in (0..).zip(pixels) {
        let grey = (127.5 * (1.0 - ink.clamp(-1.0, 1.0))) as u8;
        let (x, y) = (corner.0 + i % width * size, corner.1 + i / width * size);
        let colour = RGBColor(grey, grey, grey).filled();
        let square = Rectangle::new([(x, y), (x + size, y + size)], colour);
        (root.draw(&square)).map_err(|e| Error::range("picture", e, "a drawing that succeeds"))?;
    }
    Ok(())
}
