//! Every operation against plain compositions in f64, finite differences, views and both dtypes, over shapes from
//! empty to odd.

use crate::contract::{Case, check_derivatives, check_values, check_views, inputs, normal};
use advect_core::Coefficient::{PerSample, Shared};
use advect_core::testing::device;
use advect_core::{Generator, Key, Result};
use advect_ops::{
    Activation, HeadOrder, Value, add_gated, attention, avg_pool, combine, dropout, group_norm,
    layer_norm, linear, linear_transposed, mlp, rms_norm, rotary, scale_samples, self_attention,
    shifted_rms_norm, sinusoids, softmax, squared_errors, token_attention, upsample_nearest,
};
use candle_core::{D, Device, Tensor};
use proptest::prelude::*;

struct Activate(Activation);

impl Case for Activate {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        self.0.apply(&x[0])
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let x = &x[0];
        let sigmoid = |x: &Tensor| -> Result<Tensor> { Ok((x.neg()?.exp()? + 1.0)?.recip()?) };
        let elu = |x: &Tensor, alpha: f64| -> Result<Tensor> {
            let below = ((x.minimum(0.0)?.exp()? - 1.0)? * alpha)?;
            Ok((x.relu()? + below)?)
        };
        Ok(match self.0 {
            Activation::Identity => x.clone(),
            Activation::Relu => x.maximum(0.0)?,
            Activation::Silu => (x * sigmoid(x)?)?,
            Activation::Gelu => ((x * ((x / 2f64.sqrt())?.erf()? + 1.0)?)? * 0.5)?,
            Activation::GeluTanh => {
                let u = ((x + (x.powf(3.0)? * 0.044715)?)? * (2.0 / std::f64::consts::PI).sqrt())?;
                ((x * (u.tanh()? + 1.0)?)? * 0.5)?
            }
            Activation::Elu => elu(x, 1.0)?,
            Activation::Selu => (elu(x, 1.673_263_242_354_377_2)? * 1.050_700_987_355_480_5)?,
            Activation::Tanh => x.tanh()?,
            Activation::Sigmoid => sigmoid(x)?,
            Activation::Softplus => (x.exp()? + 1.0)?.log()?,
            other => panic!("{other:?} has no test"),
        })
    }
}

#[test]
fn activations() {
    for activation in Activation::ALL {
        let case = Activate(activation);
        let x = Tensor::new(&[-3.0f64, -0.8, -0.01, 0.02, 0.9, 4.0], device()).unwrap();
        check_derivatives(&case, &[x]);
        check_values(&case, &[(normal(0, &[7, 67, 3]) * 3.0).unwrap()], 1.0);
        check_values(&case, &inputs(&[&[0, 3]]), 1.0);
    }
}

#[test]
fn activations_at_the_ends() {
    let ends = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e30,
        -1e30,
        0.0,
        -0.0,
    ];
    let x = Tensor::new(&ends, device()).unwrap();
    for activation in Activation::ALL {
        let y = activation.apply(&x).unwrap().to_vec1::<f64>().unwrap();
        let single = activation
            .apply(&x.to_dtype(candle_core::DType::F32).unwrap())
            .unwrap();
        let single = single.to_vec1::<f32>().unwrap();
        assert!(y[0].is_nan() && single[0].is_nan(), "{activation:?}");
        // From 1e30 on the functions are the limits: x, 1 or a constant.
        assert!(!y[3].is_nan() && !y[4].is_nan(), "{activation:?}");
        assert!(!single[3].is_nan() && !single[4].is_nan(), "{activation:?}");
        assert_eq!(y[5], y[6], "{activation:?}");
    }
}

struct Linear(Activation);

impl Case for Linear {
    // The parameters are constants along directions, so they are no arguments of the case.
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        linear(&x[0], x[1].primal(), Some(x[2].primal()), self.0)
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let z = x[0].broadcast_matmul(&x[1].t()?)?.broadcast_add(&x[2])?;
        Activate(self.0).plain(&[z])
    }
}

struct Transposed(Activation);

impl Case for Transposed {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        linear_transposed(&x[0], x[1].primal(), Some(x[2].primal()), self.0)
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let z = x[0].broadcast_matmul(&x[1])?.broadcast_add(&x[2])?;
        Activate(self.0).plain(&[z])
    }
}

struct Perceptron {
    parts: usize,
    activation: Activation,
}

impl Case for Perceptron {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        let (parts, parameters) = x.split_at(self.parts);
        let layers: Vec<_> = parameters
            .chunks(2)
            .map(|l| (l[0].primal(), l[1].primal()))
            .collect();
        mlp(&parts.iter().collect::<Vec<_>>(), &layers, self.activation)
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let (parts, parameters) = x.split_at(self.parts);
        let rows = parts[0].dim(0)?;
        let wide: Vec<Tensor> = (parts.iter())
            .map(|x| {
                x.broadcast_as((rows, x.dims()[1]))
                    .unwrap()
                    .contiguous()
                    .unwrap()
            })
            .collect();
        let mut h = Tensor::cat(&wide, 1)?;
        for (i, layer) in parameters.chunks(2).enumerate() {
            if i > 0 {
                h = Activate(self.activation).plain(&[h])?;
            }
            h = h.matmul(&layer[0].t()?)?.broadcast_add(&layer[1])?;
        }
        Ok(h)
    }
}

/// Gradients of parameters too, which are constants along directions: backwards only, and from views.
pub(crate) fn check_gradients(case: &impl Case, inputs: &[Tensor]) {
    check_views(case, inputs);
    use advect_core::testing::{assert_close, gradient};
    let vars: Vec<_> = inputs
        .iter()
        .map(|x| candle_core::Var::from_tensor(x).unwrap())
        .collect();
    let tracked: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let loss = |y: Tensor| (y.sqr()? * 0.5)?.sum_all();
    let grads = loss(case.run(&tracked).unwrap())
        .unwrap()
        .backward()
        .unwrap();
    for (i, (x, var)) in inputs.iter().zip(&vars).enumerate() {
        let value = |x: &Tensor| {
            let mut inputs = inputs.to_vec();
            inputs[i] = x.clone();
            Ok(loss(case.run(&inputs)?)?.to_scalar::<f64>()?)
        };
        let numeric = gradient(value, x, 1e-3).unwrap();
        assert_close(grads.get(var).unwrap(), &numeric, 1e-6, 1e-6);
    }
}

/// Derivatives in the first argument alone.
pub(crate) struct First<'a, C>(pub(crate) &'a C, pub(crate) Vec<Tensor>);

impl<C: Case> Case for First<'_, C> {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        let others = self.1.iter().map(|x| V::constant(x.clone()));
        self.0
            .run(&[x[0].clone()].into_iter().chain(others).collect::<Vec<V>>())
    }

    fn plain(&self, _: &[Tensor]) -> Result<Tensor> {
        panic!("not compared")
    }
}

#[test]
fn linear_layers() {
    for activation in Activation::ALL {
        let case = Linear(activation);
        let x = inputs(&[&[2, 3, 4], &[5, 4], &[5]]);
        check_gradients(&case, &x);
        check_derivatives(&First(&case, x[1..].to_vec()), &x[..1]);
        check_values(&case, &inputs(&[&[67, 5], &[33, 5], &[33]]), 4.0);
    }
}

#[test]
fn transposed_layers() {
    for activation in Activation::ALL {
        let case = Transposed(activation);
        let x = inputs(&[&[2, 3, 4], &[4, 5], &[5]]);
        check_gradients(&case, &x);
        check_derivatives(&First(&case, x[1..].to_vec()), &x[..1]);
    }
    // Both sides longer, several slabs and threads.
    for sides in [[300, 70], [70, 300]] {
        let x = inputs(&[&[1100, sides[0]], &sides, &[sides[1]]]);
        check_values(&Transposed(Activation::Silu), &x, 60.0);
        big_gradients(&Transposed(Activation::Silu), &x);
        big_gradients(&Transposed(Activation::Identity), &x);
    }
}

/// Inputs of whole vectors, which few rows are multiplied with in registers.
#[test]
fn few_rows_of_whole_vectors() {
    for width in [4, 8, 16, 32, 64, 128] {
        for rows in [1, 3] {
            let x = inputs(&[&[rows, width], &[13, width], &[13]]);
            check_values(&Linear(Activation::Silu), &x, 20.0);
        }
    }
}

#[test]
fn perceptrons() {
    for activation in Activation::ALL {
        let case = Perceptron {
            parts: 3,
            activation,
        };
        let x = inputs(&[
            &[9, 2],
            &[1, 3],
            &[9, 1],
            &[7, 6],
            &[7],
            &[4, 7],
            &[4],
            &[2, 4],
            &[2],
        ]);
        check_gradients(&case, &x);
        check_derivatives(&First(&case, x[1..].to_vec()), &x[..1]);
    }
    // More rows than one slab, and threads.
    let case = Perceptron {
        parts: 2,
        activation: Activation::Silu,
    };
    let x = inputs(&[
        &[2500, 2],
        &[1, 1],
        &[64, 3],
        &[64],
        &[96, 64],
        &[96],
        &[2, 96],
        &[2],
    ]);
    check_values(&case, &x, 30.0);
    big_gradients(&case, &x);
}

/// Gradients against those of candle's own graph of the plain composition.
pub(crate) fn big_gradients(case: &impl Case, inputs: &[Tensor]) {
    let vars: Vec<_> = inputs
        .iter()
        .map(|x| candle_core::Var::from_tensor(x).unwrap())
        .collect();
    let tracked: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let loss = |y: Tensor| (y * 0.01).unwrap().sqr().unwrap().sum_all().unwrap();
    let ours = loss(case.run(&tracked).unwrap()).backward().unwrap();
    let plain = loss(case.plain(&tracked).unwrap()).backward().unwrap();
    for var in &vars {
        let (ours, plain) = (ours.get(var).unwrap(), plain.get(var).unwrap());
        let size = plain
            .abs()
            .unwrap()
            .max_all()
            .unwrap()
            .to_scalar::<f64>()
            .unwrap();
        advect_core::testing::assert_close(ours, plain, 0.0, 1e-11 * size.max(1e-3));
    }
}

struct Combine(Vec<advect_core::Coefficient>);

impl Case for Combine {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        let terms: Vec<_> = self.0.iter().cloned().zip(x).collect();
        combine(&terms)
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let mut sum = x[0].zeros_like()?;
        if sum.elem_count() == 0 {
            return Ok(sum);
        }
        for (c, x) in self.0.iter().zip(x) {
            sum = (sum + c.times(x)?)?;
        }
        Ok(sum)
    }
}

struct ScaleSamples;

impl Case for ScaleSamples {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        scale_samples(&x[0], &x[1])
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let mut shape = vec![1; x[0].rank()];
        shape[0] = x[1].dim(0)?;
        Ok(x[0].broadcast_mul(&x[1].reshape(shape)?)?)
    }
}

#[test]
fn perceptrons_are_the_same_checked_once() {
    let layers: Vec<(Tensor, Tensor)> = (inputs(&[&[7, 5], &[7], &[3, 7], &[3]]).chunks(2))
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect();
    let net = advect_ops::Perceptron::new(layers.clone(), Activation::Silu).unwrap();
    for rows in [0, 1, 2, 6, 7, 33, 200] {
        let wide = inputs(&[&[rows, 8], &[1, 1], &[rows, 2]]);
        // A part that is a view, and one for all rows.
        let (view, shared) = (wide[0].narrow(1, 3, 2).unwrap(), &wide[1]);
        for parts in [[&wide[2], shared, &wide[2]], [&view, shared, &wide[2]]] {
            let ours = net.apply(&parts).unwrap();
            let plain = mlp(&parts, &net.layers(), Activation::Silu).unwrap();
            advect_core::testing::assert_close(&ours, &plain, 0.0, 0.0);
        }
    }
    // Frozen twins see what is written to the variables; the variables get gradients.
    let vars: Vec<_> = (layers.iter())
        .map(|(w, b)| [w, b].map(|x| candle_core::Var::from_tensor(x).unwrap()))
        .collect();
    let tracked = vars
        .iter()
        .map(|[w, b]| (w.as_tensor().clone(), b.as_tensor().clone()));
    let net = advect_ops::Perceptron::new(tracked.collect(), Activation::Silu).unwrap();
    let x = &inputs(&[&[4, 5]])[0];
    let loss = net.apply(&[x]).unwrap().sum_all().unwrap();
    let grads = loss.backward().unwrap();
    assert!(vars.iter().flatten().all(|var| grads.get(var).is_some()));
    let frozen = net.frozen();
    let before = frozen.apply(&[x]).unwrap();
    assert!(!before.track_op());
    vars[1][1]
        .set(&(vars[1][1].as_tensor() + 1.0).unwrap())
        .unwrap();
    let after = frozen.apply(&[x]).unwrap();
    advect_core::testing::assert_close(&after, &(before + 1.0).unwrap(), 1e-12, 1e-12);
}

struct SquaredErrors;

impl Case for SquaredErrors {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        squared_errors(&x[0], &x[1])
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let batch = x[0].dim(0)?;
        let squares = (&x[0] - &x[1])?.sqr()?.reshape((batch, ()))?;
        Ok(squares.sum(1)?)
    }
}

#[test]
fn squared_errors_of_samples() {
    check_derivatives(&SquaredErrors, &inputs(&[&[3, 2, 2], &[3, 2, 2]]));
    check_derivatives(&SquaredErrors, &inputs(&[&[4], &[4]]));
    for width in [1, 7, 31, 32, 33, 67] {
        let inputs = inputs(&[&[5, width], &[5, width]]);
        check_values(&SquaredErrors, &inputs, width as f64);
        big_gradients(&SquaredErrors, &inputs);
    }
    // Enough for several threads.
    let large = inputs(&[&[300, 1001], &[300, 1001]]);
    check_values(&SquaredErrors, &large, 1001.0);
    big_gradients(&SquaredErrors, &large);
}

#[test]
fn combinations() {
    let case = Combine(vec![
        Shared(0.3),
        PerSample(vec![1.0, -2.0, 0.5]),
        Shared(-1.0),
    ]);
    check_derivatives(&case, &inputs(&[&[3, 2], &[3, 2], &[3, 2]]));
    let five = Combine((0..5).map(|i| Shared(f64::from(i) - 1.5)).collect());
    check_derivatives(&five, &inputs(&[&[4], &[4], &[4], &[4], &[4]]));
    check_values(
        &five,
        &inputs(&[&[0, 2], &[0, 2], &[0, 2], &[0, 2], &[0, 2]]),
        1.0,
    );
    check_derivatives(&ScaleSamples, &inputs(&[&[3, 2, 2], &[3]]));
    check_values(&ScaleSamples, &inputs(&[&[3, 5], &[3]]), 1.0);
}

struct Sinusoids(Vec<f64>);

impl Case for Sinusoids {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        sinusoids(&x[0], &self.0)
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let times = x[0].to_vec1::<f64>()?;
        let row = |t: f64| {
            let cos = self.0.iter().map(move |w| (w * t).cos());
            cos.chain(self.0.iter().map(move |w| (w * t).sin()))
                .collect::<Vec<f64>>()
        };
        let rows: Vec<f64> = times.iter().flat_map(|&t| row(t)).collect();
        Ok(Tensor::from_vec(
            rows,
            (times.len(), 2 * self.0.len()),
            device(),
        )?)
    }
}

#[test]
fn sines_and_cosines() {
    check_derivatives(&Sinusoids(vec![1.0, 2.5, 0.1]), &inputs(&[&[4]]));
    let case = Sinusoids(advect_ops::sinusoidal_frequencies(5, 1e4).unwrap());
    let ours = case.run(&inputs(&[&[67]])).unwrap();
    let plain = case.plain(&inputs(&[&[67]])).unwrap();
    advect_core::testing::assert_close(&ours, &plain, 0.0, 1e-14);
}

struct Softmax;

impl Case for Softmax {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        softmax(&x[0])
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        if x[0].elem_count() == 0 {
            return Ok(x[0].clone());
        }
        let e = x[0].exp()?;
        Ok(e.broadcast_div(&e.sum_keepdim(D::Minus1)?)?)
    }
}

struct LayerNorm;
struct RmsNorm;

fn affine(x: &Tensor, rank: usize) -> Result<Tensor> {
    let mut shape = vec![1; rank];
    shape[rank - 1] = x.dims()[x.rank() - 1];
    if x.rank() > 1 {
        shape[0] = x.dims()[0];
    }
    Ok(x.reshape(shape)?)
}

impl Case for LayerNorm {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        layer_norm(&x[0], &x[1], &x[2], 1e-3)
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        if x[0].elem_count() == 0 {
            return Ok(x[0].clone());
        }
        let rank = x[0].rank();
        let centred = x[0].broadcast_sub(&x[0].mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let normal = centred.broadcast_div(&(variance + 1e-3)?.sqrt()?)?;
        Ok(normal
            .broadcast_mul(&affine(&x[1], rank)?)?
            .broadcast_add(&affine(&x[2], rank)?)?)
    }
}

impl Case for RmsNorm {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        rms_norm(&x[0], &x[1], 1e-3)
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        if x[0].elem_count() == 0 {
            return Ok(x[0].clone());
        }
        let root = (x[0].sqr()?.mean_keepdim(D::Minus1)? + 1e-3)?.sqrt()?;
        Ok(x[0]
            .broadcast_div(&root)?
            .broadcast_mul(&affine(&x[1], x[0].rank())?)?)
    }
}

struct GroupNorm {
    groups: usize,
    activation: Activation,
}

impl Case for GroupNorm {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        group_norm(&x[0], self.groups, &x[1], &x[2], 1e-3, self.activation)
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let (b, c) = (x[0].dim(0)?, x[0].dim(1)?);
        if x[0].elem_count() == 0 {
            return Ok(x[0].clone());
        }
        let groups = x[0].reshape((b, self.groups, ()))?;
        let centred = groups.broadcast_sub(&groups.mean_keepdim(2)?)?;
        let variance = centred.sqr()?.mean_keepdim(2)?;
        let normal = centred.broadcast_div(&(variance + 1e-3)?.sqrt()?)?;
        let column = |x: &Tensor| x.reshape((x.elem_count() / c, c, 1));
        let y = normal.reshape((b, c, ()))?.broadcast_mul(&column(&x[1])?)?;
        let y = y.broadcast_add(&column(&x[2])?)?.reshape(x[0].shape())?;
        Activate(self.activation).plain(&[y])
    }
}

#[test]
fn norms_and_softmax() {
    check_derivatives(&Softmax, &inputs(&[&[2, 3, 4]]));
    check_derivatives(&LayerNorm, &inputs(&[&[2, 3, 4], &[4], &[4]]));
    check_derivatives(&LayerNorm, &inputs(&[&[2, 3, 4], &[2, 4], &[2, 4]]));
    check_derivatives(&RmsNorm, &inputs(&[&[3, 5], &[5]]));
    check_derivatives(&RmsNorm, &inputs(&[&[2, 2, 3], &[2, 3]]));
    for activation in [Activation::Identity, Activation::Silu, Activation::Tanh] {
        let case = GroupNorm {
            groups: 2,
            activation,
        };
        check_derivatives(&case, &inputs(&[&[2, 4, 3], &[4], &[4]]));
        check_derivatives(&case, &inputs(&[&[2, 4, 2, 2], &[2, 4], &[2, 4]]));
    }
    // Several pieces of rows, and threads.
    big_gradients(&LayerNorm, &inputs(&[&[3, 300, 67], &[67], &[67]]));
    big_gradients(&LayerNorm, &inputs(&[&[3, 300, 67], &[3, 67], &[3, 67]]));
    big_gradients(
        &GroupNorm {
            groups: 8,
            activation: Activation::Silu,
        },
        &inputs(&[&[5, 32, 13, 11], &[32], &[32]]),
    );
}

#[test]
fn gradients_of_group_norm_without_a_graph() {
    let case = GroupNorm {
        groups: 2,
        activation: Activation::Silu,
    };
    let x = inputs(&[&[3, 4, 5], &[4], &[4]]);
    let g = normal(9, &[3, 4, 5]);
    let vars: Vec<_> = x
        .iter()
        .map(|x| candle_core::Var::from_tensor(x).unwrap())
        .collect();
    let tracked: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let loss = (case.plain(&tracked).unwrap() * &g)
        .unwrap()
        .sum_all()
        .unwrap();
    let grads = loss.backward().unwrap();
    // They are for the CPU alone.
    let [x, scale, shift, g] =
        [&x[0], &x[1], &x[2], &g].map(|x| x.to_device(&Device::Cpu).unwrap());
    let silu = Activation::Silu;
    let ours = advect_ops::group_norm_gradients(&x, 2, &scale, &shift, 1e-3, silu, &g);
    for (ours, var) in ours.unwrap().iter().zip(&vars) {
        advect_core::testing::assert_close(ours, grads.get(var).unwrap(), 1e-11, 1e-12);
    }
}

struct Attention {
    mask: Option<Tensor>,
}

impl Case for Attention {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        let mask = self
            .mask
            .as_ref()
            .map(|m| m.to_dtype(x[0].primal().dtype()))
            .transpose()?;
        attention(&x[0], &x[1], &x[2], mask.as_ref())
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let (b, h, n, d) = x[0].dims4()?;
        if x[0].elem_count() == 0 || x[2].elem_count() == 0 {
            return Ok(Tensor::zeros(
                (b, h, n, x[2].dim(3)?),
                x[0].dtype(),
                x[0].device(),
            )?);
        }
        let mut scores = (x[0]
            .contiguous()?
            .matmul(&x[1].transpose(2, 3)?.contiguous()?)?
            / (d as f64).sqrt())?;
        if let Some(mask) = &self.mask {
            scores = scores.broadcast_add(mask)?;
        }
        Ok(Softmax.plain(&[scores])?.matmul(&x[2].contiguous()?)?)
    }
}

/// Attention of feature maps is that of their rows.
struct OfChannels {
    heads: usize,
    order: HeadOrder,
}

impl Case for OfChannels {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        self_attention(&x[0], self.heads, self.order)
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let (b, channels, n) = x[0].dims3()?;
        let d = channels / 3 / self.heads;
        let parts = match self.order {
            HeadOrder::ByHead => x[0].reshape((b, self.heads, 3, d, n))?.transpose(1, 2)?,
            HeadOrder::ByRole => x[0].reshape((b, 3, self.heads, d, n))?,
        };
        let part = |i: usize| -> Result<Tensor> {
            Ok(parts
                .narrow(1, i, 1)?
                .squeeze(1)?
                .transpose(2, 3)?
                .contiguous()?)
        };
        let rows = Attention { mask: None }.plain(&[part(0)?, part(1)?, part(2)?])?;
        Ok(rows.transpose(2, 3)?.reshape((b, self.heads * d, n))?)
    }
}

#[test]
fn attention_of_feature_maps() {
    for order in [HeadOrder::ByHead, HeadOrder::ByRole] {
        let x = inputs(&[&[2, 18, 5]]);
        check_derivatives(&OfChannels { heads: 2, order }, &x);
        let long = inputs(&[&[3, 3 * 2 * 20, 77]]);
        check_values(&OfChannels { heads: 2, order }, &long, 10.0);
        big_gradients(&OfChannels { heads: 2, order }, &long);
    }
    let x = &inputs(&[&[2, 18, 5]])[0];
    assert!(self_attention(x, 0, HeadOrder::ByHead).is_err());
    assert!(self_attention(x, 4, HeadOrder::ByHead).is_err());
    assert!(self_attention(x, usize::MAX / 2, HeadOrder::ByHead).is_err());
    assert!(self_attention(&x.narrow(2, 0, 0).unwrap(), 2, HeadOrder::ByHead).is_err());
    assert_eq!(
        self_attention(&x.narrow(0, 0, 0).unwrap(), 2, HeadOrder::ByRole)
            .unwrap()
            .dims(),
        [0, 6, 5]
    );
}

/// Attention of tokens is that of feature maps whose positions they are.
struct OfTokens(OfChannels);

impl Case for OfTokens {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        token_attention(&x[0], self.0.heads, self.0.order)
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let channels = x[0].transpose(1, 2)?.contiguous()?;
        Ok(self.0.plain(&[channels])?.transpose(1, 2)?)
    }
}

#[test]
fn attention_of_tokens() {
    for order in [HeadOrder::ByHead, HeadOrder::ByRole] {
        let case = OfTokens(OfChannels { heads: 2, order });
        check_derivatives(&case, &inputs(&[&[2, 5, 18]]));
        let long = inputs(&[&[3, 77, 3 * 2 * 20]]);
        check_values(&case, &long, 10.0);
        big_gradients(&case, &long);
    }
    let x = &inputs(&[&[2, 5, 18]])[0];
    for heads in [0, 4, usize::MAX / 2] {
        assert!(token_attention(x, heads, HeadOrder::ByHead).is_err());
    }
    let order = HeadOrder::ByRole;
    assert!(token_attention(&x.narrow(1, 0, 0).unwrap(), 2, order).is_err());
    let none = token_attention(&x.narrow(0, 0, 0).unwrap(), 2, order);
    assert_eq!(none.unwrap().dims(), [0, 5, 6]);
}

struct AddGated;

impl Case for AddGated {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        add_gated(&x[0], &x[1], &x[2])
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let mut shape = vec![1; x[0].rank()];
        shape[x[0].rank() - 1] = x[0].dim(D::Minus1)?;
        if x[2].rank() > 1 {
            shape[0] = x[2].dim(0)?;
        }
        Ok((&x[0] + x[1].broadcast_mul(&x[2].reshape(shape)?)?)?)
    }
}

#[test]
fn gates() {
    for shapes in [
        [&[2, 3, 4][..], &[2, 3, 4], &[2, 4]],
        [&[2, 3, 4], &[2, 3, 4], &[4]],
        [&[3, 4], &[3, 4], &[3, 4]],
        [&[4], &[4], &[4]],
    ] {
        check_derivatives(&AddGated, &inputs(&shapes));
    }
    for shapes in [
        [&[3, 300, 67][..], &[3, 300, 67], &[3, 67]],
        [&[3, 300, 67], &[3, 300, 67], &[67]],
        [&[0, 3, 4], &[0, 3, 4], &[0, 4]],
    ] {
        check_values(&AddGated, &inputs(&shapes), 4.0);
    }
    big_gradients(
        &AddGated,
        &inputs(&[&[3, 300, 67], &[3, 300, 67], &[3, 67]]),
    );
    big_gradients(&AddGated, &inputs(&[&[3, 300, 67], &[3, 300, 67], &[67]]));
}

/// Pairs as complex numbers.
struct Rotary;

impl Rotary {
    fn tables(x: &Tensor) -> [Tensor; 2] {
        let (positions, pairs) = (x.dims()[1], x.dims()[3] / 2);
        let angles = normal(5, &[positions, pairs]);
        [angles.cos(), angles.sin()].map(|table| table.unwrap().to_dtype(x.dtype()).unwrap())
    }
}

impl Case for Rotary {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        let [cosines, sines] = Self::tables(x[0].primal());
        rotary(&x[0], &cosines, &sines)
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let [cosines, sines] = Self::tables(&x[0]).map(|table| table.to_vec2::<f64>().unwrap());
        // The matrix that turns all pairs of a position.
        let &[_, positions, _, d] = x[0].dims() else {
            panic!("four dimensions")
        };
        let mut matrix = vec![0.0; positions * d * d];
        for i in 0..positions {
            for k in 0..d / 2 {
                let (c, s) = (cosines[i][k], sines[i][k]);
                let mut set = |row: usize, column: usize, value| {
                    matrix[(i * d + row) * d + column] = value;
                };
                set(2 * k, 2 * k, c);
                set(2 * k, 2 * k + 1, -s);
                set(2 * k + 1, 2 * k, s);
                set(2 * k + 1, 2 * k + 1, c);
            }
        }
        let matrix = Tensor::from_vec(matrix, (1, positions, d, d), device())?;
        let turned = x[0]
            .contiguous()?
            .broadcast_matmul(&matrix.transpose(2, 3)?.contiguous()?)?;
        Ok(turned)
    }
}

#[test]
fn rotations() {
    check_derivatives(&Rotary, &inputs(&[&[2, 3, 2, 4]]));
    check_values(&Rotary, &inputs(&[&[3, 67, 5, 20]]), 4.0);
    big_gradients(&Rotary, &inputs(&[&[3, 67, 5, 20]]));
    let none = inputs(&[&[0, 3, 2, 4]]);
    assert_eq!(Rotary.run(&none).unwrap().dims(), [0, 3, 2, 4]);
}

struct Dropout(f64);

impl Dropout {
    fn key() -> Key {
        Key::from_seed(7)
    }
}

impl Case for Dropout {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        dropout(&x[0], self.0, Self::key())
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let mut rng = Generator::from(Self::key());
        let uniform = rng.uniform(0.0..1.0, x[0].shape(), x[0].dtype(), device())?;
        let kept = uniform.ge(self.0)?.to_dtype(x[0].dtype())?;
        Ok(((&x[0] * kept)? / (1.0 - self.0))?)
    }
}

#[test]
fn dropouts() {
    for p in [0.1, 0.5] {
        check_derivatives(&Dropout(p), &inputs(&[&[2, 3, 4]]));
        check_values(&Dropout(p), &inputs(&[&[3, 67, 5, 21]]), 4.0);
        big_gradients(&Dropout(p), &inputs(&[&[3, 67, 5, 21]]));
    }
    let none = inputs(&[&[0, 3]]);
    assert_eq!(Dropout(0.5).run(&none).unwrap().dims(), [0, 3]);
    let x = Tensor::full(3f64, 10_000, device()).unwrap();
    let drop = |x: &Tensor, p| dropout(x, p, Key::from_seed(0)).unwrap();
    let y = drop(&x, 0.25).to_vec1::<f64>().unwrap();
    let gone = y.iter().filter(|y| **y == 0.0).count();
    assert!(y.iter().all(|&y| y == 0.0 || (y - 4.0).abs() < 1e-12));
    // Five standard deviations of a binomial number.
    assert!(gone.abs_diff(2500) < 217, "{gone}");
    assert_eq!(drop(&x, 0.0).to_vec1::<f64>().unwrap(), [3.0; 10_000]);
    assert_eq!(drop(&x, 1.0).to_vec1::<f64>().unwrap(), [0.0; 10_000]);
    // NaN is not hidden.
    let lost = drop(&(x * f64::NAN).unwrap(), 0.5)
        .to_vec1::<f64>()
        .unwrap();
    assert!(lost.iter().all(|y| y.is_nan()));
}

struct ShiftedRmsNorm;

impl Case for ShiftedRmsNorm {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        shifted_rms_norm(&x[0], &x[1], &x[2], 1e-3)
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let column = |x: &Tensor| -> Result<Tensor> {
            Ok(if x.rank() > 1 {
                x.unsqueeze(1)?
            } else {
                x.clone()
            })
        };
        let root = (x[0].sqr()?.mean_keepdim(D::Minus1)? + 1e-3)?.sqrt()?;
        let scaled = x[0].broadcast_div(&root)?.broadcast_mul(&column(&x[1])?)?;
        Ok(scaled.broadcast_add(&column(&x[2])?)?)
    }
}

#[test]
fn rms_norms_with_a_shift() {
    check_derivatives(&ShiftedRmsNorm, &inputs(&[&[2, 3, 4], &[4], &[4]]));
    check_derivatives(&ShiftedRmsNorm, &inputs(&[&[2, 3, 4], &[2, 4], &[2, 4]]));
    let large = inputs(&[&[3, 300, 67], &[3, 67], &[3, 67]]);
    check_values(&ShiftedRmsNorm, &large, 10.0);
    big_gradients(&ShiftedRmsNorm, &large);
}

#[test]
fn sequences_grow_and_shrink() {
    use advect_core::testing::assert_close;
    let x = normal(1, &[2, 3, 4]);
    let image = x.unsqueeze(2).unwrap();
    let doubled = upsample_nearest(&x, 2).unwrap();
    let expected = upsample_nearest(&image, 2)
        .unwrap()
        .narrow(2, 0, 1)
        .unwrap()
        .squeeze(2)
        .unwrap();
    assert_close(&doubled, &expected, 0.0, 0.0);
    assert_close(&avg_pool(&doubled, 2).unwrap(), &x, 1e-15, 0.0);
    assert!(avg_pool(&x, 3).is_err() && upsample_nearest(&x.get(0).unwrap(), 2).is_err());
    // The transposes of each other, but for a factor.
    let var = candle_core::Var::from_tensor(&x).unwrap();
    let g = normal(2, &[2, 3, 8]);
    let y = (upsample_nearest(var.as_tensor(), 2).unwrap() * &g).unwrap();
    let grads = y.sum_all().unwrap().backward().unwrap();
    let expected = (avg_pool(&g, 2).unwrap() * 2.0).unwrap();
    assert_close(grads.get(&var).unwrap(), &expected, 1e-14, 1e-14);
    let var = candle_core::Var::from_tensor(&g).unwrap();
    let y = (avg_pool(var.as_tensor(), 2).unwrap() * &x).unwrap();
    let grads = y.sum_all().unwrap().backward().unwrap();
    let expected = (upsample_nearest(&x, 2).unwrap() * 0.5).unwrap();
    assert_close(grads.get(&var).unwrap(), &expected, 1e-14, 1e-14);
}

#[test]
fn attention_with_and_without_masks() {
    let x = inputs(&[&[2, 2, 3, 4], &[2, 2, 5, 4], &[2, 2, 5, 3]]);
    check_derivatives(&Attention { mask: None }, &x);
    for shape in [
        &[3usize, 5][..],
        &[2, 2, 3, 5],
        &[2, 1, 1, 5],
        &[1, 2, 3, 1],
    ] {
        let case = Attention {
            mask: Some(normal(7, shape)),
        };
        check_derivatives(&case, &x);
        check_values(&case, &x, 10.0);
    }
    let long = inputs(&[&[1, 2, 100, 33], &[1, 2, 67, 33], &[1, 2, 67, 64]]);
    check_values(&Attention { mask: None }, &long, 10.0);
    big_gradients(&Attention { mask: None }, &long);
    // Only the past is seen.
    let causal: Vec<f64> = (0..9)
        .map(|i| {
            if i % 3 > i / 3 {
                f64::NEG_INFINITY
            } else {
                0.0
            }
        })
        .collect();
    let mask = Tensor::from_vec(causal, (3, 3), device()).unwrap();
    let x = inputs(&[&[1, 1, 3, 2], &[1, 1, 3, 2], &[1, 1, 3, 2]]);
    let case = Attention { mask: Some(mask) };
    check_values(&case, &x, 10.0);
    check_derivatives(&case, &x);
}

struct Upsample(usize);
struct AvgPool(usize);

impl Case for Upsample {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        upsample_nearest(&x[0], self.0)
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let (b, c, h, w) = x[0].dims4()?;
        let index = |n: usize| {
            Tensor::from_vec(
                (0..n).map(|i| (i / self.0) as u32).collect::<Vec<_>>(),
                n,
                device(),
            )
        };
        if x[0].elem_count() == 0 {
            return Ok(x[0].reshape((b, c, h * self.0, w * self.0))?);
        }
        Ok(x[0]
            .contiguous()?
            .index_select(&index(h * self.0)?, 2)?
            .index_select(&index(w * self.0)?, 3)?)
    }
}

impl Case for AvgPool {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        avg_pool(&x[0], self.0)
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let (b, c, h, w) = x[0].dims4()?;
        let f = self.0;
        let mut out = Vec::new();
        let values = x[0].flatten_all()?.to_vec1::<f64>()?;
        for plane in 0..b * c {
            for (i, j) in (0..h / f).flat_map(|i| (0..w / f).map(move |j| (i, j))) {
                let square =
                    (0..f * f).map(|k| values[(plane * h + i * f + k / f) * w + j * f + k % f]);
                out.push(square.sum::<f64>() / (f * f) as f64);
            }
        }
        Ok(Tensor::from_vec(out, (b, c, h / f, w / f), device())?)
    }
}

#[test]
fn resizing() {
    for factor in [1, 2, 3] {
        check_derivatives(&Upsample(factor), &inputs(&[&[1, 2, 3, 2]]));
        check_derivatives(&AvgPool(factor), &inputs(&[&[1, 2, 6, 6]]));
        check_values(&Upsample(factor), &inputs(&[&[2, 3, 7, 5]]), 1.0);
        check_values(&AvgPool(factor), &inputs(&[&[2, 3, 12, 6]]), 1.0);
        check_values(&Upsample(factor), &inputs(&[&[0, 3, 7, 5]]), 1.0);
        check_values(&AvgPool(factor), &inputs(&[&[2, 0, 6, 6]]), 1.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn linear_of_any_shape(rows in 0usize..68, inputs_ in 0usize..68, outputs in 0usize..68) {
        let x = inputs(&[&[rows, inputs_], &[outputs, inputs_], &[outputs]]);
        if inputs_ > 0 {
            check_values(&Linear(Activation::Selu), &x, 20.0);
        } else {
            let y = linear(&x[0], &x[1], Some(&x[2]), Activation::Identity).unwrap();
            let expected = x[2].broadcast_as((rows, outputs)).unwrap();
            advect_core::testing::assert_close(&y, &expected, 0.0, 0.0);
        }
    }

    #[test]
    fn transposed_of_any_shape(rows in 0usize..68, inputs_ in 1usize..68, outputs in 0usize..68) {
        let x = inputs(&[&[rows, inputs_], &[inputs_, outputs], &[outputs]]);
        check_values(&Transposed(Activation::Selu), &x, 20.0);
        if rows * outputs > 0 {
            big_gradients(&Transposed(Activation::Tanh), &x);
        }
    }

    #[test]
    fn perceptrons_of_any_shape(rows in 1usize..68, d in 1usize..68, a in 1usize..68, b in 1usize..68) {
        let x = inputs(&[&[rows, d], &[1, 2], &[a, d + 2], &[a], &[b, a], &[b], &[d, b], &[d]]);
        let case = Perceptron { parts: 2, activation: Activation::Silu };
        check_values(&case, &x, 100.0);
        big_gradients(&case, &x);
    }

    #[test]
    fn norms_of_any_shape(batch in 0usize..6, rows in 0usize..68, width in 1usize..68, adaptive: bool) {
        let affine = if adaptive { vec![batch, width] } else { vec![width] };
        let x = inputs(&[&[batch, rows, width], &affine, &affine]);
        check_values(&LayerNorm, &x, 100.0);
        check_values(&RmsNorm, &x[..2], 100.0);
        check_values(&Softmax, &x[..1], 10.0);
    }

    #[test]
    fn group_norms_of_any_shape(batch in 0usize..6, groups in 1usize..6, each in 1usize..6, h in 0usize..12, w in 0usize..12) {
        let c = groups * each;
        let x = inputs(&[&[batch, c, h, w], &[c], &[c]]);
        check_values(&GroupNorm { groups, activation: Activation::Silu }, &x, 200.0);
    }

    #[test]
    fn attention_of_any_shape(b in 1usize..3, h in 1usize..3, n in 0usize..68, m in 1usize..68, d in 1usize..68, e in 0usize..68) {
        let x = inputs(&[&[b, h, n, d], &[b, h, m, d], &[b, h, m, e]]);
        check_values(&Attention { mask: None }, &x, 100.0);
        if n * e > 0 {
            big_gradients(&Attention { mask: None }, &x);
        }
    }

    #[test]
    fn combinations_of_any_shape(batch in 0usize..68, width in 0usize..68, k in 1usize..6) {
        let coefficients = (0..k).map(|i| match i % 2 {
            0 => Shared(i as f64 - 0.7),
            _ => PerSample((0..batch).map(|j| j as f64 * 0.1 - 1.0).collect()),
        });
        let case = Combine(coefficients.collect());
        let shape = [batch, width];
        let shapes = vec![&shape[..]; k];
        check_values(&case, &inputs(&shapes), 10.0);
    }
}
