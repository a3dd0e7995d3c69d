//! The models before transport.

use std::fs;

use super::{figures, number_after, run};

#[test]
fn lattice_fields_are_sampled_in_three_ways() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--steps", "60", "--batch", "32", "--samples", "4000"];
    let output = run("phi4", 2, &arguments, folder.path());
    assert!(folder.path().join("phi4.png").exists());
    let lines = figures(&output);
    let hmc = lines.iter().find(|line| line.starts_with("HMC")).unwrap();
    // A chain of another program has 1.893 ± 0.007.
    let susceptibility = hmc.split_whitespace().nth(4).unwrap();
    let susceptibility = susceptibility.parse::<f64>().unwrap();
    assert!((1.6..2.2).contains(&susceptibility), "{lines:?}");
}

#[test]
fn sonnets_are_learned_by_two_models() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--steps", "40", "--batch", "8", "--length", "40"];
    let output = run("text", 2, &arguments, folder.path());
    let samples = fs::read_to_string(folder.path().join("text.txt")).unwrap();
    assert_eq!(samples.matches("When I ").count(), 6);
    let lines = figures(&output);
    for (name, most) in [
        ("pairs", 3.9),
        ("recurrent unit", 4.4),
        ("causal transformer", 4.4),
    ] {
        let line = lines.iter().find(|line| line.starts_with(name)).unwrap();
        let bits = line.split_whitespace().last().unwrap();
        assert!(bits.parse::<f64>().unwrap() < most, "{lines:?}");
    }
}

#[test]
fn two_peaks_are_fitted_by_both_divergences() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--steps", "200", "--batch", "128"];
    let output = run("two_peaks", 2, &arguments, folder.path());
    assert!(folder.path().join("two_peaks.png").exists());
    let lines = figures(&output);
    let divergence = |name: &str| {
        let line = lines.iter().find(|line| line.starts_with(name)).unwrap();
        let rest = line[name.len()..].split_whitespace().next().unwrap();
        rest.parse::<f64>().unwrap()
    };
    // One Gaussian leaves 0.2 or more, whatever it is fitted by.
    assert!(divergence("Gaussian, forward KL") > 0.2, "{lines:?}");
    assert!(divergence("flow, forward KL") < 0.1, "{lines:?}");
    // It takes one of the peaks.
    assert!(divergence("Gaussian, reverse KL") > 2.0, "{lines:?}");
}

#[test]
fn seven_models_learn_the_same_digits() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--steps", "16", "--width", "32", "--samples", "40"];
    let more = ["--held-out", "20", "--levels", "20"];
    let output = run(
        "history",
        1,
        &[&arguments[..], &more].concat(),
        folder.path(),
    );
    assert!(folder.path().join("history.png").exists());
    let lines = figures(&output);
    for name in [
        "Boltzmann",
        "VAE",
        "MADE",
        "coupling flow",
        "DDPM",
        "flow matching",
    ] {
        // Levels that are equally likely have 4.09 bits; models that are hardly trained may need far more.
        let line = lines.iter().find(|line| line.starts_with(name)).unwrap();
        let (name, _) = line.split_once(['=', '≤', '≈']).unwrap();
        let bits = number_after(&lines, name);
        assert!((1.0..1e5).contains(&bits), "{lines:?}");
    }
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("GAN") && line.contains("none"))
    );
}

#[test]
fn latent_variables_are_flowed() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--steps", "20", "--width", "32", "--samples", "40"];
    let output = run("latent", 1, &arguments, folder.path());
    assert!(folder.path().join("latent.png").exists());
    let lines = figures(&output);
    assert!(
        lines.iter().any(|line| line.starts_with("latent flow")),
        "{lines:?}"
    );
}
