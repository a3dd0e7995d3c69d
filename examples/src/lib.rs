//! What the examples share: the choice of a device, pictures with text, losses, and how good digits are.

mod cifar10_recipe;
mod fitting_unet;
mod grid;
pub mod image;
mod losses;
mod named_rows;
mod picture;
pub mod plot;
mod points;
pub mod report;

use std::path::Path;

use advect::candle::utils::cuda_is_available;
use advect::prelude::{Device, Error, Result};
pub use cifar10_recipe::Cifar10Recipe;
pub use fitting_unet::fitting_unet;
pub use grid::grid;
pub use losses::Losses;
pub use named_rows::named_rows;
pub use picture::{Canvas, picture};
use plotters::style::{FontStyle, register_font};
pub use points::draw_points;

/// The family under which [`prepare_pictures`] registers a font: the same on every machine.
pub const FONT: &str = "advect";

/// The device of a name: `cpu`, `cuda`, or `cuda:1` for the second card.
///
/// # Errors
/// [`Error::Range`] for another name, and for a GPU without the feature `cuda`; candle's own error for one that is not there.
pub fn device(name: &str) -> Result<Device> {
    let wrong = || Error::range("device", name, "cpu, cuda or cuda:N");
    let index = match name.split_once(':') {
        None if name == "cpu" => return Ok(Device::Cpu),
        None if name == "cuda" => 0,
        Some(("cuda", index)) => index.parse().map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    if !cuda_is_available() {
        let accepted = "cpu, unless built with `--features cuda`, which needs the CUDA toolkit";
        return Err(Error::range("device", name, accepted));
    }
    Ok(Device::new_cuda(index)?)
}

/// Makes the folder that a picture goes to, and registers the font of its text.
///
/// # Errors
/// [`Error::File`] if the folder can't be made.
pub fn prepare_pictures(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
    register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| Error::range("font", FONT, "a readable font"))
}
