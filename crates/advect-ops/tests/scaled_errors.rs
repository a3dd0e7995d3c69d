//! Scaled errors against plain loops in f64.

use advect_core::Generator;
use advect_core::testing::device;
use advect_ops::{scaled_error, scaled_errors};
use candle_core::{DType, Tensor};

const RTOL: f64 = 0.3;
const ATOL: f64 = 0.05;

/// The root mean square and the largest of all ratios.
fn plain(error: &Tensor, x: &Tensor, y: &Tensor) -> (f64, f64) {
    let values = |x: &Tensor| -> Vec<f64> {
        let x = x.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
        x.to_vec1().unwrap()
    };
    let (error, x, y) = (values(error), values(x), values(y));
    let ratio = |i: usize| error[i] / (ATOL + RTOL * x[i].abs().max(y[i].abs()));
    let ratios: Vec<f64> = (0..error.len()).map(ratio).collect();
    let squares: f64 = ratios.iter().map(|r| r * r).sum();
    let largest = ratios.iter().fold(0.0, |a, r| f64::max(a, r.abs()));
    ((squares / ratios.len() as f64).sqrt(), largest)
}

#[test]
fn all_sizes_dtypes_and_strides() {
    let mut rng = Generator::from_seed(0);
    let near = |a: f64, b: f64, what: &str| {
        assert!((a - b).abs() <= 1e-5 * b.abs(), "{what}: {a}, {b}");
    };
    let narrow = [1, 2, 15, 16, 17, 67].map(|n| (3, n));
    for (samples, width) in narrow.into_iter().chain([(1, 4096), (1, 4097), (5, 3000)]) {
        for dtype in [DType::F64, DType::F32, DType::BF16] {
            let mut draw = || {
                let x = rng.normal((width, samples), DType::F64, device()).unwrap();
                x.to_dtype(dtype).unwrap().t().unwrap()
            };
            let (e, x, y) = (draw(), draw(), draw());
            let what = format!("{samples} x {width}, {dtype:?}");
            let (rms, largest) = plain(&e, &x, &y);
            let all = scaled_error(&e, &x, &y, RTOL, ATOL).unwrap();
            near(all.rms(), rms, &what);
            near(all.largest(), largest, &what);
            let each = scaled_errors(&e, &x, &y, RTOL, ATOL).unwrap();
            assert_eq!(each.len(), samples);
            for (i, each) in each.iter().enumerate() {
                let of = |x: &Tensor| x.get(i).unwrap();
                let (rms, largest) = plain(&of(&e), &of(&x), &of(&y));
                near(each.rms(), rms, &what);
                near(each.largest(), largest, &what);
            }
            let together = each.into_iter().reduce(|a, b| a.and(b)).unwrap();
            near(together.rms(), rms, &what);
            near(together.largest(), largest, &what);
        }
    }
}

#[test]
fn nan_and_infinity_are_seen() {
    for dtype in [DType::F64, DType::F32, DType::BF16] {
        for bad in [f64::NAN, f64::INFINITY] {
            let e = Tensor::new(&[[0.0, bad], [1.0, 2.0]], device()).unwrap();
            let e = e.to_dtype(dtype).unwrap();
            let x = e.zeros_like().unwrap();
            let all = scaled_error(&e, &x, &x, RTOL, ATOL).unwrap();
            assert!(!all.rms().is_finite() && !all.largest().is_finite());
            let each = scaled_errors(&e, &x, &x, RTOL, ATOL).unwrap();
            assert!(!each[0].rms().is_finite() && each[1].rms().is_finite());
        }
    }
}
