//! A pendulum learned from noisy observations by a Hamiltonian network (Greydanus, Dzamba and Yosinski 2019; trained through
//! symplectic steps as by Chen, Zhang, Arjovsky and Bottou 2020), beside a plain network.
//!
//! `cargo run --release --example pendulum`
//!
//! Both see short stretches of swings. The Hamiltonian network has an energy `T(p) + V(q)` of two networks, and its steps are
//! leapfrog steps. Then both run for a long time, and their true energy is compared with that at the start.

use std::path::{Path, PathBuf};
use std::time::Instant;

use advect::models::MlpConfig;
use advect::prelude::*;
use advect::solvers::stepper::Stepper;
use advect::solvers::symplectic::{Hamiltonian, Leapfrog, Separable, Yoshida6};
use advect_examples::plot::{Axis, BLUE, Corner, ORANGE, Panel, panels};
use clap::Parser;

/// Learn a pendulum.
#[derive(Parser)]
struct Args {
    /// Training steps.
    #[arg(long, default_value_t = 1500)]
    steps: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Standard deviation of the observations' noise.
    #[arg(long, default_value_t = 0.01)]
    noise: f64,
    /// The time that the fitted pendulums swing.
    #[arg(long, default_value_t = 500.0)]
    time: f64,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

/// Swings that are observed, and the observations of each, `STEP` apart.
const SWINGS: usize = 64;
const OBSERVATIONS: usize = 60;
const STEP: f64 = 0.1;
/// Steps of a stretch, and stretches in a batch.
const STRETCH: usize = 6;
const BATCH: usize = 64;
const AT: Time = Time::Shared(0.0);

/// Angle and momentum, each `(batch, 1)`.
type Phase = (Tensor, Tensor);

/// `T(p) + V(q)`, the sum of two networks.
struct Mechanical {
    kinetic: Potential<Mlp>,
    potential: Potential<Mlp>,
}

impl Energy for Mechanical {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        let (q, p) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
        Ok((self.kinetic.at(&AT, &p)? + self.potential.at(&AT, &q)?)?)
    }

    fn jvp(&self, _: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let half = |energy: &Potential<Mlp>, i: usize| {
            energy.jvp(
                &AT,
                &x.narrow(1, i, 1)?.contiguous()?,
                0.0,
                &dx.narrow(1, i, 1)?.contiguous()?,
            )
        };
        let ((v, dv), (t, dt)) = (half(&self.potential, 0)?, half(&self.kinetic, 1)?);
        Ok(((v + t)?, (dv + dt)?))
    }
}

impl Mechanical {
    fn build(builder: &Builder) -> Result<Self> {
        let net = |name: &str| {
            network(1)
                .outputs(1)
                .build(&builder.pp(name))
                .map(Potential)
        };
        Ok(Mechanical {
            kinetic: net("kinetic")?,
            potential: net("potential")?,
        })
    }
}

fn network(dim: usize) -> MlpConfig {
    Mlp::config(dim)
        .hidden(&[64, 64])
        .activation(Activation::Tanh)
}

/// The equations of a network with these parameters, of which those listed are trained.
type Equations = fn(&Builder, &[Tensor]) -> Result<Box<dyn Field<Phase>>>;

fn hamiltonian(builder: &Builder, trained: &[Tensor]) -> Result<Box<dyn Field<Phase>>> {
    Ok(Box::new(Hamiltonian::new(
        Mechanical::build(builder)?,
        trained,
    )?))
}

fn plain(builder: &Builder, _: &[Tensor]) -> Result<Box<dyn Field<Phase>>> {
    let net = network(2).build(builder)?;
    Ok(Box::new(system_fn(move |_: &Time, (q, p): &Phase| {
        let slope = net.at(&AT, &Tensor::cat(&[q, p], 1)?)?;
        Ok((
            slope.narrow(1, 0, 1)?.contiguous()?,
            slope.narrow(1, 1, 1)?.contiguous()?,
        ))
    })))
}

/// The truth, `H = p²/2 − cos q`.
fn truth() -> impl Field<Phase> {
    let velocity = field_fn(|_, p: &Tensor| Ok(p.clone()));
    Separable::new(velocity, field_fn(|_, q: &Tensor| Ok(q.sin()?.neg()?)))
}

fn energy((q, p): &Phase) -> Result<Vec<f64>> {
    let energy = ((p.sqr()? * 0.5)? - q.cos()?)?;
    Ok(energy.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?)
}

fn main() -> Result<()> {
    let args = Args::parse();
    advect_examples::prepare_pictures(&args.out)?;
    let key = Key::from_seed(args.seed);
    let data = observe(&args, key.named("data").into())?;

    println!("network       loss        energy error, first tenth   last tenth   training");
    let step = Fixed::size(STEP)?;
    let outcomes = [
        fit(
            "Hamiltonian",
            hamiltonian,
            &Solver::new(Box::new(Leapfrog) as Box<dyn Stepper<Phase>>, step.clone()),
            &data,
            &args,
        )?,
        fit(
            "plain",
            plain,
            &Solver::new(Box::new(Rk4) as Box<dyn Stepper<Phase>>, step),
            &data,
            &args,
        )?,
    ];
    let picture = args.out.join("pendulum.png");
    draw(&picture, &outcomes)?;
    println!("picture       {}", picture.display());
    Ok(())
}

type Steps = Solver<Box<dyn Stepper<Phase>>, Fixed>;

/// Noisy observations, `(OBSERVATIONS · SWINGS, 1)`: those of all swings at one time after the other.
fn observe(args: &Args, mut rng: Generator) -> Result<Phase> {
    let mut start = |range| rng.uniform(range, (SWINGS, 1), DType::F32, &Device::Cpu);
    let start = (start(-2.2..2.2)?, start(-0.5..0.5)?);
    let times: Vec<f64> = (0..OBSERVATIONS).map(|i| STEP * i as f64).collect();
    let solver = Solver::new(Yoshida6, Fixed::size(STEP)?);
    let solution = solver
        .integration(&truth(), &start, 0.0, times[OBSERVATIONS - 1])
        .save(Save::At(times))
        .run()?;
    let (q, p): (Vec<Tensor>, Vec<Tensor>) = solution.states.into_iter().unzip();
    let mut noisy = |x: &[Tensor]| {
        let x = Tensor::cat(x, 0)?;
        Ok::<_, Error>((&x + (rng.normal_like(&x)? * args.noise)?)?)
    };
    Ok((noisy(&q)?, noisy(&p)?))
}

/// A fitted network's long swing.
struct Outcome {
    name: &'static str,
    swing: Vec<[f64; 2]>,
}

/// Fits a network to stretches of the observations, and lets it swing.
fn fit(
    name: &'static str,
    equations: Equations,
    solver: &Steps,
    (q, p): &Phase,
    args: &Args,
) -> Result<Outcome> {
    let key = Key::from_seed(args.seed).named(name);
    let store = ParameterStore::new(key.named("parameters"), DType::F32, &Device::Cpu);
    let field = equations(&store.builder(), &[])?;
    drop(field); // its parameters are in the store now
    let field = equations(&store.builder(), &store.tensors())?;
    let config = AdamWConfig {
        weight_decay: 0.0,
        ..AdamWConfig::default()
    };
    let optimizer = AdamW::from_store(&store, config)?;
    let mut trainer = Trainer::new(&store, optimizer, key.named("training").into())
        .learning_rate(WarmupCosine::new(5e-3, args.steps / 20, args.steps)?)
        .ema(0.99)?;
    let times: Vec<f64> = (1..=STRETCH).map(|i| STEP * i as f64).collect();
    let loss = |rng: &mut Generator| -> Result<Tensor> {
        let count = ((OBSERVATIONS - STRETCH) * SWINGS) as f64;
        let first = rng.uniform(0.0..count, BATCH, DType::F64, &Device::Cpu)?;
        let first = first.to_dtype(DType::U32)?;
        let at = |x: &Tensor, k: usize| {
            let index = first.affine(1.0, (k * SWINGS) as f64)?;
            Ok::<_, Error>(x.index_select(&index, 0)?)
        };
        let start = (at(q, 0)?, at(p, 0)?);
        let solution = solver
            .integration(&field, &start, 0.0, times[STRETCH - 1])
            .save(Save::At(times.clone()))
            .run()?;
        solution.end()?;
        let mut sum = Tensor::new(0f32, &Device::Cpu)?;
        for (k, (x, y)) in (1..).zip(&solution.states) {
            let errors = ((x - at(q, k)?)?.sqr()? + (y - at(p, k)?)?.sqr()?)?;
            sum = (sum + errors.mean_all()?)?;
        }
        Ok((sum / (2 * STRETCH) as f64)?)
    };
    let started = Instant::now();
    let mut last = 0.0;
    for _ in 0..args.steps {
        let value = loss(trainer.rng())?;
        last = f64::from(value.to_scalar::<f32>()?);
        trainer.update(&value)?;
    }
    let seconds = started.elapsed().as_secs_f64();

    let fitted = equations(&trainer.averaged().frozen(), &[])?;
    let one = |x: f32| Tensor::new(&[[x]], &Device::Cpu);
    let solution = solver
        .integration(&fitted, &(one(1.8)?, one(0.0)?), 0.0, args.time)
        .save(Save::Every(1))
        .run()?;
    let first = energy(&solution.states[0])?[0];
    let errors: Result<Vec<f64>> = (solution.states.iter())
        .map(|state| Ok((energy(state)?[0] - first).abs()))
        .collect();
    let errors = errors?;
    let tenth = errors.len() / 10;
    let largest = |errors: &[f64]| errors.iter().copied().fold(0.0, f64::max);
    let (early, late) = (
        largest(&errors[..tenth]),
        largest(&errors[errors.len() - tenth..]),
    );
    println!("{name:<12}{last:>10.6}{early:>21.4}{late:>19.4}{seconds:>10.1} s");
    let number = |x: &Tensor| Ok::<f64, Error>(f64::from(x.flatten_all()?.to_vec1::<f32>()?[0]));
    let point = |(q, p): &Phase| Ok([number(q)?, number(p)?]);
    let swing: Result<Vec<[f64; 2]>> = solution.states.iter().map(point).collect();
    Ok(Outcome {
        name,
        swing: swing?,
    })
}

/// The way of each network through phase space, and the line of the true energy.
fn draw(path: &Path, outcomes: &[Outcome]) -> Result<()> {
    let line: Vec<[f64; 2]> = (-100..=100)
        .map(|i| 1.8 * f64::from(i) / 100.0)
        .map(|q| [q, (2.0 * (q.cos() - 1.8f64.cos())).max(0.0).sqrt()])
        .collect();
    panels(path, 1, outcomes.len(), 420, |areas| {
        outcomes.iter().zip(areas).try_for_each(|(outcome, area)| {
            let axis = |name| Axis::linear(-2.4..2.4).named(name);
            let panel = Panel::with_axes(area, outcome.name, axis("angle"), axis("momentum"))?;
            panel.dots(&outcome.swing, 1, &BLUE)?;
            panel.stroke(line.clone(), 1.6, &ORANGE)?;
            panel.stroke(line.iter().map(|[q, p]| [*q, -p]), 1.6, &ORANGE)?;
            panel.legend(
                Corner::TopRight,
                &[("its swing", BLUE), ("the true energy", ORANGE)],
            )
        })
    })
}
