//! Small images, drawn with large pixels.

use advect::prelude::{DType, Result, Tensor};
use plotters::prelude::*;

use super::Canvas;
use super::picture::{FINE, failed};

/// Draws an image `(1, height, width)` or `(height, width)` from −1 (paper) to 1 (ink), or a coloured one `(3, height, width)` from −1 to 1,
/// each pixel a square of `size`, at a corner `(x, y)`, all in logical pixels.
///
/// # Errors
/// [`Error::Range`](advect::prelude::Error::Range) if it can't be drawn; those of candle.
pub fn draw_image(root: &Canvas<'_>, image: &Tensor, size: i32, corner: (i32, i32)) -> Result<()> {
    let width = image.dim(image.rank() - 1)? as i32;
    let coloured = image.rank() == 3 && image.dim(0)? == 3;
    let pixels = image
        .to_dtype(DType::F32)?
        .flatten_all()?
        .to_vec1::<f32>()?;
    let byte = |x: f32| (127.5 * (1.0 + x.clamp(-1.0, 1.0))).round() as u8;
    let count = if coloured {
        pixels.len() / 3
    } else {
        pixels.len()
    };
    for place in 0..count {
        let i = place as i32;
        let colour = match coloured {
            true => {
                let [red, green, blue] = [0, 1, 2].map(|c| byte(pixels[place + c * count]));
                RGBColor(red, green, blue)
            }
            false => {
                let grey = byte(-pixels[place]);
                RGBColor(grey, grey, grey)
            }
        };
        let (x, y) = (corner.0 + i % width * size, corner.1 + i / width * size);
        let ends = [(x, y), (x + size, y + size)].map(|(x, y)| (x * FINE, y * FINE));
        let square = Rectangle::new(ends, colour.filled());
        root.draw(&square).map_err(failed)?;
    }
    Ok(())
}
