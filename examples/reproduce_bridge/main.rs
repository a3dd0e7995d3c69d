//! The Schrödinger bridge between Gaussians, after the benchmark of Tong et al. 2024b: how far learned bridges are from the known one.
//!
//! `cargo run --release --example reproduce_bridge`; `-- --dimensions 5 --seeds 2` takes less time.
//!
//! Protocol: from N(−0.1, I) to N(0.1, I) with σ = 1, in 5, 20 and 50 dimensions; 10,000 training points of each end; perceptrons of 3 × 64 with SELU;
//! 10,000 test points, whose laws are fitted by a Gaussian at 21 times; the mean over the times of the Kullback–Leibler divergence of the exact
//! law from that Gaussian. Five seeds, means ± standard deviations. Other than the paper's: 1,000 steps of AdamW on 512 pairs at a rate that falls
//! from 3e-3 by a cosine, averaged weights, \[SF\]²M's pairs from entropic plans of 2,000 points, 40 Euler–Maruyama steps.
//!
//! | row | what it tells of |
//! | --- | --- |
//! | samples of the law itself | the number of samples: it is part of every row |
//! | exact drift, less the row above | the steps |
//! | \[SF\]²M with an exact score, less the exact drift | the errors of the velocity |
//! | \[SF\]²M with an exact velocity, less the exact drift | the errors of the score |
//!
//! A second table has the distances of Kolmogorov and Smirnov from the law at t = ½ and at the end of the way, the largest along the coordinates and ten random
//! directions, followed by the value that exact samples exceed once in twenty times at most.

mod gaussians;

use advect::prelude::*;
use advect_examples::{Spread, Table};
use clap::Parser;

use gaussians::{Outcome, ROWS, critical, measure};

/// Reproduce the table of Gaussian bridges.
#[derive(Parser)]
struct Args {
    /// Training steps of each method, shared by its networks.
    #[arg(long, default_value_t = 1000)]
    steps: usize,
    /// Seeds.
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Samples of each end to learn from.
    #[arg(long, default_value_t = 10_000)]
    points: usize,
    /// Samples that the divergences are of.
    #[arg(long, default_value_t = 10_000)]
    samples: usize,
    /// Dimensions of the table.
    #[arg(long, value_delimiter = ',', default_value = "5,20,50")]
    dimensions: Vec<usize>,
}

/// What the paper has, for a dimension: SB-CFM and \[SF\]²M with exact pairs.
const PUBLISHED: [(usize, [&str; 2]); 3] = [
    (5, [".008", ".006"]),
    (20, [".086", ".028"]),
    (50, [".447", ".258"]),
];

fn main() -> Result<()> {
    let args = Args::parse();
    let mut divergences = vec![vec!["mean KL at 21 times".to_string()]];
    let mut largest = vec![vec!["largest KS distance, t = ½ · end".to_string()]];
    for table in [&mut divergences, &mut largest] {
        table.extend(ROWS.map(|row| vec![row.to_string()]));
    }
    let names = [
        "published, [SF]²M",
        "published, SB-CFM",
        "training, [SF]²M",
        "training, DSBM",
    ];
    divergences.extend(names.map(|row| vec![row.to_string()]));
    largest.push(vec!["5 % critical value".to_string()]);
    for &dim in &args.dimensions {
        let key = |seed| Key::from_seed(seed).named("gaussians").child(dim as u64);
        let outcomes = (0..args.seeds).map(|seed| {
            let outcome = measure(dim, &args, &key(seed))?;
            let figures = outcome.rows.map(|row| format!("{:.4}", row.divergence));
            println!("d = {dim:<3} seed {seed}   {}", figures.join("  "));
            Ok(outcome)
        });
        let outcomes: Vec<_> = outcomes.collect::<Result<_>>()?;
        let of = |figure: &dyn Fn(&Outcome) -> f64| {
            Spread::of(&outcomes.iter().map(figure).collect::<Vec<_>>())
        };
        let published = PUBLISHED.iter().find(|(d, _)| *d == dim);
        let [sb_cfm, sf2m] = published.map_or(["", ""], |(_, figures)| *figures);
        let mut columns = [vec![format!("d = {dim}")], vec![format!("d = {dim}")]];
        for row in 0..ROWS.len() {
            columns[0].push(format!("{:.4}", of(&|o| o.rows[row].divergence)?));
            let [middle, end] = [0, 1].map(|k| of(&|o| o.rows[row].largest[k]));
            columns[1].push(format!("{:.4} · {:.4}", middle?, end?));
        }
        columns[0].extend([sf2m.to_string(), sb_cfm.to_string()]);
        for k in 0..2 {
            columns[0].push(format!("{:.0} s", of(&|o| o.seconds[k])?.mean));
        }
        columns[1].push(format!("{:.4}", critical(dim, args.samples)));
        for (table, column) in [&mut divergences, &mut largest].into_iter().zip(columns) {
            for (row, cell) in table.iter_mut().zip(column) {
                row.push(cell);
            }
        }
    }
    println!("\n{} seeds, {} steps", args.seeds, args.steps);
    for table in [divergences, largest] {
        let mut rows = table.into_iter();
        let mut printed = Table::new(rows.next().unwrap_or_default());
        rows.for_each(|row| printed.row(row));
        print!("\n{printed}");
    }
    Ok(())
}
