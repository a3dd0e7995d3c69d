//! Published tables, run small.

use std::fs;

use super::{figures, mean, printed, row, run};

#[test]
fn transport_in_the_plane_is_reproduced() {
    let sizes = [
        "--steps",
        "60",
        "--seeds",
        "2",
        "--points",
        "1000",
        "--samples",
        "200",
    ];
    let which = [
        "--problem",
        "normal-moons",
        "--method",
        "i-cfm",
        "--method",
        "rectified",
    ];
    let lines = printed("reproduce_2d", &[&sizes[..], &which[..]].concat());
    let cells = row(&lines, &["N → moons", "I-CFM"]);
    assert_eq!(
        (cells[3].as_str(), cells[6].as_str()),
        (".178 ± .014", ".891 ± .120")
    );
    // The source itself is 2.0 away.
    assert!(mean(&cells[2]) < 1.9, "{lines:?}");
}

#[test]
fn bridges_between_gaussians_are_reproduced() {
    let sizes = [
        "--steps",
        "20",
        "--seeds",
        "2",
        "--points",
        "600",
        "--samples",
        "500",
    ];
    let lines = printed(
        "reproduce_bridge",
        &[&sizes[..], &["--dimensions", "2"]].concat(),
    );
    let exact = mean(&row(&lines, &["samples of the law itself"])[1]);
    // Five parameters of 500 samples: a divergence of 5 / 1000.
    assert!((0.002..0.01).contains(&exact), "{lines:?}");
    // The exact drift has that of samples, and errors of its start.
    let drift = mean(&row(&lines, &["exact drift"])[1]);
    assert!((0.001..0.015).contains(&drift), "{lines:?}");
    for name in ["[SF]²M", "DSBM", "DSBM, backwards"] {
        assert!(mean(&row(&lines, &[name])[1]).is_finite(), "{lines:?}");
    }
    // The second table.
    let from = lines.iter().position(|line| line.contains("largest KS"));
    let distances = &lines[from.unwrap()..];
    // Along twelve directions, √(ln 480 / 1000).
    let critical = row(distances, &["5 % critical value"]);
    assert_eq!(critical[1], "0.0786");
    // At half time, and at the end.
    let both = |name: &str| {
        let cell = &row(distances, &[name])[1];
        let found: Vec<f64> = cell.split('·').map(mean).collect();
        assert_eq!(found.len(), 2, "{cell}");
        found
    };
    for name in ["samples of the law itself", "exact drift"] {
        assert!(both(name).iter().all(|d| *d < 0.0786), "{lines:?}");
    }
    for name in ["[SF]²M", "DSBM", "DSBM, backwards"] {
        assert!(both(name).iter().all(|d| *d < 0.5), "{lines:?}");
    }
}

#[test]
fn toy_densities_are_reproduced() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "--steps",
        "4",
        "--seeds",
        "1",
        "--batch",
        "32",
        "--samples",
        "200",
    ];
    let lines = figures(&run("reproduce_ffjord", 2, &arguments, folder.path()));
    // ln 32 for an area of 32; ln 8 + ln(2π e σ²) for eight Gaussians that hardly overlap.
    assert_eq!(row(&lines, &["checkerboard"])[2], "3.466");
    let entropy = 8f64.ln() + (std::f64::consts::TAU * std::f64::consts::E * 0.125).ln();
    assert!(
        (mean(&row(&lines, &["8gaussians"])[2]) - entropy).abs() < 0.03,
        "{lines:?}"
    );
    assert!(
        fs::read(folder.path().join("ffjord.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
}

#[test]
fn detest_is_reproduced() {
    let folder = tempfile::tempdir().unwrap();
    let lines = figures(&run(
        "reproduce_detest",
        2,
        &["--digits", "3"],
        folder.path(),
    ));
    let calls: Vec<f64> = row(&lines, &["1e-3", "Dopri5"])[2..]
        .iter()
        .map(|cell| mean(cell))
        .collect();
    assert_eq!(calls[..5].iter().sum::<f64>(), calls[5]);
    assert!(
        fs::read(folder.path().join("detest.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
}

/// Orders 1 and 2, as far as so few evaluations show them.
#[test]
fn errors_of_edm_are_reproduced() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "--evaluations",
        "128",
        "--seeds",
        "1",
        "--samples",
        "20",
        "--exact",
        "512",
    ];
    let lines = figures(&run("reproduce_edm", 2, &arguments, folder.path()));
    let orders = row(&lines, &["order of the last two"]);
    assert!((mean(&orders[1]) - 1.0).abs() < 0.4, "{lines:?}");
    assert!((mean(&orders[2]) - 2.0).abs() < 0.8, "{lines:?}");
    assert!(
        fs::read(folder.path().join("edm.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
}
