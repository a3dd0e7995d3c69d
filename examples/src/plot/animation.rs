//! Moving pictures.

use std::fmt::Display;
use std::path::Path;

use advect::core::file;
use advect::prelude::{Error, Result};

use super::Canvas;
use super::picture::pixels;

/// Draws so many pictures of this logical size, and writes them as an animated PNG, which browsers play without end. Where it can't be played, the
/// last picture is seen: it is the file's still one. The last picture stays for a second.
///
/// Each pixel has the nearest of 256 colours, so that files are small.
///
/// # Errors
/// [`Error::File`] if it can't be written, [`Error::Range`] for no pictures, and those of `draw`.
pub fn animation(
    path: &Path,
    size: (u32, u32),
    count: usize,
    draw: impl Fn(usize, &Canvas<'_>) -> Result<()>,
) -> Result<()> {
    let Some(last) = count.checked_sub(1) else {
        return Err(Error::range("count", count, "at least 1"));
    };
    let failed = |e: &dyn Display| Error::file(path, e);
    let frame = |k: usize| -> Result<(Vec<u8>, (u32, u32))> {
        let (pixels, size) = pixels(size, |root| draw(k, root))?;
        Ok((pixels.chunks_exact(3).map(index).collect(), size))
    };
    let (still, (width, height)) = frame(last)?;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(palette());
    encoder.set_compression(png::Compression::High);
    (encoder.set_animated(count as u32, 0)).map_err(|e| failed(&e))?;
    encoder.set_sep_def_img(true).map_err(|e| failed(&e))?;
    encoder.set_frame_delay(1, 20).map_err(|e| failed(&e))?;
    let mut writer = encoder.write_header().map_err(|e| failed(&e))?;
    writer.write_image_data(&still).map_err(|e| failed(&e))?;
    for k in 0..count {
        if k == last {
            writer.set_frame_delay(1, 1).map_err(|e| failed(&e))?;
            writer.write_image_data(&still).map_err(|e| failed(&e))?;
        } else {
            (writer.write_image_data(&frame(k)?.0)).map_err(|e| failed(&e))?;
        }
    }
    writer.finish().map_err(|e| failed(&e))?;
    file::write_atomically(path, |f| f.write_all(&file))
}

/// Levels of each primary colour, and of grey: 6³ + 40 are 256.
const LEVELS: usize = 6;
const GREYS: usize = 40;

fn palette() -> Vec<u8> {
    let byte = |i: usize, n: usize| (255 * i / (n - 1)) as u8;
    let colour = |i: usize| {
        let levels = [i / (LEVELS * LEVELS), i / LEVELS % LEVELS, i % LEVELS];
        levels.map(|level| byte(level, LEVELS))
    };
    let colours = (0..LEVELS.pow(3)).map(colour);
    let greys = (0..GREYS).map(|i| [byte(i, GREYS); 3]);
    colours.chain(greys).flatten().collect()
}

/// The place of a pixel's nearest colour, or of the nearest grey where the pixel is about grey.
fn index(pixel: &[u8]) -> u8 {
    let level = |x: u8, n: usize| (usize::from(x) * (n - 1) + 127) / 255;
    let (low, high) = pixel
        .iter()
        .fold((255, 0), |(a, b), x| (*x.min(&a), *x.max(&b)));
    if high - low < 12 {
        return (LEVELS.pow(3) + level(pixel[1], GREYS)) as u8;
    }
    pixel.iter().fold(0, |i, x| i * LEVELS + level(*x, LEVELS)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_have_near_colours() {
        let palette = palette();
        assert_eq!(palette.len(), 3 * 256);
        for pixel in [
            [0, 0, 0],
            [255, 255, 255],
            [150, 150, 150],
            [0, 114, 178],
            [230, 159, 0],
        ] {
            let place = 3 * usize::from(index(&pixel));
            let found = &palette[place..place + 3];
            let off = pixel.iter().zip(found).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(off.is_some_and(|off| off <= 26), "{pixel:?} {found:?}");
        }
    }
}
