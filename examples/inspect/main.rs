//! What is in a file or a folder of weights: its tree with shapes and dtypes, and the networks that have parameters of these names.
//!
//! `cargo run --release --example inspect -- FILE_OR_FOLDER`

mod networks;
mod tree;

use std::path::PathBuf;

use advect::nn::{Contents, StoredTensor, Weights};
use advect::prelude::Result;
use clap::Parser;

/// Look into a file of safetensors or PyTorch, an index of several, or a folder with one.
#[derive(Parser)]
struct Args {
    /// The file or the folder.
    path: PathBuf,
    /// Levels of the tree that are shown.
    #[arg(long, default_value_t = 4)]
    depth: usize,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let parts = ["unet", "transformer", "vae"].map(|part| args.path.join(part));
    let parts: Vec<PathBuf> = parts.into_iter().filter(|part| part.is_dir()).collect();
    match parts.is_empty() {
        true => inspect(&args.path, args.depth),
        // The folder of a pipeline.
        false => parts.iter().try_for_each(|part| inspect(part, args.depth)),
    }
}

fn inspect(path: &std::path::Path, depth: usize) -> Result<()> {
    let Contents {
        tensors,
        others,
        metadata,
        ..
    } = Weights::new(path).contents()?;
    let numbers: usize = tensors.iter().map(StoredTensor::element_count).sum();
    println!(
        "{}: {} tensors, {numbers} numbers",
        path.display(),
        tensors.len()
    );
    for (key, text) in &metadata {
        println!("  {key} = {}", tree::short(text));
    }
    for (dictionary, tensors) in tree::by_dictionary(&tensors) {
        if !dictionary.is_empty() {
            let keys: String = dictionary
                .iter()
                .map(|key| format!(".within({key:?})"))
                .collect();
            println!("\n{} ({keys})", dictionary.join("/"));
        }
        tree::print(&tensors, depth);
        let names: Vec<&str> = tensors.iter().map(|tensor| &*tensor.name).collect();
        for network in networks::fitting(&names) {
            println!("  fits: {network}");
        }
    }
    if !others.is_empty() {
        println!("\nbesides tensors:");
        for (name, kind) in others.iter().take(20) {
            println!("  {name}: {}", tree::short(kind));
        }
        if others.len() > 20 {
            println!("  … ({} in all)", others.len());
        }
    }
    Ok(())
}
