//! The quality of images against evaluations of the network.

use std::time::Instant;

use advect::metrics::{bootstrap_frechet_distance, kernel_distance_by_blocks, precision_recall};
use advect::models::UNet;
use advect::prelude::*;
use advect::samplers::AnyModel;

use crate::sources::{Source, share};

/// Images that are drawn at a time.
const PIECE: usize = 125;
/// Neighbours of precision and recall.
const NEIGHBOURS: usize = 3;

/// The samplers that there are.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum SamplerName {
    /// Euler's method on the probability flow.
    Euler,
    /// The midpoint method on the probability flow.
    Midpoint,
    /// DPM-Solver++ of order 2.
    DpmSolver,
    /// UniPC of order 2.
    UniPc,
    /// Dopri5 on the probability flow, which chooses its evaluations.
    Dopri5,
}

type Row = (&'static str, Box<dyn Sampler>);

/// Samplers with at most so many evaluations, and one that chooses their number.
fn samplers(names: &[SamplerName], budgets: &[usize]) -> Result<Vec<Row>> {
    let flow = |steps| -> Result<Fixed> { Fixed::steps(steps) };
    // From nearly pure noise to levels that hide in those of the pixels.
    let grid = |steps| UniformLogSnr::new(steps)?.range(0.005, 80.0);
    let with = |name, budget: usize| -> Result<Option<Row>> {
        let row: Row = match name {
            SamplerName::Euler => {
                let euler = ProbabilityFlow::new(Solver::new(Euler, flow(budget)?));
                ("Euler", Box::new(euler))
            }
            SamplerName::Midpoint => {
                let steps = flow(budget.div_ceil(2))?;
                let midpoint = ProbabilityFlow::new(Solver::new(Midpoint, steps));
                ("midpoint", Box::new(midpoint))
            }
            SamplerName::DpmSolver => {
                let sampler = DpmSolver::order(2)?.on(grid(budget)?);
                ("DPM-Solver++", Box::new(sampler))
            }
            SamplerName::UniPc => ("UniPC", Box::new(UniPc::order(2)?.on(grid(budget)?))),
            SamplerName::Dopri5 => return Ok(None),
        };
        Ok(Some(row))
    };
    let mut rows: Vec<Row> = Vec::new();
    for &budget in budgets {
        for &name in names {
            rows.extend(with(name, budget)?);
        }
    }
    if (names.iter()).any(|name| matches!(name, SamplerName::Dopri5)) {
        let adaptive = Solver::new(Dopri5, Adaptive::new(1e-3, 1e-3)?);
        rows.push(("Dopri5", Box::new(ProbabilityFlow::new(adaptive))));
    }
    Ok(rows)
}

/// Prints the table for `count` images of each sampler, the classes in turn. Returns the images of the last row, as bytes.
pub(crate) fn print(
    net: &UNet,
    source: &Source,
    count: usize,
    (names, budgets): (&[SamplerName], &[usize]),
    key: Key,
    device: &Device,
) -> Result<Tensor> {
    // As many real images for the kernel's blocks and the neighbours; all test images for the Fréchet distance.
    let test = source.classifier.features_by(&source.test.pixels, 500)?;
    let train = source
        .classifier
        .features_by(&source.train.pixels.narrow(0, 0, count)?, 500)?;
    println!(
        "{count} images a row, against {} test images",
        source.test.len()
    );
    println!(
        "{:<14}{:>5}{:>16}{:>20}{:>11}{:>8}{:>10}{:>8}",
        "", "NFE", "Fréchet", "KID", "precision", "recall", "accuracy", "s"
    );
    let line = |name: &str,
                evaluations: usize,
                features: &Tensor,
                right: f64,
                seconds: f64|
     -> Result<()> {
        let rng = |name| Generator::from(key.named(name));
        let frechet = bootstrap_frechet_distance(features, &test, 20, &mut rng("bootstrap"))?;
        let kernel =
            kernel_distance_by_blocks(features, &test, 20, count.min(250), &mut rng("blocks"))?;
        let near = precision_recall(&test.narrow(0, 0, count)?, features, NEIGHBOURS)?;
        println!(
            "{name:<14}{evaluations:>5}{:>9.3} ± {:>4.2}{:>13.2} ± {:>4.2}{:>11.3}{:>8.3}{right:>10.4}{seconds:>8.1}",
            frechet.distance,
            frechet.standard_error,
            kernel.mean,
            kernel.standard_deviation,
            near.precision,
            near.recall,
        );
        Ok(())
    };
    let real = source.train.labels.narrow(0, 0, count)?.to_vec1::<u32>()?;
    let found = source
        .classifier
        .logits(&train)?
        .argmax(1)?
        .to_vec1::<u32>()?;
    line("training data", 0, &train, share(&found, &real)?, 0.0)?;

    let noise =
        Generator::from(key.named("noise")).normal((count, 1, 28, 28), DType::F32, device)?;
    let labels: Vec<u32> = (0..count as u32).map(|i| i % 10).collect();
    let labels = Tensor::new(labels, device)?;
    let mut last = None;
    for (name, sampler) in samplers(names, budgets)? {
        let started = Instant::now();
        let (mut images, mut evaluations) = (Vec::new(), 0);
        for first in (0..count).step_by(PIECE) {
            let piece = PIECE.min(count - first);
            let field = net.given(&labels.narrow(0, first, piece)?);
            let schedule = CondOt::default();
            let model = Model::new(field, Prediction::Velocity, &schedule);
            let model: &dyn AnyModel = &model;
            let mut run = Run::new(model, key.named("run")).any_start();
            let sigma = sampler.start(&schedule)?.sigma;
            let x = (noise.narrow(0, first, piece)? * sigma)?;
            images.push(sampler.run(&mut run, &x)?);
            evaluations = run.evaluations();
        }
        let seconds = started.elapsed().as_secs_f64();
        let bytes = Normalization::default().bytes(&Tensor::cat(&images, 0)?)?;
        let features = source.classifier.features_by(&bytes, 500)?;
        let found = source
            .classifier
            .logits(&features)?
            .argmax(1)?
            .to_vec1::<u32>()?;
        let right = share(&found, &labels.to_vec1::<u32>()?)?;
        line(name, evaluations, &features, right, seconds)?;
        last = Some(bytes);
    }
    let accepted = "a sampler, and evaluations for any but Dopri5";
    last.ok_or_else(|| Error::range("samplers", "none", accepted))
}
