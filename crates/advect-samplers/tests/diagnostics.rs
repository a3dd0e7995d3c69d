//! Errors of means, autocorrelation times and effective sizes of chains whose correlations are known.

use advect_core::Generator;
use advect_core::testing::device;
use advect_samplers::diagnostics::{CorrelatedMean, Jackknife, effective_sample_size, split_r_hat};
use candle_core::{DType, Tensor};

/// Chains `x' = ρ x + √(1 − ρ²) z` of variance 1, `(steps, chains)`.
fn chains(steps: usize, count: usize, rho: f64, seed: u64) -> Tensor {
    let mut rng = Generator::from_seed(seed);
    let noise = rng.normal((steps, count), DType::F64, device()).unwrap();
    let mut x = noise.get(0).unwrap();
    let rows = (0..steps).map(|k| {
        if k > 0 {
            let step = (noise.get(k).unwrap() * (1.0 - rho * rho).sqrt()).unwrap();
            x = ((&x * rho).unwrap() + step).unwrap();
        }
        x.clone()
    });
    Tensor::stack(&rows.collect::<Vec<_>>(), 0).unwrap()
}

#[test]
fn autocorrelation_times_are_those_of_autoregressions() {
    for (rho, seed) in [(0.0, 1), (0.5, 2), (0.9, 3)] {
        let series = chains(4000, 8, rho, seed);
        let mean = CorrelatedMean::new(&series).unwrap();
        let expected = 0.5 * (1.0 + rho) / (1.0 - rho);
        let (time, error) = (
            mean.autocorrelation_time(),
            mean.autocorrelation_time_error(),
        );
        assert!(
            (time - expected).abs() < 4.0 * error + 0.02 * expected,
            "{time} ± {error}, expected {expected}"
        );
        assert!(error < 0.1 * expected);
        let standard = (2.0 * expected / 32_000.0).sqrt();
        assert!((mean.standard_error() / standard - 1.0).abs() < 0.15);
        assert!(mean.mean().abs() < 4.0 * standard);
        let (size, other) = (
            mean.effective_sample_size(),
            effective_sample_size(&series).unwrap(),
        );
        assert!((size / other - 1.0).abs() < 0.15, "{size} {other}");
    }
}

/// The error of means is what they scatter by.
#[test]
fn errors_are_the_scatter_of_means() {
    let series = chains(400, 200, 0.8, 4);
    let each = (0..200).map(|k| {
        let chain = series.narrow(1, k, 1).unwrap();
        let mean = CorrelatedMean::new(&chain).unwrap();
        let jackknife = Jackknife::new(&[&chain], 40, |m| m[0]).unwrap();
        assert!((mean.mean() - jackknife.value()).abs() < 1e-12);
        (
            mean.mean() / mean.standard_error(),
            mean.mean() / jackknife.standard_error(),
        )
    });
    let (a, b): (Vec<f64>, Vec<f64>) = each.unzip();
    for scatter in [a, b] {
        let square = scatter.iter().map(|z| z * z).sum::<f64>() / 200.0;
        // Errors of short chains are themselves uncertain by a fifth.
        assert!((0.7..1.8).contains(&square), "{square}");
    }
}

#[test]
fn chains_that_disagree_are_seen() {
    let mixed = chains(500, 4, 0.3, 5);
    let shift = Tensor::new(&[[0f64, 0.0, 0.0, 3.0]], device()).unwrap();
    let apart = mixed.broadcast_add(&shift).unwrap();
    assert!((split_r_hat(&mixed).unwrap() - 1.0).abs() < 0.01);
    assert!(split_r_hat(&apart).unwrap() > 1.5);
    assert!(effective_sample_size(&apart).unwrap() < 10.0);
    assert!(CorrelatedMean::new(&apart).unwrap().autocorrelation_time() > 50.0);
    // A drift within one chain.
    let drift = Tensor::arange(0f64, 100.0, device()).unwrap();
    assert!(split_r_hat(&drift).unwrap() > 1.8);
}

#[test]
fn constants_have_no_error() {
    let constant = Tensor::full(2f64, (10, 3), device()).unwrap();
    let mean = CorrelatedMean::new(&constant).unwrap();
    assert_eq!((mean.mean(), mean.standard_error()), (2.0, 0.0));
    assert_eq!(split_r_hat(&constant).unwrap(), 1.0);
    assert_eq!(effective_sample_size(&constant).unwrap(), 30.0);
}

#[test]
fn what_does_not_fit_is_told() {
    let zeros = |dims: &[usize]| Tensor::zeros(dims, DType::F64, device()).unwrap();
    let message = |e: advect_core::Error| e.to_string();
    let short = CorrelatedMean::new(&zeros(&[3, 2])).unwrap_err();
    assert!(message(short).starts_with("series: got shape [3, 2]"));
    let cube = split_r_hat(&zeros(&[9, 2, 2])).unwrap_err();
    assert!(message(cube).starts_with("series: got shape [9, 2, 2]"));
    let nan = (zeros(&[9]) * f64::NAN).unwrap();
    let nan = effective_sample_size(&nan).unwrap_err();
    assert!(message(nan).starts_with("series: got NaN"));
    let one = Jackknife::new(&[&zeros(&[9])], 5, |m| m[0]).unwrap_err();
    assert!(message(one).contains("two blocks"));
    let undefined = Jackknife::new(&[&zeros(&[9])], 2, |m| 1.0 / m[0]).unwrap_err();
    assert!(message(undefined).starts_with("function: got"));
}
