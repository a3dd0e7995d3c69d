//! Random numbers: the same bits on every device.

use advect::core::Coefficient;
use advect::ops::combine;
use advect::prelude::*;
use advect::solvers::divergence::Probe;

use crate::place::{CPU, Place};
use crate::report::Report;

/// Compared exactly.
fn bits(report: &mut Report, name: &str, case: impl Fn(&Place) -> Result<Tensor>) {
    for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
        let places = [Place::tested(dtype), Place::same_on_cpu(dtype)];
        report.compare(&format!("{name} {dtype:?}"), places, 0.0, |place| {
            Ok(vec![case(place)?])
        });
    }
}

#[test]
fn draws() {
    let mut report = Report::new();
    let rng = || Generator::from_seed(3);
    bits(&mut report, "normal", |p| {
        rng().normal((1000, 3), p.dtype, &p.device)
    });
    bits(&mut report, "uniform", |p| {
        rng().uniform(0.0..1.0, 1000, p.dtype, &p.device)
    });
    bits(&mut report, "by sample", |p| {
        rng().normal_by_sample(5, &Tensor::zeros((7, 3), p.dtype, &p.device)?)
    });
    // Several stretches, the last in part, and samples of several windows: as many as have numbers of each kind, the tail's too.
    bits(&mut report, "many normal", |p| {
        rng().normal(150_001, p.dtype, &p.device)
    });
    bits(&mut report, "many uniform", |p| {
        rng().uniform(-0.3..7.1, 10_003, p.dtype, &p.device)
    });
    bits(&mut report, "wide samples", |p| {
        rng().normal_by_sample(1 << 40, &Tensor::zeros((3, 4321), p.dtype, &p.device)?)
    });
    bits(&mut report, "narrow samples", |p| {
        rng().normal_by_sample(0, &Tensor::zeros((513, 1), p.dtype, &p.device)?)
    });
    bits(&mut report, "none", |p| {
        let mut rng = rng();
        rng.normal((0, 3), p.dtype, &p.device)?;
        rng.uniform(0.0..1.0, 0, p.dtype, &p.device)?;
        rng.normal((), p.dtype, &p.device)
    });
    bits(&mut report, "permutation", |p| {
        rng().permutation(100, &p.device)
    });
    bits(&mut report, "integers", |p| {
        rng().integers(0..10, 100, &p.device)
    });
    bits(&mut report, "probes", |p| {
        Probe::Rademacher.draw(&Tensor::zeros((9, 5), p.dtype, &p.device)?, &mut rng())
    });
    bits(&mut report, "source", |p| {
        NoiseSource::new(Key::from_seed(1), &[3], p.dtype, &p.device)?.noise(3..20)
    });
    bits(&mut report, "Brownian path", |p| {
        let x = Tensor::zeros((4, 2), p.dtype, &p.device)?;
        BrownianPath::new(Key::from_seed(2), &x, 0.0, 1.0)?.increment(0.25, 0.5)
    });
    bits(&mut report, "initial values", |p| {
        let store = p.store();
        Mlp::config(2).build(&store.builder())?;
        Ok(Tensor::cat(
            &store
                .tensors()
                .iter()
                .map(|x| x.flatten_all())
                .collect::<std::result::Result<Vec<_>, _>>()?,
            0,
        )?)
    });
    report.finish();
}

/// Sums of products too are rounded alike where they are made in the same order.
#[test]
fn noised_data() {
    let mut report = Report::new();
    report.same("combination", 1e-6, |p| {
        let (x, y) = (p.normal(0, &[50, 3])?, p.normal(1, &[50, 3])?);
        let factor = Coefficient::PerSample((0..50).map(|i| f64::from(i) / 50.0).collect());
        Ok(vec![combine(&[
            (factor, &x),
            (Coefficient::Shared(0.3), &y),
        ])?])
    });
    report.holds("a tensor of the CPU", |p| {
        let x = p.normal(0, &[3])?;
        Ok(x.to_device(&CPU)?.to_vec1::<f32>()?.len() == 3)
    });
    report.finish();
}
