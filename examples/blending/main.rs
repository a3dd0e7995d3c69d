//! Iterative α-(de)blending: random pairs, blended again and again, become a deterministic map.
//!
//! `cargo run --release --example blending`
//!
//! After Heitz, Belcour and Chambon 2023. A point is deblended by drawing one of the pairs of noise and data of which it may be the
//! blend, and that pair is blended a little further on. In N steps that is a random way from noise to data, whose end has the
//! law of the data for every N. As N grows, it comes to lie where the deterministic flow ends, which takes the mean of these pairs at
//! every time: the chances of a step are as large as the step, and those of N steps add up to `N^½ · 1/N`. Euler's steps along the
//! mean, the method's sampler, come near at the rate 1/N, but few of them don't have the law of the data.

use std::path::{Path, PathBuf};

use advect::metrics::{SampleMean, transport_cost, wasserstein2};
use advect::paths::closed_form::{Covariance, blend};
use advect::prelude::*;
use advect_examples::plot::{Axis, BLUE, Corner, GREY, ORANGE, Panel, panels, rows};
use clap::Parser;

/// Compare random blending with the flow that it becomes.
#[derive(Parser)]
struct Args {
    /// The most steps, a power of 4.
    #[arg(long, default_value_t = 1024)]
    steps: usize,
    /// Points of noise.
    #[arg(long, default_value_t = 4000)]
    samples: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

/// Points for W₂.
const COMPARED: usize = 1000;
/// Steps of the ways in the picture.
const DRAWN: [usize; 3] = [4, 32, 256];
const VIEW: f64 = 3.2;

/// Distances from the flow's ends for a number of steps: of random pairs, and of Euler's steps.
type Row = (usize, [SampleMean; 2]);

fn main() -> Result<()> {
    let args = Args::parse();
    advect_examples::prepare_pictures(&args.out)?;
    let law = eight_gaussians()?;
    let key = Key::from_seed(args.seed);
    let mut rng = Generator::from(key.named("points"));
    let noise = rng.normal((args.samples, 2), DType::F64, &Device::Cpu)?;
    let compared = COMPARED.min(args.samples);
    let data = law.sample(compared, DType::F64, &Device::Cpu, &mut rng)?;
    let fresh = law.sample(compared, DType::F64, &Device::Cpu, &mut rng)?;
    let to_data = |x: &Tensor| wasserstein2(&x.narrow(0, 0, compared)?, &data);

    let flow = law.velocity(CondOt::default());
    let exact = Solver::new(Dopri5, Adaptive::new(1e-8, 1e-8)?);
    let exact = exact.solve(&flow, &noise, 0.0, 1.0)?.end()?;
    println!("         random pairs                     Euler's steps");
    println!("steps        distance    rate      W2          distance    rate      W2");
    let mut table: Vec<Row> = Vec::new();
    let counts = std::iter::successors(Some(1), |n| Some(4 * n));
    for n in counts.take_while(|n| *n <= args.steps) {
        let mut rng = Generator::from(key.named(&format!("{n} steps")));
        let random = blend(&law, &noise, &times(n), &mut rng)?;
        let euler = Solver::new(Euler, Fixed::steps(n)?);
        let euler = euler.solve(&flow, &noise, 0.0, 1.0)?.end()?;
        let distance = |x| transport_cost(x, &exact, |way| way[0].hypot(way[1]));
        let distances = [distance(&random)?, distance(&euler)?];
        let rate = |i: usize| match table.last() {
            Some((_, before)) => format!("{:.2}", (before[i].mean / distances[i].mean).log(4.0)),
            None => String::new(),
        };
        let columns = |i: usize, x: &Tensor| -> Result<String> {
            let (distance, rate) = (format!("{:.4}", distances[i]), rate(i));
            Ok(format!("{distance:>16}{rate:>8}{:>8.3}", to_data(x)?))
        };
        println!("{n:>5}{}  {}", columns(0, &random)?, columns(1, &euler)?);
        table.push((n, distances));
    }
    println!("the flow's W2 to the data is {:.3}", to_data(&exact)?);
    println!("that of the data itself is {:.3}", to_data(&fresh)?);
    let picture = args.out.join("blending.png");
    draw(&picture, &law, &noise, &table, &key)?;
    println!("picture     {}", picture.display());
    Ok(())
}

/// Eight Gaussians on a circle.
fn eight_gaussians() -> Result<GaussianMixture> {
    let angle = |k: usize| std::f64::consts::TAU * k as f64 / 8.0;
    let means: Vec<f64> = (0..8)
        .flat_map(|k| [2.0 * angle(k).cos(), 2.0 * angle(k).sin()])
        .collect();
    let means = Tensor::from_vec(means, (8, 2), &Device::Cpu)?;
    GaussianMixture::new(&[0.125; 8], &means, vec![Covariance::isotropic(0.03)?])
}

/// From 0 to 1 in equal steps.
fn times(steps: usize) -> Vec<f64> {
    (0..=steps).map(|k| k as f64 / steps as f64).collect()
}

/// The ways of some points in fewer and more steps, and the distances from the flow's ends against the number of steps.
fn draw(
    path: &Path,
    law: &GaussianMixture,
    noise: &Tensor,
    table: &[Row],
    key: &Key,
) -> Result<()> {
    let data = law.sample(600, DType::F64, &Device::Cpu, &mut key.named("data").into())?;
    let noise = noise.narrow(0, 0, 12.min(noise.dim(0)?))?;
    let flow = law.velocity(CondOt::default());
    let solver = Solver::new(Rk4, Fixed::steps(100)?);
    let smooth = solver
        .integration(&flow, &noise, 0.0, 1.0)
        .save(Save::Every(1))
        .run()?;
    let names = [("random pairs", ORANGE), ("the flow", BLUE)];
    panels(path, 1, 4, 360, |areas| {
        for (area, n) in areas.iter().zip(DRAWN) {
            let title = format!("{n} steps");
            let panel = Panel::new(area, &title, -VIEW..VIEW, -VIEW..VIEW)?;
            panel.dots(&rows(&data)?, 1, &GREY)?;
            // Step by step: the next pair depends on nothing but the state.
            let mut rng = Generator::from(key.named("ways"));
            let mut states = vec![noise.clone()];
            for step in times(n).windows(2) {
                states.push(blend(law, &states[states.len() - 1], step, &mut rng)?);
            }
            for (states, colour) in [(&states, &ORANGE), (&smooth.states, &BLUE)] {
                let states: Vec<_> = states.iter().map(rows).collect::<Result<_>>()?;
                for i in 0..noise.dim(0)? {
                    panel.line(states.iter().map(|state| state[i]), colour)?;
                }
                panel.dots(&states[states.len() - 1], 3, colour)?;
            }
            panel.legend(Corner::BottomRight, &names)?;
        }
        let (x, y) = (Axis::log(0.8..1500.0), Axis::log(1e-4..5.0));
        let title = "distance from the flow's ends";
        let panel = Panel::with_axes(&areas[DRAWN.len()], title, x.named("steps"), y)?;
        for (i, colour) in [&ORANGE, &BLUE].into_iter().enumerate() {
            let point = |(n, distances): &Row| [*n as f64, distances[i].mean];
            let points: Vec<[f64; 2]> = table.iter().map(point).collect();
            panel.stroke(points.iter().copied(), 1.6, colour)?;
            panel.dots(&points, 4, colour)?;
            // The rate that is expected, through the last point.
            if let Some([x, y]) = points.last() {
                let slope = [0.5, 1.0][i];
                panel.line([[1.0, y * x.powf(slope)], [*x, *y]], &GREY)?;
            }
        }
        let names = [("random pairs", ORANGE), ("Euler's steps", BLUE)];
        panel.legend(Corner::BottomLeft, &names)?;
        Ok(())
    })
}
