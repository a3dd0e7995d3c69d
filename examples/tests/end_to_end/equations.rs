//! Differential equations: fitted, with bounces, learned energies, densities.

use super::{figures, run};

#[test]
fn neural_odes_are_fitted_by_each_gradient() {
    let folder = tempfile::tempdir().unwrap();
    let output = run("neural_ode", 2, &["--steps", "40"], folder.path());
    assert!(folder.path().join("neural_ode.png").exists());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors: Vec<&str> = (text.lines().skip(1).take(3))
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    // The same steps, the same gradients: unrolled and checkpointed agree to the last digit printed.
    assert_eq!(errors.len(), 3);
    assert_eq!(errors[0], errors[1]);
}

/// Fifty steps bring the rates of a stiff system from factors of 3, 3 and 2 to less than 1.5, down a valley in which the rates
/// grow together and the loss hardly changes.
#[test]
fn rates_are_found_through_an_implicit_solver() {
    let folder = tempfile::tempdir().unwrap();
    let output = run("stiff", 2, &["--steps", "50"], folder.path());
    assert!(folder.path().join("stiff.png").exists());
    let lines = figures(&output);
    for (line, rate) in lines[1..4].iter().zip([0.04, 3e7, 1e4]) {
        let fitted: f64 = line.split_whitespace().last().unwrap().parse().unwrap();
        assert!((1.0 / 1.5..1.5).contains(&(fitted / rate)), "{line}");
    }
}

#[test]
fn launches_are_fitted_through_bounces() {
    let folder = tempfile::tempdir().unwrap();
    let output = run("bouncing", 2, &["--target", "25"], folder.path());
    assert!(folder.path().join("bouncing.png").exists());
    let lines = figures(&output);
    let place = |line: &String| {
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    assert!(lines.len() < 12, "{lines:?}");
    assert!(
        (place(lines.last().unwrap()) - 25.0).abs() < 2e-6,
        "{lines:?}"
    );
}

#[test]
fn pendulums_are_learned_by_two_networks() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(
        "pendulum",
        2,
        &["--steps", "30", "--time", "20"],
        folder.path(),
    );
    assert!(folder.path().join("pendulum.png").exists());
    let lines = figures(&output);
    assert!(
        lines[1].starts_with("Hamiltonian") && lines[2].starts_with("plain"),
        "{lines:?}"
    );
}

#[test]
fn densities_are_fitted_by_maximum_likelihood() {
    let folder = tempfile::tempdir().unwrap();
    for more in [&[][..], &["--hutchinson"]] {
        let arguments = [
            &["--steps", "20", "--batch", "64", "--samples", "100"],
            more,
        ]
        .concat();
        let output = run("cnf", 2, &arguments, folder.path());
        assert!(folder.path().join("cnf.png").exists());
        let told = figures(&output);
        let likelihood = told
            .iter()
            .find(|line| line.starts_with("likelihood"))
            .unwrap();
        let nats: f64 = likelihood
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        // A normal law of the data's spread has 2.2.
        assert!(nats < 3.0, "{likelihood}");
    }
}
