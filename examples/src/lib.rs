//! What the examples share: the choice of a device, configurations of runs, pictures with text, losses, and how good digits are.

pub mod bridges;
mod cifar10_recipe;
pub mod configuration;
mod fitting_unet;
mod kolmogorov;
mod losses;
mod maximum_likelihood;
mod named_rows;
pub mod plot;
mod points;
pub mod report;
mod spread;
mod table;

use advect::candle::utils::cuda_is_available;
use advect::prelude::{Device, Error, Result};
pub use cifar10_recipe::Cifar10Recipe;
pub use fitting_unet::fitting_unet;
pub use kolmogorov::kolmogorov_smirnov;
pub use losses::Losses;
pub use maximum_likelihood::MaximumLikelihoodFit;
pub use named_rows::named_rows;
pub use plot::{Canvas, prepare_pictures};
pub use points::{draw_points, report_rows};
pub use spread::Spread;
pub use table::Table;

/// The device of a name: `cpu`, `cuda`, or `cuda:1` for the second card.
///
/// # Errors
/// [`Error::Range`] for another name, for a GPU without the feature `cuda`, and for one that is not there.
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
    Device::new_cuda(index).map_err(|error| {
        // Without candle's backtrace.
        let reason = error.to_string();
        let reason = reason.lines().next().unwrap_or_default();
        let accepted = format!("a GPU that `nvidia-smi` lists, or cpu ({reason})");
        Error::range("device", name, accepted)
    })
}
