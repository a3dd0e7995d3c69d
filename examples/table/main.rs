//! A table of one's own: a flow with optimal-transport pairs learns the rows of a CSV file, class by class, and gives new rows and the
//! likelihoods of rows that it has not seen, in the units of the table.
//!
//! `cargo run --release --example table`, or `-- --csv FILE --label COLUMN --without COLUMN,COLUMN`

mod args;

use advect::prelude::*;
use args::Args;
use clap::Parser;

fn main() -> Result<()> {
    let args = Args::parse();
    let (key, cpu, out) = (Key::from_seed(args.seed), &Device::Cpu, &args.out);

    // The rows without gaps, a fifth of them held out, all in units in which the others have mean 0 and deviation 1.
    let csv = Csv::new(&args.csv).label(&args.label);
    let table = csv.without(&args.except).missing(Missing::DropRow).read()?;
    let (train, test, map) = table.standardized_split(0.2, key.named("split"), DType::F32, cpu)?;
    let (unseen, labels) = (test.values(), test.labels()?);

    // Training, with the loss of the averaged network on held-out rows every few steps; the best average is kept.
    let store = ParameterStore::new(key.named("parameters"), DType::F32, cpu);
    let net = Mlp::config(table.dim()).classes(table.classes().len());
    let net = net.build(&store.builder())?;
    let objective = Coupled::new(ExactOt, rectified_flow());
    let batches = Batches::new(train.len(), args.batch, key.named("batches"))?;
    let loss = |step: usize, rng: &mut Generator| {
        let [x, labels] = batches.at(step, [train.values(), train.labels()?])?;
        let labels = ConditionDropout::new(0.1)?.apply(&net, &x, &labels, rng)?;
        objective.loss_from_noise(&net.given(&labels), &x, rng)
    };
    let trainer = Trainer::adamw(&store, 1e-3, key.named("training"))?;
    let mut trainer = trainer.ema(0.99)?.setting("standardization", &map);
    let twin = net.on(&trainer.averaged().frozen())?;
    let score = |rng: &mut Generator| objective.loss_from_noise(&twin.given(labels), unseen, rng);
    let validation = every(args.every, Validation::of_loss("validation", key, score)?)?;
    let folder = CheckpointFolder::create(out.join("checkpoints"))?.best_of("validation");
    let log = MetricLog::csv(out.join("losses.csv"))?;
    trainer.run(args.steps, loss, &mut folder.after((validation, log)))?;

    // Of the best average: log-densities of the held-out rows and new rows of each class, in the units of the table.
    folder.load_best(trainer.averaged())?;
    let solver = Solver::new(Dopri5, Adaptive::new(1e-5, 1e-5)?);
    let likelihood = Likelihood::of_velocity(twin.given(labels), 1.0)?;
    let nats = map.log_densities(&likelihood.log_density(&solver, unseen)?.nats)?;
    let rows = test.in_original_units(&map)?.with_column("nats", &nats)?;
    rows.write_csv(out.join("held-out.csv"))?;
    let classes = table.classes_in_turn(args.samples)?;
    let noise = train.noise(args.samples, key.named("samples"))?;
    let field = Guided::new(&twin, &classes, args.guidance)?;
    let drawn = solver.solve(&field, &noise, 0.0, 1.0)?.end()?;
    let drawn = table.unstandardized(&drawn, Some(&classes), &map)?;
    drawn.write_csv(out.join("samples.csv"))?;
    advect_examples::report_rows(out, &table, &rows, &drawn)
}
