//! The bound term by term, and samples on their way.

use std::f64::consts::LN_2;
use std::path::Path;
use std::time::Instant;

use advect::core::file;
use advect::metrics::energy_distance;
use advect::models::UNet;
use advect::objectives::objective::ReverseVariance;
use advect::prelude::*;
use advect_examples::plot::{BLUE, GREY, ORANGE, Panel, panels};

use crate::data::Data;

/// Pictures of a sample on its way.
pub(crate) const PICTURES: usize = 11;
/// Samples whose way is drawn.
const SHOWN: usize = 6;

/// Which variances there are: for the bound, and for samples.
const VARIANCES: [(&str, ReverseVariance, Variance); 3] = [
    ("β", ReverseVariance::Beta, Variance::Forward),
    ("β̃", ReverseVariance::Posterior, Variance::Posterior),
    ("learned", ReverseVariance::Learned, Variance::Learned),
];

/// The noise that the network predicts, without the variances.
fn noise(net: &UNet) -> impl Field + '_ {
    field_fn(move |t: &Time, x: &Tensor| Ok(net.at(t, x)?.narrow(1, 0, x.dim(1)?)?.contiguous()?))
}

/// Prints the terms of the bound in bits per dimension, steps in decades, and keeps all of them in `bound.csv` and `bound.png`.
pub(crate) fn bound(
    net: &UNet,
    schedule: &DiscreteDiffusion,
    data: &Data,
    images: &Tensor,
    key: Key,
    out: &Path,
) -> Result<()> {
    let (count, steps) = (images.dim(0)?, schedule.steps());
    let bits = |nats: &Tensor| -> Result<f64> {
        let mean = nats.to_dtype(DType::F64)?.mean_all()?.to_scalar::<f64>()?;
        Ok(mean / (LN_2 * (images.elem_count() / count) as f64))
    };
    println!("bound of {count} test images, bits per dimension");
    println!(
        "{:<10}{:>10}{:>14}{:>14}{:>14}{:>10}{:>10}",
        "variance", "L_T", "k > 100", "11 to 100", "2 to 10", "L_0", "sum"
    );
    let mut columns = Vec::new();
    for (name, variance, _) in VARIANCES {
        let bound = VariationalBound::new(schedule.clone())
            .variance(variance)
            .decoder(data.decoder()?);
        // The same noise for all of them.
        let mut rng = Generator::from(key.named("bound"));
        let terms = match variance {
            ReverseVariance::Learned => bound.terms(net, images, &mut rng)?,
            _ => bound.terms(&noise(net), images, &mut rng)?,
        };
        let each: Vec<f64> = terms.steps.iter().map(bits).collect::<Result<_>>()?;
        // The first is that of step 2.
        let within = |from: usize, to: usize| -> f64 {
            let inside = (2..).zip(&each).filter(|(k, _)| (from..=to).contains(k));
            inside.map(|(_, bits)| bits).sum()
        };
        println!(
            "{name:<10}{:>10.5}{:>14.4}{:>14.4}{:>14.4}{:>10.4}{:>10.4}",
            bits(&terms.prior)?,
            within(101, steps),
            within(11, 100),
            within(2, 10),
            bits(&terms.decoder)?,
            bits(&terms.total()?)?
        );
        columns.push(each);
    }
    file::write_atomically(out.join("bound.csv"), |f| {
        writeln!(f, "k,beta,posterior,learned")?;
        (2..=steps).zip(0..).try_for_each(|(k, i): (usize, usize)| {
            writeln!(
                f,
                "{k},{},{},{}",
                columns[0][i], columns[1][i], columns[2][i]
            )
        })
    })?;
    let log = |x: f64| x.max(1e-9).log10();
    let all = columns.iter().flatten().copied();
    let (low, high) = all.fold((0f64, -8f64), |(low, high), x| {
        (low.min(log(x)), high.max(log(x)))
    });
    panels(&out.join("bound.png"), 1, 1, 480, |areas| {
        let title =
            "log10 of L_(k−1) in bits, log10 of k: β (grey), posterior (blue), learned (orange)";
        let ends = 0.0..log(steps as f64).max(0.5);
        let panel = Panel::new(&areas[0], title, ends, low - 0.1..high + 0.1)?;
        for (column, colour) in columns.iter().zip([GREY, BLUE, ORANGE]) {
            let points = (2..)
                .zip(column)
                .map(|(k, bits)| [f64::from(k).log10(), log(*bits)]);
            panel.line(points, &colour)?;
        }
        Ok(())
    })
}

/// Draws samples with each variance, and prints their distances from the test images. Returns pictures of the last ones on their way, a row for each sample.
pub(crate) fn samples(
    net: &UNet,
    schedule: &DiscreteDiffusion,
    data: &Data,
    count: usize,
    key: Key,
    device: &Device,
) -> Result<Tensor> {
    let [channels, height, width] = data.dim;
    let mut rng = Generator::from(key.named("samples"));
    let noises = rng.normal((count, channels, height, width), DType::F32, device)?;
    let several = 1000.min(data.test.dim(0)?);
    let test = data
        .normalized(&data.test.narrow(0, 0, several)?)?
        .to_device(device)?;
    let train = data
        .normalized(&data.train.narrow(0, 0, several)?)?
        .to_device(device)?;
    println!("energy distance of {count} samples, the same noise");
    let field = noise(net);
    let simple = Model::new(&field, Prediction::Noise, schedule);
    let learned = Model::with_variances(net, Prediction::Noise, schedule);
    let mut rows = Vec::new();
    for (name, _, variance) in VARIANCES {
        let started = Instant::now();
        let sampler = Ancestral::new()
            .variance(variance)
            .on(Respaced::all(schedule.steps())?);
        let mut snapshots = Snapshots::every(match schedule.steps() {
            steps if steps.is_multiple_of(PICTURES - 1) => steps / (PICTURES - 1),
            _ => 1,
        })?;
        let key = key.named("steps");
        let run = match variance {
            Variance::Learned => Run::new(&learned, key),
            _ => Run::new(&simple, key),
        };
        let x = sampler.run(&mut run.observer(&mut snapshots), &noises)?;
        let distance = energy_distance(&data.quantized(&x)?, &test)?;
        println!("{name:<10}{distance:>10.4}");
        println!("sampling     {:.1} s", started.elapsed().as_secs_f64());
        rows.clear();
        for i in 0..SHOWN.min(count) {
            rows.push(noises.get(i)?);
            let states = &snapshots.states;
            for k in 1..PICTURES {
                rows.push(states[(k * states.len()).div_ceil(PICTURES - 1) - 1].get(i)?);
            }
        }
    }
    println!(
        "{:<10}{:>10.4}",
        "training",
        energy_distance(&train, &test)?
    );
    Ok(Tensor::stack(&rows, 0)?)
}
