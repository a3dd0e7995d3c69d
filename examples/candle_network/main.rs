//! A network written with candle's own layers: trained, saved, loaded, frozen and sampled like any other.
//!
//! `cargo run --release --example candle_network [STEPS]`

use advect::candle_nn::{Module, linear};
use advect::data::toy::{SwissRoll, Toy};
use advect::metrics::energy_distance;
use advect::prelude::*;

// ANCHOR: network
/// Three of candle's linear layers on the state and sines of the time, as a field.
fn network(builder: &Builder) -> Result<impl Field + Clone + use<>> {
    let widths = [2 + 8, 128, 128, 2];
    let layer = |i: usize| linear(widths[i], widths[i + 1], builder.pp(i));
    let layers = [layer(0)?, layer(1)?, layer(2)?];
    Ok(field_fn(move |t, x| {
        let t = t.tensor(x)?.unsqueeze(1)?;
        let angles =
            t.broadcast_mul(&Tensor::arange(1f32, 5.0, x.device())?.to_dtype(x.dtype())?)?;
        let h = Tensor::cat(&[x, &angles.sin()?, &angles.cos()?], 1)?;
        let h = layers[0].forward(&h)?.silu()?;
        let h = layers[1].forward(&h)?.silu()?;
        Ok(layers[2].forward(&h)?)
    }))
}
// ANCHOR_END: network

fn main() -> Result<()> {
    let steps = std::env::args()
        .nth(1)
        .map_or(2000, |n| n.parse().unwrap_or(2000));
    let (dtype, device) = (DType::F32, Device::Cpu);
    let store = ParameterStore::new(Key::from_seed(0), dtype, &device);
    let net = network(&store.builder())?;
    let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1));
    let objective = rectified_flow();
    let loss = |_: usize, rng: &mut Generator| {
        let x1 = SwissRoll::default().sample(256, dtype, &device, rng)?;
        objective.loss(&net, &rng.normal_like(&x1)?, &x1, rng)
    };
    trainer.run(steps, loss, &mut Progress::new("candle network"))?;

    // Its parameters are the store's: saved, and loaded into a network that is frozen.
    let path = std::env::temp_dir().join(format!("advect-{}.safetensors", std::process::id()));
    store.save(&path)?;
    let loaded = ParameterStore::new(Key::from_seed(9), dtype, &device);
    network(&loaded.builder())?;
    loaded.load(&path)?;
    std::fs::remove_file(&path).map_err(|e| Error::file(&path, e))?;
    let frozen = network(&loaded.frozen())?;

    let rng = trainer.rng();
    let data = SwissRoll::default().sample(2000, dtype, &device, rng)?;
    let noise = rng.normal_like(&data)?;
    let solver = Solver::new(Heun, Fixed::steps(50)?);
    let samples = solver.solve(&frozen, &noise, 0.0, 1.0)?.end()?;
    for (name, x) in [("noise", &noise), ("samples", &samples)] {
        let distance = energy_distance(x, &data)?;
        println!("energy distance of {name:<8}{distance:>8.4}");
    }
    Ok(())
}
