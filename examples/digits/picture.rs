//! A grid of digits: real ones on the left, generated ones on the right, a class a row.

use std::path::Path;

use advect::prelude::*;
use advect_examples::plot::Sheet;

const COLUMNS: usize = 10;

/// Draws the first digits of each class. Generated images have the classes in turn.
pub(crate) fn draw(path: &Path, real: &Digits, generated: &Tensor) -> Result<()> {
    let labels = real.labels.to_vec1::<u32>()?;
    let names: Vec<String> = (0..Digits::CLASSES).map(|k| k.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut sheet = Sheet::new(&names, &["real", "generated"], COLUMNS, 40);
    for class in 0..Digits::CLASSES {
        let originals = (0..labels.len()).filter(|&i| labels[i] as usize == class);
        let samples = (class..generated.dim(0)?).step_by(Digits::CLASSES);
        sheet.put(class, 0, &chosen(&real.images, originals)?);
        sheet.put(class, 1, &chosen(generated, samples)?);
    }
    sheet.draw(path)
}

/// The first images of these places.
fn chosen(images: &Tensor, places: impl Iterator<Item = usize>) -> Result<Tensor> {
    let places: Vec<u32> = places.take(COLUMNS).map(|i| i as u32).collect();
    let places = Tensor::new(places, images.device())?;
    Ok(images.index_select(&places, 0)?)
}
