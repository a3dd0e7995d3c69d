//! Score SDEs with exact scores: data turns into noise and back, on the paths of Song et al. 2021.
//!
//! `cargo run --release --example score_sde`
//!
//! The data is a mixture of three Gaussians on a line, whose marginals and scores are known, so that all errors are the samplers' own. The
//! forward processes VP, sub-VP and VE are simulated, and their histograms lie on the densities p_t. Back to the data go the reverse SDE, the
//! same with a corrector, and the probability flow; the table has their distances from the data's law.

use std::path::{Path, PathBuf};

use advect::core::normal::{cdf, pdf};
use advect::prelude::*;
use advect::solvers::sde::Additive;
use advect_examples::kolmogorov_smirnov;
use advect_examples::plot::{BLUE, LIGHT, Panel, panels};
use clap::Parser;

/// Simulate score SDEs in both directions.
#[derive(Parser)]
struct Args {
    /// Number of samples.
    #[arg(long, default_value_t = 8_000)]
    samples: usize,
    /// The largest number of evaluations a sampler may make.
    #[arg(long, default_value_t = 256)]
    evaluations: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

const WEIGHTS: [f64; 3] = [0.3, 0.5, 0.2];
const MEANS: [f64; 3] = [-1.2, 0.2, 1.4];
const VARIANCE: f64 = 0.02;
/// Where the forward process is looked at: the noise relative to the data.
const RATIOS: [f64; 3] = [0.1, 0.4, 2.0];

/// The marginal of the path where it is `α x1 + σ x0`.
#[derive(Clone, Copy)]
struct Marginal1d {
    alpha: f64,
    sigma: f64,
}

impl Marginal1d {
    fn at(schedule: &dyn Schedule, t: f64) -> Self {
        Marginal1d {
            alpha: schedule.alpha(t),
            sigma: schedule.sigma(t),
        }
    }

    fn deviation(&self) -> f64 {
        (self.alpha * self.alpha * VARIANCE + self.sigma * self.sigma).sqrt()
    }

    fn sum(&self, x: f64, f: fn(f64) -> f64) -> f64 {
        let parts = WEIGHTS.iter().zip(MEANS);
        parts
            .map(|(w, m)| w * f((x - self.alpha * m) / self.deviation()))
            .sum()
    }

    fn density(&self, x: f64) -> f64 {
        self.sum(x, pdf) / self.deviation()
    }

    /// The distance of Kolmogorov and Smirnov.
    fn distance(&self, x: &Tensor) -> Result<f64> {
        let x = x.flatten_all()?.to_vec1::<f64>()?;
        Ok(kolmogorov_smirnov(x, |x| self.sum(x, cdf)))
    }
}

/// The states of the forward process at the noise ratios, from the least noise to the most.
fn forwards(
    schedule: &dyn Schedule,
    data: &Tensor,
    rng: &mut Generator,
) -> Result<Vec<(f64, Tensor)>> {
    let times = RATIOS.map(|ratio| schedule.time_at_log_snr(-2.0 * ratio.ln()));
    let process = ForwardProcess::new(schedule);
    // VE leaves a little noise at t = 1.
    let start = (data + (rng.normal_like(data)? * schedule.sigma(1.0))?)?;
    let path = BrownianPath::new(rng.split(), &start, times[2], 1.0)?;
    let noise = Additive(|t| process.diffusion(t).unwrap_or(f64::NAN));
    let solver = Solver::new(EulerMaruyama::new(noise, path), Fixed::steps(400)?);
    let solution = (solver.integration(&process, &start, 1.0, times[2]))
        .save(Save::At(times.to_vec()))
        .run()?;
    Ok(solution.times.into_iter().zip(solution.states).collect())
}

/// The samplers, with evaluations in each step but the last, which is one to the expected data.
fn samplers(evaluations: usize, end: f64) -> Result<Vec<(&'static str, Box<dyn Sampler>)>> {
    let steps = |each: usize| UniformTime::within((evaluations / each).max(1), 0.0, end);
    let diffusion = |c| Ok::<_, Error>(ReverseSde::new(ForwardDiffusion::new(c)?));
    let reverse = diffusion(1.0)?;
    // Of one element, a sample's own score says little of its level.
    let corrected = PredictorCorrector::new(reverse, 1, 0.16)?.by_level();
    let flow = diffusion(0.0)?.method(SdeMethod::Heun);
    let last = LastStep::Denoise;
    Ok(vec![
        (
            "reverse SDE",
            Box::new(reverse.on(steps(1)?).last_step(last)),
        ),
        (
            "with corrector",
            Box::new(corrected.on(steps(2)?).last_step(last)),
        ),
        (
            "probability flow",
            Box::new(flow.on(steps(2)?).last_step(last)),
        ),
    ])
}

/// What there is to see of one path.
struct Row {
    name: &'static str,
    forwards: Vec<(Marginal1d, Tensor)>,
    samples: Tensor,
}

fn main() -> Result<()> {
    let args = Args::parse();
    advect_examples::prepare_pictures(&args.out)?;
    let device = Device::Cpu;
    let mut rng = Generator::from_seed(args.seed);
    let means = Tensor::new(&MEANS, &device)?.unsqueeze(1)?;
    let law = GaussianMixture::new(&WEIGHTS, &means, vec![Covariance::isotropic(VARIANCE)?])?;
    let clean = Marginal1d {
        alpha: 1.0,
        sigma: 0.0,
    };
    let data = law.sample(args.samples, DType::F64, &device, &mut rng)?;
    let noise = rng.normal_like(&data)?;

    let (vp, sub) = (
        VariancePreserving::default(),
        SubVariancePreserving::default(),
    );
    let ve = VarianceExploding::new(0.01, 50.0)?;
    let paths: [(&str, &dyn Schedule, f64); 3] = [
        ("VP", &vp, 1.0 - 1e-3),
        ("sub-VP", &sub, 1.0 - 1e-3),
        ("VE", &ve, 1.0 - 1e-5),
    ];
    println!(
        "Kolmogorov–Smirnov distances from p_t; that of as many draws is {:.4}",
        clean.distance(&data)?
    );
    println!(
        "forwards     {}",
        RATIOS.map(|r| format!("σ/α = {r:<6}")).join("  ")
    );
    let mut rows = Vec::new();
    for (name, schedule, _) in paths {
        let states = forwards(schedule, &data, &mut rng)?;
        let mut seen = Vec::new();
        let mut figures = Vec::new();
        for (t, x) in states {
            let marginal = Marginal1d::at(schedule, t);
            figures.push(format!("{:<12.4}", marginal.distance(&x)?));
            seen.push((marginal, x));
        }
        println!("{name:<13}{}", figures.join("  "));
        rows.push(Row {
            name,
            forwards: seen,
            samples: data.clone(),
        });
    }

    let counts = [args.evaluations / 8, args.evaluations / 2, args.evaluations];
    let heads = counts.map(|count| format!("{count:>6} evaluations"));
    println!("\nbackwards                {}", heads.join(" "));
    for ((name, schedule, end), row) in paths.iter().zip(&mut rows) {
        let field = law.score(schedule);
        let model = Model::new(&field, Prediction::Score, schedule);
        for k in 0..samplers(2, *end)?.len() {
            let mut figures = Vec::new();
            let mut label = "";
            for count in counts {
                let (of, sampler) = samplers(count, *end)?.swap_remove(k);
                let x = sampler.sample(&model, &noise, &mut rng)?;
                figures.push(format!("{:>18.4}", clean.distance(&x)?));
                label = of;
                if k == 0 {
                    row.samples = x;
                }
            }
            println!("{name:<7}{label:<17}{}", figures.join(" "));
        }
    }
    let picture = args.out.join("score_sde.png");
    draw(&picture, &rows, clean)?;
    println!("picture         {}", picture.display());
    Ok(())
}

/// A row for each path: the forward process at three times, and samples of the reverse SDE, as histograms under the densities.
fn draw(path: &Path, rows: &[Row], clean: Marginal1d) -> Result<()> {
    panels(path, rows.len(), 4, 300, |areas| {
        for (row, areas) in rows.iter().zip(areas.chunks(4)) {
            let reversed = (
                format!("{}: back at the data", row.name),
                clean,
                &row.samples,
            );
            let forwards = row
                .forwards
                .iter()
                .zip(RATIOS)
                .map(|((marginal, x), ratio)| {
                    (format!("{}: σ/α = {ratio}", row.name), *marginal, x)
                });
            for (area, (title, marginal, x)) in areas.iter().zip(forwards.chain([reversed])) {
                let half = marginal.alpha * 1.5 + 3.0 * marginal.deviation();
                let width = 2.0 * half / 60.0;
                let x = x.flatten_all()?.to_vec1::<f64>()?;
                let unit = 1.0 / (x.len() as f64 * width);
                let mut counts = [0.0; 60];
                for x in &x {
                    let place = ((x + half) / width).floor();
                    if (0.0..60.0).contains(&place) {
                        counts[place as usize] += unit;
                    }
                }
                let density = |i: usize| {
                    let x = -half + 2.0 * half * i as f64 / 400.0;
                    [x, marginal.density(x)]
                };
                let top = (0..=400).map(|i| density(i)[1]).fold(0.0, f64::max);
                let panel = Panel::new(area, &title, -half..half, 0.0..1.25 * top)?;
                for (i, height) in counts.iter().enumerate() {
                    let left = -half + width * i as f64;
                    panel.tile([[left, 0.0], [left + width, *height]], &LIGHT)?;
                }
                panel.stroke((0..=400).map(density), 1.6, &BLUE)?;
            }
        }
        Ok(())
    })
}
