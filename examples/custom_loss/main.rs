//! An objective and a path of one's own, each one trait impl, trained on a Swiss roll.
//!
//! `cargo run --release --example custom_loss [STEPS]`

use advect::data::toy::{SwissRoll, Toy};
use advect::metrics::energy_distance;
use advect::prelude::*;

// ANCHOR: pieces
/// A path that leaves the source slowly: `x_t = (1 − t²) x0 + t² x1`.
struct Slow;

impl Path for Slow {
    fn sample(&self, t: &Time, x0: &Tensor, x1: &Tensor, _: &mut Generator) -> Result<PathPoint> {
        let way = (x1 - x0)?;
        let x = (x0 + t.coefficient(|t| t * t)?.times(&way)?)?;
        let velocity = t.coefficient(|t| 2.0 * t)?.times(&way)?;
        Ok(PathPoint::new(x, velocity))
    }
}

/// The pseudo-Huber loss of the velocity, `√(|v − u|² + c²) − c`, which outliers move less.
struct PseudoHuber<P> {
    path: P,
    c: f64,
}

impl<P: Path> Objective for PseudoHuber<P> {
    fn losses(
        &self,
        v: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let t = Time::per_sample(&Stratified.sample(x0.dim(0)?, rng)?)?;
        let point = self.path.sample(&t, x0, x1, rng)?;
        let squares = shape::sum_per_sample(&(v.at(&t, &point.x)? - point.velocity()?)?.sqr()?)?;
        Ok(((squares + self.c * self.c)?.sqrt()? - self.c)?)
    }
}
// ANCHOR_END: pieces

fn main() -> Result<()> {
    let steps = std::env::args()
        .nth(1)
        .map_or(4000, |n| n.parse().unwrap_or(4000));
    let (dtype, device) = (DType::F32, Device::Cpu);
    let store = ParameterStore::new(Key::from_seed(0), dtype, &device);
    let net = Mlp::config(2).hidden(&[128; 3]).build(&store.builder())?;
    let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1)).ema(0.995)?;
    let objective = PseudoHuber { path: Slow, c: 0.1 };
    let loss = |_: usize, rng: &mut Generator| {
        let x1 = SwissRoll::default().sample(256, dtype, &device, rng)?;
        objective.loss(&net, &rng.normal_like(&x1)?, &x1, rng)
    };
    trainer.run(steps, loss, &mut Progress::new("custom loss"))?;

    let rng = trainer.rng();
    let mut draw = || SwissRoll::default().sample(2000, dtype, &device, rng);
    let (data, fresh) = (draw()?, draw()?);
    let noise = rng.normal_like(&data)?;
    let twin = net.on(&trainer.averaged().frozen())?;
    let samples = Solver::new(Heun, Fixed::steps(50)?)
        .solve(&twin, &noise, 0.0, 1.0)?
        .end()?;
    for (name, x) in [
        ("noise", &noise),
        ("samples", &samples),
        ("fresh data", &fresh),
    ] {
        println!(
            "energy distance of {name:<11}{:>8.4}",
            energy_distance(x, &data)?
        );
    }
    Ok(())
}
