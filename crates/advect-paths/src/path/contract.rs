//! What holds for every path; each path's tests call it.

use advect_core::testing::assert_close;
use advect_core::{Error, Generator, Time};
use candle_core::{DType, Device, Tensor};

use super::Path;

/// Checks that the velocity is dx_t/dt at fixed noise, that shared and per-sample times agree, all
/// dtypes and ranks, and the errors for arguments that do not fit.
pub(crate) fn check(path: &impl Path) {
    let mut rng = Generator::from_seed(1);
    let x0 = rng.normal((3, 2, 2), DType::F64, &Device::Cpu).unwrap();
    let x1 = rng.normal((3, 2, 2), DType::F64, &Device::Cpu).unwrap();
    let at = |t: f64| {
        path.sample(&Time::Shared(t), &x0, &x1, &mut rng.clone())
            .unwrap()
    };
    // Not in the middle, where the slope of some paths has a kink.
    for t in [0.1, 0.45, 0.9] {
        let h = 1e-4;
        let numeric = ((at(t + h).x - at(t - h).x).unwrap() / (2.0 * h)).unwrap();
        let point = at(t);
        assert_close(&point.velocity().unwrap(), &numeric, 1e-5, 1e-6);
        // The state minus its noise does not depend on the noise; the score is the noise over its factor.
        if let (Ok(z), Ok(score)) = (point.noise(), point.score()) {
            let scale = (z.mean_all().unwrap() / score.mean_all().unwrap()).unwrap();
            let scale = -scale.to_scalar::<f64>().unwrap();
            assert!(scale > 0.0);
            assert_close(&score, &(&z / -scale).unwrap(), 1e-9, 1e-12);
        }
        assert_close(&point.data().unwrap(), &x1, 0.0, 0.0);
    }

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
