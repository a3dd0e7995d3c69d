//! The options of the command line.

use std::path::PathBuf;

use clap::Parser;

/// Learn the rows of a table, and draw new ones.
#[derive(Parser)]
pub(crate) struct Args {
    /// The table, with the names of its columns in the first line; penguins unless told.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/table/penguins.csv"))]
    pub(crate) csv: PathBuf,
    /// The column with the classes of rows.
    #[arg(long, default_value = "species")]
    pub(crate) label: String,
    /// Columns to leave out.
    #[arg(
        long = "without",
        value_delimiter = ',',
        default_value = "island,sex,year"
    )]
    pub(crate) except: Vec<String>,
    /// Training steps.
    #[arg(long, default_value_t = 2000)]
    pub(crate) steps: usize,
    /// Samples in a training batch.
    #[arg(long, default_value_t = 128)]
    pub(crate) batch: usize,
    /// Steps from one look at the held-out rows to the next.
    #[arg(long, default_value_t = 50)]
    pub(crate) every: usize,
    /// Weight of classifier-free guidance: 1 is none.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) guidance: f64,
    /// Rows to draw.
    #[arg(long, default_value_t = 300)]
    pub(crate) samples: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Folder for checkpoints, losses and samples.
    #[arg(long, default_value = "out/table")]
    pub(crate) out: PathBuf,
}
