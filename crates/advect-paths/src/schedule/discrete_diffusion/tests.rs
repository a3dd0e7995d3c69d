use super::*;
use crate::schedule::contract;

#[test]
fn keeps_the_contract() {
    // Between the steps, where derivatives are continuous.
    let between = |steps: usize| {
        (0..100).map(move |i| (i as f64 * (steps / 100) as f64 + 0.5) / steps as f64)
    };
    let schedule = DiscreteDiffusion::default();
    contract::check_at(&schedule, between(1000), 4e-4);
    contract::check_at(
        &DiscreteDiffusion::cosine(1000).unwrap(),
        between(1000),
        4e-4,
    );
    contract::check_at(
        &DiscreteDiffusion::linear(100, 0.01, 0.2).unwrap(),
        between(100),
        4e-3,
    );
}

#[test]
fn rates_are_constant_within_steps() {
    let schedule = DiscreteDiffusion::from_betas(&[0.1, 0.5]).unwrap();
    assert!((schedule.alpha_bar(2) - 0.45).abs() < 1e-15);
    assert!((schedule.diffusion_squared(0.2) + 2.0 * 0.5f64.ln()).abs() < 1e-14);
    assert!((schedule.diffusion_squared(0.9) + 2.0 * 0.9f64.ln()).abs() < 1e-14);
    assert_eq!((schedule.time(0), schedule.time(2)), (1.0, 0.0));
}

#[test]
fn steps_have_the_rates_of_their_own() {
    for count in [7, 50, 250, 1000] {
        let schedule = DiscreteDiffusion::linear(count, 1e-3, 0.3).unwrap();
        for k in 1..=count {
            let expected = -(count as f64) * (-schedule.beta(k)).ln_1p();
            let rate = schedule.diffusion_squared(schedule.time(k));
            assert!((rate - expected).abs() < 1e-12 * expected, "{k} of {count}");
        }
    }
}

/// Table 1 of Lin et al.: Stable Diffusion's √ᾱ_T is 0.068265; rescaled, it is 0.
#[test]
fn the_last_step_of_a_rescaled_schedule_is_pure_noise() {
    let (low, high) = (0.00085f64.sqrt(), 0.012f64.sqrt());
    let rate = |i: usize| (low + (high - low) * i as f64 / 999.0).powi(2);
    let betas: Vec<f64> = (0..1000).map(rate).collect();
    let stable = DiscreteDiffusion::from_betas(&betas).unwrap();
    assert!((stable.alpha(0.0) - 0.068265).abs() < 5e-7);
    let rescaled = stable.zero_terminal_snr().unwrap();
    assert_eq!((rescaled.alpha_bar(1000), rescaled.beta(1000)), (0.0, 1.0));
    assert_eq!(rescaled.log_snr(0.0), f64::NEG_INFINITY);
    // Their algorithm, as they write it.
    let root = |k: usize| stable.alpha_bar(k).sqrt();
    let expected = |k: usize| (root(k) - root(1000)) * root(1) / (root(1) - root(1000));
    for k in 1..=1000 {
        let ours = rescaled.alpha_bar(k).sqrt();
        assert!((ours - expected(k)).abs() < 1e-13, "{k}: {ours}");
        if k > 1 {
            let beta = 1.0 - (expected(k) / expected(k - 1)).powi(2);
            assert!((rescaled.beta(k) - beta).abs() < 1e-9, "{k}");
        }
    }
    // A schedule that its rates give back, and that stays as it is.
    let again = rescaled.zero_terminal_snr().unwrap();
    let built = DiscreteDiffusion::from_betas(&rescaled.betas).unwrap();
    for k in 0..=1000 {
        assert!(
            (again.alpha_bar(k) - rescaled.alpha_bar(k)).abs() < 1e-15,
            "{k}"
        );
        assert!(
            (built.alpha_bar(k) - rescaled.alpha_bar(k)).abs() < 1e-12,
            "{k}"
        );
    }
}

#[test]
fn a_schedule_to_pure_noise_keeps_the_contract() {
    let between = |steps: usize| {
        (0..100).map(move |i| (i as f64 * (steps / 100) as f64 + 0.5) / steps as f64)
    };
    let rescaled = |schedule: DiscreteDiffusion| schedule.zero_terminal_snr().unwrap();
    contract::check_at(&rescaled(DiscreteDiffusion::default()), between(1000), 4e-4);
    let few = DiscreteDiffusion::linear(100, 0.01, 0.2).unwrap();
    contract::check_at(&rescaled(few.clone()), between(100), 4e-3);
    // At the end and in the last interval: α is linear, and everything has its limit.
    let few = rescaled(few);
    assert_eq!((few.d_sigma(0.0), few.sigma_d_sigma(0.0)), (0.0, 0.0));
    assert_eq!(few.d_alpha(0.0), few.alpha(0.01) * 100.0);
    assert!((few.alpha(0.004) - 0.4 * few.alpha(0.01)).abs() < 1e-15);
    assert_eq!(few.diffusion_squared(0.0), f64::INFINITY);
    for t in [0.001, 0.004, 0.00999, 0.01, 0.2] {
        let back = few.time_at_log_snr(few.log_snr(t));
        assert!((back - t).abs() < 1e-9, "{back} for {t}");
    }
    assert_eq!(few.time_at_log_snr(f64::NEG_INFINITY), 0.0);
    let one = DiscreteDiffusion::from_betas(&[0.3]).unwrap();
    assert!(one.zero_terminal_snr().is_err());
}

#[test]
fn bad_rates_are_refused() {
    for steps in [0, 1 << 62, usize::MAX] {
        assert!(DiscreteDiffusion::linear(steps, 1e-4, 0.02).is_err());
        assert!(DiscreteDiffusion::cosine(steps).is_err());
    }
    assert!(DiscreteDiffusion::from_betas(&[1.0]).is_err());
    assert!(DiscreteDiffusion::from_betas(&[1.0, 0.5]).is_err());
    assert!(DiscreteDiffusion::linear(10, 0.0, 0.2).is_err());
    assert!(DiscreteDiffusion::from_betas(&[]).is_err());
    assert!(DiscreteDiffusion::from_betas(&[0.1, 1.0 + 1e-9]).is_err());
}
