//! Three ways from noise to data that are known in closed form: the variance-preserving and the variance-exploding diffusion and straight lines (Lipman et al. 2023, section 4.1
//! and figures 2 to 4). Nothing is trained.
//!
//! `cargo run --release --example paths`
//!
//! The data is a checkerboard of small Gaussians in the plane, whose marginals, velocities and densities at all times are exact, so that what the paths differ in is their own.

mod picture;

use std::path::PathBuf;
use std::time::Instant;

use advect::metrics::straightness;
use advect::prelude::*;
use clap::Parser;

/// Compare paths by their exact fields.
#[derive(Parser)]
struct Args {
    /// Samples for the table.
    #[arg(long, default_value_t = 100)]
    samples: usize,
    /// Tiles along a side of each density.
    #[arg(long, default_value_t = 56)]
    tiles: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

/// The diffusions' velocities are infinite or end in noise at 1.
const END: f64 = 1.0 - 1e-3;
/// Steps of Euler's method.
const STEPS: [usize; 4] = [5, 10, 20, 50];
/// Times at which states are kept.
const KEPT: usize = 100;

/// A path, as the example shows it.
struct Case {
    name: &'static str,
    schedule: Box<dyn Schedule>,
    /// The flow of the noise along the marginal velocity.
    states: Vec<Tensor>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if args.samples < 2 {
        return Err(Error::range("samples", args.samples, "at least 2"));
    }
    check::at_least_one("tiles", args.tiles)?;
    advect_examples::prepare_pictures(&args.out)?;
    let law = checkerboard()?;
    let mut rng = Generator::from_seed(args.seed);
    let noise = rng.normal((args.samples, 2), DType::F64, &Device::Cpu)?;
    let schedules: [(&str, Box<dyn Schedule>); 3] = [
        ("VP", Box::new(VariancePreserving::default())),
        ("VE", Box::new(VarianceExploding::new(0.01, 8.0)?)),
        ("OT", Box::new(CondOt::default())),
    ];
    println!(
        "{:<6}{:>15}{:>12}{:>15}  error after Euler's steps",
        "", "relative bend", "way", "Dopri5, NFE"
    );
    let heads: String = STEPS.iter().map(|n| format!("{n:>10}")).collect();
    println!("{:<48}{heads}", "");
    let mut cases = Vec::new();
    for (name, schedule) in schedules {
        cases.push(case(name, schedule, &law, &noise)?);
    }
    let path = args.out.join("paths.png");
    let started = Instant::now();
    picture::draw(&path, &law, &cases, args.tiles)?;
    println!(
        "picture {}, {:.1} s",
        path.display(),
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Eight squares of a checkerboard of 4 × 4, each of 3 × 3 Gaussians.
fn checkerboard() -> Result<GaussianMixture> {
    let mut means = Vec::new();
    for place in (0..16).filter(|place| (place / 4 + place) % 2 == 0) {
        for part in 0..9 {
            let along = |square: usize, part: usize| {
                0.8 * (square as f64 - 1.5) + 0.8 / 3.0 * (part as f64 - 1.0)
            };
            means.push([along(place % 4, part % 3), along(place / 4, part / 3)]);
        }
    }
    let weights = vec![1.0 / means.len() as f64; means.len()];
    let means = Tensor::from_vec(means.concat(), (weights.len(), 2), &Device::Cpu)?;
    GaussianMixture::new(&weights, &means, vec![Covariance::isotropic(0.01)?])
}

/// Takes noise along the marginal velocity, and prints a row.
fn case(
    name: &'static str,
    schedule: Box<dyn Schedule>,
    law: &GaussianMixture,
    noise: &Tensor,
) -> Result<Case> {
    let velocity = law.velocity(&schedule);
    let start = (noise * schedule.sigma(0.0))?;
    let times: Vec<f64> = (0..=KEPT).map(|k| END * (k as f64 / KEPT as f64)).collect();
    let exact = Solver::new(Dopri5, Adaptive::new(1e-7, 1e-7)?);
    let solution = (exact.integration(&velocity, &start, 0.0, END))
        .save(Save::At(times))
        .run()?;
    let (times, states) = (solution.times, solution.states);
    let end = &states[states.len() - 1];
    let distance = |x: &Tensor, y: &Tensor| -> Result<f64> {
        let squares = (x - y)?.sqr()?.sum_all()?.to_scalar::<f64>()?;
        Ok((squares / noise.dim(0)? as f64).sqrt())
    };
    let way = distance(end, &start)?;
    let bend = straightness(&times, &states)?.mean * END / (way * way);
    let loose = Solver::new(Dopri5, Adaptive::new(1e-4, 1e-4)?);
    let evaluations = loose
        .solve(&velocity, &start, 0.0, END)?
        .statistics
        .evaluations;
    let mut errors = String::new();
    for steps in STEPS {
        let euler = Solver::new(Euler, Fixed::steps(steps)?);
        let reached = euler.solve(&velocity, &start, 0.0, END)?.end()?;
        errors += &format!("{:>10.4}", distance(&reached, end)?);
    }
    println!("{name:<6}{bend:>15.3}{way:>12.3}{evaluations:>15}{errors}");
    Ok(Case {
        name,
        schedule,
        states,
    })
}
