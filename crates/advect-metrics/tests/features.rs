//! Metrics of features against other implementations, closed forms, brute force, and bad arguments.

use advect_core::testing::device;
use advect_core::{Error, Generator};
use advect_metrics::*;
use candle_core::{DType, Tensor};

fn golden(name: &str) -> Tensor {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/features.safetensors"
    );
    candle_core::safetensors::load(path, device()).unwrap()[name].clone()
}

fn numbers(name: &str) -> Vec<f64> {
    golden(name).to_vec1().unwrap()
}

fn close(a: f64, b: f64, relative: f64) {
    assert!((a - b).abs() <= relative * b.abs(), "{a} {b}");
}

fn moments(mean: &[f64], covariance: &[f64]) -> GaussianMoments {
    let dim = mean.len();
    let covariance = Tensor::from_slice(covariance, (dim, dim), device()).unwrap();
    GaussianMoments::new(&Tensor::new(mean, device()).unwrap(), &covariance).unwrap()
}

/// pytorch-fid, torch-fidelity, clean-fid and prdc.
#[test]
fn metrics_are_those_of_other_implementations() {
    let (x, y) = (golden("x"), golden("y"));
    let distance = frechet_distance(&x, &y).unwrap();
    numbers("frechet")
        .into_iter()
        .for_each(|other| close(distance, other, 1e-9));
    let kernel = kernel_distance(&x, &y).unwrap();
    numbers("kernel")
        .into_iter()
        .for_each(|other| close(kernel, other, 1e-9));
    let score = inception_score(&golden("logits"), 4).unwrap();
    close(score.mean, numbers("inception_score")[0], 1e-12);
    close(
        score.standard_deviation,
        numbers("inception_score")[1],
        1e-10,
    );
    let found = precision_recall(&x, &y, 3).unwrap();
    close(found.precision, numbers("precision_recall")[0], 1e-6);
    close(found.recall, numbers("precision_recall")[1], 1e-6);
    let (five, others) = (
        precision_recall(&x, &y, 5).unwrap(),
        density_coverage(&x, &y, 5).unwrap(),
    );
    let found = [five.precision, five.recall, others.density, others.coverage];
    found
        .iter()
        .zip(numbers("prdc"))
        .for_each(|(a, b)| close(*a, b, 1e-12));
}

/// Statistics of pytorch-fid are read, and those that are written are read again.
#[test]
fn statistics_come_from_files() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/statistics.npz");
    let theirs = GaussianMoments::read(path).unwrap();
    let ours = FeatureStatistics::of(&golden("x"))
        .unwrap()
        .moments()
        .unwrap();
    for (a, b) in ours.covariance().iter().zip(theirs.covariance()) {
        assert!((a - b).abs() < 1e-12);
    }
    assert!(ours.frechet_distance(&theirs).unwrap() < 1e-12);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("statistics.npz");
    ours.write(&path).unwrap();
    assert_eq!(GaussianMoments::read(&path).unwrap(), ours);
    let other = Tensor::zeros((2, 2), DType::F64, device()).unwrap();
    Tensor::write_npz(&[("mu", other)], &path).unwrap();
    let error = GaussianMoments::read(&path).unwrap_err().to_string();
    assert!(error.contains("no array sigma"), "{error}");
}

/// Gaussians: commuting covariances, rank-deficient ones, and one dimension of a plane.
#[test]
fn gaussians_have_closed_forms() {
    // Rotated by 45°: eigenvalues 9 and 1 against 4 and 16 in the same directions.
    let a = moments(&[1.0, 0.0], &[5.0, 4.0, 4.0, 5.0]);
    let b = moments(&[0.0, 2.0], &[10.0, -6.0, -6.0, 10.0]);
    // 5 + (3 − 2)² + (1 − 4)²
    close(a.frechet_distance(&b).unwrap(), 15.0, 1e-14);
    // A line against itself, and against the line across: nothing is shared.
    let along = moments(&[0.0, 0.0], &[2.0, 2.0, 2.0, 2.0]);
    let across = moments(&[0.0, 0.0], &[2.0, -2.0, -2.0, 2.0]);
    let point = moments(&[0.0, 0.0], &[0.0; 4]);
    assert!(along.frechet_distance(&along).unwrap() < 1e-14);
    close(along.frechet_distance(&across).unwrap(), 8.0, 1e-14);
    close(along.frechet_distance(&point).unwrap(), 4.0, 1e-14);
    assert_eq!(point.frechet_distance(&point).unwrap(), 0.0);
}

/// Singular values of the centred features themselves.
#[test]
fn fewer_samples_than_dimensions_have_a_distance() {
    let few = |name| FeatureStatistics::of(&golden(name)).unwrap();
    let (x, y) = (few("few_x"), few("few_y"));
    let distance = x
        .moments_of_few()
        .unwrap()
        .frechet_distance(&y.moments_of_few().unwrap());
    close(distance.unwrap(), numbers("few_distance")[0], 1e-7);
    let error = x.moments().unwrap_err();
    assert!(matches!(&error, Error::Range { argument, .. } if argument == "features"));
    assert!(
        error.to_string().contains("10 samples of 16 dimensions"),
        "{error}"
    );
}

/// Covariances in f32 of one direction, whose rounding is no negative eigenvalue.
#[test]
fn covariances_of_32_bits_have_a_distance() {
    let v = [
        0.0844667555063645,
        -0.3531982696503235,
        -0.03852174189029013,
    ];
    let sigma: Vec<f64> = (v.iter())
        .flat_map(|x| v.map(|y| f64::from((x * y) as f32)))
        .collect();
    let line = moments(&[0.0; 3], &sigma);
    let point = moments(&[0.0; 3], &[0.0; 9]);
    assert!(line.frechet_distance(&line).unwrap() < 1e-6);
    close(
        line.frechet_distance(&point).unwrap(),
        v.iter().map(|x| x * x).sum(),
        1e-6,
    );
}

/// Squares of features and of variances that are no numbers, or 0, are not needed.
#[test]
fn features_of_any_size_have_their_metrics() {
    for size in [1e-300, 1e-160, 1e160, 1e300] {
        let line = moments(&[0.0], &[size]);
        let plane = moments(&[0.0, 0.0], &[size, 0.0, 0.0, 4.0 * size]);
        let other = moments(&[0.0, 0.0], &[4.0 * size, 0.0, 0.0, 9.0 * size]);
        assert!(line.frechet_distance(&line).unwrap() < 1e-14 * size);
        close(plane.frechet_distance(&other).unwrap(), 2.0 * size, 1e-13);
    }
    // The sum of the variances overflows.
    let huge = moments(&[0.0, 0.0], &[1.5e308, 0.0, 0.0, 1.5e308]);
    let error = huge.frechet_distance(&huge).unwrap_err();
    assert!(matches!(error, Error::Range { .. }), "{error}");
    let (x, y) = (golden("x"), golden("y"));
    let [x, y] = [x, y].map(|x| x.to_dtype(DType::F64).unwrap());
    let (near, dense) = (
        precision_recall(&x, &y, 3).unwrap(),
        density_coverage(&x, &y, 3).unwrap(),
    );
    for exponent in [-700, 700] {
        let scale = f64::from(exponent).exp2();
        let (a, b) = ((&x * scale).unwrap(), (&y * scale).unwrap());
        assert_eq!(precision_recall(&a, &b, 3).unwrap(), near);
        assert_eq!(density_coverage(&a, &b, 3).unwrap(), dense);
    }
}

/// Probabilities that underflow add nothing to a score.
#[test]
fn classes_without_images_do_not_count() {
    let logits = Tensor::new(&[[0f64, -744.0]; 10], device()).unwrap();
    assert_eq!(inception_score(&logits, 1).unwrap().mean, 1.0);
    // One image of ten alone has such a probability, and another class is clear.
    let mut rows = [[0f64, -744.0, -800.0]; 10];
    rows[1..].fill([0.0, -800.0, -800.0]);
    let logits = Tensor::new(&rows, device()).unwrap();
    assert_eq!(inception_score(&logits, 1).unwrap().mean, 1.0);
}

/// Counts beyond memory are no reason to panic: the errors of the first distances come first.
#[test]
fn counts_of_distances_need_no_memory() {
    let mut rng = Generator::from_seed(0);
    let x = rng.normal((20, 1), DType::F64, device()).unwrap();
    let far = moments(&[1e200], &[1.0]);
    let found = extrapolated_frechet_distance(&x, &far, 10, usize::MAX, &mut rng);
    assert!(matches!(found, Err(Error::Range { .. })));
    // Drawn twice, the outlier's squares overflow.
    let outlier = Tensor::new(&[[1.3e154], [0.0], [0.0], [0.0], [0.0]], device()).unwrap();
    let plain = Tensor::new(&[[0.0], [1.0], [0.0], [0.0], [0.0]], device()).unwrap();
    assert!(frechet_distance(&outlier, &plain).is_ok());
    let found = bootstrap_frechet_distance(&outlier, &plain, usize::MAX, &mut rng);
    assert!(matches!(found, Err(Error::NonFinite { .. })));
}

/// Batches, far from the origin, and in any order, are as the whole.
#[test]
fn batches_add_up() {
    let x = (golden("x").to_dtype(DType::F64).unwrap() + 1e6).unwrap();
    let whole = FeatureStatistics::of(&x).unwrap();
    let part = |first, count| x.narrow(0, first, count).unwrap();
    let mut sum = FeatureStatistics::new(8).unwrap();
    sum.add(&part(0, 1)).unwrap();
    let mut other = FeatureStatistics::of(&part(1, 40)).unwrap();
    other.add(&part(41, 19)).unwrap();
    sum.merge(&other).unwrap();
    assert_eq!(sum.count(), 60);
    let (a, b) = (whole.moments().unwrap(), sum.moments().unwrap());
    for (a, b) in a.covariance().iter().zip(b.covariance()) {
        assert!((a - b).abs() < 1e-9, "{a} {b}");
    }
    assert!(matches!(
        sum.add(&golden("few_x")),
        Err(Error::Shape { .. })
    ));
    assert!(FeatureStatistics::new(8).unwrap().moments_of_few().is_err());
}

/// The definitions, sample by sample.
#[test]
fn neighbourhoods_are_those_of_brute_force() {
    let mut rng = Generator::from_seed(5);
    let real = rng.normal((50, 3), DType::F64, device()).unwrap();
    let fake = (rng.normal((40, 3), DType::F64, device()).unwrap() * 0.7).unwrap();
    let rows = |x: &Tensor| x.to_vec2::<f64>().unwrap();
    let apart = |a: &[f64], b: &[f64]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f64>()
            .sqrt()
    };
    let radius = |set: &[Vec<f64>], i: usize, k: usize| {
        let others = set.iter().enumerate().filter(|(j, _)| *j != i);
        let mut distances: Vec<f64> = others.map(|(_, x)| apart(x, &set[i])).collect();
        distances.sort_by(f64::total_cmp);
        distances[k - 1]
    };
    let (r, f, k) = (rows(&real), rows(&fake), 4);
    let balls = |set: &[Vec<f64>], point: &[f64]| {
        (0..set.len())
            .filter(|&i| apart(&set[i], point) <= radius(set, i, k))
            .count()
    };
    let share = |set: &[Vec<f64>], points: &[Vec<f64>]| {
        points.iter().filter(|p| balls(set, p) > 0).count() as f64 / points.len() as f64
    };
    let found = precision_recall(&real, &fake, k).unwrap();
    assert_eq!(
        (found.precision, found.recall),
        (share(&r, &f), share(&f, &r))
    );
    let found = density_coverage(&real, &fake, k).unwrap();
    let inside: usize = f.iter().map(|p| balls(&r, p)).sum();
    assert_eq!(found.density, inside as f64 / (k * f.len()) as f64);
    let covered = (0..r.len()).filter(|&i| f.iter().any(|p| apart(p, &r[i]) <= radius(&r, i, k)));
    assert_eq!(found.coverage, covered.count() as f64 / r.len() as f64);
    // Copies are within balls of radius 0.
    let same = (Tensor::ones((6, 3), DType::F64, device()).unwrap() * 0.1).unwrap();
    assert_eq!(precision_recall(&same, &same, 2).unwrap().precision, 1.0);
}

#[test]
fn bad_features_are_typed_errors() {
    let x = Generator::from_seed(0)
        .normal((20, 4), DType::F32, device())
        .unwrap();
    let nan = (&x * f64::NAN).unwrap();
    let narrow = x.narrow(1, 0, 3).unwrap();
    let rng = || Generator::from_seed(0);
    type Metric = Box<dyn Fn(&Tensor, &Tensor) -> advect_core::Result<f64>>;
    let metrics: Vec<Metric> = vec![
        Box::new(frechet_distance),
        Box::new(kernel_distance),
        Box::new(|x, y| Ok(precision_recall(x, y, 3)?.precision)),
        Box::new(|x, y| Ok(density_coverage(x, y, 3)?.density)),
        Box::new(move |x, y| Ok(kernel_distance_by_blocks(x, y, 2, 10, &mut rng())?.mean)),
        Box::new(move |x, y| Ok(bootstrap_frechet_distance(x, y, 2, &mut rng())?.distance)),
    ];
    for metric in metrics {
        assert!(metric(&x, &x).unwrap().is_finite());
        assert!(matches!(metric(&x, &nan), Err(Error::NonFinite { .. })));
        assert!(matches!(metric(&nan, &x), Err(Error::NonFinite { .. })));
        assert!(matches!(metric(&x, &narrow), Err(Error::Shape { .. })));
        let bytes = x.to_dtype(DType::U8).unwrap();
        assert!(matches!(metric(&x, &bytes), Err(Error::DType { .. })));
    }
    let few = x.narrow(0, 0, 3).unwrap();
    for error in [
        frechet_distance(&few, &x).unwrap_err(),
        precision_recall(&few, &x, 3).unwrap_err(),
        density_coverage(&x, &few, 0).unwrap_err(),
        kernel_distance_by_blocks(&x, &few, 1, 4, &mut rng()).unwrap_err(),
        inception_score(&x, 21).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Range { .. }), "{error}");
    }
    let plane = moments(&[0.0, 0.0], &[1.0, 0.0, 0.0, 1.0]);
    let line = moments(&[0.0], &[1.0]);
    assert!(matches!(
        plane.frechet_distance(&line),
        Err(Error::Shape { .. })
    ));
    assert!(
        moments(&[0.0, 0.0], &[1.0, 2.0, 2.0, 1.0])
            .frechet_distance(&plane)
            .is_err()
    );
    let error = extrapolated_frechet_distance(&x, &line, 10, 5, &mut rng()).unwrap_err();
    assert!(
        matches!(&error, Error::Shape { argument, .. } if argument == "reference"),
        "{error}"
    );
    let odd = Tensor::new(&[[1f64, 0.5], [0.0, 1.0]], device()).unwrap();
    let error =
        GaussianMoments::new(&Tensor::new(&[0f64, 0.0], device()).unwrap(), &odd).unwrap_err();
    assert!(error.to_string().contains("symmetric"), "{error}");
    let reference = FeatureStatistics::of(&x).unwrap().moments().unwrap();
    for (smallest, points) in [(4, 5), (20, 5), (10, 2)] {
        assert!(
            extrapolated_frechet_distance(&x, &reference, smallest, points, &mut rng()).is_err()
        );
    }
}
