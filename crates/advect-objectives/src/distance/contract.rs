//! The properties of every distance.

use advect_core::testing::{assert_close, gradient};
use advect_core::{Error, Generator};
use candle_core::{DType, Device, Tensor, Var};

use super::Distance;

/// Whether the loss grows no faster than the error: then its small gradients are below f16.
fn distance_is_flat(distance: &impl Distance) -> bool {
    let at = |x: f64| {
        let x = Tensor::full(x, (1, 1), &Device::Cpu).unwrap();
        let loss = distance.losses(&x, &x.zeros_like().unwrap()).unwrap();
        loss.to_vec1::<f64>().unwrap()[0]
    };
    at(2000.0) < 3.0 * at(1000.0)
}

/// Checks the gradient by finite differences, which is 0 where prediction and target agree; 16 bits; and bad arguments.
pub(crate) fn check(distance: &impl Distance) {
    let mut rng = Generator::from_seed(0);
    let f = rng.normal((3, 2, 2), DType::F64, &Device::Cpu).unwrap();
    let target = rng.normal((3, 2, 2), DType::F64, &Device::Cpu).unwrap();
    let slope = |f: &Tensor| {
        let f = Var::from_tensor(f).unwrap();
        let loss = distance.losses(&f, &target).unwrap().sum_all().unwrap();
        loss.backward().unwrap().get(&f).unwrap().clone()
    };
    let loss = |f: &Tensor| Ok(distance.losses(f, &target)?.sum_all()?.to_scalar::<f64>()?);
    assert_close(&slope(&f), &gradient(loss, &f, 1e-4).unwrap(), 1e-7, 1e-8);
    assert_close(&slope(&target), &f.zeros_like().unwrap(), 0.0, 1e-15);
    let least = loss(&target).unwrap();
    assert!(loss(&f).unwrap() > least);

    let each = distance.losses(&f, &target).unwrap();
    assert_eq!(each.dims(), [3]);
    for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F16, 1e-2), (DType::BF16, 5e-2)] {
        let narrow = |x: &Tensor| x.to_dtype(dtype).unwrap();
        let losses = distance.losses(&narrow(&f), &narrow(&target)).unwrap();
        assert_eq!(losses.dtype(), DType::F32);
        assert_close(&losses, &each, tolerance, tolerance);
    }

    // Squares beyond f16, and gradients of means below it.
    let far = Tensor::full(300f32, (4, 2), &Device::Cpu).unwrap();
    let far = Var::from_tensor(&far.to_dtype(DType::F16).unwrap()).unwrap();
    let losses = distance.losses(&far, &far.zeros_like().unwrap()).unwrap();
    assert!(
        losses
            .to_vec1::<f32>()
            .unwrap()
            .iter()
            .all(|l| l.is_finite() && *l > 0.0)
    );
    let small = (losses.mean_all().unwrap() * 1e-7).unwrap();
    let slope = small.backward().unwrap().get(&far).unwrap().abs().unwrap();
    let slope = slope.to_dtype(DType::F32).unwrap().max_all().unwrap();
    let wide = slope.to_scalar::<f32>().unwrap();
    assert!(wide > 0.0 || distance_is_flat(distance), "{wide}");

    let error = |f: &Tensor, target: &Tensor| distance.losses(f, target).unwrap_err();
    let short = target.narrow(0, 0, 2).unwrap();
    assert!(matches!(error(&f, &short), Error::Shape { argument, .. } if argument == "target"));
    let empty = f.narrow(0, 0, 0).unwrap();
    assert!(matches!(error(&empty, &empty), Error::Empty { .. }));
}
