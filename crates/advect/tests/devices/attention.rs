//! Attention by its kernels in pieces of heads and of queries, with far fewer scores at once than operations ask for.

use advect::candle::Var;
use advect::ops::{self, HeadOrder};
use advect::prelude::*;
use advect_kernels::attention::Sizes;
use advect_kernels::cuda::attention::{Attention, Layout, MOST, backward, forward};

use crate::place::{CPU, Place, weighted};
use crate::report::Report;

/// An attention, and the shape of its mask.
struct Case {
    attention: Attention,
    mask: Option<[usize; 4]>,
}

fn case(layout: Layout, causal: bool, [batch, heads, n, m, d, e]: [usize; 6]) -> Case {
    let sizes = Sizes {
        batch,
        heads,
        n,
        m,
        d,
        e,
    };
    let attention = Attention {
        sizes,
        layout,
        causal,
        most: MOST,
    };
    Case {
        attention,
        mask: None,
    }
}

fn order(by_role: bool) -> HeadOrder {
    match by_role {
        true => HeadOrder::ByRole,
        false => HeadOrder::ByHead,
    }
}

impl Case {
    fn shapes(&self) -> Vec<Vec<usize>> {
        let Sizes {
            batch,
            heads,
            n,
            m,
            d,
            e,
        } = self.attention.sizes;
        match self.attention.layout {
            Layout::Apart => [[n, d], [m, d], [m, e]]
                .map(|[rows, width]| vec![batch, heads, rows, width])
                .to_vec(),
            Layout::Tokens { .. } => vec![vec![batch, n, 3 * heads * d]],
            Layout::Channels { .. } => vec![vec![batch, 3 * heads * d, n]],
        }
    }

    fn inputs(&self, place: &Place) -> Result<(Vec<Tensor>, Option<Tensor>)> {
        let inputs = self.shapes().into_iter().zip(0..);
        let inputs = inputs.map(|(shape, seed)| place.normal(seed, &shape));
        let mask = self.mask.map(|shape| place.normal(50, &shape));
        Ok((inputs.collect::<Result<_>>()?, mask.transpose()?))
    }

    /// −∞ where a query would see a later key.
    fn later(&self, place: &Place) -> Result<Tensor> {
        let Sizes { n, m, .. } = self.attention.sizes;
        let seen = |i: usize| {
            if i % m <= i / m {
                0.0
            } else {
                f64::NEG_INFINITY
            }
        };
        let mask: Vec<f64> = (0..n * m).map(seen).collect();
        place.put(&Tensor::from_vec(mask, (n, m), &CPU)?)
    }

    /// The value by the operation.
    fn operation(&self, place: &Place, x: &[Tensor], mask: Option<&Tensor>) -> Result<Tensor> {
        let heads = self.attention.sizes.heads;
        match (self.attention.layout, self.attention.causal) {
            (Layout::Apart, false) => ops::attention(&x[0], &x[1], &x[2], mask),
            (Layout::Apart, true) => ops::attention(&x[0], &x[1], &x[2], Some(&self.later(place)?)),
            (Layout::Tokens { by_role }, false) => {
                ops::token_attention(&x[0], heads, order(by_role))
            }
            (Layout::Tokens { by_role }, true) => {
                ops::causal_token_attention(&x[0], heads, order(by_role))
            }
            (Layout::Channels { by_role }, _) => ops::self_attention(&x[0], heads, order(by_role)),
        }
    }

    /// The value and the gradients of the arguments, by the operation.
    fn expected(&self, place: &Place) -> Result<Vec<Tensor>> {
        let (inputs, mask) = self.inputs(place)?;
        let vars: Vec<Var> =
            (inputs.iter().map(Var::from_tensor)).collect::<std::result::Result<_, _>>()?;
        let tracked: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
        let y = self.operation(place, &tracked, mask.as_ref())?;
        let gradients = weighted(place, &y)?.backward()?;
        let mut found = vec![y.detach()];
        found.extend(vars.iter().filter_map(|var| gradients.get(var).cloned()));
        Ok(found)
    }

    /// The same by the kernels, with at most so many scores at once. The weights may be kept for the backward pass.
    fn found(&self, place: &Place, most: usize, keep: bool) -> Result<Vec<Tensor>> {
        let attention = Attention {
            most,
            ..self.attention
        };
        let (inputs, mask) = self.inputs(place)?;
        let (inputs, mask): (Vec<&Tensor>, _) = (inputs.iter().collect(), mask.as_ref());
        let (y, weights) = forward(&attention, &inputs, mask)?;
        let y = y.into_tensor();
        let gradient = place.normal(99, y.dims())?;
        let weights = weights.filter(|_| keep);
        let gradients = backward(&attention, &inputs, mask, weights.as_ref(), &gradient)?;
        let gradients = gradients.into_iter().map(|x| x.into_tensor());
        Ok([y].into_iter().chain(gradients).collect())
    }

    /// Against f64 on the CPU: all at once, in pieces of one head and of two, of some queries and of one.
    fn check(&self, report: &mut Report, name: &str) {
        let Sizes { n, m, .. } = self.attention.sizes;
        for (dtype, tolerance) in [
            (DType::F32, 1e-5),
            (DType::F64, 1e-12),
            (DType::BF16, 5e-2),
            (DType::F16, 1e-2),
        ] {
            let places = || [Place::tested(dtype), Place::exact(dtype)];
            for most in [MOST, 2 * n * m, n * m, (n / 2 + 1) * m, 2 * m, 1] {
                let name = format!("{name} {:?} {dtype:?} {most}", self.attention.sizes);
                report.compare(&name, places(), tolerance, |place| {
                    match place.device.is_cpu() {
                        true => self.expected(place),
                        false => self.found(place, most, true),
                    }
                });
            }
        }
    }
}

#[test]
fn pieces_of_attention() {
    let mut report = Report::new();
    let sizes = [2, 3, 5, 7, 4, 3];
    let masks = [[1, 1, 5, 7], [2, 1, 1, 7], [1, 3, 5, 1], [2, 3, 5, 7]];
    for mask in std::iter::once(None).chain(masks.map(Some)) {
        let case = case(Layout::Apart, false, sizes);
        Case { mask, ..case }.check(&mut report, &format!("mask {mask:?}"));
    }
    for sizes in [sizes, [1, 2, 9, 4, 3, 2]] {
        case(Layout::Apart, true, sizes).check(&mut report, "causal");
    }
    let tokens = [2, 3, 5, 5, 4, 4];
    for by_role in [false, true] {
        case(Layout::Channels { by_role }, false, tokens).check(&mut report, "channels");
        case(Layout::Tokens { by_role }, false, tokens).check(&mut report, "tokens");
        case(Layout::Tokens { by_role }, true, tokens).check(&mut report, "causal tokens");
    }
    report.finish();
}

/// Rows of a block, and pieces of 64 queries.
#[test]
fn pieces_of_longer_attention() {
    let mut report = Report::new();
    let mut check = |case: &Case, most: usize| {
        let places = [Place::tested(DType::F32), Place::exact(DType::F32)];
        let name = format!("{:?} {most}", case.attention);
        report.compare(&name, places, 1e-5, |place| match place.device.is_cpu() {
            true => case.expected(place),
            false => case.found(place, most, true),
        });
    };
    check(&case(Layout::Apart, false, [1, 2, 5, 600, 4, 3]), 1200);
    let (sizes, by_role) = ([1, 1, 150, 150, 4, 4], true);
    check(&case(Layout::Channels { by_role }, false, sizes), 70 * 150);
    check(&case(Layout::Tokens { by_role }, true, sizes), 70 * 150);
    report.finish();
}

/// What is computed again has the same bits as what was kept.
#[test]
fn weights_computed_again() {
    let mut report = Report::new();
    for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
        report.holds("weights computed again", |_| {
            let place = Place::tested(dtype);
            if place.device.is_cpu() {
                return Ok(true);
            }
            let case = Case {
                mask: Some([2, 1, 5, 7]),
                ..case(Layout::Apart, false, [2, 3, 5, 7, 4, 3])
            };
            let numbers = |keep| -> Result<Vec<Vec<f64>>> {
                let each = |x: &Tensor| Ok(x.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?);
                case.found(&place, MOST, keep)?.iter().map(each).collect()
            };
            Ok(numbers(true)? == numbers(false)?)
        });
    }
    report.finish();
}

/// Gradients of keys and values are sums over many pieces, which are not rounded to 16 bits after each.
#[test]
fn sums_over_pieces() {
    let mut report = Report::new();
    for dtype in [DType::BF16, DType::F16] {
        report.holds("sums over pieces", |_| {
            let place = Place::tested(dtype);
            if place.device.is_cpu() {
                return Ok(true);
            }
            // Each of the queries gives half of its gradient, 1, to both values. Sums rounded to bf16 would stay at 128.
            let n = if dtype == DType::BF16 { 512 } else { 4096 };
            let Case { attention, .. } = case(Layout::Apart, false, [1, 1, n, 2, 1, 1]);
            let attention = Attention {
                most: 2,
                ..attention
            };
            let zeros = |n| Tensor::zeros((1, 1, n, 1), dtype, &place.device);
            let (q, k) = (zeros(n)?, zeros(2)?);
            let gradient = q.ones_like()?;
            let gradients = backward(&attention, &[&q, &k, &k], None, None, &gradient)?;
            let Some(of_values) = gradients.into_iter().nth(2) else {
                return Ok(false);
            };
            let of_values = of_values
                .into_tensor()
                .to_dtype(DType::F32)?
                .flatten_all()?;
            Ok(of_values.to_vec1::<f32>()? == [n as f32 / 2.0; 2])
        });
    }
    report.finish();
}
