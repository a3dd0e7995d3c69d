//! Two peaks, fitted by a Gaussian and by a normalizing flow, each with both Kullback–Leibler divergences. The forward one takes samples of the peaks, the
//! reverse one their density up to a factor. The Gaussian must cover both peaks or choose one; the flow has no such choice to make, but under the reverse
//! divergence may not find the second peak by itself.
//!
//! `cargo run --release --example two_peaks`

use std::path::{Path, PathBuf};

use advect::classics::flow::{
    ActNorm, Bijection, Composition, IndependenceMetropolis, Mask, NormalizingFlow, SplineCoupling,
    forward_kl, importance_weights, reverse_kl,
};
use advect::prelude::*;
use advect_examples::plot::{BLUE, Corner, GREY, LIGHT, ORANGE, Panel, panels};
use clap::Parser;

/// Fit two peaks by both Kullback–Leibler divergences.
#[derive(Parser)]
struct Args {
    /// Steps of each fit.
    #[arg(long, default_value_t = 1500)]
    steps: usize,
    /// Samples of a step.
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

/// Weights, means and deviations of the peaks.
const PEAKS: [(f64, f64, f64); 2] = [(0.35, -2.5, 0.5), (0.65, 1.0, 0.5)];
/// The logarithm of the factor that the target has in addition, which is to be found.
const LOG_Z: f64 = 1.0;
/// Bins of the flow's spline.
const BINS: usize = 12;
/// Where densities are drawn and integrated.
const RANGE: f64 = 5.0;

/// `log p̃`, the peaks' log-density and ln Z.
fn log_target(y: &Tensor) -> Result<Tensor> {
    let y = y.squeeze(1)?;
    let peak = |(weight, mean, deviation): (f64, f64, f64)| {
        let z = y.affine(1.0 / deviation, -mean / deviation)?;
        let constant = (weight / deviation).ln() - 0.5 * (2.0 * std::f64::consts::PI).ln() + LOG_Z;
        Ok::<_, Error>(z.sqr()?.affine(-0.5, constant)?)
    };
    let (a, b) = (peak(PEAKS[0])?, peak(PEAKS[1])?);
    // ln(e^a + e^b), whatever their sizes.
    let largest = a.maximum(&b)?;
    let sum = ((a - &largest)?.exp()? + (b - &largest)?.exp()?)?;
    Ok((largest + sum.log()?)?)
}

/// Samples of the peaks.
fn sample(count: usize, rng: &mut Generator) -> Result<Tensor> {
    let second = rng
        .uniform(0.0..1.0, (count, 1), DType::F64, &Device::Cpu)?
        .ge(PEAKS[0].0)?;
    let noise = rng.normal((count, 1), DType::F64, &Device::Cpu)?;
    let [a, b] = PEAKS.map(|(_, mean, deviation)| noise.affine(deviation, mean));
    Ok(second.where_cond(&b?, &a?)?)
}

type Flow = NormalizingFlow<Composition>;

/// A scale and a shift; for the flow, after a spline.
fn model(splines: usize, builder: &Builder) -> Result<Flow> {
    let mut layers: Vec<Box<dyn Bijection>> = Vec::new();
    for k in 0..splines {
        let net = Mlp::config(1)
            .outputs(3 * BINS - 1)
            .hidden(&[16])
            .time(TimeEmbedding::None);
        let net = net.build(&builder.pp(k))?;
        // One number has no others to depend on.
        let mask = Mask::new(&[1], vec![false])?;
        layers.push(Box::new(SplineCoupling::spline(mask, net, BINS, 4.0)?));
    }
    layers.push(Box::new(ActNorm::new(1, builder)?));
    NormalizingFlow::new(&[1], Composition::new(&[1], layers)?)
}

/// A fit, and what it is called.
struct Fit {
    name: String,
    flow: Flow,
}

fn fit(splines: usize, reverse: bool, args: &Args) -> Result<Fit> {
    let device = Device::Cpu;
    let store = ParameterStore::new(Key::from_seed(args.seed), DType::F64, &device);
    let flow = model(splines, &store.builder())?;
    let config = AdamConfig {
        learning_rate: 0.01,
        ..AdamConfig::default()
    };
    let optimizer = Adam::from_store(&store, config)?;
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(args.seed + 1));
    let loss = |_: usize, rng: &mut Generator| match reverse {
        true => reverse_kl(
            &flow,
            log_target,
            &flow.noise(args.batch, DType::F64, &device, rng)?,
        ),
        false => forward_kl(&flow, &sample(args.batch, rng)?),
    };
    // A network's weights see zeros here, and have gradients of 0.
    trainer.run(args.steps, loss, &mut ())?;
    let kind = if splines == 0 { "Gaussian" } else { "flow" };
    let direction = if reverse { "reverse" } else { "forward" };
    Ok(Fit {
        name: format!("{kind}, {direction} KL"),
        flow: model(splines, &store.frozen())?,
    })
}

/// Points of the axis, and a log-density at each.
fn curve(log_density: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Vec<[f64; 2]>> {
    let count = 1001;
    let x = Tensor::arange(0f64, count as f64, &Device::Cpu)?;
    let x = x.affine(2.0 * RANGE / (count - 1) as f64, -RANGE)?;
    let values = log_density(&x.unsqueeze(1)?)?.to_vec1::<f64>()?;
    Ok(x.to_vec1::<f64>()?
        .into_iter()
        .zip(values)
        .map(|(x, y)| [x, y])
        .collect())
}

/// `∫ p (ln p − ln q) dx` of two curves.
fn divergence(p: &[[f64; 2]], q: &[[f64; 2]]) -> f64 {
    let step = p[1][0] - p[0][0];
    let terms = p.iter().zip(q).map(|(p, q)| p[1].exp() * (p[1] - q[1]));
    step * terms.sum::<f64>()
}

fn main() -> Result<()> {
    let args = Args::parse();
    check::at_least_one("steps", args.steps)?;
    check::at_least_one("batch", args.batch)?;
    advect_examples::prepare_pictures(&args.out)?;
    let target = curve(|x| Ok((log_target(x)? - LOG_Z)?))?;
    println!(
        "{:<22}{:>10}{:>10}{:>16}{:>8}{:>12}",
        "", "KL(p|q)", "KL(q|p)", "ln Z", "ESS", "accepted"
    );
    let mut fits = Vec::new();
    for (splines, reverse) in [(0, false), (0, true), (1, false), (1, true)] {
        let Fit { name, flow } = fit(splines, reverse, &args)?;
        let fitted = curve(|x| flow.log_density(x))?;
        let mut rng = Generator::from_seed(args.seed + 2);
        let noise = flow.noise(4000, DType::F64, &Device::Cpu, &mut rng)?;
        let (_, weights) = importance_weights(&flow, log_target, &noise)?;
        let estimate = format!(
            "{:.3} ± {:.3}",
            weights.log_mean(),
            weights.standard_error()
        );
        let effective = weights.effective_sample_size() / 40.0;
        let (forward, backward) = (divergence(&target, &fitted), divergence(&fitted, &target));
        let chain = IndependenceMetropolis::new(flow, log_target).chain(&noise, &mut rng)?;
        let accepted = 100.0 * chain.acceptance_rate;
        println!(
            "{name:<22}{forward:>10.3}{backward:>10.3}{estimate:>16}{effective:>6.0} %{accepted:>10.0} %"
        );
        fits.push((name, fitted));
    }
    let picture = args.out.join("two_peaks.png");
    draw(&picture, &target, &fits)?;
    println!("picture               {}", picture.display());
    Ok(())
}

/// A panel for each fit: the peaks in grey, the fit in colour.
fn draw(path: &Path, target: &[[f64; 2]], fits: &[(String, Vec<[f64; 2]>)]) -> Result<()> {
    let density = |points: &[[f64; 2]]| {
        points
            .iter()
            .map(|[x, y]| [*x, y.exp()])
            .collect::<Vec<_>>()
    };
    panels(path, 2, 2, 360, |areas| {
        for (k, ((name, fitted), area)) in fits.iter().zip(areas).enumerate() {
            let panel = Panel::new(area, name, -RANGE..RANGE, -0.02..0.85)?;
            let width = target[1][0] - target[0][0];
            for [x, y] in density(target) {
                panel.tile([[x - 0.5 * width, 0.0], [x + 0.5 * width, y]], &LIGHT)?;
            }
            panel.line(density(target), &GREY)?;
            let colour = if k % 2 == 0 { BLUE } else { ORANGE };
            panel.stroke(density(fitted), 2.0, &colour)?;
            panel.legend(Corner::TopLeft, &[("the peaks", GREY), ("the fit", colour)])?;
        }
        Ok(())
    })
}
