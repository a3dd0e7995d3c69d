//! What holds for every operation; each test calls it with a case.
#![allow(dead_code)]

use advect_core::testing::{assert_close, device, gradient};
use advect_core::{Generator, Result};
use advect_ops::{Dual, Value};
use candle_core::{DType, Device, Tensor, Var};

/// An operation with fixed options, and what it should be.
pub(crate) trait Case {
    /// The operation.
    fn run<V: Value>(&self, inputs: &[V]) -> Result<V>;

    /// The same by plain operations of candle.
    fn plain(&self, inputs: &[Tensor]) -> Result<Tensor>;
}

pub(crate) fn normal(seed: u64, shape: &[usize]) -> Tensor {
    Generator::from_seed(seed)
        .normal(shape, DType::F64, device())
        .unwrap()
}

pub(crate) fn inputs(shapes: &[&[usize]]) -> Vec<Tensor> {
    (1..)
        .zip(shapes)
        .map(|(seed, shape)| normal(seed, shape))
        .collect()
}

/// A tensor and how another one, with strides of its own, is seen in it.
pub(crate) struct View {
    pub(crate) base: Tensor,
    pub(crate) see: Box<dyn Fn(&Tensor) -> Tensor>,
}

impl View {
    fn new(base: Tensor, see: impl Fn(&Tensor) -> Tensor + 'static) -> Self {
        let (base, see) = (base.force_contiguous().unwrap(), Box::new(see));
        View { base, see }
    }
}

/// A tensor as a part of a larger one, transposed, permuted, and, with other elements, repeated along a dimension.
pub(crate) fn views(x: &Tensor) -> Vec<View> {
    let mut views = Vec::new();
    if x.elem_count() == 0 {
        return views;
    }
    let dims = x.dims().to_vec();
    for dim in 0..x.rank() {
        let one = x.narrow(dim, 0, 1).unwrap();
        let wide = Tensor::cat(&[&one, x, &one, &one], dim).unwrap();
        let count = dims[dim];
        views.push(View::new(wide, move |x| x.narrow(dim, 1, count).unwrap()));
        let dims = dims.clone();
        views.push(View::new(one, move |x| x.broadcast_as(&dims[..]).unwrap()));
    }
    if let Some(last) = x.rank().checked_sub(1).filter(|&last| last > 0) {
        let swapped = x.transpose(0, last).unwrap();
        views.push(View::new(swapped, move |x| x.transpose(0, last).unwrap()));
        let forwards: Vec<usize> = (0..=last).map(|dim| (dim + 1) % (last + 1)).collect();
        let back: Vec<usize> = (0..=last).map(|dim| (dim + last) % (last + 1)).collect();
        let turned = x.permute(forwards).unwrap();
        views.push(View::new(turned, move |x| x.permute(back.clone()).unwrap()));
    }
    views
}

/// Values in f64 and f32, and from views, against the plain composition. The bounds are relative to the largest
/// element: `1e-13` and `2e-6` times `slack`.
pub(crate) fn check_values(case: &impl Case, inputs: &[Tensor], slack: f64) {
    let expected = case.plain(inputs).unwrap();
    let ours = case.run(inputs).unwrap();
    assert_eq!(ours.dims(), expected.dims());
    if expected.elem_count() == 0 {
        return;
    }
    let size = expected
        .abs()
        .unwrap()
        .max_all()
        .unwrap()
        .to_scalar::<f64>()
        .unwrap();
    assert_close(&ours, &expected, 0.0, 1e-13 * slack * size.max(1e-3));
    let single: Vec<Tensor> = inputs
        .iter()
        .map(|x| x.to_dtype(DType::F32).unwrap())
        .collect();
    let rounded: Vec<Tensor> = single
        .iter()
        .map(|x| x.to_dtype(DType::F64).unwrap())
        .collect();
    let expected = case.plain(&rounded).unwrap();
    let ours_single = case.run(&single).unwrap();
    assert_eq!(ours_single.dtype(), DType::F32);
    assert_close(&ours_single, &expected, 0.0, 2e-6 * slack * size.max(1e-3));
    // Where memory isn't aligned for several elements at once, kernels for CUDA sum in another order.
    let order = match device() {
        Device::Cpu => 0.0,
        _ => 1e-14 * slack * size.max(1e-3),
    };
    for (i, x) in inputs.iter().enumerate() {
        for view in views(x) {
            let mut inputs = inputs.to_vec();
            inputs[i] = (view.see)(&view.base);
            let from_view = case.run(&inputs).unwrap();
            inputs[i] = inputs[i].force_contiguous().unwrap();
            assert_close(&from_view, &case.run(&inputs).unwrap(), 0.0, order);
        }
    }
}

/// A number that depends on all elements.
fn weighted(y: &Tensor) -> Result<Tensor> {
    Ok((y * normal(99, y.dims()))?.sum_all()?)
}

/// Gradients and derivatives along a direction from views, against those from copies of them.
pub(crate) fn check_views(case: &impl Case, inputs: &[Tensor]) {
    for (i, x) in inputs.iter().enumerate() {
        for view in views(x) {
            let var = Var::from_tensor(&view.base).unwrap();
            let seen = (view.see)(var.as_tensor());
            let with = |x: &Tensor| {
                let mut inputs = inputs.to_vec();
                inputs[i] = x.clone();
                inputs
            };
            let gradient = |x: &Tensor| {
                let y = weighted(&case.run(&with(x)).unwrap()).unwrap();
                y.backward().unwrap().get(&var).unwrap().clone()
            };
            let copy = seen.contiguous().unwrap();
            assert_close(&gradient(&seen), &gradient(&copy), 0.0, 1e-14);
            // Along a direction that is such a view, too.
            let seen = (view.see)(&view.base);
            let along = |x: &Tensor, dx: &Tensor| {
                let constant = |x: Tensor| Dual::constant(x);
                let mut duals: Vec<Dual> = inputs.iter().cloned().map(constant).collect();
                duals[i] = Dual::new(x.clone(), dx.clone()).unwrap();
                case.run(&duals).unwrap().into_parts().unwrap()
            };
            let copy = seen.force_contiguous().unwrap();
            let (ours, expected) = (along(&seen, &seen), along(&copy, &copy));
            assert_close(&ours.0, &expected.0, 0.0, 0.0);
            assert_close(&ours.1, &expected.1, 0.0, 1e-14);
        }
    }
}

/// Gradients, derivatives along a direction, and gradients of those, against finite differences, and from views.
pub(crate) fn check_derivatives(case: &impl Case, inputs: &[Tensor]) {
    check_views(case, inputs);
    let vars: Vec<Var> = inputs
        .iter()
        .map(|x| Var::from_tensor(x).unwrap())
        .collect();
    let tracked: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let replaced = |i: usize, x: &Tensor| {
        let mut inputs = inputs.to_vec();
        inputs[i] = x.clone();
        inputs
    };

    // Backwards, for all arguments at once and for each alone.
    let grads = weighted(&case.run(&tracked).unwrap())
        .unwrap()
        .backward()
        .unwrap();
    for (i, (x, var)) in inputs.iter().zip(&vars).enumerate() {
        let value = |x: &Tensor| Ok(weighted(&case.run(&replaced(i, x))?)?.to_scalar::<f64>()?);
        let numeric = gradient(value, x, 1e-3).unwrap();
        let ours = grads
            .get(var)
            .unwrap_or_else(|| panic!("no gradient of argument {i}"));
        assert_close(ours, &numeric, 1e-6, 1e-7);
        let alone = case.run(&replaced(i, var.as_tensor())).unwrap();
        let alone = weighted(&alone).unwrap().backward().unwrap();
        assert_close(alone.get(var).unwrap(), ours, 0.0, 1e-14);
    }

    // Forwards, along all arguments.
    let directions: Vec<Tensor> = (20..)
        .zip(inputs)
        .map(|(seed, x)| normal(seed, x.dims()))
        .collect();
    let along = |inputs: &[Tensor]| -> Result<(Tensor, Tensor)> {
        let duals = inputs.iter().zip(&directions);
        let duals: Result<Vec<Dual>> = duals
            .map(|(x, dx)| Dual::new(x.clone(), dx.clone()))
            .collect();
        case.run(&duals?)?.into_parts()
    };
    let (value, tangent) = along(inputs).unwrap();
    assert_close(&value, &case.run(inputs).unwrap(), 1e-12, 1e-12);
    let at = |h: f64| {
        let moved = inputs.iter().zip(&directions);
        let moved: Vec<Tensor> = moved
            .map(|(x, dx)| (x + (dx * h).unwrap()).unwrap())
            .collect();
        case.run(&moved).unwrap()
    };
    let central = |h: f64| ((at(h) - at(-h)).unwrap() / (2.0 * h)).unwrap();
    let h = 1e-3;
    let numeric = (((central(h / 2.0) * 4.0).unwrap() - central(h)).unwrap() / 3.0).unwrap();
    assert_close(&tangent, &numeric, 1e-6, 1e-7);

    // The derivative's own gradient.
    let grads = weighted(&along(&tracked).unwrap().1)
        .unwrap()
        .backward()
        .unwrap();
    for (i, (x, var)) in inputs.iter().zip(&vars).enumerate() {
        let value = |x: &Tensor| Ok(weighted(&along(&replaced(i, x))?.1)?.to_scalar::<f64>()?);
        let numeric = gradient(value, x, 1e-3).unwrap();
        match grads.get(var) {
            Some(ours) => assert_close(ours, &numeric, 1e-6, 1e-6),
            None => assert_close(&numeric, &numeric.zeros_like().unwrap(), 0.0, 1e-9),
        }
    }
}
