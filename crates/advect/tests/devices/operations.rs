//! Operations of `advect-ops`: values, gradients of all arguments, derivatives along a direction and their gradients.

use advect::candle::Var;
use advect::core::Coefficient;
use advect::core::Coefficient::{PerSample, Shared};
use advect::ops::{self, Convolution, Dual, HeadOrder, Value};
use advect::prelude::*;

use crate::place::{CPU, Place, weighted};
use crate::report::Report;

/// An operation with its settings.
pub(crate) enum Operation {
    Activate(Activation),
    Linear(Activation),
    LinearTransposed(Activation),
    Mlp(usize, Activation),
    LayerNorm,
    RmsNorm,
    GroupNorm(usize, Activation),
    Softmax,
    /// With a mask of this shape.
    Attention(Option<Vec<usize>>),
    SelfAttention(HeadOrder),
    TokenAttention(HeadOrder),
    CausalTokenAttention(HeadOrder),
    GatedRecurrence,
    /// With these indices.
    LogSoftmaxAt(Vec<u32>),
    /// With angles of a shape.
    Rotary(Vec<usize>),
    AddGated,
    Dropout,
    ShiftedRmsNorm,
    /// With a bias, and onto something, or not.
    Conv2d(Convolution, bool, bool),
    Conv1d(Convolution, bool, bool),
    Upsample(usize),
    AvgPool(usize),
    Sinusoids,
    Combine(Vec<Coefficient>),
    ScaleSamples,
    SquaredErrors,
}

impl Operation {
    pub(crate) fn run<V: Value>(&self, place: &Place, x: &[V]) -> Result<V> {
        match self {
            Self::Activate(activation) => activation.apply(&x[0]),
            Self::Linear(activation) => {
                ops::linear(&x[0], x[1].primal(), Some(x[2].primal()), *activation)
            }
            Self::LinearTransposed(activation) => {
                ops::linear_transposed(&x[0], x[1].primal(), Some(x[2].primal()), *activation)
            }
            Self::Mlp(parts, activation) => {
                let (parts, parameters) = x.split_at(*parts);
                let parts: Vec<&V> = parts.iter().collect();
                let layers: Vec<_> = (parameters.chunks(2))
                    .map(|layer| (layer[0].primal(), layer[1].primal()))
                    .collect();
                ops::mlp(&parts, &layers, *activation)
            }
            Self::LayerNorm => ops::layer_norm(&x[0], &x[1], &x[2], 1e-3),
            Self::RmsNorm => ops::rms_norm(&x[0], &x[1], 1e-3),
            Self::GroupNorm(groups, activation) => {
                ops::group_norm(&x[0], *groups, &x[1], &x[2], 1e-3, *activation)
            }
            Self::Softmax => ops::softmax(&x[0]),
            Self::Attention(mask) => {
                let mask = mask.as_ref().map(|shape| place.normal(50, shape));
                ops::attention(&x[0], &x[1], &x[2], mask.transpose()?.as_ref())
            }
            Self::SelfAttention(order) => ops::self_attention(&x[0], 2, *order),
            Self::TokenAttention(order) => ops::token_attention(&x[0], 2, *order),
            Self::CausalTokenAttention(order) => ops::causal_token_attention(&x[0], 2, *order),
            Self::GatedRecurrence => {
                ops::gated_recurrence(&x[0], &x[1], x[2].primal(), x[3].primal())
            }
            Self::LogSoftmaxAt(indices) => {
                let indices = Tensor::new(&indices[..], x[0].primal().device())?;
                let y = ops::log_softmax_at(&x[0], &indices)?;
                y.map_linear(|y| Ok(y.to_dtype(x[0].primal().dtype())?))
            }
            Self::Rotary(shape) => {
                let angles = place.normal(50, shape)?;
                ops::rotary(&x[0], &angles.cos()?, &angles.sin()?)
            }
            Self::AddGated => ops::add_gated(&x[0], &x[1], &x[2]),
            Self::Dropout => ops::dropout(&x[0], 0.3, Key::from_seed(4)),
            Self::ShiftedRmsNorm => ops::shifted_rms_norm(&x[0], &x[1], &x[2], 1e-3),
            Self::Conv2d(convolution, bias, onto) => {
                let (weight, rest) = (x[1].primal(), &x[2..]);
                let b = bias.then(|| rest[0].primal());
                match onto {
                    true => ops::conv2d_onto(&x[0], weight, b, convolution, &rest[rest.len() - 1]),
                    false => ops::conv2d(&x[0], weight, b, convolution),
                }
            }
            Self::Conv1d(convolution, bias, onto) => {
                let (weight, rest) = (x[1].primal(), &x[2..]);
                let b = bias.then(|| rest[0].primal());
                match onto {
                    true => ops::conv1d_onto(&x[0], weight, b, convolution, &rest[rest.len() - 1]),
                    false => ops::conv1d(&x[0], weight, b, convolution),
                }
            }
            Self::Upsample(factor) => ops::upsample_nearest(&x[0], *factor),
            Self::AvgPool(factor) => ops::avg_pool(&x[0], *factor),
            Self::Sinusoids => ops::sinusoids(&x[0], &ops::sinusoidal_frequencies(4, 100.0)?),
            Self::Combine(factors) => {
                let terms: Vec<_> = factors.iter().cloned().zip(x).collect();
                ops::combine(&terms)
            }
            Self::ScaleSamples => ops::scale_samples(&x[0], &x[1]),
            Self::SquaredErrors => ops::squared_errors(&x[0], &x[1]),
        }
    }

    /// The value, the derivative along directions of all arguments, and the gradients of both. Arguments begin at an element of their
    /// memory.
    fn all(&self, place: &Place, shapes: &[&[usize]], first: usize) -> Result<Vec<Tensor>> {
        let count = |shape: &[usize]| shape.iter().product::<usize>();
        let draw = |seed: u64| -> Result<Vec<Tensor>> {
            let seeds = (seed..).zip(shapes);
            seeds
                .map(|(seed, shape)| place.normal(seed, &[first + count(shape)]))
                .collect()
        };
        let views = |memory: &[Tensor]| -> Result<Vec<Tensor>> {
            let view = |(x, shape): (&Tensor, &&[usize])| {
                Ok(x.narrow(0, first, count(shape))?.reshape(*shape)?)
            };
            memory.iter().zip(shapes).map(view).collect()
        };
        let (memory, directions) = (draw(1)?, views(&draw(20)?)?);
        let inputs = views(&memory)?;
        let vars: Result<Vec<Var>> = memory.iter().map(|x| Ok(Var::from_tensor(x)?)).collect();
        let vars = vars?;
        let tracked: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
        let tracked = views(&tracked)?;
        let mut found = vec![self.run(place, &inputs)?];
        let y = self.run(place, &tracked)?;
        found.push(y.detach());
        let along = |inputs: &[Tensor]| -> Result<(Tensor, Tensor)> {
            let duals: Result<Vec<Dual>> = (inputs.iter().zip(&directions))
                .map(|(x, dx)| Dual::new(x.clone(), dx.clone()))
                .collect();
            self.run(place, &duals?)?.into_parts()
        };
        let (value, tangent) = along(&inputs)?;
        found.extend([value, tangent]);
        for y in [y, along(&tracked)?.1] {
            let gradients = weighted(place, &y)?.backward()?;
            for var in &vars {
                // Derivatives of what is linear have no gradient in it.
                found.push(match gradients.get(var) {
                    Some(gradient) => gradient.clone(),
                    None => var.zeros_like()?,
                });
            }
        }
        Ok(found)
    }

    /// In f32, f64 and 16 bits, against f64.
    pub(crate) fn check(&self, report: &mut Report, name: &str, shapes: &[&[usize]]) {
        self.check_from(0, report, name, shapes);
    }

    /// The same with arguments that begin at an element of their memory.
    fn check_from(&self, first: usize, report: &mut Report, name: &str, shapes: &[&[usize]]) {
        for (dtype, tolerance) in [
            (DType::F32, 1e-5),
            (DType::F64, 1e-12),
            (DType::BF16, 5e-2),
            (DType::F16, 1e-2),
        ] {
            let places = [Place::tested(dtype), Place::exact(dtype)];
            let name = format!("{name} {shapes:?} {dtype:?}");
            report.compare(&name, places, tolerance, |place| {
                self.all(place, shapes, first)
            });
        }
    }
}

#[test]
fn activations() {
    let mut report = Report::new();
    for activation in Activation::ALL {
        let op = Operation::Activate(activation);
        op.check(&mut report, &format!("{activation:?}"), &[&[7, 5, 3]]);
    }
    report.finish();
}

#[test]
fn linear_layers_and_perceptrons() {
    let mut report = Report::new();
    for activation in [Activation::Identity, Activation::Selu, Activation::Silu] {
        let op = Operation::Linear(activation);
        op.check(&mut report, "linear", &[&[2, 3, 4], &[5, 4], &[5]]);
        op.check(&mut report, "linear", &[&[33, 17], &[19, 17], &[19]]);
        op.check(&mut report, "linear", &[&[3, 8], &[12, 8], &[12]]);
        let op = Operation::LinearTransposed(activation);
        op.check(&mut report, "transposed", &[&[2, 3, 4], &[4, 5], &[5]]);
        let op = Operation::Mlp(3, activation);
        let shapes: [&[usize]; 7] = [&[9, 2], &[1, 3], &[9, 1], &[7, 6], &[7], &[4, 7], &[4]];
        op.check(&mut report, "mlp", &shapes);
    }
    Operation::Linear(Activation::Silu).check(&mut report, "linear", &[&[0, 4], &[5, 4], &[5]]);
    let op = Operation::Mlp(1, Activation::Relu);
    op.check(
        &mut report,
        "mlp",
        &[&[2, 3, 2], &[7, 2], &[7], &[4, 7], &[4]],
    );
    report.finish();
}

#[test]
fn derivatives_along_several_directions() {
    let mut report = Report::new();
    report.same("mlp_tangents", 1e-5, |place| {
        let x = place.normal(0, &[5, 3])?;
        let directions = [place.normal(1, &[5, 3])?, place.normal(2, &[5, 3])?];
        let drawn: Result<Vec<_>> = [[7, 3], [7, 1], [2, 7], [2, 1]]
            .iter()
            .zip(3..)
            .map(|(shape, seed)| place.normal(seed, shape))
            .collect();
        let drawn = drawn?;
        let biases = [drawn[1].flatten_all()?, drawn[3].flatten_all()?];
        let layers = [(&drawn[0], &biases[0]), (&drawn[2], &biases[1])];
        let (y, along) = ops::mlp_tangents(&[&x], &directions, &layers, Activation::Tanh)?;
        Ok([y].into_iter().chain(along).collect())
    });
    report.finish();
}

#[test]
fn norms_softmax_and_attention() {
    let mut report = Report::new();
    // Rows of a warp, in each of its sizes, and one of a block.
    for shape in [[2, 3, 17], [1, 5, 70], [1, 2, 300], [2, 1, 1100]] {
        Operation::Softmax.check(&mut report, "softmax", &[&shape]);
    }
    // Rows of a warp, several pieces of rows, and rows of a block.
    for x in [[2, 3, 5], [2, 70, 3], [2, 3, 132], [2, 1, 1100]] {
        for affine in [&x[2..], &[x[0], x[2]]] {
            let shapes = [&x[..], affine, affine];
            Operation::LayerNorm.check(&mut report, "layer norm", &shapes);
            Operation::RmsNorm.check(&mut report, "rms norm", &shapes[..2]);
            Operation::ShiftedRmsNorm.check(&mut report, "shifted rms norm", &shapes);
            Operation::AddGated.check(&mut report, "add gated", &[&x, &x, affine]);
        }
    }
    for activation in [Activation::Identity, Activation::Silu] {
        let op = Operation::GroupNorm(2, activation);
        op.check(&mut report, "group norm", &[&[2, 4, 3, 5], &[4], &[4]]);
        op.check(
            &mut report,
            "adaptive group norm",
            &[&[2, 4, 3], &[2, 4], &[2, 4]],
        );
        // Groups of more channels than warps of a block, and of fewer.
        for shape in [[1, 40, 9, 9], [2, 2, 33, 33], [2, 6, 4, 4], [1, 40, 8, 17]] {
            let channels = &shape[1..2];
            op.check(&mut report, "group norm", &[&shape, channels, channels]);
        }
    }
    let x: [&[usize]; 3] = [&[2, 2, 3, 4], &[2, 2, 5, 4], &[2, 2, 5, 3]];
    let masks = [vec![3, 5], vec![2, 1, 1, 5], vec![1, 2, 3, 1]];
    for mask in std::iter::once(None).chain(masks.map(Some)) {
        Operation::Attention(mask).check(&mut report, "attention", &x);
    }
    // Scores of a block.
    let x: [&[usize]; 3] = [&[1, 2, 3, 4], &[1, 2, 600, 4], &[1, 2, 600, 3]];
    for mask in [None, Some(vec![1, 1, 3, 600])] {
        Operation::Attention(mask).check(&mut report, "attention", &x);
    }
    for order in [HeadOrder::ByHead, HeadOrder::ByRole] {
        let op = Operation::SelfAttention(order);
        op.check(&mut report, "self-attention", &[&[2, 18, 5]]);
        op.check(&mut report, "self-attention", &[&[0, 18, 5]]);
        let op = Operation::TokenAttention(order);
        op.check(&mut report, "token attention", &[&[2, 5, 18]]);
        op.check(&mut report, "token attention", &[&[0, 5, 18]]);
        let op = Operation::CausalTokenAttention(order);
        op.check(&mut report, "causal token attention", &[&[2, 5, 18]]);
        op.check(&mut report, "causal token attention", &[&[1, 70, 24]]);
        op.check(&mut report, "causal token attention", &[&[0, 5, 18]]);
    }
    for (last, width) in [(16, 17), (1099, 1100)] {
        let op = Operation::LogSoftmaxAt(vec![4, 0, last]);
        op.check(&mut report, "log-probabilities", &[&[3, width]]);
    }
    let shapes: [&[usize]; 4] = [&[2, 3, 12], &[2, 4], &[12, 4], &[12]];
    Operation::GatedRecurrence.check(&mut report, "gated recurrence", &shapes);
    for (positions, heads, pairs) in [(5, 3, 2), (2, 5, 27)] {
        let op = Operation::Rotary(vec![positions, pairs]);
        op.check(&mut report, "rotary", &[&[2, positions, heads, 2 * pairs]]);
    }
    for shape in [&[7, 3][..], &[3, 1501, 2], &[5, 4], &[3, 1500, 2], &[0, 3]] {
        Operation::Dropout.check(&mut report, "dropout", &[shape]);
    }
    report.finish();
}

#[test]
fn combinations_and_resizing() {
    let mut report = Report::new();
    let factors = vec![Shared(0.3), PerSample(vec![1.0, -2.0, 0.5]), Shared(-1.0)];
    let x = [&[3, 2, 2][..]; 3];
    Operation::Combine(factors).check(&mut report, "combine", &x);
    Operation::Combine(vec![Shared(2.0)]).check(&mut report, "combine", &[&[0, 2]]);
    // More terms than one launch takes, and samples in several blocks.
    let factors = (0..19).map(|k| match k % 3 {
        0 => PerSample(vec![0.5, f64::from(k), -1.0]),
        _ => Shared(0.1 * f64::from(k) - 1.0),
    });
    let x = [&[3, 90][..]; 19];
    Operation::Combine(factors.collect()).check(&mut report, "combine", &x);
    for n in 1..8 {
        let x = vec![&[][..]; n];
        Operation::Combine(vec![Shared(0.5); n]).check(&mut report, "combine", &x);
    }
    Operation::ScaleSamples.check(&mut report, "scale samples", &[&[3, 2, 2], &[3]]);
    Operation::SquaredErrors.check(&mut report, "squared errors", &[&[3, 40], &[3, 40]]);
    // Rows of a warp, of a block, and of several.
    for shape in [&[9, 5][..], &[2, 3, 100], &[2, 4200], &[1, 1]] {
        Operation::SquaredErrors.check(&mut report, "squared errors", &[shape, shape]);
    }
    Operation::Sinusoids.check(&mut report, "sinusoids", &[&[6]]);
    for factor in [1, 2, 3] {
        Operation::Upsample(factor).check(&mut report, "upsample", &[&[1, 2, 3, 2]]);
        Operation::Upsample(factor).check(&mut report, "upsample", &[&[1, 2, 3, 4]]);
        Operation::Upsample(factor).check(&mut report, "upsample", &[&[2, 2, 5]]);
        Operation::AvgPool(factor).check(&mut report, "average pool", &[&[1, 2, 6, 6]]);
        Operation::AvgPool(factor).check(&mut report, "average pool", &[&[2, 2, 6]]);
    }
    // Sums of many pixels.
    for factor in [6, 7] {
        Operation::Upsample(factor).check(&mut report, "upsample", &[&[1, 2, 2, 3]]);
        Operation::AvgPool(factor).check(&mut report, "average pool", &[&[1, 2, 42, 42]]);
    }
    report.finish();
}

/// Rows of the largest numbers, whose sums and differences are beyond them.
#[test]
fn norms_of_the_largest_numbers() {
    let mut report = Report::new();
    let norms = [
        ("layer norm", Operation::LayerNorm, &[6][..]),
        ("adaptive layer norm", Operation::LayerNorm, &[4, 6]),
        ("rms norm", Operation::RmsNorm, &[6]),
        (
            "group norm",
            Operation::GroupNorm(2, Activation::Silu),
            &[6],
        ),
    ];
    for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::BF16, 5e-2)] {
        for (name, op, affine) in &norms {
            let places = [Place::tested(dtype), Place::exact(dtype)];
            report.compare(&format!("{name} {dtype:?}"), places, tolerance, |place| {
                const LARGE: f64 = 3e38;
                let x = (0..144).map(|i| if i % 3 == 0 { LARGE } else { -LARGE });
                let x = place.put(&Tensor::from_vec(x.collect(), (4, 6, 6), &CPU)?)?;
                let x = Var::from_tensor(&x)?;
                let scale = Var::from_tensor(&place.normal(1, affine)?)?;
                let inputs = [x.as_tensor(), scale.as_tensor(), &place.normal(2, affine)?];
                let y = op.run(place, &inputs.map(Tensor::clone))?;
                // Of a size at which gradients of x are no subnormal numbers, which conversions to bf16 may flush to 0.
                let unit = 1e10;
                let gradients = (weighted(place, &y)? * unit)?.backward()?;
                let in_x = gradients.get(&x).unwrap().to_dtype(DType::F64)?;
                let in_scale = gradients.get(&scale).unwrap().to_dtype(DType::F64)?;
                let in_x = (in_x * (LARGE / unit))?;
                Ok(vec![y.detach(), (in_scale / unit)?, in_x])
            });
        }
    }
    report.finish();
}

/// More elements than threads of a launch, and more rows than blocks.
#[test]
fn several_turns() {
    let mut report = Report::new();
    let many = (1 << 22) + 3;
    report.same("elements", 1e-6, |place| {
        let x = place.put(&Tensor::arange(-2e6, many as f64 - 2e6, &CPU)?)?;
        let y = Activation::Relu.apply(&x)?;
        Ok(vec![ops::combine(&[(Shared(0.5), &x), (Shared(2.0), &y)])?])
    });
    let rows = (1 << 20) + 3;
    report.same("rows", 1e-6, |place| {
        let x = place.put(&Tensor::arange(0.0, rows as f64, &CPU)?.unsqueeze(1)?)?;
        let gate = place.normal(1, &[1])?;
        Ok(vec![ops::add_gated(&x, &x, &gate)?])
    });
    report.finish();
}

/// −∞ among scores has the weight 0; a row of nothing else is NaN.
#[test]
fn softmax_of_infinities() {
    let mut report = Report::new();
    for width in [5, 1500] {
        report.holds("softmax of infinities", |place| {
            let mut x = vec![f32::NEG_INFINITY; 3 * width];
            x[width / 2] = 700.0;
            x[width..2 * width].fill(-1e30);
            let x = Tensor::from_vec(x, (3, width), &place.device)?;
            let y = ops::softmax(&x)?.to_vec2::<f32>()?;
            let mut first = vec![0.0; width];
            first[width / 2] = 1.0;
            let equal = |y: &f32| (y * width as f32 - 1.0).abs() < 1e-5;
            Ok(y[0] == first && y[1].iter().all(equal) && y[2].iter().all(|y| y.is_nan()))
        });
        report.holds("attention to nothing", |place| {
            // One query that sees no key, and one that sees the second alone.
            let mut mask = vec![f32::NEG_INFINITY; 2 * width];
            mask[width + 1] = 0.0;
            let mask = Tensor::from_vec(mask, (2, width), &place.device)?;
            let (q, k) = (
                place.normal(1, &[1, 1, 2, 3])?,
                place.normal(2, &[1, 1, width, 3])?,
            );
            let y = ops::attention(&q, &k, &k, Some(&mask))?.flatten_to(2)?;
            let (y, k) = (y.to_vec2::<f32>()?, k.flatten_to(2)?.to_vec2::<f32>()?);
            Ok(y[0].iter().all(|y| y.is_nan()) && y[1] == k[1])
        });
    }
    report.finish();
}

/// An index that no element of a row has makes the row NaN, where nothing waits for indices.
#[test]
fn indices_beyond_rows() {
    if !Place::tested(DType::F32).device.is_cuda() {
        return;
    }
    let mut report = Report::new();
    for width in [5i64, 1500] {
        for beyond in [width, -1, (1 << 32) + 1] {
            report.holds(&format!("index {beyond} of {width}"), |place| {
                let x = Var::from_tensor(&place.normal(0, &[3, width as usize])?)?;
                let chosen = Tensor::new(&[width - 1, beyond, 0], &place.device)?;
                let y = ops::log_softmax_at(x.as_tensor(), &chosen)?;
                let gradients = y.sum_all()?.backward()?;
                let dx = gradients.get(&x).unwrap().to_vec2::<f32>()?;
                let y = y.to_vec1::<f32>()?;
                let nan = |row: usize| {
                    let nan = dx[row].iter().filter(|x| x.is_nan()).count();
                    (y[row].is_nan(), nan)
                };
                let along = Dual::new(x.detach(), x.detach())?;
                let refused = ops::log_softmax_at(&along, &chosen);
                Ok(matches!(refused, Err(Error::Range { .. }))
                    && nan(0) == (false, 0)
                    && nan(1) == (true, width as usize)
                    && nan(2) == (false, 0))
            });
        }
    }
    report.finish();
}

/// Arguments that begin where several elements can't be moved at once, of sizes that would allow it.
#[test]
fn parts_of_memory() {
    let mut report = Report::new();
    let rows: [&[usize]; 3] = [&[2, 3, 132], &[132], &[132]];
    let images: [&[usize]; 3] = [&[2, 4, 12, 12], &[4], &[4]];
    let layer: [&[usize]; 3] = [&[3, 8], &[12, 8], &[12]];
    let image: [&[usize]; 4] = [&[2, 2, 4, 4], &[4, 2, 3, 3], &[4], &[2, 4, 4, 4]];
    let operations = [
        (Operation::LayerNorm, &rows[..]),
        (Operation::RmsNorm, &rows[..2]),
        (Operation::GroupNorm(2, Activation::Silu), &images),
        (Operation::Linear(Activation::Silu), &layer),
        (
            Operation::Conv2d(Convolution::padded(1), true, true),
            &image,
        ),
        (Operation::Dropout, &[&[40]]),
        (Operation::Upsample(2), &[&[2, 2, 4, 4]]),
    ];
    for (first, name) in [(1, "from the second on"), (4, "from the fifth on")] {
        for (op, shapes) in &operations {
            op.check_from(first, &mut report, name, shapes);
        }
    }
    report.finish();
}

/// Arguments that lie otherwise than their shapes say.
#[test]
fn views() {
    let mut report = Report::new();
    report.same("views", 1e-5, |place| {
        let wide = place.normal(0, &[4, 6, 5])?;
        let var = Var::from_tensor(&wide)?;
        let x = var
            .as_tensor()
            .transpose(0, 2)?
            .narrow(1, 1, 4)?
            .narrow(2, 0, 3)?;
        let (scale, shift) = (place.normal(1, &[4])?, place.normal(2, &[4])?);
        let rows = ops::group_norm(&x, 2, &scale, &shift, 1e-3, Activation::Silu)?;
        let soft = ops::softmax(&x.broadcast_as((2, 5, 4, 3))?.get(1)?)?;
        let y = ops::combine(&[(Shared(0.5), &rows), (Shared(2.0), &soft)])?;
        let gradients = weighted(place, &y)?.backward()?;
        Ok(vec![y.detach(), gradients.get(&var).unwrap().clone()])
    });
    report.finish();
}
