//! A table of one's own: a flow with optimal-transport pairs learns the rows of a CSV file, class by class, and gives new rows and the
//! likelihoods of rows that it has not seen, in the units of the table.
//!
//! `cargo run --release --example table`, or `-- --csv FILE --label COLUMN --without COLUMN,COLUMN`

use std::path::PathBuf;

use advect::data::{Csv, Missing};
use advect::prelude::*;
use advect_examples::{Losses, draw_points};
use clap::Parser;

/// Learn the rows of a table, and draw new ones.
#[derive(Parser)]
struct Args {
    /// The table, with the names of its columns in the first line; penguins unless told.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/table/penguins.csv"))]
    csv: PathBuf,
    /// The column with the classes of rows.
    #[arg(long, default_value = "species")]
    label: String,
    /// Columns to leave out.
    #[arg(long, value_delimiter = ',', default_value = "island,sex,year")]
    without: Vec<String>,
    /// Training steps.
    #[arg(long, default_value_t = 2000)]
    steps: usize,
    /// Samples in a training batch.
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Steps from one look at the held-out rows to the next.
    #[arg(long, default_value_t = 50)]
    every: usize,
    /// Weight of classifier-free guidance: 1 is none.
    #[arg(long, default_value_t = 1.0)]
    guidance: f64,
    /// Rows to draw.
    #[arg(long, default_value_t = 300)]
    samples: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for checkpoints, losses and samples.
    #[arg(long, default_value = "out/table")]
    out: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    advect_examples::prepare_pictures(&args.out)?;
    let (key, cpu) = (Key::from_seed(args.seed), &Device::Cpu);

    // The rows without gaps, a fifth of them held out, all in units in which the others have mean 0 and deviation 1.
    let csv = Csv::new(&args.csv).label(&args.label);
    let csv = csv.without(&args.without).missing(Missing::DropRow);
    let table = csv.read()?;
    let (train, held_out, map) =
        table.standardized_split(0.2, key.named("split"), DType::F32, cpu)?;
    let (unseen, labels) = (held_out.values(), held_out.labels()?);

    // Training, with the loss on held-out rows every few steps; the best network is kept.
    let store = ParameterStore::new(key.named("parameters"), DType::F32, cpu);
    let net = Mlp::config(table.dim()).classes(table.classes().len());
    let net = net.build(&store.builder())?;
    let objective = Coupled::new(ExactOt, rectified_flow());
    let dropout = ConditionDropout::new(0.1)?;
    let batches = Batches::new(train.len(), args.batch, key.named("batches"))?;
    let loss = |step: usize, rng: &mut Generator| {
        let [x, labels] = batches.at(step, [train.values(), train.labels()?])?;
        let labels = dropout.apply(&net, &x, &labels, rng)?;
        objective.loss(&net.given(&labels), &rng.normal_like(&x)?, &x, rng)
    };
    let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    let trainer = Trainer::new(&store, optimizer, key.named("training").into());
    let mut trainer = trainer.ema(0.99)?.setting("standardization", &map);
    let twin = net.on(&trainer.averaged().frozen())?;
    let score = |_: &Trainer| {
        let rng = &mut Generator::from(key.named("validation"));
        let noise = rng.normal_like(unseen)?;
        let loss = objective.loss(&twin.given(labels), &noise, unseen, rng)?;
        Ok(loss.to_scalar::<f32>()?.into())
    };
    let validation = every(args.every, Validation::new("validation", score)?)?;
    let folder = CheckpointFolder::open(args.out.join("checkpoints"))?.emptied()?;
    let folder = folder.best_of("validation");
    let mut losses = Losses::new(&args.out);
    let observers = (validation, &mut losses);
    trainer.run(args.steps, loss, &mut folder.after(observers))?;
    losses.write()?;

    // Of the best network: log-densities of the held-out rows and new rows of each class, in the units of the table.
    folder.load_best(&store)?;
    let net = net.on(&store.frozen())?;
    let solver = Solver::new(Dopri5, Adaptive::new(1e-5, 1e-5)?);
    let model = Model::new(net.given(labels), Prediction::Velocity, CondOt::default());
    let found = Likelihood::new(model).log_density(&solver, unseen)?;
    let nats = map.log_densities(&found.nats)?;
    let classes = table.classes_in_turn(args.samples)?;
    let mut rng = Generator::from(key.named("samples"));
    let noise = rng.normal((args.samples, table.dim()), DType::F32, cpu)?;
    let field = Guided::new(&net, &classes, args.guidance)?;
    let drawn = solver.solve(&field, &noise, 0.0, 1.0)?.end()?;
    let drawn = table.unstandardized(&drawn, Some(&classes), &map)?;
    drawn.write_csv(args.out.join("samples.csv"))?;

    draw_points(&args.out.join("samples.png"), &table, &drawn)?;
    println!(
        "rows                {:>8}, {} left out, {} held out",
        table.len(),
        table.left_out(),
        held_out.len()
    );
    println!(
        "held-out likelihood {:>8.3} nats a row, given {}",
        nats.mean_all()?.to_scalar::<f64>()?,
        args.label
    );
    println!("files               {}", args.out.display());
    Ok(())
}
