//! Against diffusers 0.42.1: its schedulers on data N(0.7, 0.16), whose noise is known. Its tables are f32.

use advect_core::testing::device;
use advect_core::{Key, Result};
use advect_paths::Prediction;
use advect_paths::closed_form::{Covariance, Gaussian, Law};
use advect_paths::schedule::DiscreteDiffusion;
use advect_samplers::grid::{GivenSigmas, Grid, Karras, Respaced};
use advect_samplers::rule::{Ddim, DpmSolver, Edm, Plms, Rule, UniPc};
use advect_samplers::{Model, Run, Sampler};
use candle_core::Tensor;
use serde_json::Value;

const TRAINED: usize = 1000;

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap().iter();
    values.map(|v| v.as_f64().unwrap()).collect()
}

/// Our steps, which count from 1, at their time steps, and then perhaps the data.
fn steps(row: &Value, more: &[usize]) -> Respaced {
    let mut steps: Vec<usize> = numbers(&row["timesteps"])
        .into_iter()
        .map(|t| t as usize + 1)
        .collect();
    steps.dedup();
    Respaced::given(TRAINED, &[&steps, more].concat()).unwrap()
}

/// The end, the evaluations made, and those that theirs makes.
fn sample(row: &Value, x: &Tensor) -> Result<(Tensor, usize, usize)> {
    let cosine = row["config"]["beta_schedule"] == "squaredcos_cap_v2";
    let schedule = match cosine {
        true => DiscreteDiffusion::cosine(TRAINED)?,
        false => DiscreteDiffusion::default(),
    };
    let mean = Tensor::from_vec(vec![0.7; 4], 4, device())?;
    let law = Gaussian::new(&mean, Covariance::isotropic(0.16)?)?;
    let field = law.field(Prediction::Noise, &schedule);
    let model = Model::new(&field, Prediction::Noise, &schedule);
    let mut run = Run::new(&model, Key::from_seed(0));
    let counted = row["timesteps"].as_array().map(Vec::len);
    let order = row["config"]["solver_order"].as_u64();
    let end = match row["sampler"].as_str().unwrap() {
        "DDIMScheduler" => Ddim::new().on(steps(row, &[0])).run(&mut run, x)?,
        "DPMSolverMultistepScheduler" => {
            let rule = match order.unwrap() {
                3 => DpmSolver::customary_third_order(),
                order => DpmSolver::order(order as usize)?,
            };
            rule.on(steps(row, &[0])).run(&mut run, x)?
        }
        "UniPCMultistepScheduler" => UniPc::order(2)?.on(steps(row, &[0])).run(&mut run, x)?,
        "PNDMScheduler" => Plms.on(steps(row, &[])).run(&mut run, x)?,
        kind => {
            let sigmas = numbers(&row["sigmas"]);
            let mut levels = sigmas.clone();
            levels.dedup();
            // The same levels by our own formula.
            let (most, least) = (levels[0], levels[levels.len() - 2]);
            let karras = Karras::new(levels.len() - 1)?.range(least, most)?;
            for (level, sigma) in karras.levels(&schedule)?.iter().zip(&levels) {
                assert!((level.ratio() - sigma).abs() <= 2e-5 * sigma, "{kind}");
            }
            let rule = match kind {
                "EulerDiscreteScheduler" => Edm::euler(),
                "HeunDiscreteScheduler" => Edm::heun(),
                other => panic!("{other}"),
            };
            let grid = GivenSigmas::new(&levels)?;
            let scale = run
                .model()
                .schedule()
                .sigma(grid.levels(&schedule)?[0].time);
            let end = rule.on(grid).run(&mut run, &(x * scale)?)?;
            return Ok((end, run.evaluations(), sigmas.len() - 1));
        }
    };
    Ok((end, run.evaluations(), counted.unwrap()))
}

#[test]
fn samples_and_evaluations_are_those_of_diffusers() {
    let golden: Value = serde_json::from_str(include_str!(
        "../../advect-paths/tests/golden/samplers_diffusers.json"
    ))
    .unwrap();
    let x = Tensor::from_vec(numbers(&golden["x_T"]), (4, 1, 2, 2), device()).unwrap();
    let rows = golden["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 10);
    for row in rows {
        let name = format!("{} {} {}", row["sampler"], row["config"], row["steps"]);
        let (end, ours, theirs) = sample(row, &x).unwrap();
        let end = end.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let expected = numbers(&row["x_end"]);
        let pairs = end.iter().zip(&expected);
        let error = pairs.fold(0f64, |e, (a, b)| e.max((a - b).abs()));
        println!("{error:.2e} {ours} {theirs} {name}");
        assert!(error < 2e-6, "{name}: {error}");
        match row["sampler"] == "PNDMScheduler" {
            // Their last evaluation is of a step that ends where it starts.
            true => assert_eq!(ours + 1, theirs, "{name}"),
            false => assert_eq!(ours, theirs, "{name}"),
        }
    }
}
