//! A run from a configuration: a flow that learns the rows of a CSV file or the pictures of a folder, with a folder for its configuration, its
//! checkpoints, its logs and its samples, from which it goes on.
//!
//! `cargo run --release --example train -- --config examples/train/penguins.toml`, or `-- --set data.images=FOLDER --set data.size=16`
//!
//! | key | flag | default | |
//! | --- | --- | --- | --- |
//! | `training.every` | | 200 | steps from one validation, checkpoint and picture to the next |
//! | `training.patience` | `--patience` | never | the run ends early when the best loss on held-out data is this number of steps old |
//! | `logs.formats` | `--log` | `["csv"]` | `"csv"` is `log.csv`, of which `losses.png` is drawn; `"jsonl"` is `log.jsonl`; `"tensorboard"` is the folder `events` |
//! | `logs.speeds` | | `false` | logs steps and samples a second as well |
//!
//! All keys are in `examples/src/configuration.rs`, and `--set KEY=VALUE` sets any of them. An unknown one is an error.

mod data;
mod logs;
mod network;

use std::path::PathBuf;
use std::time::Instant;

use advect::core::{observer_fn, stop_when};
use advect::prelude::*;
use advect::train::{CheckpointFolder, NonFinite, peak_memory};
use clap::Parser;

use advect_examples::configuration::{self, Config};
use data::Data;
use network::Net;

/// Train a flow on a table or on pictures.
#[derive(Parser)]
struct Args {
    /// A file of TOML with the keys of examples/src/configuration.rs.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Set a key, as in training.steps=100; may come several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// End early when the best loss on held-out data is this number of steps old: training.patience.
    #[arg(long, value_name = "STEPS")]
    patience: Option<usize>,
    /// A format of logs, csv, jsonl or tensorboard; may come several times: logs.formats.
    #[arg(long, value_name = "FORMAT")]
    log: Vec<String>,
    /// The run's folder.
    #[arg(long, default_value = "out/train")]
    out: PathBuf,
    /// Go on from the newest checkpoint in the folder, with its configuration.
    #[arg(long, conflicts_with = "config")]
    resume: bool,
    /// Stop at this step, to resume later.
    #[arg(long)]
    until: Option<usize>,
}

impl Args {
    /// All keys that are set.
    fn set(&self) -> Vec<String> {
        let patience = self.patience.iter();
        let patience = patience.map(|steps| format!("training.patience={steps}"));
        let formats = (!self.log.is_empty()).then(|| format!("logs.formats={:?}", self.log));
        let own = self.set.iter().cloned();
        own.chain(patience).chain(formats).collect()
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let kept = args.out.join("config.toml");
    let config = match args.resume {
        true => Config::read(Some(&kept), &args.set())?,
        false => Config::read(args.config.as_deref(), &args.set())?,
    };
    if !args.resume && kept.exists() {
        let reason = "a run is here: go on with it by --resume, or take another folder";
        return Err(Error::file(&args.out, reason));
    }
    let device = advect_examples::device(&config.device)?;
    let key = Key::from_seed(config.seed);
    let data = Data::read(&config, key.named("split"))?;
    let store = ParameterStore::new(key.named("parameters"), DType::F32, &device);
    let net = data.network(&config.network, &store)?;
    let mut trainer = trainer(&config, &data, &store, key)?;
    let batches = Batches::new(
        data.train.len(),
        config.training.batch,
        key.named("batches"),
    )?;

    // All that can be wrong with the configuration is known now.
    advect_examples::prepare_pictures(&args.out.join("samples"))?;
    let every_few = config.training.every;
    let checkpoints = CheckpointFolder::open(args.out.join("checkpoints"))?.every(every_few)?;
    let checkpoints = checkpoints
        .keeping(config.training.keep)?
        .best_of("validation");
    if args.resume {
        for damaged in checkpoints.resume(&mut trainer)?.damaged {
            eprintln!("damaged, and left aside: {damaged}");
        }
    }
    let logs = logs::open(&config.logs, &args.out)?;
    config.write(&kept)?;
    // Ctrl-C and its relatives end the run after their step, from which it goes on.
    let signals = Signals::install()?;
    println!(
        "data                {:>8}, {} held out, {} classes",
        data.train.len(),
        data.held_out.len(),
        data.classes
    );

    let coupling: &dyn Coupling = match config.training.coupling {
        configuration::Coupled::Optimal => &ExactOt,
        configuration::Coupled::Independent => &Independent,
    };
    let objective = Coupled::new(coupling, rectified_flow());
    let dropout = ConditionDropout::new(config.training.dropout)?;
    let loss = |step: usize, rng: &mut Generator| {
        let [samples, labels] = batches.at(step, data.train.tensors())?;
        let x = data.numbers(&samples, &device)?;
        let labels = dropout.apply(&net, &x, &labels.to_device(&device)?, rng)?;
        objective.loss(&net.given(&labels), &rng.normal_like(&x)?, &x, rng)
    };
    // The average, with the same noise each time, in the losses on held-out data and in the pictures.
    let twin = net.on(&trainer.averaged().frozen())?;
    let score = |rng: &mut Generator| validation(&objective, &twin, &data, &config, rng, &device);
    let validation = Validation::of_loss("validation", key.named("validation"), score)?;
    let validation = match config.training.patience {
        Some(steps) => validation.patience(steps)?,
        None => validation,
    };
    let shown = Shown::new(&config, &data, key, &device)?;
    let pictures = observer_fn(|trainer: &Trainer| {
        let name = format!("samples/step_{:06}.png", trainer.step());
        let samples = shown.samples(&twin)?;
        data.draw(&args.out.join(name), &samples, &shown.labels)
    });
    let progress = Progress::new("train").length(config.training.steps);
    let last = args.until.unwrap_or(usize::MAX);
    let told = stop_when(|trainer: &Trainer| trainer.step() >= last);
    // The held-out loss is in the logs of its step, and both are there before the checkpoint.
    let few = (every(every_few, validation)?, every(every_few, pictures)?);
    let observers = ((few.0, logs), (few.1, (progress, (told, signals))));
    let started = Instant::now();
    let first = trainer.step();
    if first < last {
        let mut observer = checkpoints.after(observers);
        trainer.run(config.training.steps, loss, &mut observer)?;
    }
    if trainer.step() > first {
        logs::draw(&config.logs, &args.out)?;
    }
    signals.exit_if_received();
    println!(
        "training            {:>8.1} s, {} steps",
        started.elapsed().as_secs_f64(),
        trainer.step()
    );
    if let Some(bytes) = peak_memory() {
        println!("peak memory         {:>8.0} MB", bytes as f64 / 1e6);
    }
    if let Some((best, _)) = trainer.recorded("validation_best") {
        let age = trainer.step() - best;
        if config.training.patience.is_some_and(|steps| age >= steps) {
            println!("ended early         {age:>8} steps after the best, step {best}");
        }
    }

    if let Some((score, _)) = checkpoints.best()? {
        checkpoints.load_best(trainer.averaged())?;
        let samples = shown.samples(&twin)?;
        data.draw(&args.out.join("samples.png"), &samples, &shown.labels)?;
        data.write(&args.out, &samples, &shown.labels)?;
        println!("held-out loss       {score:>8.4}, the least");
        if let Some(nats) = data.likelihood(&twin, &device)? {
            println!("held-out likelihood {nats:>8.3} nats a row, in the units of the table");
        }
    }
    println!("pictures            {}", args.out.display());
    Ok(())
}

fn trainer(config: &Config, data: &Data, store: &ParameterStore, key: Key) -> Result<Trainer> {
    let training = &config.training;
    let optimizer = AdamW::from_store(store, AdamWConfig::default())?;
    let warmup = 100.min(training.steps / 2);
    let rate = WarmupCosine::new(training.rate, warmup, training.steps)?;
    let non_finite = match training.non_finite {
        configuration::NonFinite::Stop => NonFinite::Stop,
        configuration::NonFinite::Skip => NonFinite::Skip { limit: 10 },
        configuration::NonFinite::Lower => NonFinite::LowerRate {
            factor: 0.5,
            limit: 10,
        },
    };
    Ok(Trainer::new(store, optimizer, key.named("training").into())
        .learning_rate(rate)
        .clip_norm(training.clip)?
        .ema(training.ema)?
        .non_finite(non_finite)?
        // With others, a resumed run would be another run.
        .setting("seed", config.seed)
        .setting("training.steps", training.steps)
        .setting("training.batch", training.batch)
        .setting("training.rate", training.rate)
        .setting("training.ema", training.ema)
        .setting("training.clip", training.clip)
        .setting("training.dropout", training.dropout)
        .setting("training.non_finite", format!("{:?}", training.non_finite))
        .setting("training.coupling", format!("{:?}", training.coupling))
        .setting("data", data.setting()))
}

/// Noise and labels, of which each picture is made.
struct Shown {
    noise: Tensor,
    labels: Tensor,
    guidance: f64,
}

impl Shown {
    fn new(config: &Config, data: &Data, key: Key, device: &Device) -> Result<Self> {
        let count = config.samples.count;
        let mut rng = Generator::from(key.named("samples"));
        Ok(Shown {
            noise: rng.normal(data.shape(count), DType::F32, device)?,
            labels: data.labels(count, device)?,
            guidance: config.samples.guidance,
        })
    }

    fn samples(&self, net: &Net) -> Result<Tensor> {
        let field = Guided::new(net, &self.labels, self.guidance)?;
        let solver = Solver::new(Heun, Fixed::steps(20)?);
        solver.solve(&field, &self.noise, 0.0, 1.0)?.end()
    }
}

/// The mean loss on all that is held out: f64.
fn validation(
    objective: &impl Objective,
    net: &Net,
    data: &Data,
    config: &Config,
    rng: &mut Generator,
    device: &Device,
) -> Result<Tensor> {
    let [samples, labels] = data.held_out.tensors();
    let (count, mut sum) = (data.held_out.len(), 0.0);
    for start in (0..count).step_by(config.training.batch) {
        let size = config.training.batch.min(count - start);
        let x = data.numbers(&samples.narrow(0, start, size)?, device)?;
        let labels = labels.narrow(0, start, size)?.to_device(device)?;
        let noise = rng.normal_like(&x)?;
        let loss = objective.loss(&net.given(&labels), &noise, &x, rng)?;
        sum += loss.to_dtype(DType::F64)?.to_scalar::<f64>()? * size as f64;
    }
    Ok(Tensor::new(sum / count as f64, &Device::Cpu)?)
}
