//! What the interactive page measures in a browser, measured natively: losses of the first steps, training steps per second, and
//! the times of its pictures. As JSON, for `scripts/web-check.sh`.
//!
//! `cargo run --release -p advect-web --example native`

use std::time::Instant;

use advect::prelude::Result;
use advect_web::{COUPLINGS, Playground, Settings, preset};

fn main() -> Result<()> {
    let points = preset("moons", 2000, 0)?;
    let playground = |coupling: &str| {
        let settings = Settings {
            coupling: coupling.into(),
            seed: 7,
            ..Settings::default()
        };
        Playground::new(&points, settings)
    };
    let milliseconds = |begun: Instant| begun.elapsed().as_secs_f64() * 1e3;

    let losses = playground("optimal")?.train(50)?;
    println!("{{\"losses\": {losses:?},");
    for coupling in COUPLINGS {
        let mut playground = playground(coupling)?;
        playground.train(20)?;
        let begun = Instant::now();
        playground.train(100)?;
        let rate = 100.0 / milliseconds(begun) * 1e3;
        println!("\"{coupling}_steps_per_second\": {rate},");
    }
    let playground = playground("optimal")?;
    let least = |work: &dyn Fn() -> Result<()>| -> Result<f64> {
        let mut least = f64::INFINITY;
        for _ in 0..2 {
            let begun = Instant::now();
            work()?;
            least = least.min(milliseconds(begun));
        }
        Ok(least)
    };
    let ways = least(&|| playground.trajectories("euler", 20, 500).map(drop))?;
    let density = least(&|| playground.log_density(1.0, 40, 0..40).map(drop))?;
    println!("\"ways_ms\": {ways}, \"density_ms\": {density}}}");
    Ok(())
}
