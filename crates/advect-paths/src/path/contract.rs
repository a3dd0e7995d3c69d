//! The properties of every path; each path's tests call it.

use advect_core::testing::assert_close;
use advect_core::{Error, Generator, Time};
use candle_core::{DType, Device, Tensor};

use super::Path;

/// Checks that the velocity is dx_t/dt at fixed noise, and [`check_points`].
pub(crate) fn check(path: &impl Path) {
    let (x0, x1, rng) = ends();
    let at = |t: f64| {
        path.sample(&Time::Shared(t), &x0, &x1, &mut rng.clone())
            .unwrap()
    };
    // Not in the middle, where the slope of some paths has a kink.
    for t in TIMES {
        let h = 1e-4;
        let numeric = ((at(t + h).x - at(t - h).x).unwrap() / (2.0 * h)).unwrap();
        assert_close(&at(t).velocity().unwrap(), &numeric, 1e-5, 1e-6);
    }
    check_points(path);
}

const TIMES: [f64; 3] = [0.1, 0.45, 0.9];

fn ends() -> (Tensor, Tensor, Generator) {
    let mut rng = Generator::from_seed(1);
    let x0 = rng.normal((3, 2, 2), DType::F64, &Device::Cpu).unwrap();
    let x1 = rng.normal((3, 2, 2), DType::F64, &Device::Cpu).unwrap();
    (x0, x1, rng)
}

/// Checks, for a velocity of any meaning, the law of the state, that shared and per-sample times agree, all dtypes and
/// ranks, and the errors for arguments that do not fit.
pub(crate) fn check_points(path: &impl Path) {
    let (x0, x1, mut rng) = ends();
    let at = |t: f64| {
        path.sample(&Time::Shared(t), &x0, &x1, &mut rng.clone())
            .unwrap()
    };
    for t in TIMES {
        let point = at(t);
        // The state minus its noise does not depend on the noise; the score is the noise over its factor.
        if let (Ok(z), Ok(score)) = (point.noise(), point.score()) {
            let scale = (z.mean_all().unwrap() / score.mean_all().unwrap()).unwrap();
            let scale = -scale.to_scalar::<f64>().unwrap();
            assert!(scale > 0.0);
            assert_close(&score, &(&z / -scale).unwrap(), 1e-9, 1e-12);
        }
        assert_close(&point.data().unwrap(), &x1, 0.0, 0.0);
    }

    gaussian_given_the_ends(path);

    let times = [0.2, 0.7, 0.4];
    let t = Time::per_sample(&times).unwrap();
    let each = path.sample(&t, &x0, &x1, &mut rng.clone()).unwrap();
    let velocity = each.velocity().unwrap();
    for (i, &t) in times.iter().enumerate() {
        for (per_sample, shared) in [(&each.x, at(t).x), (&velocity, at(t).velocity().unwrap())] {
            let (a, b) = (
                per_sample.narrow(0, i, 1).unwrap(),
                shared.narrow(0, i, 1).unwrap(),
            );
            assert_close(&a, &b, 1e-14, 1e-14);
        }
    }

    for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F16, 1e-2), (DType::BF16, 5e-2)] {
        let (x0, x1) = (x0.to_dtype(dtype).unwrap(), x1.to_dtype(dtype).unwrap());
        let point = path.sample(&t, &x0, &x1, &mut rng.clone()).unwrap();
        let ours = point.velocity().unwrap();
        assert_eq!((point.x.dtype(), ours.dtype()), (dtype, dtype));
        assert_close(&point.x, &each.x, tolerance, tolerance);
        assert_close(&ours, &velocity, tolerance, tolerance);
    }

    let mut fails =
        |t: &Time, x0: &Tensor, x1: &Tensor| path.sample(t, x0, x1, &mut rng).unwrap_err();
    let short = x1.narrow(0, 0, 2).unwrap();
    assert!(matches!(fails(&t, &x0, &short), Error::Shape { argument, .. } if argument == "x1"));
    let single = x1.to_dtype(DType::F32).unwrap();
    assert!(matches!(fails(&t, &x0, &single), Error::DType { argument, .. } if argument == "x1"));
    let empty = x0.narrow(0, 0, 0).unwrap();
    assert!(matches!(fails(&t, &empty, &empty), Error::Empty { argument } if argument == "x0"));
    assert!(matches!(fails(&t, &short, &short), Error::Shape { argument, .. } if argument == "t"));
    for outside in [-0.1, 1.1, f64::NAN] {
        let error = fails(&Time::Shared(outside), &x0, &x1);
        assert!(matches!(error, Error::Range { argument, .. } if argument == "t"));
    }
}

/// The law of x_t between two fixed ends: one point, or a Gaussian around it of the standard deviation that the point
/// tells.
fn gaussian_given_the_ends(path: &impl Path) {
    let n = 20_000;
    let mut rng = Generator::from_seed(4);
    let fixed = |x: f64| (Tensor::ones((n, 1), DType::F64, &Device::Cpu).unwrap() * x).unwrap();
    let (x0, x1) = (fixed(0.7), fixed(-1.3));
    let moments = |x: &Tensor| {
        let mean = x.mean_all().unwrap().to_scalar::<f64>().unwrap();
        let deviations = (x - mean).unwrap();
        let power = |k: f64| {
            let mean = deviations.powf(k).unwrap().mean_all().unwrap();
            mean.to_scalar::<f64>().unwrap()
        };
        (mean, power(2.0).sqrt(), power(4.0))
    };
    for t in [0.15, 0.6] {
        let point = path.sample(&Time::Shared(t), &x0, &x1, &mut rng).unwrap();
        let (middle, spread, fourth) = moments(&point.x);
        let Ok(advect_core::Coefficient::Shared(scale)) = point.noise_scale() else {
            panic!("a shared time has one factor");
        };
        let (z_mean, z_spread, _) = moments(&point.noise().unwrap());
        let random = z_spread > 1e-12;
        let rest = (&point.x - (point.noise().unwrap() * scale).unwrap()).unwrap();
        assert!(moments(&rest).1 < 1e-12, "what is not noise is fixed");
        if random {
            let error = 4.0 / (n as f64).sqrt();
            assert!(z_mean.abs() < error && (z_spread - 1.0).abs() < error);
            assert!(
                (spread - scale).abs() <= error * scale + 1e-9,
                "{spread} {scale}"
            );
            assert!((middle - moments(&rest).0).abs() <= error * scale + 1e-9);
            assert!((fourth - 3.0 * scale.powi(4)).abs() <= 10.0 * error * scale.powi(4) + 1e-9);
        } else {
            assert!(spread < 1e-12);
        }
    }
}
