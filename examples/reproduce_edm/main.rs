//! Errors against evaluations of EDM's Heun method and of DDIM, where the flow is known: Karras et al. 2022, section 3.
//!
//! `cargo run --release --example reproduce_edm`; `-- --evaluations 64 --seeds 2` takes less time. Writes `edm.png`.
//!
//! Protocol: the data is a mixture of five Gaussians of deviation 0.05 in 8 dimensions, whose denoiser is exact, so that all errors are the samplers' own; EDM's
//! noise levels from 80 to 0.002 with ρ = 7, then a step to the data; 18, 35 and more evaluations, where Heun's method makes two in every step but the
//! last. The error is the median distance of 200 samples from where 4,096 steps of Heun's method take the same noise: in few steps some samples come to another
//! Gaussian, and a mean would tell of nothing else. Five seeds of noise,
//! means ± standard deviations. The paper has no such table; its claims are those that this one tests: Euler's method (DDIM) is of order 1 and Heun's of order 2 in
//! the number of steps (section 3 and appendix D), and ρ = 7 beats ρ = 1 and ρ = 3. That 35 evaluations of Heun's method are enough where hundreds of Euler's are needed
//! is not seen here: its lead begins at about 64.

use std::path::PathBuf;

use advect::paths::closed_form::Covariance;
use advect::prelude::*;
use advect_examples::plot::work_precision;
use advect_examples::{Spread, Table};
use clap::Parser;

/// Reproduce errors against evaluations on a closed form.
#[derive(Parser)]
struct Args {
    /// The most evaluations.
    #[arg(long, default_value_t = 512)]
    evaluations: usize,
    /// Seeds of the noise.
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Samples of a seed.
    #[arg(long, default_value_t = 200)]
    samples: usize,
    /// Steps of the solution that counts as exact.
    #[arg(long, default_value_t = 4096)]
    exact: usize,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

const DIM: usize = 8;
/// EDM's numbers of evaluations, and more.
const COUNTS: [usize; 6] = [18, 35, 64, 128, 256, 512];
const NAMES: [&str; 4] = ["DDIM", "Heun, ρ = 7", "Heun, ρ = 3", "Heun, ρ = 1"];

/// The samplers of [`NAMES`] with at most so many evaluations.
fn samplers(evaluations: usize) -> Result<Vec<Box<dyn Sampler>>> {
    let levels = |steps, rho| Karras::new(steps)?.rho(rho)?.range(0.002, 80.0);
    // The last step, to the data, is Euler's.
    let steps = evaluations.div_ceil(2);
    let mut all: Vec<Box<dyn Sampler>> = vec![Box::new(Ddim::new().on(levels(evaluations, 7.0)?))];
    for rho in [7.0, 3.0, 1.0] {
        all.push(Box::new(Edm::heun().on(levels(steps, rho)?)));
    }
    Ok(all)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = values.len();
    let at = |i: usize| values.get(i).copied().unwrap_or(f64::NAN);
    // The same one twice, if there is one in the middle.
    0.5 * (at(count.saturating_sub(1) / 2) + at(count / 2))
}

fn main() -> Result<()> {
    let args = Args::parse();
    advect_examples::prepare_pictures(&args.out)?;
    let schedule = EdmSchedule::default();
    let mut rng = Generator::from_seed(7);
    let means = rng.normal((5, DIM), DType::F64, &Device::Cpu)?;
    let weights = [0.1, 0.15, 0.2, 0.25, 0.3];
    let spreads = vec![Covariance::isotropic(0.05 * 0.05)?; weights.len()];
    let law = GaussianMixture::new(&weights, &means, spreads)?;
    let denoiser = law.denoiser(schedule);
    let model = Model::new(&denoiser, Prediction::Data, schedule);
    let exact = Edm::heun().on(Karras::new(args.exact)?.range(0.002, 80.0)?);

    let counts: Vec<usize> = COUNTS
        .into_iter()
        .filter(|n| *n <= args.evaluations)
        .collect();
    // Errors by sampler, count and seed.
    let mut errors = vec![vec![Vec::new(); counts.len()]; NAMES.len()];
    for seed in 0..args.seeds {
        let mut rng = Generator::from_seed(seed);
        let noise = rng.normal((args.samples, DIM), DType::F64, &Device::Cpu)?;
        let truth = exact.sample(&model, &noise, &mut rng)?;
        for (k, count) in counts.iter().enumerate() {
            for (of, sampler) in errors.iter_mut().zip(samplers(*count)?) {
                let x = sampler.sample(&model, &noise, &mut rng)?;
                let distances = (x - &truth)?.sqr()?.sum(1)?.sqrt()?.to_vec1::<f64>()?;
                of[k].push(median(distances));
            }
        }
    }
    let mut table = Table::new(["evaluations"].iter().chain(&NAMES).copied());
    let mut curves: Vec<(&str, Vec<[f64; 2]>)> = NAMES.map(|name| (name, Vec::new())).to_vec();
    for (k, count) in counts.iter().enumerate() {
        let mut row = vec![count.to_string()];
        for (of, (_, points)) in errors.iter().zip(&mut curves) {
            let spread = Spread::of(&of[k])?;
            row.push(format!("{spread:.5}"));
            points.push([*count as f64, spread.mean]);
        }
        table.row(row);
    }
    // The slope of the last two points.
    let mut orders = vec!["order of the last two".to_string()];
    for (_, points) in &curves {
        orders.push(match points.as_slice() {
            [.., a, b] => format!("{:.2}", (a[1] / b[1]).ln() / (b[0] / a[0]).ln()),
            _ => String::new(),
        });
    }
    table.row(orders);
    table.row(["order that is expected", "1", "2", "2", "2"]);
    print!("{table}");
    let picture = args.out.join("edm.png");
    work_precision(
        &picture,
        "EDM on a closed form",
        ["evaluations", "median error"],
        &curves,
    )?;
    println!("picture {}", picture.display());
    Ok(())
}
