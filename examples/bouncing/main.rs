//! The launch of a ball whose third bounce is to hit a place, by gradients through events (Chen, Amos and Nickel 2021).
//!
//! `cargo run --release --example bouncing`
//!
//! A ball is thrown at 45°, slowed by the air, and loses speed whenever it bounces. Where it bounces the third time has a
//! derivative by the speed of the launch, through the times of all three bounces, and Newton's method needs no more.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use advect::candle::Var;
use advect::prelude::*;
use advect::solvers::Crossing;
use advect::solvers::adjoint::DifferentiableEvent;
use advect_examples::plot::{Axis, BLUE, Corner, GREY, ORANGE, Panel, oblong_panels};
use clap::Parser;

/// Fit the speed of a launch.
#[derive(Parser)]
struct Args {
    /// The place of the third bounce, in metres.
    #[arg(long, default_value_t = 30.0)]
    target: f64,
    /// The first guess of the speed, in metres a second.
    #[arg(long, default_value_t = 8.0)]
    speed: f64,
    /// The deceleration by the air, for each square of a speed, in 1/m.
    #[arg(long, default_value_t = 0.01)]
    drag: f64,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

const GRAVITY: f64 = 9.81;
const BOUNCES: usize = 3;
/// The latest time at which a bounce is looked for.
const END: f64 = 100.0;

/// Columns are place, height, and their speeds.
fn flight(drag: f64) -> impl Field + Send + Sync {
    field_fn(move |_, x: &Tensor| {
        let v = x.narrow(1, 2, 2)?;
        let speed = v.sqr()?.sum_keepdim(1)?.sqrt()?;
        let weight = Tensor::new(&[[0.0, -GRAVITY]], x.device())?;
        let slowed = (v.broadcast_mul(&speed)? * -drag)?.broadcast_add(&weight)?;
        Ok(Tensor::cat(&[&v, &slowed], 1)?)
    })
}

/// The ball stays where it is, and keeps 95 % of its speed along the ground and 80 % of that away from it.
fn bounce(x: &Tensor) -> Result<Tensor> {
    Ok(x.broadcast_mul(&Tensor::new(&[[1.0, 0.0, 0.95, -0.8]], x.device())?)?)
}

/// The state at the launch.
fn launch(speed: &Tensor) -> Result<Tensor> {
    let direction = Tensor::new(&[[0.0, 0.0, 0.5f64.sqrt(), 0.5f64.sqrt()]], speed.device())?;
    Ok(direction.broadcast_mul(speed)?)
}

fn main() -> Result<()> {
    let args = Args::parse();
    advect_examples::prepare_pictures(&args.out)?;
    let field = Arc::new(flight(args.drag));
    let solver = Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9)?);
    let adjoint = Checkpointed::new(solver.clone(), 10)?;
    let ground =
        DifferentiableEvent::new(|_, x| Ok(x.narrow(1, 1, 1)?)).crossing(Crossing::Falling);

    println!("launch, m/s   third bounce, m   derivative, s");
    let mut speed = args.speed;
    let mut guesses = Vec::new();
    for _ in 0..20 {
        let variable = Var::new(speed, &Device::Cpu)?;
        let mut x = launch(&variable)?;
        let mut t = Tensor::new(0f64, &Device::Cpu)?;
        for _ in 0..BOUNCES {
            let span = Tensor::stack(&[&t, &Tensor::new(END, &Device::Cpu)?], 0)?;
            let landed = adjoint.solve_until(&field, &[], &x, &span, &ground)?;
            t = landed.t;
            x = bounce(&landed.x)?;
        }
        let place = x.narrow(1, 0, 1)?.sum_all()?;
        let gradients = place.backward()?;
        let derivative = gradients
            .get(&variable)
            .map_or(Ok(0.0), |g| g.to_scalar::<f64>())?;
        let miss = place.to_scalar::<f64>()? - args.target;
        println!(
            "{speed:>11.6}{:>18.6}{derivative:>16.6}",
            args.target + miss
        );
        guesses.push(speed);
        if miss.abs() < 1e-6 {
            break;
        }
        // Up to twice or half of the speed at once.
        speed = (speed - miss / derivative).clamp(0.5 * speed, 2.0 * speed);
    }
    let picture = args.out.join("bouncing.png");
    draw(&picture, &solver, &*field, &guesses, args.target)?;
    println!("picture     {}", picture.display());
    Ok(())
}

/// The way of a ball to its third bounce, in one run: bounces change the state, and the third one ends it.
fn way(solver: &Solver<Dopri5, Adaptive>, field: &dyn Field, speed: f64) -> Result<Vec<[f64; 2]>> {
    let ground = Event::new(|_, x: &Tensor| Ok(x.get(0)?.get(1)?.to_scalar::<f64>()?));
    let ground = ground.crossing(Crossing::Falling);
    let start = launch(&Tensor::new(speed, &Device::Cpu)?)?;
    let times = (0..1000).map(|i| 0.02 * f64::from(i)).collect();
    let solution = solver
        .integration(field, &start, 0.0, END)
        .save(Save::At(times))
        .apply(&ground, |_, x| bounce(x))
        .until_nth(&ground, BOUNCES)?
        .run()?;
    let point = |x: &Tensor| {
        let row = x.get(0)?.to_vec1::<f64>()?;
        Ok([row[0], row[1]])
    };
    solution
        .states
        .iter()
        .chain([&solution.last_state])
        .map(point)
        .collect()
}

/// The ways of all guesses, the last one in blue, and the target.
fn draw(
    path: &Path,
    solver: &Solver<Dopri5, Adaptive>,
    field: &dyn Field,
    guesses: &[f64],
    target: f64,
) -> Result<()> {
    oblong_panels(path, 1, 1, (640, 300), |areas| {
        let side = 1.1 * target;
        let x = Axis::linear(-0.02 * side..side).named("distance");
        let y = Axis::linear(-0.02 * side..0.3 * side).named("height");
        let panel = Panel::with_axes(&areas[0], "launches of a bouncing ball", x, y)?;
        for (i, speed) in guesses.iter().enumerate() {
            let colour = if i + 1 == guesses.len() { &BLUE } else { &GREY };
            panel.stroke(way(solver, field, *speed)?, 1.6, colour)?;
        }
        panel.dots(&[[target, 0.0]], 5, &ORANGE)?;
        let names = [
            ("guesses", GREY),
            ("the last one", BLUE),
            ("target", ORANGE),
        ];
        panel.legend(Corner::TopRight, &names)
    })
}
