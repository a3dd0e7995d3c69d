//! A flow to two moons that is trained, sampled and judged on as many processes as there are. The book's page on many machines tells how to
//! start it.
//!
//! `cargo run --release --example many_machines` is one process;
//! `cargo build --release -p advect-examples --features mpi --example many_machines` makes one for `mpirun`. With the feature `nccl`,
//! `--device cuda --nccl` gives each process of a machine a GPU, and adds gradients between them.

use std::time::{Duration, Instant};

use advect::data::toy::{Toy, TwoMoons};
use advect::prelude::*;
use advect::samplers::likelihood::Likelihood;
use advect::train::CheckpointFolder;
use clap::Parser;

/// Train on one or many processes.
#[derive(Parser, Clone)]
struct Args {
    /// Training steps.
    #[arg(long, default_value_t = 500)]
    steps: usize,
    /// Samples in a batch, of all processes together.
    #[arg(long, default_value_t = 512)]
    batch: usize,
    /// Parts of the batch, a multiple of the number of processes. Runs with as many parts are alike. [default: one a process]
    #[arg(long)]
    shards: Option<usize>,
    /// Width of the network's three hidden layers.
    #[arg(long, default_value_t = 128)]
    width: usize,
    /// Samples that are drawn, and rows whose likelihood is found.
    #[arg(long, default_value_t = 1000)]
    samples: usize,
    /// cpu, cuda:N, or cuda for the GPU with the process's number on its machine.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Add gradients between GPUs by NCCL, and not through the memory of their hosts.
    #[cfg(feature = "nccl")]
    #[arg(long)]
    nccl: bool,
    /// Folder for checkpoints, from which the run goes on if there are any.
    #[arg(long)]
    out: Option<std::path::PathBuf>,
}

// ANCHOR: main
#[cfg(feature = "mpi")]
fn main() -> Result<()> {
    let args = Args::parse();
    advect::parallel::Mpi::new().run(|ranks| program(&args, &ranks))
}
// ANCHOR_END: main

#[cfg(not(feature = "mpi"))]
fn main() -> Result<()> {
    program(&Args::parse(), &Ranks::alone())
}

/// The device of a name. Launchers tell each process its number among those of its machine.
fn device(name: &str) -> Result<Device> {
    let numbers = [
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "MPI_LOCALRANKID",
        "SLURM_LOCALID",
    ];
    match numbers.iter().find_map(|number| std::env::var(number).ok()) {
        Some(number) if name == "cuda" => advect_examples::device(&format!("cuda:{number}")),
        _ => advect_examples::device(name),
    }
}

/// What every process runs.
fn program(args: &Args, ranks: &Ranks) -> Result<()> {
    // ANCHOR: training
    let (device, key) = (device(&args.device)?, Key::from_seed(0));
    let store = ParameterStore::new(key.named("network"), DType::F32, &device);
    let net = Mlp::config(2)
        .hidden(&[args.width; 3])
        .build(&store.builder())?;
    let mut rng = Generator::from(key.named("data"));
    let data = TwoMoons::default().sample(20_000, DType::F32, &device, &mut rng)?;
    let batches = Batches::new(data.dim(0)?, args.batch, key.named("batches"))?;
    let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    let trainer = Trainer::new(&store, optimizer, Generator::from(key.named("training")))
        .setting("seed", 0)
        .setting("batch", args.batch)
        .clip_norm(1.0)?
        .ema(0.99)?;

    // From here on the program knows of ranks.
    // ANCHOR: nccl
    #[cfg(feature = "nccl")]
    if args.nccl {
        advect::parallel::Nccl::new().connect(ranks, &device)?;
    }
    // ANCHOR_END: nccl
    let shards = args.shards.unwrap_or(ranks.size());
    let mut trainer = DataParallel::with_shards(trainer, ranks, shards)?;
    let mut folder = ranks.on_root(|| match &args.out {
        Some(path) => Ok(Some(CheckpointFolder::open(path)?.every(100)?)),
        None => Ok(None),
    })?;
    let folder = &mut folder.as_mut().and_then(Option::as_mut);
    trainer.from_root(|trainer| match folder {
        Some(folder) => folder.resume(trainer).map(drop),
        None => Ok(()),
    })?;
    let objective = rectified_flow();
    let loss = |step: usize, shard: Shard, rng: &mut Generator| {
        let rows = shard.rows(&batches.indices(step)?)?.to_device(&device)?;
        let x1 = data.index_select(&rows, 0)?;
        let x0 = rng.normal(x1.shape(), DType::F32, &device)?;
        objective.loss(&net, &x0, &x1, rng)
    };
    // ANCHOR_END: training
    let (start, before, first) = (Instant::now(), ranks.traffic(), trainer.trainer().step());
    // ANCHOR: run
    trainer.run(args.steps, loss, folder)?;
    // ANCHOR_END: run
    let (time, traffic) = (start.elapsed(), ranks.traffic().since(&before));
    let steps = args.steps.saturating_sub(first).max(1) as f64;

    // ANCHOR: samples
    // Every rank draws its share of the pieces, and finds its share of the likelihoods.
    let average = net.on(&trainer.averaged()?.frozen())?;
    let model = Model::new(&average, Prediction::Velocity, CondOt::default());
    let solver = Solver::new(Dopri5, Adaptive::new(1e-4, 1e-4)?);
    let source = NoiseSource::new(key.named("sampling"), &[2], DType::F32, &device)?;
    let all: Vec<_> = pieces(0..args.samples as u64, 100)?.collect();
    let (mut samples, mut nats) = (Vec::new(), Vec::new());
    for piece in &all[ranks.shard().range(all.len())] {
        let sampler = ProbabilityFlow::new(solver.clone());
        samples.push(source.sample(&sampler, &model, piece.clone())?);
        let (row, count) = (piece.start as usize, (piece.end - piece.start) as usize);
        let found = Likelihood::new(model).log_density(&solver, &data.narrow(0, row, count)?)?;
        nats.push(found.nats);
    }
    let samples = ranks.gather_rows(&rows(samples, &[0, 2], DType::F32, &device)?)?;
    let nats = ranks.gather_rows(&rows(nats, &[0], DType::F64, &device)?)?;
    // ANCHOR_END: samples
    if ranks.is_root() {
        let number = |x: Tensor| x.to_dtype(DType::F64)?.mean_all()?.to_scalar::<f64>();
        let milliseconds = |time: Duration| 1e3 * time.as_secs_f64() / steps;
        println!("ranks           {}", ranks.size());
        println!("parameters      {}", store.element_count());
        println!("loss            {:.9}", trainer.trainer().report().loss);
        println!("mean square     {:.9}", number(samples.sqr()?)?);
        println!("log-likelihood  {:.9}", number(nats)?);
        println!("time a step     {:.3} ms", milliseconds(time));
        println!("  communicating {:.3} ms", milliseconds(traffic.time));
        println!("bytes a step    {:.0}", traffic.bytes as f64 / steps);
        println!("calls a step    {:.2}", traffic.operations as f64 / steps);
    }
    Ok(())
}

// ANCHOR: rows
/// The rows of all pieces, or none where a rank has no piece.
fn rows(pieces: Vec<Tensor>, none: &[usize], dtype: DType, device: &Device) -> Result<Tensor> {
    match pieces.is_empty() {
        true => Ok(Tensor::zeros(none, dtype, device)?),
        false => Ok(Tensor::cat(&pieces, 0)?),
    }
}
// ANCHOR_END: rows
