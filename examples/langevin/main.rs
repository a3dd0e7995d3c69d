//! What Langevin dynamics makes of an unequal mixture of two Gaussians: plain, Metropolis-adjusted, annealed, and annealed with
//! adjusted steps. Plain chains stay in the mode that is near their start, so that they miss the weights of modes that are far apart
//! (Song and Ermon, 2019, section 3.2.2).
//!
//! The weights of annealed chains are off for two reasons. The steps at each level have a law that is wider than the level's, by their
//! size, and so are the shares that the modes catch: Metropolis' rule takes that away. And the chains don't come to rest at the levels at
//! which the modes part, unless there are steps enough.
//!
//! `cargo run --release --example langevin`

use std::path::{Path, PathBuf};

use advect::paths::closed_form::Covariance;
use advect::prelude::*;
use advect::samplers::Level;
use advect::samplers::langevin::{MarginalAt, MetropolisAdjusted, Unadjusted};
use advect_examples::plot::{BLUE, Panel, panels, rows};
use clap::Parser;

/// Compare Langevin chains on mixtures of two Gaussians.
#[derive(Parser)]
struct Args {
    /// Chains of each kind.
    #[arg(long, default_value_t = 2500)]
    chains: usize,
    /// Steps of a chain; annealed ones make a twentieth of them at each of twenty levels.
    #[arg(long, default_value_t = 2000)]
    steps: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

/// The weights of the modes.
const WEIGHTS: [f64; 2] = [0.2, 0.8];
/// The noise of the start, and that of the last level.
const LEVELS: (f64, f64) = (20.0, 0.1);
/// The step of plain and adjusted chains.
const STEP: f64 = 0.5;

/// The mixture of N((−c, −c), I) and N((c, c), I).
struct Mixture {
    centre: f64,
    law: GaussianMixture,
}

impl Mixture {
    fn new(centre: f64) -> Result<Self> {
        let means = Tensor::new(&[[-centre, -centre], [centre, centre]], &Device::Cpu)?;
        let law = GaussianMixture::new(&WEIGHTS, &means, vec![Covariance::isotropic(1.0)?])?;
        Ok(Mixture { centre, law })
    }

    /// The weight of the first mode and its standard error: the mean of the probability of that mode given x, which
    /// under the law is the weight.
    fn weight(&self, x: &Tensor) -> Result<(f64, f64)> {
        let odds = WEIGHTS[1] / WEIGHTS[0];
        let given = |[x, y]: [f64; 2]| 1.0 / (1.0 + odds * (2.0 * self.centre * (x + y)).exp());
        let given: Vec<f64> = rows(x)?.into_iter().map(given).collect();
        let n = given.len() as f64;
        let mean = given.iter().sum::<f64>() / n;
        let variance = given.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Ok((mean, (variance / n).sqrt()))
    }

    /// The ends of the chains of each kind, from the same start.
    fn chains(&self, args: &Args, key: Key) -> Result<Vec<(&'static str, Tensor)>> {
        let mut rng = Generator::from(key);
        let noise = rng.normal((args.chains, 2), DType::F64, &Device::Cpu)?;
        let start = (&noise * LEVELS.0)?;
        // On this path the marginal at time 1 is the law itself.
        let path = CondOt::default();
        let score = self.law.score(path);
        let plain = Unadjusted::new(STEP)?;
        let plain = plain.run(&score, &Time::Shared(1.0), &start, args.steps, &mut rng)?;
        let density = MarginalAt::new(&self.law, path, 1.0);
        let adjusted = MetropolisAdjusted::new(STEP)?;
        let adjusted = adjusted.run(&density, &start, args.steps, &mut rng)?.x;

        let schedule = VarianceExploding::new(LEVELS.1, LEVELS.0)?;
        let noises = self.law.field(Prediction::Noise, schedule);
        let model = Model::new(noises, Prediction::Noise, schedule);
        // Steps of half of the noise's variance at each level.
        let rule = AnnealedLangevin::new(args.steps.div_ceil(20), 0.5 * LEVELS.1 * LEVELS.1)?;
        let levels = UniformLogSnr::new(20)?.range(LEVELS.1, LEVELS.0)?;
        let all_adjusted =
            self.adjusted_at(levels.levels(&schedule)?, schedule, args, &start, &mut rng)?;
        let annealed = rule.on(levels).last_step(LastStep::Denoise);
        let annealed = annealed.sample(&model, &noise, &mut rng)?;
        let truth = self
            .law
            .sample(args.chains, DType::F64, &Device::Cpu, &mut rng)?;
        Ok(vec![
            ("plain", plain),
            ("Metropolis-adjusted", adjusted),
            ("annealed", annealed),
            ("annealed, adjusted", all_adjusted),
            ("the mixture itself", truth),
        ])
    }

    /// The ends of chains that make adjusted steps at each level, and at last without noise.
    fn adjusted_at(
        &self,
        levels: Vec<Level>,
        schedule: VarianceExploding,
        args: &Args,
        start: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let count = args.steps.div_ceil(20);
        let mut x = start.clone();
        for level in levels.into_iter().filter(|level| !level.is_clean()) {
            let density = MarginalAt::new(&self.law, schedule, level.time);
            let steps = MetropolisAdjusted::new(0.5 * level.sigma.powi(2))?;
            x = steps.run(&density, &x, count, rng)?.x;
        }
        let density = MarginalAt::new(&self.law, CondOt::default(), 1.0);
        Ok(MetropolisAdjusted::new(STEP)?
            .run(&density, &x, count, rng)?
            .x)
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    if args.chains < 2 {
        return Err(Error::range("chains", args.chains, "at least 2"));
    }
    check::at_least_one("steps", args.steps)?;
    advect_examples::prepare_pictures(&args.out)?;
    let key = Key::from_seed(args.seed);
    let mixtures = [Mixture::new(5.0)?, Mixture::new(1.5)?];
    let columns: Vec<Vec<(&str, Tensor)>> = (mixtures.iter())
        .map(|mixture| mixture.chains(&args, key.named(&mixture.centre.to_string())))
        .collect::<Result<_>>()?;

    println!(
        "weight of the smaller mode, {}, by {} chains",
        WEIGHTS[0], args.chains
    );
    println!("{:<22}{:>18}{:>18}", "", "modes at ±(5, 5)", "±(1.5, 1.5)");
    for (k, (name, _)) in columns[0].iter().enumerate() {
        let cells = mixtures.iter().zip(&columns).map(|(mixture, chains)| {
            let (weight, error) = mixture.weight(&chains[k].1)?;
            Ok(format!("{:>18}", format!("{weight:.3} ± {error:.3}")))
        });
        println!("{name:<22}{}", cells.collect::<Result<String>>()?);
    }
    let picture = args.out.join("langevin.png");
    draw(&picture, &mixtures, &columns)?;
    println!("picture               {}", picture.display());
    Ok(())
}

/// A row of panels for each mixture.
fn draw(path: &Path, mixtures: &[Mixture], columns: &[Vec<(&str, Tensor)>]) -> Result<()> {
    let width = columns[0].len();
    panels(path, mixtures.len(), width, 300, |areas| {
        for (chains, areas) in columns.iter().zip(areas.chunks(width)) {
            for ((name, x), area) in chains.iter().zip(areas) {
                let count = 2000.min(x.dim(0)?);
                let panel = Panel::new(area, name, -9.0..9.0, -9.0..9.0)?;
                panel.dots(&rows(&x.narrow(0, 0, count)?)?, 1, &BLUE)?;
            }
        }
        Ok(())
    })
}
