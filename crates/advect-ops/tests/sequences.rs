//! Operations on sequences: recurrences, attention to the past, log-probabilities of tokens.

use crate::contract::{Case, check_derivatives, check_values, inputs};
use crate::operations::{First, big_gradients, check_gradients};
use advect_core::testing::device;
use advect_core::{Error, Result};
use advect_ops::{
    HeadOrder, Value, attention, causal_token_attention, gated_recurrence, log_softmax_at,
};
use candle_core::{D, DType, Device, Tensor};

/// The formulas, one step after the other.
struct Recurrence;

impl Case for Recurrence {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        gated_recurrence(&x[0], &x[1], x[2].primal(), x[3].primal())
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let sigmoid = |x: Tensor| -> Result<Tensor> { Ok((x.neg()?.exp()? + 1.0)?.recip()?) };
        let (batch, length, _) = x[0].dims3()?;
        let mut h = x[1].clone();
        let units = h.dim(1)?;
        if batch == 0 {
            return Ok(Tensor::zeros((0, length, units), h.dtype(), h.device())?);
        }
        let mut states = Vec::new();
        for step in 0..length {
            let a = x[0].narrow(1, step, 1)?.squeeze(1)?.chunk(3, 1)?;
            let b = h.contiguous()?.matmul(&x[2].t()?.contiguous()?)?;
            let b = b.broadcast_add(&x[3])?.chunk(3, 1)?;
            let (r, z) = (sigmoid((&a[0] + &b[0])?)?, sigmoid((&a[1] + &b[1])?)?);
            let n = (&a[2] + (r * &b[2])?)?.tanh()?;
            h = ((z.affine(-1.0, 1.0)? * n)? + (z * h)?)?;
            states.push(h.clone());
        }
        Ok(Tensor::stack(&states, 1)?)
    }
}

#[test]
fn gated_recurrences() {
    let sized = |batch: usize, length: usize, units: usize| {
        inputs(&[
            &[batch, length, 3 * units],
            &[batch, units],
            &[3 * units, units],
            &[3 * units],
        ])
    };
    let x = sized(2, 3, 2);
    check_gradients(&Recurrence, &x);
    check_derivatives(&First(&Recurrence, x[1..].to_vec()), &x[..1]);
    for (batch, length, units) in [(1, 1, 1), (3, 1, 5), (1, 7, 3), (5, 2, 16), (0, 2, 3)] {
        check_values(&Recurrence, &sized(batch, length, units), 20.0);
    }
    // Whole vectors and a rest, and threads.
    let x = sized(33, 12, 35);
    let x: Vec<Tensor> = x.iter().map(|x| (x * 0.3).unwrap()).collect();
    check_values(&Recurrence, &x, 20.0);
    big_gradients(&Recurrence, &x);
}

/// Columns in two heads, as rows with a mask.
struct Causal(HeadOrder);

impl Case for Causal {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        causal_token_attention(&x[0], 2, self.0)
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        let (batch, n, columns) = x[0].dims3()?;
        let d = columns / 6;
        let part = |role: usize| -> Result<Tensor> {
            let part = match self.0 {
                HeadOrder::ByHead => x[0].reshape((batch, n, 2, 3, d))?.narrow(3, role, 1)?,
                HeadOrder::ByRole => x[0].reshape((batch, n, 3, 2, d))?.narrow(2, role, 1)?,
            };
            let part = part.reshape((batch, n, 2, d))?;
            Ok(part.transpose(1, 2)?.contiguous()?)
        };
        let later = |i: usize| (0..n).map(move |j| if j > i { -1e30 } else { 0.0 });
        let mask: Vec<f64> = (0..n).flat_map(later).collect();
        let mask = Tensor::from_vec(mask, (n, n), device())?.to_dtype(x[0].dtype())?;
        let scores = part(0)?.matmul(&part(1)?.t()?.contiguous()?)?;
        let scores = (scores / (d as f64).sqrt())?.broadcast_add(&mask)?;
        let largest = scores.detach().max_keepdim(D::Minus1)?;
        let e = scores.broadcast_sub(&largest)?.exp()?;
        let p = e.broadcast_div(&e.sum_keepdim(D::Minus1)?)?;
        let y = p.matmul(&part(2)?)?.transpose(1, 2)?;
        Ok(y.reshape((batch, n, 2 * d))?)
    }
}

#[test]
fn attention_to_the_past() {
    for order in [HeadOrder::ByHead, HeadOrder::ByRole] {
        let case = Causal(order);
        check_derivatives(&case, &inputs(&[&[2, 4, 12]]));
        // Around the blocks of 32 queries; widths that are read in place, and others.
        for (n, d) in [(1, 3), (31, 8), (32, 16), (33, 5), (77, 32)] {
            let x = inputs(&[&[3, n, 6 * d]]);
            check_values(&case, &x, 10.0);
            big_gradients(&case, &x);
        }
    }
    let empty = Tensor::zeros((0, 5, 12), DType::F64, device()).unwrap();
    let none = causal_token_attention(&empty, 2, HeadOrder::ByRole).unwrap();
    assert_eq!(none.dims(), [0, 5, 4]);
}

/// Later tokens are not looked at, whatever they are, and the last sees all.
#[test]
fn the_future_is_unseen() {
    let x = &inputs(&[&[1, 40, 12]])[0];
    let attend = |x: &Tensor| causal_token_attention(x, 2, HeadOrder::ByRole).unwrap();
    let part = attend(&x.narrow(1, 0, 17).unwrap());
    let same = attend(x).narrow(1, 0, 17).unwrap();
    advect_core::testing::assert_close(&part, &same, 0.0, 1e-15);
    let heads = |role: usize| {
        let x = x.narrow(2, 4 * role, 4).unwrap().reshape((1, 40, 2, 2));
        x.unwrap().transpose(1, 2).unwrap().contiguous().unwrap()
    };
    let whole = attention(&heads(0), &heads(1), &heads(2), None).unwrap();
    let whole = whole.transpose(1, 2).unwrap().reshape((1, 40, 4)).unwrap();
    let last = |x: &Tensor| x.narrow(1, 39, 1).unwrap();
    advect_core::testing::assert_close(&last(&attend(x)), &last(&whole), 0.0, 1e-14);
}

/// Indices of a shape.
struct Chosen(Vec<u32>, Vec<usize>);

impl Chosen {
    fn new(classes: usize, shape: &[usize]) -> Self {
        let count = shape.iter().product::<usize>();
        let indices = (0..count).map(|i| (i * 7 % classes) as u32);
        Chosen(indices.collect(), shape.to_vec())
    }

    fn tensor(&self) -> Tensor {
        Tensor::from_slice(&self.0, &self.1[..], device()).unwrap()
    }
}

impl Case for Chosen {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        log_softmax_at(&x[0], &self.tensor())
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        if self.0.is_empty() {
            return Ok(Tensor::zeros(&self.1[..], x[0].dtype(), x[0].device())?);
        }
        let logs = x[0].exp()?.sum(D::Minus1)?.log()?;
        let chosen = self.tensor().unsqueeze(D::Minus1)?;
        let at = x[0].contiguous()?.gather(&chosen, D::Minus1)?;
        Ok((at.squeeze(D::Minus1)? - logs)?)
    }
}

#[test]
fn log_probabilities() {
    check_derivatives(&Chosen::new(5, &[2, 3]), &inputs(&[&[2, 3, 5]]));
    check_derivatives(&Chosen::new(3, &[]), &inputs(&[&[3]]));
    for (shape, classes) in [(&[4][..], 1), (&[3, 7], 67), (&[0, 2], 4), (&[700], 33)] {
        let case = Chosen::new(classes, shape);
        let x = inputs(&[&[shape, &[classes]].concat()]);
        check_values(&case, &x, 10.0);
        if !case.0.is_empty() {
            big_gradients(&case, &x);
        }
    }
    // Far from each other, and impossible.
    let x = [[1000f64, 0.0, f64::NEG_INFINITY], [-1e4, -1e4, -1e5]];
    let x = Tensor::new(&x, device()).unwrap();
    let at = |indices: [u32; 2]| {
        let indices = Tensor::new(&indices, device()).unwrap();
        let y = log_softmax_at(&x, &indices).unwrap();
        y.to_vec1::<f64>().unwrap()
    };
    assert_eq!(at([0, 1]), [0.0, -(2f64.ln())]);
    assert_eq!(at([1, 2]), [-1000.0, -9e4 - 2f64.ln()]);
    assert_eq!(at([2, 0])[0], f64::NEG_INFINITY);
    // 16 bits are computed in 32.
    let half = x.to_dtype(DType::BF16).unwrap();
    let indices = Tensor::new(&[0u8, 1], device()).unwrap();
    let y = log_softmax_at(&half, &indices).unwrap();
    assert_eq!(y.to_vec1::<f32>().unwrap(), [0.0, -(2f32.ln())]);
}

#[test]
fn what_does_not_fit() {
    fn refuses<T>(result: Result<T>, name: &str) {
        match result {
            Err(
                Error::Shape { argument, .. }
                | Error::DType { argument, .. }
                | Error::Range { argument, .. }
                | Error::Empty { argument },
            ) => assert_eq!(argument, name),
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("accepted"),
        }
    }
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, device()).unwrap();
    let (a, h, w, b) = (
        zeros(&[2, 4, 9]),
        zeros(&[2, 3]),
        zeros(&[9, 3]),
        zeros(&[9]),
    );
    refuses(gated_recurrence(&zeros(&[2, 9]), &h, &w, &b), "inputs");
    refuses(gated_recurrence(&zeros(&[3, 4, 9]), &h, &w, &b), "inputs");
    refuses(gated_recurrence(&zeros(&[2, 0, 9]), &h, &w, &b), "inputs");
    refuses(gated_recurrence(&a, &zeros(&[2, 3, 1]), &w, &b), "state");
    refuses(gated_recurrence(&a, &h, &zeros(&[3, 9]), &b), "weight");
    refuses(gated_recurrence(&a, &h, &w, &zeros(&[3])), "bias");
    let none = [[2, 4, 0], [2, 0, 0], [0, 0, 0]].map(|shape| zeros(&shape));
    let (state, weight, bias) = (zeros(&[2, 0]), zeros(&[0, 0]), zeros(&[0]));
    refuses(gated_recurrence(&none[0], &state, &weight, &bias), "state");
    let double = b.to_dtype(DType::F64).unwrap();
    refuses(gated_recurrence(&a, &h, &w, &double), "bias");

    let order = HeadOrder::ByRole;
    refuses(causal_token_attention(&a, 2, order), "qkv");
    refuses(causal_token_attention(&a, 0, order), "heads");

    // (On a GPU, those that are too large are no error.)
    let indices = |values: &[u32]| Tensor::new(values, &Device::Cpu).unwrap();
    refuses(log_softmax_at(&h, &indices(&[0, 3])), "chosen");
    refuses(log_softmax_at(&h, &indices(&[0])), "chosen");
    refuses(log_softmax_at(&h, &zeros(&[2])), "chosen");
    refuses(log_softmax_at(&indices(&[1, 1]), &zeros(&[])), "x");
    refuses(log_softmax_at(&zeros(&[]), &indices(&[0])), "x");
}
