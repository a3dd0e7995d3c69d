//! Scores that a network learns from samples by three losses, beside the exact one.

use std::path::Path;

use advect::prelude::*;
use advect::solvers::divergence::Probe;
use advect_examples::plot::{BLUE, Corner, GREY, ORANGE, Panel, panels, rows};

use crate::two_peaks;

const STEPS: usize = 400;
const BATCH: usize = 256;
/// Arrows on each side.
const SIDE: usize = 12;

/// How the score is learned.
enum Loss {
    Implicit,
    Sliced,
    /// Of data with noise of this size.
    Denoising(f64),
}

impl Loss {
    fn name(&self) -> String {
        match self {
            Loss::Implicit => "implicit".to_string(),
            Loss::Sliced => "sliced".to_string(),
            Loss::Denoising(sigma) => format!("denoising, σ = {sigma}"),
        }
    }

    /// The mean loss of a batch.
    fn of(&self, score: &Mlp, x: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        let now = Time::Shared(1.0);
        let losses = match self {
            Loss::Implicit => ImplicitScoreMatching::new(Exact).losses(score, &now, x)?,
            Loss::Sliced => {
                SlicedScoreMatching::new(Probe::Gaussian, 1)?.losses(score, &now, x, rng)?
            }
            Loss::Denoising(sigma) => {
                let noise = rng.normal_like(x)?;
                let found = score.at(&now, &(x + (&noise * *sigma)?)?)?;
                // Times σ, so that the target is of size 1 for every σ.
                shape::sum_squares_per_sample(&((found * *sigma)? + noise)?)?
            }
        };
        Ok(losses.mean_all()?)
    }

    /// A network that has learned it.
    fn learn(&self, law: &GaussianMixture) -> Result<Mlp> {
        let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
        let net = Mlp::config(2).hidden(&[64; 2]).build(&store.builder())?;
        let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
        let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1))
            .learning_rate(WarmupCosine::new(1e-2, 20, STEPS)?);
        let loss = |_: usize, rng: &mut Generator| {
            let x = law.sample(BATCH, DType::F32, &Device::Cpu, rng)?;
            self.of(&net, &x, rng)
        };
        trainer.run(STEPS, loss, &mut ())?;
        Ok(net)
    }
}

/// Draws it.
pub(crate) fn draw(path: &Path) -> Result<()> {
    let law = two_peaks()?;
    let exact = law.score(CondOt::default());
    let now = Time::Shared(1.0);
    let mut rng = Generator::from_seed(2);
    let data = law.sample(2000, DType::F32, &Device::Cpu, &mut rng)?;
    let plane = || [-4.0..4.0, -4.0..4.0];
    let places = Panel::centres(plane(), [SIDE; 2], DType::F32, &Device::Cpu)?;
    // Far from the data scores are long.
    let arrows = |field: &dyn Field| -> Result<Vec<_>> {
        let pairs = rows(&places)?
            .into_iter()
            .zip(rows(&field.at(&now, &places)?)?);
        let shorter = |(at, [u, v]): ([f64; 2], [f64; 2])| {
            let length = 4.0 + f64::hypot(u, v);
            (at, [u / length, v / length])
        };
        Ok(pairs.map(shorter).collect())
    };
    let mean_square = |x: Tensor| -> Result<f64> {
        let mean = x.sqr()?.mean_all()?.to_dtype(DType::F64)?;
        Ok(mean.to_scalar::<f64>()?)
    };
    let at_data = exact.at(&now, &data)?;
    let losses = [
        Loss::Implicit,
        Loss::Sliced,
        Loss::Denoising(0.2),
        Loss::Denoising(1.0),
    ];
    panels(path, 2, 2, 380, |areas| {
        for (area, loss) in areas.iter().zip(losses) {
            let net = loss.learn(&law)?;
            let wrong = mean_square((net.at(&now, &data)? - &at_data)?)?;
            let share = 100.0 * wrong / mean_square(at_data.clone())?;
            let title = format!("{}: error {share:.0} %", loss.name());
            let [x, y] = plane();
            let panel = Panel::new(area, &title, x, y)?;
            panel.dots(&rows(&data.narrow(0, 0, 300)?)?, 2, &ORANGE)?;
            panel.arrows(&arrows(&exact)?, 0.7, &GREY)?;
            panel.arrows(&arrows(&net)?, 0.7, &BLUE)?;
            let names = [("learned", BLUE), ("exact", GREY), ("data", ORANGE)];
            panel.legend(Corner::BottomRight, &names)?;
        }
        Ok(())
    })
}
