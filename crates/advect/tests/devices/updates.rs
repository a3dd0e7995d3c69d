//! Updates of parameters in place, and numbers of tensors on the host.

use advect::candle::Var;
use advect::ops::update::{AdamWRates, adamw, average, norm, scale};
use advect::ops::{scaled_error, scaled_errors, squared_distances, with_gradient};
use advect::prelude::*;

use crate::place::Place;
use crate::report::Report;

#[test]
fn in_place() {
    let mut report = Report::new();
    let rates = AdamWRates {
        decay: 0.99,
        rate: 0.1,
        correction: 0.001,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
    };
    for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::F64, 1e-14)] {
        let places = [Place::tested(dtype), Place::exact(dtype)];
        report.compare(&format!("AdamW {dtype:?}"), places, tolerance, |place| {
            let var = |seed| Ok::<Var, Error>(Var::from_tensor(&place.normal(seed, &[7, 5])?)?);
            let (value, first, second) = (var(0)?, var(1)?, var(2)?);
            second.set(&second.sqr()?)?;
            adamw(&value, &first, &second, &place.normal(3, &[7, 5])?, &rates)?;
            Ok([value, first, second]
                .iter()
                .map(|v| v.as_detached_tensor())
                .collect())
        });
    }
    for (dtype, tolerance) in [
        (DType::F32, 1e-6),
        (DType::F64, 1e-14),
        (DType::BF16, 1e-2),
        (DType::F16, 1e-3),
    ] {
        let places = [Place::tested(dtype), Place::exact(dtype)];
        report.compare(&format!("averages {dtype:?}"), places, tolerance, |place| {
            let mean = Var::from_tensor(&place.normal(0, &[7, 5])?)?;
            average(&mean, &Var::from_tensor(&place.normal(1, &[7, 5])?)?, 0.75)?;
            let scaled = scale(&place.normal(2, &[7, 5])?, 0.3)?;
            Ok(vec![mean.as_detached_tensor(), scaled])
        });
    }
    report.finish();
}

#[test]
fn numbers() {
    let mut report = Report::new();
    let numbers = |values: &[f64]| Ok::<Tensor, Error>(Tensor::new(values, &Device::Cpu)?);
    for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-12), (DType::BF16, 2e-2)] {
        let places = [Place::tested(dtype), Place::exact(dtype)];
        report.compare(&format!("numbers {dtype:?}"), places, tolerance, |place| {
            let (x, y) = (place.normal(0, &[9, 3])?, place.normal(1, &[9, 3])?);
            let error = (place.normal(2, &[9, 3])? * 1e-2)?;
            let all = scaled_error(&error, &x, &y, 1e-2, 1e-2)?;
            let each = scaled_errors(&error, &x, &y, 1e-2, 1e-2)?;
            let each: Vec<f64> = each.iter().flat_map(|e| [e.rms(), e.largest()]).collect();
            Ok(vec![
                numbers(&[norm(&[&x, &y])?, all.rms(), all.largest()])?,
                numbers(&each)?,
                numbers(&squared_distances(&x, &y)?)?,
            ])
        });
    }
    report.holds("finite and not", |place| {
        let x = place.normal(0, &[9, 3])?;
        let bad = (&x * f64::NAN)?;
        Ok(check::is_finite(&x)? && !check::is_finite(&bad)? && check::finite("x", &bad).is_err())
    });
    report.same("a gradient of one's own", 1e-6, |place| {
        let var = Var::from_tensor(&place.normal(0, &[5])?)?;
        let value = var.as_detached_tensor().sqr()?;
        let y = with_gradient(&value, &[var.as_tensor().clone()], |g, _| {
            Ok(vec![(g * 3.0)?])
        })?;
        Ok(vec![y.sum_all()?.backward()?.get(&var).unwrap().clone()])
    });
    report.finish();
}
