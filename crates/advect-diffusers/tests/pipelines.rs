//! A folder by diffusers 0.42.1, and its schedulers' own loops from the same noise. Golden files are by `golden/pipelines.py`.

use std::collections::HashMap;
use std::fs;

use advect_core::testing::device;
use advect_core::{Error, Field, Generator, Jvp, Result, Time, field_fn};
use advect_diffusers::{Config, Pipeline, Scheduler};
use advect_nn::Weights;
use advect_paths::Prediction;
use advect_paths::schedule::DiscreteDiffusion;
use advect_paths::time_map::{DiscreteTimes, TimeMap};
use advect_samplers::grid::{GivenSigmas, GivenTimes, Respaced};
use advect_samplers::rule::{Ancestral, Ddim, Rule, Variance};
use advect_samplers::threshold::{StaticThreshold, Thresholded};
use advect_samplers::{Model, Run, Sampler};
use candle_core::{DType, Tensor};

use crate::unet2d::{difference, golden, read};

fn pipeline() -> Pipeline {
    Pipeline::open(golden("pipeline"), DType::F32, device()).unwrap()
}

/// The configurations of the golden loops, their numbers of steps, and their shifts μ.
fn rows() -> Vec<(String, usize, Option<f64>)> {
    let table = fs::read_to_string(golden("pipelines.json")).unwrap();
    let rows = table.trim_matches(['[', ']']).split("},{");
    let row = |row: &str| {
        let row = row.trim_start_matches('{').trim_end_matches('}');
        let (config, rest) = row.split_once(",\"steps\":").unwrap();
        let config = config.strip_prefix("\"config\":").unwrap();
        let (steps, mu) = rest.split_once(",\"mu\":").unwrap_or((rest, ""));
        (config.to_string(), steps.parse().unwrap(), mu.parse().ok())
    };
    rows.map(row).collect()
}

#[test]
fn samples_are_those_of_diffusers() {
    let golden = read(Weights::new(golden("pipelines.safetensors")));
    let pipeline = pipeline();
    let rng = &mut Generator::from_seed(0);
    for (i, (config, steps, mu)) in rows().into_iter().enumerate() {
        let config = Config::parse("scheduler_config.json", &config).unwrap();
        let class = config.class().unwrap().to_string();
        let scheduler = Scheduler::new(config).unwrap();
        let scheduler = match mu {
            Some(mu) => scheduler.shifted_by(mu).unwrap(),
            None => scheduler,
        };
        let pipeline = pipeline.clone().with_scheduler(scheduler);
        let sampler = pipeline.sampler(steps).unwrap();
        let x = sampler
            .sample(&pipeline.model(), &golden["noise"], rng)
            .unwrap();
        let error = difference(&x, &golden[&format!("end.{i}")]);
        println!("{i} {class}: {error:.1e}");
        assert!(error < 1e-4, "{i} {class}: {error:e}");
    }
}

#[test]
fn ten_lines_draw_samples() {
    let draw = || -> Result<Tensor> {
        let pipeline = Pipeline::open(golden("pipeline"), DType::F32, device())?;
        let pipeline = pipeline.scheduled_by("DPMSolverMultistepScheduler")?;
        pipeline.sample(3, 5, &mut Generator::from_seed(0))
    };
    let x = draw().unwrap();
    assert_eq!(x.dims(), [3, 2, 8, 8]);
    assert_eq!(difference(&x, &draw().unwrap()), 0.0);
}

/// DDPM's noise is its generator's, so that it is compared with the rule that it is to be.
#[test]
fn ddpm_is_ancestral_sampling_of_a_bounded_denoiser() {
    let pipeline = pipeline().scheduled_by("DDPMScheduler").unwrap();
    let rng = &mut Generator::from_seed(1);
    let noise = pipeline.noise(2, rng).unwrap();
    let x = pipeline.sampler(10).unwrap();
    let x = x
        .sample(&pipeline.model(), &noise, &mut Generator::from_seed(2))
        .unwrap();

    let schedule = DiscreteDiffusion::default();
    let net = DiscreteTimes::steps(1000)
        .unwrap()
        .field(pipeline.network());
    let denoiser = Prediction::Noise.field(&net, Prediction::Data, &schedule);
    let bounded = Thresholded::new(&denoiser, StaticThreshold::new(1.0).unwrap());
    let model = Model::new(&bounded, Prediction::Data, &schedule);
    let mut run = Run::new(&model, Generator::from_seed(2).split());
    let sampler = Ancestral::new().on(Respaced::leading(1000, 10).unwrap());
    let expected = sampler.run(&mut run, &noise).unwrap();
    assert!(difference(&x, &expected) < 1e-6);
    assert!(
        x.abs()
            .unwrap()
            .max_all()
            .unwrap()
            .to_scalar::<f32>()
            .unwrap()
            <= 1.0
    );
}

/// Along a direction of state and time, in f64, of a diffusion and of flow matching.
#[test]
fn models_have_derivatives_along_directions() {
    let pipeline = Pipeline::open(golden("pipeline"), DType::F64, device()).unwrap();
    let rng = &mut Generator::from_seed(1);
    let (x, dx) = (
        pipeline.noise(1, rng).unwrap(),
        pipeline.noise(1, rng).unwrap(),
    );
    for class in ["EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler"] {
        let text = format!("{{\"_class_name\": \"{class}\"}}");
        let scheduler =
            Scheduler::new(Config::parse("scheduler_config.json", &text).unwrap()).unwrap();
        let pipeline = pipeline.clone().with_scheduler(scheduler);
        let model = pipeline.model();
        let (t, dt, h) = (0.41234, 0.01, 1e-5);
        let (_, along) = model.field().jvp(&Time::Shared(t), &x, dt, &dx).unwrap();
        let at = |h: f64| {
            let x = (&x + (&dx * h).unwrap()).unwrap();
            model.field().at(&Time::Shared(t + h * dt), &x).unwrap()
        };
        let slope = ((at(h) - at(-h)).unwrap() / (2.0 * h)).unwrap();
        let error = difference(&along, &slope);
        assert!(error < 1e-6, "{class}: {error:e}");
    }
    let clipped = pipeline.scheduled_by("DDPMScheduler").unwrap();
    let error = clipped
        .model()
        .field()
        .jvp(&Time::Shared(0.5), &x, 0.0, &dx);
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("one without clip_sample")
    );
}

/// A network whose values have variances after the noise, as those of guided-diffusion.
#[test]
fn learned_variances_are_kept_beside_bounded_data() {
    let text = r#"{"_class_name": "DDPMScheduler", "variance_type": "learned_range"}"#;
    let scheduler = Scheduler::new(Config::parse("scheduler_config.json", text).unwrap()).unwrap();
    let net = field_fn(|_, x| Ok(Tensor::cat(&[&(x * 0.1)?, &x.tanh()?], 1)?));
    let rng = &mut Generator::from_seed(1);
    let noise = rng.normal((2, 3, 4), DType::F64, device()).unwrap();
    let sampler = scheduler.sampler(10).unwrap();
    let model = scheduler.model_with_variances(&net);
    let x = sampler
        .sample(&model, &noise, &mut Generator::from_seed(2))
        .unwrap();

    let schedule = DiscreteDiffusion::default();
    let bounded = field_fn(|t, x| {
        let (noise, variances) = ((x * 0.1)?, x.tanh()?);
        let data = Prediction::Noise.convert(Prediction::Data, &schedule, t, x, &noise)?;
        Ok(Tensor::cat(&[data.clamp(-1.0, 1.0)?, variances], 1)?)
    });
    let model = Model::with_variances(&bounded, Prediction::Data, &schedule);
    let mut run = Run::new(&model, Generator::from_seed(2).split());
    let rule = Ancestral::new().variance(Variance::Learned);
    let sampler = rule.on(Respaced::leading(1000, 10).unwrap());
    assert!(difference(&x, &sampler.run(&mut run, &noise).unwrap()) < 1e-12);
}

fn scheduler(json: &str) -> Scheduler {
    Scheduler::new(Config::parse("scheduler_config.json", json).unwrap()).unwrap()
}

/// The state at the end, from one noise, with a network for the noise.
fn end(scheduler: &Scheduler, steps: usize, net: &dyn Field) -> Tensor {
    let rng = &mut Generator::from_seed(3);
    let noise = rng.normal((2, 3), DType::F64, device()).unwrap();
    let sampler = scheduler.sampler(steps).unwrap();
    sampler.sample(&scheduler.model(net), &noise, rng).unwrap()
}

/// The states of diffusers' scheduler are in units of the data's factor, also the one at the least noise: with one and the same noise
/// everywhere, `x / α` moves by it.
#[test]
fn euler_ends_in_units_of_the_data() {
    let betas = r#""beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012"#;
    let net = field_fn(|_, x| Ok(x.affine(0.0, 0.5)?));
    let noise = Generator::from_seed(3).normal((2, 3), DType::F64, device());
    let noise = noise.unwrap();
    // Where the last of the levels is the least of training, and where a step leads there.
    for more in ["", r#", "use_karras_sigmas": true, "sigma_min": 0.05"#] {
        for (kind, last) in [("sigma_min", (0.00085f64 / 0.99915).sqrt()), ("zero", 0.0)] {
            let json = format!(
                r#"{{"_class_name": "EulerDiscreteScheduler", "final_sigmas_type": "{kind}", {betas}{more}}}"#
            );
            let scheduler = scheduler(&json);
            let first = scheduler.sampler(10).unwrap();
            let first = first.start(scheduler.schedule()).unwrap().ratio();
            let expected = ((&noise * first).unwrap() + 0.5 * (last - first)).unwrap();
            let error = difference(&end(&scheduler, 10, &net), &expected);
            assert!(error < 1e-9, "{kind}{more}: {error:e}");
        }
    }
    let rises = r#"{"_class_name": "EulerDiscreteScheduler", "final_sigmas_type": "sigma_min", "use_karras_sigmas": true, "sigma_min": 0.005}"#;
    let error = scheduler(rises).sampler(10).unwrap_err().to_string();
    assert!(error.starts_with("sigma_min: got 0.005"), "{error}");
}

/// With bounded data, the step of diffusers from the least noise to itself is no step back to where it was.
#[test]
fn bounds_have_a_last_step_to_the_least_noise() {
    // What is taken away as noise makes the data larger, so that the bound has a part in each step.
    let net = field_fn(|_, x| Ok((x * -0.5)?));
    let schedule = DiscreteDiffusion::default();
    for clips in [false, true] {
        let json = format!(
            r#"{{"_class_name": "DDIMScheduler", "set_alpha_to_one": false, "clip_sample": {clips}}}"#
        );
        let found = end(&scheduler(&json), 5, &net);
        let noise = Generator::from_seed(3).normal((2, 3), DType::F64, device());
        let mut x = noise.unwrap();
        for step in [801, 601, 401, 201, 1usize] {
            let (from, to) = (schedule.alpha_bar(step), step.saturating_sub(200).max(1));
            let to = schedule.alpha_bar(to);
            let noise = (&x * -0.5).unwrap();
            let data = (&x - (&noise * (1.0 - from).sqrt()).unwrap()).unwrap();
            let data = (data / from.sqrt()).unwrap();
            let data = if clips {
                data.clamp(-1.0, 1.0).unwrap()
            } else {
                data
            };
            x = ((data * to.sqrt()).unwrap() + (noise * (1.0 - to).sqrt()).unwrap()).unwrap();
        }
        let error = difference(&found, &x);
        assert!(error < 1e-9, "{clips}: {error:e}");
        let error = scheduler(&json).sampler(1).unwrap_err().to_string();
        assert!(error.starts_with("steps: got 1, expected 2"), "{error}");
    }
}

/// A bound does not make a number of what is none.
#[test]
fn bounds_hide_no_infinity() {
    let scheduler =
        scheduler(r#"{"_class_name": "DDIMScheduler", "timestep_spacing": "trailing"}"#);
    let net = field_fn(|_, x| Ok((x * f64::INFINITY)?));
    let rng = &mut Generator::from_seed(3);
    let noise = rng.normal((2, 3), DType::F64, device()).unwrap();
    let sampler = scheduler.sampler(1).unwrap();
    let error = sampler.sample(&scheduler.model(&net), &noise, rng);
    let error = error.unwrap_err();
    assert!(
        matches!(&error, Error::NonFinite { argument, .. } if argument == "field"),
        "{error}"
    );
}

/// `sigma_min` and `sigma_max` are the ends of the levels on a curve for any class, except those of `use_lu_lambdas`.
#[test]
fn levels_are_between_the_configured_ones() {
    let net = field_fn(|_, x| Ok((x * 0.1)?));
    let dpm = |more: &str| {
        let json = format!(
            r#"{{"_class_name": "DPMSolverMultistepScheduler", "solver_order": 1, {more}}}"#
        );
        scheduler(&json)
    };
    let noise = Generator::from_seed(3).normal((2, 3), DType::F64, device());
    let noise = noise.unwrap();
    for curve in ["karras", "exponential", "beta"] {
        let curve = format!(r#""use_{curve}_sigmas": true, "sigma_min": 0.1, "sigma_max": 10"#);
        let scheduler = dpm(&curve);
        let model = scheduler.model(&net);
        let levels = Ddim::new().on(GivenSigmas::new(&[10.0, 0.1, 0.0]).unwrap());
        let mut run = Run::new(&model, Generator::from_seed(0).split());
        let expected = levels.run(&mut run, &noise).unwrap();
        let error = difference(&end(&scheduler, 2, &net), &expected);
        assert!(error < 1e-9, "{curve}: {error:e}");
    }
    let lu = [
        r#""use_lu_lambdas": true"#,
        r#""use_lu_lambdas": true, "sigma_min": 0.1, "sigma_max": 10"#,
    ];
    let [plain, given] = lu.map(|more| end(&dpm(more), 5, &net));
    assert_eq!(difference(&plain, &given), 0.0);
    let rises =
        dpm(r#""use_karras_sigmas": true, "sigma_min": 0.005, "final_sigmas_type": "sigma_min""#);
    let error = rises.sampler(20).unwrap_err().to_string();
    assert!(error.starts_with("sigma_min: got 0.005"), "{error}");

    let flow = scheduler(
        r#"{"_class_name": "FlowMatchEulerDiscreteScheduler", "use_karras_sigmas": true, "sigma_min": 0.1, "sigma_max": 0.8}"#,
    );
    let model = flow.model(&net);
    let levels = Ddim::new().on(GivenTimes::new(&[0.2, 0.9, 1.0]).unwrap());
    let mut run = Run::new(&model, Generator::from_seed(0).split());
    let expected = levels.run(&mut run, &noise).unwrap();
    let error = difference(&end(&flow, 2, &net), &expected);
    assert!(error < 1e-9, "{error:e}");
}

/// Of 16 steps by which the network was trained on less noise, five are left.
#[test]
fn orders_are_lowered_by_the_steps_that_are_made() {
    for more in [
        r#""solver_order": 3, "lower_order_final": false"#,
        r#""final_sigmas_type": "sigma_min""#,
    ] {
        let json = format!(
            r#"{{"_class_name": "DPMSolverMultistepScheduler", "timestep_spacing": "trailing", "lambda_min_clipped": 0, {more}}}"#
        );
        let scheduler = scheduler(&json);
        let error = scheduler.sampler(16).unwrap_err().to_string();
        assert!(
            error.contains("a number that makes 15 steps or more"),
            "{error}"
        );
        assert!(scheduler.sampler(100).is_ok());
    }
    let third = r#"{"_class_name": "DPMSolverMultistepScheduler", "timestep_spacing": "trailing", "lambda_min_clipped": 0, "solver_order": 3}"#;
    assert!(scheduler(third).sampler(16).is_ok());
}

#[test]
fn what_has_no_equivalent_is_refused() {
    let text = |json: &str| {
        let config = Config::parse("scheduler_config.json", json).unwrap();
        Scheduler::new(config).unwrap_err().to_string()
    };
    for (json, expected) in [
        (
            r#"{"_class_name": "HeunDiscreteScheduler"}"#,
            "_class_name: got \"HeunDiscreteScheduler\", expected DDPMScheduler, ",
        ),
        (
            r#"{"_class_name": "PNDMScheduler"}"#,
            "skip_prk_steps: got false, expected true",
        ),
        (
            r#"{"_class_name": "DDPMScheduler", "variance_type": "learned"}"#,
            "variance_type: got \"learned\", expected \"fixed_small\"",
        ),
        (
            r#"{"_class_name": "DDIMScheduler", "beta_schedule": "laplace"}"#,
            "beta_schedule: got \"laplace\", expected \"linear\" or ",
        ),
        (
            r#"{"_class_name": "DDIMScheduler", "beta_start": -1}"#,
            "beta_start: got -1",
        ),
        (
            r#"{"_class_name": "DDIMScheduler", "steps_offset": 18446744073709551615}"#,
            "steps_offset: got 18446744073709551615, expected at most 10000000",
        ),
        (
            r#"{"_class_name": "EulerDiscreteScheduler", "use_beta_sigmas": true, "use_karras_sigmas": true}"#,
            "use_beta_sigmas: got true, expected false: only one of use_karras_sigmas, ",
        ),
        (
            r#"{"_class_name": "EulerDiscreteScheduler", "timestep_type": "continuous"}"#,
            "it changes the time that the network is told",
        ),
        (
            r#"{"_class_name": "FlowMatchEulerDiscreteScheduler", "invert_sigmas": true}"#,
            "invert_sigmas: got true, expected false, as others are not supported: it changes the levels of noise",
        ),
        (
            r#"{"_class_name": "UniPCMultistepScheduler", "beta_schedule": "squaredcos_cap_v2", "use_beta_sigmas": true}"#,
            "beta_schedule: got \"squaredcos_cap_v2\", expected another one beside use_exponential_sigmas",
        ),
        (
            r#"{"_class_name": "UniPCMultistepScheduler", "lower_order_final": false}"#,
            "lower_order_final: got false, expected true: a step to the data",
        ),
        (
            r#"{"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver"}"#,
            "algorithm_type: got \"dpmsolver\", expected \"dpmsolver++\" or \"sde-dpmsolver++\"",
        ),
        (
            r#"{"_class_name": "UniPCMultistepScheduler", "gamma": 3}"#,
            "got gamma = 3: keys that are not known for UniPCMultistepScheduler, and may change what it computes",
        ),
    ] {
        let error = text(json);
        assert!(
            error.starts_with("scheduler_config.json: ") && error.contains(expected),
            "{error}"
        );
    }
    let sampler = |json: &str, steps| {
        let config = Config::parse("scheduler_config.json", json).unwrap();
        Scheduler::new(config).unwrap().sampler(steps).map(|_| ())
    };
    let linspace = r#"{"_class_name": "DDIMScheduler", "timestep_spacing": "linspace"}"#;
    assert!(
        sampler(linspace, 10)
            .unwrap_err()
            .to_string()
            .contains("timesteps are 100 apart")
    );
    let trailing = r#"{"_class_name": "DDIMScheduler", "timestep_spacing": "trailing"}"#;
    assert!(sampler(trailing, 10).is_ok() && sampler(trailing, 30).is_err());
    for steps in [0, 1001] {
        assert!(
            sampler(trailing, steps)
                .unwrap_err()
                .to_string()
                .contains("from 1 to 1000")
        );
    }
    let large = r#"{"_class_name": "DDPMScheduler", "variance_type": "fixed_large", "timestep_spacing": "trailing"}"#;
    assert!(sampler(large, 10).is_err() && sampler(large, 1000).is_ok());
    // The first two levels are less than a step of training apart.
    let dense =
        r#"{"_class_name": "UniPCMultistepScheduler", "use_karras_sigmas": true, "sigma_min": 10}"#;
    let error = sampler(dense, 1000).unwrap_err().to_string();
    assert!(
        error.contains("the first two would have the same timestep"),
        "{error}"
    );
    assert!(sampler(dense, 8).is_ok());
    // The last step is from a level to itself.
    let stays = r#"{"_class_name": "UniPCMultistepScheduler", "use_karras_sigmas": true, "final_sigmas_type": "sigma_min"}"#;
    let error = sampler(stays, 1).unwrap_err().to_string();
    assert!(error.starts_with("steps: got 1, expected 2"), "{error}");
    let third = r#"{"_class_name": "UniPCMultistepScheduler", "use_karras_sigmas": true, "final_sigmas_type": "sigma_min", "solver_order": 3, "lower_order_final": false}"#;
    let error = sampler(third, 8).unwrap_err().to_string();
    assert!(error.starts_with("lower_order_final: got false"), "{error}");
    // Rounded times of 1000 steps between the first and the last one meet twice.
    let all = r#"{"_class_name": "UniPCMultistepScheduler"}"#;
    let error = sampler(all, 1000).unwrap_err().to_string();
    assert!(
        error.contains("two of them would have the same timestep"),
        "{error}"
    );
    let flow = r#"{"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": true, "time_shift_type": "linear"}"#;
    let flow = Scheduler::new(Config::parse("scheduler_config.json", flow).unwrap()).unwrap();
    assert!(
        flow.sampler(3)
            .unwrap_err()
            .to_string()
            .starts_with("mu: got none")
    );
    assert!(
        flow.shifted_by(-1.0)
            .unwrap_err()
            .to_string()
            .starts_with("mu: got -1")
    );
    let fixed = r#"{"_class_name": "FlowMatchEulerDiscreteScheduler"}"#;
    let fixed = Scheduler::new(Config::parse("scheduler_config.json", fixed).unwrap()).unwrap();
    assert!(
        fixed
            .shifted_for(256)
            .unwrap_err()
            .to_string()
            .starts_with("mu: got a number, expected none")
    );
    let order = r#"{"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3, "lower_order_final": false}"#;
    assert!(sampler(order, 10).is_err() && sampler(order, 20).is_ok());
}

#[test]
fn folders_say_what_they_lack() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let error = Pipeline::open(folder.path(), DType::F32, device()).unwrap_err();
        error
            .to_string()
            .replace(&folder.path().display().to_string(), "F")
    };
    assert!(open().contains("scheduler_config.json"), "{}", open());
    let put = |from: &str, to: &str| {
        let to = folder.path().join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(golden("pipeline").join(from), to).unwrap();
    };
    // Early files have everything in one folder.
    put("scheduler/scheduler_config.json", "scheduler_config.json");
    assert!(
        open().contains("lacks a network: unet/config.json"),
        "{}",
        open()
    );
    put("unet/config.json", "config.json");
    assert!(open().contains("without files of weights"), "{}", open());
    put(
        "unet/diffusion_pytorch_model.safetensors",
        "diffusion_pytorch_model.safetensors",
    );
    let early = Pipeline::open(folder.path(), DType::F32, device()).unwrap();
    let draw = |pipeline: &Pipeline| pipeline.sample(1, 3, &mut Generator::from_seed(0)).unwrap();
    assert_eq!(difference(&draw(&early), &draw(&pipeline())), 0.0);
    assert!(early.part("vae").is_none() && pipeline().part("unet").is_some());
    let config = fs::read_to_string(folder.path().join("config.json")).unwrap();
    let other = config.replace("UNet2DModel", "UNet2DConditionModel");
    fs::write(folder.path().join("config.json"), other).unwrap();
    assert!(open().contains("_class_name: got \"UNet2DConditionModel\", expected \"UNet2DModel\""));
    let wide = config.replacen("8,", "16,", 1);
    fs::write(folder.path().join("config.json"), wide).unwrap();
    assert!(open().contains("don't fit"), "{}", open());
}

/// Saved weights are those of diffusers again: the same names, in the format that it looks for. `golden/round_trip.py` has it read them, from
/// the folder that ADVECT_ROUND_TRIP names.
#[test]
fn what_is_saved_is_read_by_diffusers() {
    let folder = tempfile::tempdir().unwrap();
    let folder =
        std::env::var_os("ADVECT_ROUND_TRIP").map_or(folder.path().to_path_buf(), Into::into);
    let pipeline = pipeline();
    for (_, var) in pipeline.store().parameters() {
        var.set(&(var.as_detached_tensor() * 1.25).unwrap())
            .unwrap();
    }
    let file = folder.join("diffusion_pytorch_model.safetensors");
    pipeline.store().save(&file).unwrap();
    fs::copy(
        golden("pipeline/unet/config.json"),
        folder.join("config.json"),
    )
    .unwrap();
    let x = pipeline.noise(2, &mut Generator::from_seed(0)).unwrap();
    let t = Tensor::new(&[3f32, 700.0], device()).unwrap();
    let y = pipeline
        .network()
        .at(&Time::PerSample(t.clone()), &x)
        .unwrap();
    let answers = HashMap::from([("x", x), ("t", t), ("y", y.detach())]);
    candle_core::safetensors::save(&answers, folder.join("answers.safetensors")).unwrap();
    let contents = |path| Weights::new(path).contents().unwrap();
    let ours = contents(file);
    assert_eq!(ours.metadata["format"], "pt");
    assert_eq!(
        ours.tensors,
        contents(golden("pipeline/unet/diffusion_pytorch_model.safetensors")).tensors
    );
}
