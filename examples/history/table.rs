//! The table and the picture.

use std::path::Path;

use advect::metrics::{energy_distance, nearest_neighbour_labels, nearest_neighbour_two_sample};
use advect::prelude::*;
use advect_examples::named_rows;

use crate::task::{Bits, Entry, Task};

/// Prints a row for each model, and one for the digits of the training.
pub(crate) fn print(task: &Task, rows: &[(&'static str, Entry)]) -> Result<()> {
    println!(
        "{} digits to learn from, {} others to test on",
        task.train.dim(0)?,
        task.test.dim(0)?
    );
    println!(
        "{:<26}{:>20}{:>9}{:>12}{:>10}{:>10}{:>9}{:>12}",
        "",
        "bits per dimension",
        "classes",
        "two-sample",
        "energy",
        "train, s",
        "draw, s",
        "parameters"
    );
    for (name, entry) in rows {
        println!(
            "{name:<26}{:>20}{}{:>10.1}{:>9.2}{:>12}",
            told(&entry.bits),
            quality(task, &entry.samples)?,
            entry.training,
            entry.sampling,
            entry.parameters
        );
    }
    println!(
        "{:<46}{}",
        "digits of the training",
        quality(task, &task.train)?
    );
    Ok(())
}

/// `=` exact, `≤` a bound, `≈` a bound up to an estimate with its error.
fn told(bits: &Bits) -> String {
    match bits {
        Bits::Exact(bits) => format!("= {:.3}", bits.mean),
        Bits::Bound(bits) => format!("≤ {:.3}", bits.mean),
        Bits::Estimate(bits, error) => format!("≈ {:.3} ± {error:.3}", bits.mean),
        Bits::None => "none".to_string(),
    }
}

/// The share of held-out digits whose nearest sample has their class, by the class of the sample's nearest digit of the training; the accuracy with which nearest neighbours
/// tell samples from held-out digits, of which ½ is best; and the energy distance between the two.
fn quality(task: &Task, samples: &Tensor) -> Result<String> {
    let classes = Digits::CLASSES;
    let own = nearest_neighbour_labels(samples, &task.train, &task.train_labels, classes)?;
    let own: Vec<u32> = own.into_iter().map(|class| class as u32).collect();
    let own = Tensor::new(own, &Device::Cpu)?;
    let found = nearest_neighbour_labels(&task.test, samples, &own, classes)?;
    let asked = task.test_labels.to_vec1::<u32>()?;
    let right = asked
        .iter()
        .zip(&found)
        .filter(|(a, f)| **a as usize == **f);
    let right = right.count() as f64 / asked.len() as f64;
    let count = samples.dim(0)?.min(asked.len());
    let told = nearest_neighbour_two_sample(
        &task.test.narrow(0, 0, count)?,
        &samples.narrow(0, 0, count)?,
    )?;
    let energy = energy_distance(samples, &task.test)?;
    Ok(format!("{right:>9.3}{told:>12.3}{energy:>10.4}"))
}

/// Draws a row of samples for each model, under one of digits that were trained on.
pub(crate) fn draw(path: &Path, task: &Task, rows: &[(&'static str, Entry)]) -> Result<()> {
    let mut all = vec![("digits of the training", &task.train)];
    all.extend(rows.iter().map(|(name, entry)| (*name, &entry.samples)));
    named_rows(path, &all, 8, 16)
}
