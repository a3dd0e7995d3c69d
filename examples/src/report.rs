//! How good the generated digits are.

use advect::metrics::{energy_distance, nearest_neighbour_labels, nearest_neighbour_two_sample};
use advect::prelude::*;

/// Rounds pixels to the 17 levels that the real digits have.
///
/// # Errors
/// Those of candle.
pub fn quantize(images: &Tensor) -> Result<Tensor> {
    Ok((images.clamp(-1.0, 1.0)? * 8.0)?
        .round()?
        .affine(1.0 / 8.0, 0.0)?)
}

/// Prints a table that compares generated digits with the real ones.
///
/// # Errors
/// Those of the metrics.
pub fn print(real: &Digits, images: &Tensor, labels: &Tensor, rng: &mut Generator) -> Result<()> {
    // What is compared on the host lies there.
    let images = &images.to_device(real.images.device())?;
    let asked = labels.to_vec1::<u32>()?;
    let found = nearest_neighbour_labels(images, &real.images, &real.labels, Digits::CLASSES)?;
    let right = (asked.iter().zip(found))
        .filter(|(a, f)| **a as usize == *f)
        .count();
    println!(
        "recognised          {:>8.3}",
        right as f64 / asked.len() as f64
    );

    // As many real digits as generated ones, and the real ones in two halves.
    let shuffled = real
        .images
        .index_select(&rng.permutation(real.len(), images.device())?, 0)?;
    let count = images.dim(0)?.min(real.len());
    let accuracy =
        nearest_neighbour_two_sample(&shuffled.narrow(0, 0, count)?, &images.narrow(0, 0, count)?)?;
    println!("told from real ones {accuracy:>8.3}  (0.5 is ideal)");
    let halves = shuffled.narrow(0, 0, 2 * (real.len() / 2))?.chunk(2, 0)?;
    println!(
        "energy distance     {:>8.4}  (two halves of the real ones: {:.4})",
        energy_distance(images, &real.images)?,
        energy_distance(&halves[0], &halves[1])?
    );
    Ok(())
}
