//! The ways of points from noise to data.

use advect::prelude::*;
use advect::solvers::stepper::Stepper;

use crate::drawing;
use crate::playground::Playground;
use crate::settings::{SAMPLERS, unknown};

/// The most steps of a sampler, and the most points that it moves at once.
const MOST: [usize; 2] = [500, 20_000];

/// States along the way of some points.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectories {
    /// The times of the states, from 0 to 1.
    pub times: Vec<f32>,
    /// The states one after the other, each `x, y, x, y, …`.
    pub coordinates: Vec<f32>,
}

impl Playground {
    /// Returns the ways of `count` points from noise to data: the state after each step of a sampler, one of
    /// [`SAMPLERS`]. `dopri5` chooses its steps by itself.
    ///
    /// # Errors
    /// [`Error::Range`] for a sampler that is not known, for no steps or points or too many, and for a stochastic sampler on a flow without a score.
    pub fn trajectories(&self, sampler: &str, steps: usize, count: usize) -> Result<Trajectories> {
        let (times, states) = self.states(sampler, steps, count)?;
        let mut coordinates = Vec::with_capacity(states.len() * count * 2);
        for state in &states {
            coordinates.extend(drawing::coordinates(state)?);
        }
        let times = times.iter().map(|t| *t as f32).collect();
        Ok(Trajectories { times, coordinates })
    }

    /// The last state.
    pub(crate) fn end(&self, sampler: &str, steps: usize, count: usize) -> Result<Tensor> {
        let (_, mut states) = self.states(sampler, steps, count)?;
        states
            .pop()
            .ok_or_else(|| Error::stopped("t = 0", "no step was made"))
    }

    fn states(&self, sampler: &str, steps: usize, count: usize) -> Result<(Vec<f64>, Vec<Tensor>)> {
        for (argument, given, most) in [("steps", steps, MOST[0]), ("count", count, MOST[1])] {
            if !(1..=most).contains(&given) {
                return Err(Error::range(argument, given, format!("1 to {most}")));
            }
        }
        let mut rng = Generator::from(self.key.named("samples"));
        let noise = rng.normal((count, 2), DType::F32, &Device::Cpu)?;
        match sampler {
            "euler" => self.solve(Euler, steps, &noise),
            "midpoint" => self.solve(Midpoint, steps, &noise),
            "heun" => self.solve(Heun, steps, &noise),
            "rk4" => self.solve(Rk4, steps, &noise),
            "dopri5" => {
                let solver = Solver::new(Dopri5, Adaptive::new(1e-3, 1e-3)?);
                let net = self.averaged()?;
                let way = solver.integration(&net, &noise, 0.0, 1.0);
                finished(way.save(Save::Every(1)).run()?)
            }
            "sde" => self.stochastic(steps, &noise),
            other => Err(unknown("sampler", other, &SAMPLERS)),
        }
    }

    /// Equal steps of a method.
    fn solve(
        &self,
        method: impl Stepper,
        steps: usize,
        noise: &Tensor,
    ) -> Result<(Vec<f64>, Vec<Tensor>)> {
        let solver = Solver::new(method, Fixed::steps(steps)?);
        let net = self.averaged()?;
        let way = solver.integration(&net, noise, 0.0, 1.0);
        finished(way.save(Save::Every(1)).run()?)
    }

    /// The reverse equation with noise, by the score that follows from the velocity.
    fn stochastic(&self, steps: usize, noise: &Tensor) -> Result<(Vec<f64>, Vec<Tensor>)> {
        self.settings.check_score()?;
        let net = self.averaged()?;
        let model = Model::new(&net, Prediction::Velocity, self.settings.schedule()?);
        let mut kept = Snapshots::every(1)?;
        let mut run = Run::new(&model, self.key.named("noise")).observer(&mut kept);
        let sampler = ReverseSde::new(NoiseLevel::new(1.0)?).on(UniformTime::new(steps)?);
        sampler.last_step(LastStep::Mean).run(&mut run, noise)?;
        let (mut times, mut states) = (vec![0.0], vec![noise.clone()]);
        times.append(&mut kept.times);
        states.append(&mut kept.states);
        Ok((times, states))
    }
}

/// The saved states of a solution that has reached its end.
fn finished(solution: Solution) -> Result<(Vec<f64>, Vec<Tensor>)> {
    solution.end()?;
    Ok((solution.times, solution.states))
}
