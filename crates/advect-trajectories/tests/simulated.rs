//! Processes that are fitted through their simulation.

use std::sync::Arc;

use advect_core::testing::device;
use advect_core::{Generator, Key, field_fn, shape};
use advect_models::Mlp;
use advect_nn::ParameterStore;
use advect_solvers::Solver;
use advect_solvers::adjoint::{Adjoint, Unrolled};
use advect_solvers::controller::Fixed;
use advect_solvers::sde::{BrownianPath, Diagonal, EulerMaruyama};
use advect_solvers::stepper::Rk4;
use advect_train::{AdamW, AdamWConfig, Trainer};
use advect_trajectories::Snapshots;
use advect_trajectories::objective::{Action, DensityPenalty, PopulationFit, lagrangian_fn};
use advect_transport::Sinkhorn;
use candle_core::{DType, Tensor, Var};

const TIMES: [f64; 3] = [0.0, 0.5, 1.5];

/// Samples of `dx = −a x dt + σ dw` with a = 1 and σ = 0.8, from N(2, 0.3²), by its closed solution.
fn ornstein_uhlenbeck(count: usize, rng: &mut Generator) -> Snapshots {
    let samples: Vec<Tensor> = (TIMES.iter())
        .map(|t| {
            let decay = (-t).exp();
            let variance = 0.09 * decay * decay + 0.32 * (1.0 - decay * decay);
            let z = rng.normal((count, 1), DType::F64, device()).unwrap();
            z.affine(variance.sqrt(), 2.0 * decay).unwrap()
        })
        .collect();
    Snapshots::new(&TIMES, &samples).unwrap()
}

/// Rate and diffusion are found from three snapshots, by gradients through the steps of Euler and Maruyama.
#[test]
fn rates_and_diffusions_are_recovered() {
    let population = ornstein_uhlenbeck(200, &mut Generator::from_seed(0));
    let values = [
        Var::new(&[0.5f64], device()).unwrap(),
        Var::new(&[0.3f64], device()).unwrap(),
    ];
    let fit = PopulationFit::new(Sinkhorn::new(0.05).unwrap().tolerance(1e-3).unwrap().into());
    let start = population.at(0).samples();
    let loss = |key: u64| {
        let [rate, sigma] = values.each_ref().map(|v| v.as_tensor().clone());
        let (by, around) = (rate.clone(), sigma.clone());
        let drift = Arc::new(field_fn(move |_, x: &Tensor| {
            Ok(x.broadcast_mul(&by)?.neg()?)
        }));
        let noise = Diagonal(field_fn(move |_, x: &Tensor| {
            Ok(x.ones_like()?.broadcast_mul(&around)?)
        }));
        let path = BrownianPath::new(Key::from_seed(key), start, 0.0, 1.5).unwrap();
        let solver = Solver::new(EulerMaruyama::new(noise, path), Fixed::size(0.1).unwrap());
        let way = Unrolled::new(solver)
            .solve(&drift, &[rate, sigma], start, &TIMES)
            .unwrap();
        fit.loss(&way.states, &population).unwrap()
    };
    // Adam, in which steps become smaller.
    let (mut first, mut second) = ([0.0; 2], [0.0; 2]);
    for step in 1..=60 {
        let gradients = loss(step).backward().unwrap();
        for (i, value) in values.iter().enumerate() {
            let g = gradients.get(value).unwrap().to_vec1::<f64>().unwrap()[0];
            first[i] = 0.8 * first[i] + 0.2 * g;
            second[i] = 0.95 * second[i] + 0.05 * g * g;
            let [m, v] = [
                first[i] / (1.0 - 0.8f64.powi(step as i32)),
                second[i] / (1.0 - 0.95f64.powi(step as i32)),
            ];
            let change = 0.1 * (1.0 - step as f64 / 61.0) * m / (v.sqrt() + 1e-9);
            let moved = (value.as_tensor().detach() - change).unwrap();
            value.set(&moved).unwrap();
        }
    }
    let [rate, sigma] = values.map(|v| v.as_tensor().to_vec1::<f64>().unwrap()[0]);
    println!("rate {rate:.3}, diffusion {sigma:.3}");
    assert!((rate - 1.0).abs() < 0.12 && (sigma - 0.8).abs() < 0.12);
}

/// The action of a uniform motion, and its gradient by the drift.
#[test]
fn actions_are_integrals_along_the_way() {
    let speed = Var::new(&[2f64], device()).unwrap();
    let by = speed.as_tensor().clone();
    let drift = field_fn(move |_, x: &Tensor| Ok(x.ones_like()?.broadcast_mul(&by)?));
    // ½ |v|² + t: over [0, 2] it is v² + 2.
    let cost = lagrangian_fn(|t, _, v: &Tensor| {
        let kinetic = (shape::sum_squares_per_sample(v)? * 0.5)?;
        Ok((kinetic + t.tensor(v)?)?)
    });
    let times = [0.0, 0.3, 2.0];
    let states = times.map(|t| Tensor::new(&[[2.0 * t], [2.0 * t + 1.0]], device()).unwrap());
    let value = Action::new(cost).value(&drift, &times, &states).unwrap();
    assert!((value.to_scalar::<f64>().unwrap() - 6.0).abs() < 1e-12);
    let slope = value
        .backward()
        .unwrap()
        .get(&speed)
        .unwrap()
        .to_vec1::<f64>()
        .unwrap()[0];
    assert!((slope - 4.0).abs() < 1e-12);
    let wrong = Action::new(lagrangian_fn(|_, _, v: &Tensor| Ok(v.clone())));
    let message = wrong
        .value(&drift, &times, &states)
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("lagrangian: got shape [2, 1]"),
        "{message}"
    );
}

/// A population that has to pass a hill between two snapshots: with the action of its height the shorter way is given up for one
/// around it, and both ways fit.
#[test]
fn obstacles_are_passed_by() {
    let device = device();
    let mut rng = Generator::from_seed(3);
    let mut cloud = |x: f64, y: f64| {
        let z = rng.normal((60, 2), DType::F64, device).unwrap();
        let place = Tensor::new(&[[x, y]], device).unwrap();
        (z * 0.1).unwrap().broadcast_add(&place).unwrap()
    };
    // The hill is a little below the way, so that one side is the nearer one.
    let population = Snapshots::new(&[0.0, 1.0], &[cloud(-1.0, 0.0), cloud(1.0, 0.0)]).unwrap();
    let hill = |x: &Tensor| -> advect_core::Result<Tensor> {
        let centre = Tensor::new(&[[0.0, -0.15]], device)?;
        let squares = shape::sum_squares_per_sample(&x.broadcast_sub(&centre)?)?;
        Ok((squares * (-0.5 / 0.09))?.exp()?)
    };
    let fit = PopulationFit::new(Sinkhorn::new(0.05).unwrap().tolerance(1e-3).unwrap().into());
    let height = |steepness: f64| {
        let store = ParameterStore::new(Key::from_seed(1), DType::F64, device);
        let net = Mlp::config(2)
            .hidden(&[24])
            .build(&store.builder())
            .unwrap();
        let drift = Arc::new(net);
        let cost = lagrangian_fn(move |_, x: &Tensor, v: &Tensor| {
            let kinetic = (shape::sum_squares_per_sample(v)? * 0.5)?;
            Ok((kinetic + (hill(x)? * steepness)?)?)
        });
        let (action, times) = (Action::new(cost), [0.0, 0.25, 0.5, 0.75, 1.0]);
        let way = Unrolled::new(Solver::new(Rk4, Fixed::steps(4).unwrap()));
        let solve = || {
            let start = population.at(0).samples();
            let solution = way.solve(&drift, &store.tensors(), start, &times).unwrap();
            solution.states
        };
        let config = AdamWConfig {
            learning_rate: 0.02,
            ..AdamWConfig::default()
        };
        let optimizer = AdamW::from_store(&store, config).unwrap();
        let loss = |_: usize, _: &mut Generator| {
            let states = solve();
            let ends = [states[0].clone(), states[4].clone()];
            let apart = fit.loss(&ends, &population)?;
            Ok((apart + (action.value(&*drift, &times, &states)? * 0.05)?)?)
        };
        Trainer::new(&store, optimizer, Generator::from_seed(2))
            .run(150, loss, &mut ())
            .unwrap();
        let states = solve();
        let middle = states[2].narrow(1, 1, 1).unwrap().mean_all().unwrap();
        let apart = fit
            .loss(&[states[0].clone(), states[4].clone()], &population)
            .unwrap();
        [middle, apart].map(|x| x.to_scalar::<f64>().unwrap())
    };
    let (straight, around) = (height(0.0), height(20.0));
    println!(
        "in the middle {:.3} and {:.3}, apart {:.4} and {:.4}",
        straight[0], around[0], straight[1], around[1]
    );
    assert!(straight[0].abs() < 0.1 && around[0] > 0.3);
    assert!(straight[1] < 0.05 && around[1] < 0.05);
}

/// The slope of the penalty, by differences; 0 within the radius.
#[test]
fn density_penalties_have_the_right_slope() {
    let mut rng = Generator::from_seed(4);
    let seen = rng.normal((20, 3), DType::F64, device()).unwrap();
    let x = rng.normal((5, 3), DType::F64, device()).unwrap();
    let penalty = DensityPenalty::new(4, 0.3).unwrap();
    let value = |x: &Tensor| penalty.value(x, &seen).unwrap();
    let var = Var::from_tensor(&x).unwrap();
    let slope = value(var.as_tensor()).backward().unwrap();
    let slope = slope
        .get(&var)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1::<f64>()
        .unwrap();
    for (place, slope) in slope.iter().enumerate() {
        let moved = |by: f64| {
            let mut shift = vec![0.0; 15];
            shift[place] = by;
            let shift = Tensor::from_vec(shift, (5, 3), device()).unwrap();
            value(&(&x + shift).unwrap()).to_scalar::<f64>().unwrap()
        };
        let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
        assert!((slope - difference).abs() < 1e-7, "{slope} {difference}");
    }
    assert_eq!(value(&seen.narrow(0, 0, 1).unwrap()).dims().len(), 0);
    let single = DensityPenalty::new(1, 0.3).unwrap();
    assert_eq!(
        single
            .value(&seen, &seen)
            .unwrap()
            .to_scalar::<f64>()
            .unwrap(),
        0.0
    );
    let message = DensityPenalty::new(21, 0.3)
        .unwrap()
        .value(&x, &seen)
        .unwrap_err()
        .to_string();
    assert!(message.starts_with("seen: got 20 samples"), "{message}");
}
