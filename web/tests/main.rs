//! The playground: what it refuses, that it repeats, and that it learns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use advect::prelude::{Error, Result};
use advect_web::{COUPLINGS, MOST_POINTS, PATHS, PRESETS, Playground, SAMPLERS, Settings, preset};

fn settings(path: &str, coupling: &str, seed: u64) -> Settings {
    Settings {
        path: path.into(),
        coupling: coupling.into(),
        seed,
    }
}

/// The argument that an error of a range names.
#[track_caller]
fn refused<T>(result: Result<T>) -> String {
    match result.err() {
        Some(Error::Range { argument, .. }) => argument.into_owned(),
        other => panic!("expected an error of a range, got {other:?}"),
    }
}

#[test]
fn bad_drawings_and_settings_are_named() {
    let new = |coordinates: &[f32]| Playground::new(coordinates, Settings::default());
    assert_eq!(refused(new(&[])), "points");
    assert_eq!(refused(new(&[0.0, 0.0])), "points");
    assert!(
        new(&[0.1, 0.2])
            .err()
            .is_some_and(|e| e.to_string().contains("at least two"))
    );
    assert_eq!(refused(new(&[0.0, 0.0, 0.5])), "coordinates");
    assert_eq!(refused(new(&[0.0, 0.0, 0.5, 1.5])), "points");
    assert_eq!(refused(new(&[0.0, 0.0, 0.5, f32::NAN])), "points");
    assert_eq!(refused(new(&vec![0.0; 2 * MOST_POINTS + 2])), "points");
    let two = [-0.5, 0.0, 0.5, 0.0];
    let with = |path, coupling| Playground::new(&two, settings(path, coupling, 0));
    assert_eq!(refused(with("crooked", "optimal")), "path");
    assert_eq!(refused(with("straight", "crossed")), "coupling");
    assert_eq!(refused(preset("elephant", 10, 0)), "preset");
}

#[test]
fn bad_samplers_and_grids_are_named() -> Result<()> {
    let two = [-0.5, 0.0, 0.5, 0.0];
    let playground = Playground::new(&two, settings("straight", "optimal", 0))?;
    assert_eq!(
        refused(playground.trajectories("ancestral", 5, 5)),
        "sampler"
    );
    assert_eq!(refused(playground.trajectories("euler", 0, 5)), "steps");
    assert_eq!(refused(playground.trajectories("euler", 5, 0)), "count");
    assert_eq!(refused(playground.trajectories("sde", 5, 5)), "coupling");
    let bridge = Playground::new(&two, settings("bridge", "independent", 0))?;
    assert_eq!(refused(bridge.trajectories("sde", 5, 5)), "path");
    assert_eq!(refused(bridge.log_density(0.0, 8, 0..8)), "t");
    assert_eq!(refused(bridge.log_density(1.0, 8, 4..4)), "rows");
    assert_eq!(refused(bridge.log_density(1.0, 8, 4..9)), "rows");
    Ok(())
}

#[test]
fn every_choice_runs() -> Result<()> {
    let star = preset("star", 40, 0)?;
    for path in PATHS {
        for coupling in COUPLINGS {
            let mut playground = Playground::new(&star, settings(path, coupling, 1))?;
            let losses = playground.train(1)?;
            assert!(losses.iter().all(|l| l.is_finite()), "{path}, {coupling}");
        }
    }
    let playground = Playground::new(&star, Settings::default())?;
    for sampler in SAMPLERS {
        let ways = playground.trajectories(sampler, 4, 7)?;
        assert_eq!(ways.coordinates.len(), ways.times.len() * 14, "{sampler}");
        assert_eq!(
            (ways.times.first(), ways.times.last()),
            (Some(&0.0), Some(&1.0)),
            "{sampler}"
        );
        assert!(sampler == "dopri5" || ways.times.len() == 5, "{sampler}");
        assert!(ways.coordinates.iter().all(|c| c.is_finite()), "{sampler}");
    }
    Ok(())
}

#[test]
fn presets_fill_the_drawing_area() -> Result<()> {
    for name in PRESETS {
        let points = preset(name, 200, 3)?;
        let most = points.iter().fold(0f32, |most, c| most.max(c.abs()));
        assert_eq!(points.len(), 400, "{name}");
        assert!((most - 0.8).abs() < 1e-6, "{name}: {most}");
    }
    Ok(())
}

#[test]
fn the_same_drawing_and_seed_give_the_same_bits() -> Result<()> {
    let run = |seed| -> Result<_> {
        let points = preset("moons", 100, 0)?;
        let mut playground = Playground::new(&points, settings("straight", "optimal", seed))?;
        let losses = [playground.train(2)?, playground.train(3)?].concat();
        Ok((losses, playground.trajectories("euler", 3, 5)?))
    };
    let first = run(1)?;
    assert_eq!(first, run(1)?);
    assert_ne!(first, run(2)?);
    Ok(())
}

/// Learns two blobs; the density then has mass 1 on the grid, and is largest where the blobs are.
#[test]
fn it_learns() -> Result<()> {
    let blobs = [-0.5, 0.0, 0.5, 0.0];
    let mut playground = Playground::new(&blobs, settings("straight", "optimal", 0))?;
    let before = playground.energy_distance("midpoint", 8, 300)?;
    let losses = playground.train(800)?;
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    assert!(mean(&losses[700..]) < 0.3 * mean(&losses[..20]));
    let after = playground.energy_distance("midpoint", 8, 300)?;
    assert!(after < 0.1 * before && after < 0.02, "{before} to {after}");
    let cells = 36;
    // At t = 1 the blobs are narrower than a cell.
    let density = playground.log_density(0.5, cells, 0..cells)?;
    let area = (2.0 / cells as f64).powi(2);
    let masses = density.iter().map(|l| f64::from(*l).exp() * area);
    let mass: f64 = masses.sum();
    assert!((mass - 1.0).abs() < 0.02, "{mass}");
    let density = playground.log_density(1.0, cells, 0..cells)?;
    let places = 0..cells * cells;
    let highest = places.max_by(|a, b| density[*a].total_cmp(&density[*b]));
    let (row, column) = (highest.unwrap() / cells, highest.unwrap() % cells);
    assert!([17, 18].contains(&row) && [8, 9, 26, 27].contains(&column));
    // Rows in parts are those of the whole grid.
    let whole = playground.log_density(1.0, 6, 0..6)?;
    let parts = [
        playground.log_density(1.0, 6, 0..2)?,
        playground.log_density(1.0, 6, 2..6)?,
    ];
    for (a, b) in whole.iter().zip(parts.concat()) {
        assert!((a - b).abs() < 1e-3 * (1.0 + b.abs()));
    }
    Ok(())
}
