//! φ⁴ theory on a lattice of 8 × 8 in its symmetric phase, by Hamiltonian Monte Carlo and by two flows that are fitted to the action alone: couplings (Albergo, Kanwar and Shanahan 2019) and a
//! continuous flow (Gerdes et al. 2022). The flows' samples are proposals of a Metropolis chain, so that all three have the same law, and the same observables within their errors.
//!
//! `cargo run --release --example phi4`

mod continuous_flow;

use std::path::{Path, PathBuf};
use std::time::Instant;

use advect::classics::flow::{BaseDensity, Normal};
use advect::classics::lattice::{magnetization, two_point_function};
use advect::prelude::*;
use advect::samplers::diagnostics::autocorrelation;
use advect::samplers::langevin::Differentiated;
use advect_examples::plot::{Axis, BLUE, Corner, GREEN, GREY, ORANGE, Panel, RGBColor, panels};
use clap::Parser;
use continuous_flow::ContinuousFlow;

/// Sample φ⁴ theory by Hamiltonian Monte Carlo and by flows.
#[derive(Parser)]
struct Args {
    /// Steps of the fit of each flow.
    #[arg(long, default_value_t = 1000)]
    steps: usize,
    /// Samples of a step.
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Configurations of each method.
    #[arg(long, default_value_t = 32_000)]
    samples: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

/// The extents of the lattice.
const LATTICE: [usize; 2] = [8, 8];
/// Those of Albergo et al. 2019 for 8 × 8: four correlation lengths across.
const MASS_SQUARED: f64 = -4.0;
const COUPLING: f64 = 6.008;
/// The tolerance of the continuous flow.
const TOLERANCE: f64 = 1e-4;
/// Chains of Hamiltonian Monte Carlo.
const CHAINS: usize = 32;

/// Configurations of a method, as observables `(steps, chains)`.
struct Run {
    name: &'static str,
    colour: RGBColor,
    magnetization: Tensor,
    two_point: Vec<Tensor>,
    /// The share of the proposals that were accepted.
    accepted: f64,
    /// The effective part of the proposals by their weights.
    effective: Option<f64>,
}

impl Run {
    fn new(
        name: &'static str,
        colour: RGBColor,
        states: &Tensor,
        (accepted, effective): (f64, Option<f64>),
    ) -> Result<Self> {
        let (steps, chains, height, width) = states.dims4()?;
        let fields = states.to_dtype(DType::F64)?;
        let fields = fields.reshape((steps * chains, height, width))?;
        let series = |x: &Tensor| x.reshape((steps, chains));
        let two_point = two_point_function(&fields)?;
        let each = (0..width).map(|t| Ok(series(&two_point.narrow(1, t, 1)?.contiguous()?)?));
        Ok(Run {
            name,
            colour,
            magnetization: series(&magnetization(&fields)?)?,
            two_point: each.collect::<Result<_>>()?,
            accepted,
            effective,
        })
    }

    /// V M², whose mean is the susceptibility.
    fn susceptibility(&self) -> Result<Tensor> {
        let sites = LATTICE.iter().product::<usize>() as f64;
        Ok((self.magnetization.sqr()? * sites)?)
    }

    /// |M|, V M² and the two-point function, each with its error.
    fn means(&self) -> Result<Vec<CorrelatedMean>> {
        let size = CorrelatedMean::new(&self.magnetization.abs()?)?;
        let mut means = vec![size, CorrelatedMean::new(&self.susceptibility()?)?];
        for series in &self.two_point {
            means.push(CorrelatedMean::new(series)?);
        }
        Ok(means)
    }

    /// Binder's cumulant, by blocks of an eighth of a chain.
    fn binder(&self) -> Result<Jackknife> {
        let square = self.magnetization.sqr()?;
        let block = (square.dim(0)? / 8).max(1);
        let cumulant = |m: &[f64]| 1.0 - m[1] / (3.0 * m[0] * m[0]);
        Jackknife::new(&[&square, &square.sqr()?], block, cumulant)
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    check::at_least_one("steps", args.steps)?;
    check::at_least_one("batch", args.batch)?;
    if args.samples < 16 * CHAINS {
        let accepted = format!("at least {}", 16 * CHAINS);
        return Err(Error::range("samples", args.samples, accepted));
    }
    advect_examples::prepare_pictures(&args.out)?;
    let theory = Phi4::new(&LATTICE, MASS_SQUARED, COUPLING)?;
    let runs = [
        hamiltonian(&theory, &args)?,
        coupling_flow(&theory, &args)?,
        continuous_flow(&theory, &args)?,
    ];
    print(&runs)?;
    let picture = args.out.join("phi4.png");
    draw(&picture, &runs)?;
    println!("picture {}", picture.display());
    Ok(())
}

/// Chains of Hamiltonian Monte Carlo from random configurations.
fn hamiltonian(theory: &Phi4, args: &Args) -> Result<Run> {
    let started = Instant::now();
    let density = Differentiated(|x: &Tensor| theory.log_density(x));
    let mut rng = Generator::from(Key::from_seed(args.seed).named("hamiltonian"));
    let shape = (CHAINS, LATTICE[0], LATTICE[1]);
    let start = rng.normal(shape, DType::F64, &Device::Cpu)?;
    let sampler = HamiltonianMonteCarlo::new(0.1, 15)?;
    let warm = WarmUp::new(200)?.run(&sampler, &density, &start, &mut rng)?;
    let sampler = warm.sampler.jitter(0.2)?;
    let chains = sampler.run(&density, &warm.x, args.samples / CHAINS, &mut rng)?;
    println!(
        "sampling HMC                {:>6.1} s",
        started.elapsed().as_secs_f64()
    );
    Run::new("HMC", GREEN, &chains.states, (chains.acceptance, None))
}

/// Noise about as wide as the field.
fn noise() -> Result<Normal> {
    Normal::new(0.4)
}

/// Couplings on a checkerboard, fitted by the reverse divergence.
fn coupling_flow(theory: &Phi4, args: &Args) -> Result<Run> {
    let key = Key::from_seed(args.seed).named("coupling flow");
    let store = ParameterStore::new(key.named("parameters"), DType::F32, &Device::Cpu);
    let flow = |builder: &Builder| -> Result<_> {
        let mut layers: Vec<Box<dyn Bijection>> = Vec::new();
        for k in 0..8 {
            let net = OddConvolution::new(&[8, 8], 3, &builder.pp(k))?;
            layers.push(Box::new(AffineCoupling::affine(
                Mask::alternating(&LATTICE, k)?,
                net,
            )));
        }
        Ok(
            NormalizingFlow::new(&LATTICE, Composition::new(&LATTICE, layers)?)?
                .with_base(noise()?),
        )
    };
    let trained = flow(&store.builder())?;
    fit(&trained, theory, &store, 1e-2, key, args, "coupling flow")?;
    sample(
        flow(&store.frozen())?,
        theory,
        key,
        args,
        ("coupling flow", BLUE),
    )
}

/// A continuous flow with the symmetries of the lattice, fitted in the same way.
fn continuous_flow(theory: &Phi4, args: &Args) -> Result<Run> {
    let key = Key::from_seed(args.seed).named("continuous flow");
    let store = ParameterStore::new(key.named("parameters"), DType::F32, &Device::Cpu);
    let flow = |builder: &Builder| -> Result<_> {
        let velocity = EquivariantVelocity::new(&LATTICE, 8, 4, builder)?;
        let flow = ContinuousFlow::new(velocity, &LATTICE, TOLERANCE)?;
        Ok(NormalizingFlow::new(&LATTICE, flow)?.with_base(noise()?))
    };
    let trained = flow(&store.builder())?;
    fit(&trained, theory, &store, 4e-3, key, args, "continuous flow")?;
    let name = ("continuous flow", ORANGE);
    sample(flow(&store.frozen())?, theory, key, args, name)
}

/// Fits a flow to `e^(−S)` by `KL(q ‖ p)`, which takes no data.
fn fit<B: Bijection, D: BaseDensity>(
    flow: &NormalizingFlow<B, D>,
    theory: &Phi4,
    store: &ParameterStore,
    learning_rate: f64,
    key: Key,
    args: &Args,
    name: &str,
) -> Result<()> {
    let started = Instant::now();
    let optimizer = Adam::from_store(store, AdamConfig::default())?;
    let mut trainer = Trainer::new(store, optimizer, key.named("training").into())
        .learning_rate(WarmupCosine::new(
            learning_rate,
            args.steps / 20,
            args.steps,
        )?)
        .clip_norm(30.0)?;
    let loss = |_: usize, rng: &mut Generator| {
        let noise = flow.noise(args.batch, DType::F32, &Device::Cpu, rng)?;
        reverse_kl(flow, |x: &Tensor| theory.log_density(x), &noise)
    };
    trainer.run(args.steps, loss, &mut Progress::new(name))?;
    println!(
        "training {name:<18} {:>6.1} s, {} parameters",
        started.elapsed().as_secs_f64(),
        store.element_count()
    );
    Ok(())
}

/// A Metropolis chain whose proposals are samples of a flow.
fn sample<B: Bijection, D: BaseDensity>(
    flow: NormalizingFlow<B, D>,
    theory: &Phi4,
    key: Key,
    args: &Args,
    (name, colour): (&'static str, RGBColor),
) -> Result<Run> {
    let started = Instant::now();
    let mut rng = Generator::from(key.named("samples"));
    let target = |x: &Tensor| theory.log_density(x);
    let noise = flow.noise(args.samples, DType::F32, &Device::Cpu, &mut rng)?;
    let (_, weights) = importance_weights(&flow, target, &noise)?;
    let effective = weights.effective_sample_size() / args.samples as f64;
    let chain = IndependenceMetropolis::new(flow, target).chain(&noise, &mut rng)?;
    println!(
        "sampling {name:<18} {:>6.1} s",
        started.elapsed().as_secs_f64()
    );
    let states = chain.states.unsqueeze(1)?;
    Run::new(
        name,
        colour,
        &states,
        (chain.acceptance_rate, Some(effective)),
    )
}

/// The table, and the largest disagreement.
fn print(runs: &[Run]) -> Result<()> {
    let titles = ["⟨|M|⟩", "χ = V⟨M²⟩", "Binder", "τ of M²", "accepted", "ESS"];
    let [a, b, c, d, e, f] = titles;
    println!("{:<17}{a:>17}{b:>18}{c:>18}{d:>14}{e:>10}{f:>8}", "");
    let means = runs.iter().map(Run::means).collect::<Result<Vec<_>>>()?;
    for (run, means) in runs.iter().zip(&means) {
        let with =
            |value: f64, error: f64, digits: usize| format!("{value:.digits$} ± {error:.digits$}");
        let (size, square, binder) = (&means[0], &means[1], run.binder()?);
        let ess = run
            .effective
            .map_or("–".into(), |e| format!("{:.0} %", 100.0 * e));
        println!(
            "{:<17}{:>17}{:>18}{:>18}{:>14}{:>8.0} %{ess:>8}",
            run.name,
            with(size.mean(), size.standard_error(), 4),
            with(square.mean(), square.standard_error(), 4),
            with(binder.value(), binder.standard_error(), 4),
            with(
                square.autocorrelation_time(),
                square.autocorrelation_time_error(),
                2
            ),
            100.0 * run.accepted,
        );
    }
    let mut largest = 0f64;
    for (i, a) in means.iter().enumerate() {
        for b in &means[..i] {
            for (a, b) in a.iter().zip(b) {
                let error = a.standard_error().hypot(b.standard_error());
                largest = largest.max((a.mean() - b.mean()).abs() / error);
            }
        }
    }
    println!("largest difference of two means: {largest:.1} errors");
    Ok(())
}

/// The two-point function with its errors, and the autocorrelation of M².
fn draw(path: &Path, runs: &[Run]) -> Result<()> {
    let width = LATTICE[1] as f64;
    panels(path, 1, 2, 420, |areas| {
        let mut points = Vec::new();
        for (k, run) in runs.iter().enumerate() {
            let shift = 0.12 * (k as f64 - 1.0);
            for (t, series) in run.two_point.iter().chain(&run.two_point[..1]).enumerate() {
                let mean = CorrelatedMean::new(series)?;
                let place = t as f64 + shift;
                points.push((run.colour, place, mean.mean(), mean.standard_error()));
            }
        }
        let x = Axis::linear(-0.5..width + 0.5).named("t");
        let y = Axis::log_around(points.iter().map(|p| p.2)).named("C(t)");
        let panel = Panel::with_axes(&areas[0], "two-point function", x, y)?;
        for (colour, t, mean, error) in points {
            // Errors are a few pixels: bars of five.
            let bar = [[t, mean - 5.0 * error], [t, mean + 5.0 * error]];
            panel.stroke(bar, 1.6, &colour)?;
            panel.dots(&[[t, mean]], 3, &colour)?;
        }
        let names: Vec<(&str, RGBColor)> = runs.iter().map(|run| (run.name, run.colour)).collect();
        panel.legend(Corner::BottomLeft, &names)?;
        let (x, y) = (
            Axis::linear(0.0..40.0).named("steps"),
            Axis::linear(-0.2..1.05),
        );
        let panel = Panel::with_axes(&areas[1], "autocorrelation of M²", x, y)?;
        panel.line([[0.0, 0.0], [40.0, 0.0]], &GREY)?;
        for run in runs {
            let square = run.susceptibility()?;
            let count = square.dim(0)?.min(41);
            let curve = autocorrelation(&square, count)?;
            let curve: Vec<[f64; 2]> = curve
                .iter()
                .enumerate()
                .map(|(t, y)| [t as f64, *y])
                .collect();
            panel.dots(&curve, 2, &run.colour)?;
            panel.stroke(curve, 1.4, &run.colour)?;
        }
        panel.legend(Corner::TopRight, &names)?;
        Ok(())
    })
}
