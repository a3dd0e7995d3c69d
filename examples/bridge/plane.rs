//! Bridges from eight Gaussians to two moons: a picture of their ways and marginals.

use std::path::Path;
use std::time::Instant;

use advect::data::toy::{EightGaussians, Toy, TwoMoons};
use advect::metrics::wasserstein2;
use advect::prelude::*;
use advect_examples::plot::{BLUE, ORANGE, Panel, panels, rows};

use crate::Args;
use advect_examples::bridges::{Problem, markovian_fitting, score_and_flow};

const SIGMA: f64 = 1.0;
const STEPS: usize = 60;

/// States at all steps of a process.
struct Process {
    name: &'static str,
    states: Vec<Tensor>,
}

/// Learns and draws the processes, and prints how near they are to the target and how far they go: a bridge takes the
/// way of its plan.
pub(crate) fn compare(args: &Args, key: &Key) -> Result<()> {
    let test = args.samples;
    let mut rng = Generator::from(key.named("data"));
    let mut draw = |toy: &dyn Toy, n| toy.sample(n, DType::F32, &Device::Cpu, &mut rng);
    let (gaussians, moons) = (EightGaussians::default(), TwoMoons::default());
    let (x0, x1) = (draw(&gaussians, args.points)?, draw(&moons, args.points)?);
    let (test0, test1) = (draw(&gaussians, test)?, draw(&moons, test)?);
    let problem = Problem {
        x0: &x0,
        x1: &x1,
        sigma: SIGMA,
        times: STEPS,
        pool: 1000,
    };
    let sampler = BridgeSampler::new(SIGMA, STEPS)?;
    let simulate = |name, drift: &dyn Field| -> Result<Process> {
        let way = sampler.run(
            drift,
            Direction::Forwards,
            &test0,
            Save::Every(1),
            key.named(name),
        )?;
        Ok(Process {
            name,
            states: way.states,
        })
    };

    let plan = EntropicOt::new(2.0 * SIGMA * SIGMA)?.plan(&test0, &test1)?;
    let exact = EntropicBridge::new(&test0, &test1, &plan, SIGMA)?;
    let mut processes = vec![simulate(
        "exact between samples",
        &exact.drift(Direction::Forwards),
    )?];
    let started = Instant::now();
    let [velocity, score] = score_and_flow(problem, args.steps, &key.named("[SF]²M"))?;
    let of_flow = started.elapsed().as_secs_f64();
    let drift = field_fn(|t, x: &Tensor| {
        Ok((velocity.at(t, x)? + (score.at(t, x)? * (0.5 * SIGMA * SIGMA))?)?)
    });
    let flow = Solver::new(Midpoint, Fixed::steps(STEPS)?)
        .integration(&velocity, &test0, 0.0, 1.0)
        .save(Save::Every(1))
        .run()?;
    processes.push(Process {
        name: "[SF]²M, ODE",
        states: flow.states,
    });
    processes.push(simulate("[SF]²M, SDE", &drift)?);
    let started = Instant::now();
    let fitting = markovian_fitting(problem, args.steps, &key.named("DSBM"))?;
    let of_fitting = started.elapsed().as_secs_f64();
    if let Some(drift) = fitting.drift(Direction::Forwards) {
        processes.push(simulate("DSBM", drift)?);
    }

    println!("8 Gaussians to 2 moons     W2 at the end   E|x1 - x0|^2");
    for process in &processes {
        let end = &process.states[STEPS];
        let distance = wasserstein2(end, &test1)?;
        let way = (end - &test0)?
            .sqr()?
            .sum(1)?
            .mean_all()?
            .to_dtype(DType::F64)?;
        println!(
            "{:<25}{distance:>15.3}{:>15.2}",
            process.name,
            way.to_scalar::<f64>()?
        );
    }
    let floor = wasserstein2(&draw(&moons, test)?, &test1)?;
    let cost = plan.cost(&advect::transport::Cost::squared_euclidean(&test0, &test1)?);
    println!("{:<25}{floor:>15.3}{cost:>15.2}", "ideal");
    println!("training {of_flow:.1} s and {of_fitting:.1} s");
    let picture = args.out.join("bridge.png");
    draw_all(&picture, &test1, &processes)?;
    println!("picture  {}", picture.display());
    Ok(())
}

/// A row for each process: some ways, and the marginals on the way.
fn draw_all(path: &Path, target: &Tensor, processes: &[Process]) -> Result<()> {
    let times = [0.25, 0.5, 0.75, 1.0];
    panels(path, processes.len(), 1 + times.len(), 260, |areas| {
        for (areas, process) in areas.chunks(1 + times.len()).zip(processes) {
            let panel = |k: usize, title: &str| Panel::new(&areas[k], title, -7.5..7.5, -7.5..7.5);
            let states: Vec<Vec<[f64; 2]>> =
                process.states.iter().map(rows).collect::<Result<_>>()?;
            let ways = panel(0, process.name)?;
            let drawn = 24.min(states[0].len());
            let few: Vec<Vec<[f64; 2]>> = states.iter().map(|x| x[..drawn].to_vec()).collect();
            ways.ways(&few, &BLUE)?;
            for (k, t) in times.into_iter().enumerate() {
                let marginal = panel(1 + k, &format!("t = {t}"))?;
                if t == 1.0 {
                    marginal.dots(&rows(target)?, 1, &ORANGE)?;
                }
                marginal.dots(&states[(t * STEPS as f64) as usize], 1, &BLUE)?;
            }
        }
        Ok(())
    })
}
