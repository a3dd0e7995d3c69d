//! Operations from outside the crate.

use advect_core::testing::{assert_close, device, gradient};
use advect_core::{Error, Result};
use advect_ops::custom::{Kernel, Operation, View, apply};
use advect_ops::{Activation, Dual, Value, with_plain_graph, without_graph};
use candle_core::{DType, Device, Shape, Tensor, Var};

/// `x y²`; wrong on purpose where `fault` says so.
#[derive(Clone, Copy, Default)]
struct Product {
    fault: Option<Fault>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Value,
    Gradient,
    Count,
    Missing,
    Tangent,
}

macro_rules! kernel {
    ($type:ident) => {
        impl Kernel<$type> for Product {
            fn forward(&self, inputs: &[View<'_, $type>]) -> Result<(Vec<$type>, Shape)> {
                let pairs = inputs[0].values.iter().zip(inputs[1].values);
                let mut values: Vec<$type> = pairs.map(|(x, y)| x * y * y).collect();
                if self.fault == Some(Fault::Value) {
                    values.push(0.0);
                }
                Ok((values, inputs[0].dims.into()))
            }

            fn backward(
                &self,
                inputs: &[View<'_, $type>],
                value: View<'_, $type>,
                gradient: &[$type],
                wanted: &[bool],
            ) -> Result<Vec<Option<Vec<$type>>>> {
                assert_eq!(value.dims, inputs[0].dims);
                let places = 0..gradient.len();
                let (x, y) = (inputs[0].values, inputs[1].values);
                let dx = places.clone().map(|i| gradient[i] * y[i] * y[i]).collect();
                let dy = places.map(|i| gradient[i] * 2.0 * x[i] * y[i]).collect();
                let mut out = vec![Some(dx), wanted[1].then_some(dy)];
                match self.fault {
                    Some(Fault::Gradient) => out[0] = Some(vec![]),
                    Some(Fault::Count) => out.push(None),
                    Some(Fault::Missing) => out[0] = None,
                    _ => {}
                }
                Ok(out)
            }
        }
    };
}
kernel!(f32);
kernel!(f64);

impl Operation for Product {
    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        Ok((inputs[0] * inputs[1].sqr()?)?)
    }

    fn tangent(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<Tensor> {
        if self.fault == Some(Fault::Tangent) {
            return Ok(inputs[0].narrow(0, 0, 1)?);
        }
        let mut sum = inputs[0].zeros_like()?;
        if let Some(dx) = tangents[0] {
            sum = (sum + (dx * inputs[1].sqr()?)?)?;
        }
        if let Some(dy) = tangents[1] {
            sum = (sum + ((inputs[0] * inputs[1])? * (dy * 2.0)?)?)?;
        }
        Ok(sum)
    }
}

fn product<V: Value>(x: &V, y: &Tensor) -> Result<V> {
    apply(Product::default(), &[x], &[y])
}

fn loss(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let h = Activation::Tanh.apply(x)?;
    let h = product(&h, y)?;
    Ok(product(&Activation::Silu.apply(&h)?, &h)?.sum_all()?)
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let x = Var::new(&[[0.3f64, -1.2], [0.7, 2.0]], device()).unwrap();
    let y = Var::new(&[[0.5f64, 1.4], [-1.5, 0.2]], device()).unwrap();
    let gradients = loss(&x, &y).unwrap().backward().unwrap();
    let plain = with_plain_graph(|| loss(&x, &y)).unwrap();
    let plain = plain.backward().unwrap();
    let number = |y: Result<Tensor>| Ok(y?.to_scalar::<f64>()?);
    let numeric = [
        gradient(|x| number(loss(x, &y)), &x, 1e-3).unwrap(),
        gradient(|y| number(loss(&x, y)), &y, 1e-3).unwrap(),
    ];
    for (var, numeric) in [&x, &y].into_iter().zip(&numeric) {
        assert_close(gradients.get(var).unwrap(), numeric, 1e-8, 1e-8);
        assert_close(plain.get(var).unwrap(), numeric, 1e-8, 1e-8);
    }
    assert!(!without_graph(|| loss(&x, &y)).unwrap().track_op());
}

/// Strided arguments, empty ones, 16 bits, and derivatives along directions, which are differentiable.
#[test]
fn it_is_an_operation_like_ours() {
    let device = device();
    let wide = Tensor::new(&[[1f32, 2.0, 3.0], [4.0, 5.0, 6.0]], device).unwrap();
    let y = wide.affine(0.5, -1.0).unwrap();
    for (x, y) in [
        (wide.t().unwrap(), y.t().unwrap()),
        (wide.narrow(1, 1, 2).unwrap(), y.narrow(1, 1, 2).unwrap()),
        (wide.narrow(0, 0, 0).unwrap(), y.narrow(0, 0, 0).unwrap()),
    ] {
        let composed = (&x * y.sqr().unwrap()).unwrap();
        assert_close(&product(&x, &y).unwrap(), &composed, 0.0, 0.0);
    }
    let (x16, y16) = (
        wide.to_dtype(DType::BF16).unwrap(),
        y.to_dtype(DType::BF16).unwrap(),
    );
    assert_eq!(product(&x16, &y16).unwrap().dtype(), DType::BF16);

    let x = Var::from_tensor(&wide).unwrap();
    let dual = Dual::new(x.as_tensor().clone(), wide.ones_like().unwrap()).unwrap();
    let (value, tangent) = product(&dual, &y).unwrap().into_parts().unwrap();
    assert_close(&value, &product(&wide, &y).unwrap(), 0.0, 0.0);
    assert_close(&tangent, &y.sqr().unwrap(), 1e-6, 1e-6);
    let both = Dual::new(y.clone(), y.clone()).unwrap();
    let square = apply(Product::default(), &[&dual, &both], &[]).unwrap();
    // d(x y²) = y² + 2 x y · y; its derivative in x is 2 y².
    let (_, tangent) = square.into_parts().unwrap();
    let gradients = tangent.sum_all().unwrap().backward().unwrap();
    let expected = (y.sqr().unwrap() * 2.0).unwrap();
    assert_close(gradients.get(&x).unwrap(), &expected, 1e-5, 1e-5);
}

/// On the CPU, where these kernels run: elsewhere, the operation is composed.
#[test]
fn what_does_not_fit_is_an_error() {
    let x = Var::new(&[1f64, 2.0], &Device::Cpu).unwrap();
    let x = x.as_tensor();
    let op = |fault| Product { fault: Some(fault) };
    let text = |error: Error| error.to_string();
    let value = apply(op(Fault::Value), &[x, x], &[]).unwrap_err();
    assert!(text(value).starts_with("value"));
    for (fault, name) in [
        (Fault::Gradient, "gradient"),
        (Fault::Count, "backward"),
        (Fault::Missing, "backward"),
    ] {
        for plain in [false, true] {
            let make = || apply(op(fault), &[x, x], &[]).unwrap().sum_all().unwrap();
            let y = if plain {
                with_plain_graph(make)
            } else {
                make()
            };
            let error = Error::from(y.backward().unwrap_err());
            assert!(text(error).starts_with(name));
        }
    }
    let dual = Dual::new(x.detach(), x.detach()).unwrap();
    let error = apply(op(Fault::Tangent), &[&dual], &[x]).unwrap_err();
    assert!(text(error).starts_with("tangent"));
    let none = apply::<Tensor>(Product::default(), &[], &[x]).unwrap_err();
    assert!(matches!(none, Error::Empty { .. }));
}
