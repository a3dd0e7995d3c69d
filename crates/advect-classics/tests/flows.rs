//! Every bijection: its inverse, its log-determinant, its gradients; densities that integrate to 1; numbers of nflows.

use advect_classics::flow::{
    ActNorm, Affine, AffineCoupling, Bijection, Composition, Inverted, InvertibleConvolution, Mask,
    MaskedAutoregressive, MaskedPerceptron, MultiScale, NormalizingFlow, Permutation,
    RationalQuadraticSpline, ResidualBlock, SplineCoupling, Squeeze, Transformer,
};
use advect_core::testing::{assert_close, device, gradient};
use advect_core::{Generator, Key};
use advect_models::Mlp;
use advect_nn::{Activation, Builder, ParameterStore, TimeEmbedding};
use candle_core::{DType, Tensor, Var};

use crate::common::{normal, scalar, vector};

fn perceptron(dim: usize, parameters: usize, builder: &Builder) -> Mlp {
    let config = Mlp::config(dim).outputs(parameters * dim).hidden(&[5]);
    let config = config
        .activation(Activation::Tanh)
        .time(TimeEmbedding::None);
    config.build(builder).unwrap()
}

/// A layer with its name.
type Named = (&'static str, Box<dyn Bijection>);

/// A layer of each kind on samples of 3 numbers.
fn layers(builder: &Builder) -> Vec<Named> {
    let mask = |parity| Mask::alternating(&[3], parity).unwrap();
    let affine = AffineCoupling::affine(mask(0), perceptron(3, 2, &builder.pp("affine")));
    let net = perceptron(3, 14, &builder.pp("spline"));
    let spline = SplineCoupling::spline(mask(1), net, 5, 2.0).unwrap();
    let made = |name: &str, parameters| {
        let (order, builder) = ([2, 0, 1], builder.pp(name));
        MaskedPerceptron::new(&order, 0, &[5, 5], parameters, Activation::Tanh, &builder).unwrap()
    };
    let maf = MaskedAutoregressive::new(made("maf", 2), Affine::unbounded()).unwrap();
    let iaf = MaskedAutoregressive::new(made("iaf", 2), Affine::default()).unwrap();
    let splines = RationalQuadraticSpline::new(4, 3.0).unwrap();
    let nsf = MaskedAutoregressive::new(made("nsf", 11), splines).unwrap();
    let convolution = InvertibleConvolution::new(3, Key::from_seed(5), &builder.pp("conv"));
    let norm = ActNorm::new(3, &builder.pp("norm")).unwrap();
    let net = perceptron(2, 2, &builder.pp("scale"));
    let inner = AffineCoupling::affine(Mask::alternating(&[2], 0).unwrap(), net);
    let scale = MultiScale::new(&[3], 2, inner).unwrap();
    let permutation = Permutation::new(&[1, 2, 0]).unwrap();
    let residual = ResidualBlock::new(3, &[5], 0.8, &builder.pp("residual")).unwrap();
    vec![
        ("affine", Box::new(affine)),
        ("spline", Box::new(spline)),
        ("maf", Box::new(maf)),
        ("iaf", Box::new(Inverted(iaf))),
        ("nsf", Box::new(nsf)),
        ("conv", Box::new(convolution.unwrap())),
        ("norm", Box::new(norm)),
        ("permutation", Box::new(permutation)),
        ("scale", Box::new(scale)),
        ("residual", Box::new(residual)),
    ]
}

/// A store whose parameters are spread out, so that no layer is near the identity.
fn store(dtype: DType) -> (ParameterStore, Vec<Named>) {
    let store = ParameterStore::new(Key::from_seed(0), dtype, device());
    let layers = layers(&store.builder());
    for (k, (_, var)) in store.parameters().iter().enumerate() {
        let change = normal(var.dims(), 0.3, 100 + k as u64)
            .to_dtype(dtype)
            .unwrap();
        var.set(&(var.as_tensor() + change).unwrap().detach())
            .unwrap();
    }
    (store, layers)
}

#[test]
fn inverses_go_back() {
    let x = normal(&[50, 3], 1.5, 1);
    for (name, layer) in store(DType::F64).1 {
        let (y, log_determinant) = layer.forward(&x).unwrap();
        let (back, inverse) = layer.inverse(&y).unwrap();
        assert_close(&back, &x, 1e-12, 1e-12);
        let sum = (log_determinant + inverse).unwrap();
        let most = vector(&sum).iter().fold(0f64, |most, s| most.max(s.abs()));
        assert!(most < 1e-11, "{name}: {most}");
    }
}

/// In f32, each layer forward and back is x within 1e-6 of the size of the sample. A composition of twelve is so within that or a few times what the rounding of y alone makes of it: the
/// condition of the inverse, `2⁻²⁴ Σ_j |∂x_i/∂y_j| |y_j|`, which is up to 3.5e-6 of the size here.
#[test]
fn inverses_go_back_in_single_precision() {
    let x = normal(&[200, 3], 1.5, 1).to_dtype(DType::F32).unwrap();
    let wide = x.to_dtype(DType::F64).unwrap();
    let all = |dtype: DType| {
        let mut all = store(dtype).1;
        let deep = (0..3).flat_map(|_| store(dtype).1.into_iter());
        let deep = deep.filter(|(name, _)| ["affine", "spline", "maf", "norm"].contains(name));
        let deep = deep.map(|(_, layer)| layer).collect();
        all.push(("deep", Box::new(Composition::new(&[3], deep).unwrap())));
        all
    };
    for ((name, layer), (_, exact)) in all(DType::F32).into_iter().zip(all(DType::F64)) {
        let (y, log_determinant) = layer.forward(&x).unwrap();
        let (back, inverse) = layer.inverse(&y).unwrap();
        let there = exact.forward(&wide).unwrap().0;
        let mut condition = wide.zeros_like().unwrap();
        for j in 0..3 {
            let unit = Tensor::new(&[[0, 1, 2].map(|k| f64::from(u8::from(k == j)))], device());
            let unit = (unit.unwrap() * 1e-5).unwrap();
            let at = |y: Tensor| exact.inverse(&y).unwrap().0;
            let rise = at(there.broadcast_add(&unit).unwrap());
            let rise = (rise - at(there.broadcast_sub(&unit).unwrap())).unwrap();
            let slope = (rise.abs().unwrap() / 2e-5).unwrap();
            let size = there.narrow(1, j, 1).unwrap().abs().unwrap();
            condition = (condition + slope.broadcast_mul(&size).unwrap()).unwrap();
        }
        let size = wide.abs().unwrap().max_keepdim(1).unwrap();
        let size = vector(&size.broadcast_as((200, 3)).unwrap());
        let error = (back.to_dtype(DType::F64).unwrap() - &wide).unwrap();
        let error: Vec<f64> = vector(&error).iter().map(|e| e.abs()).collect();
        let condition: Vec<f64> = vector(&condition)
            .iter()
            .map(|c| c * 2f64.powi(-24))
            .collect();
        // Each layer of a composition rounds, and what comes after it magnifies that.
        let bound = |k: usize| match name {
            "deep" => (1e-6 * size[k]).max(8.0 * condition[k]),
            _ => 1e-6 * size[k],
        };
        for (k, error) in error.iter().enumerate() {
            assert!(*error <= bound(k), "{name}: {error} {}", bound(k));
        }
        let sum = (log_determinant + inverse).unwrap();
        let most = vector(&sum).iter().fold(0f64, |most, s| most.max(s.abs()));
        let bound = if name == "deep" { 4e-5 } else { 5e-6 };
        assert!(most < bound, "{name}: {most}");
    }
}

/// The determinant of a matrix of three rows.
fn determinant(m: &[Vec<f64>]) -> f64 {
    let minor = |a: usize, b: usize| m[1][a] * m[2][b] - m[1][b] * m[2][a];
    m[0][0] * minor(1, 2) - m[0][1] * minor(0, 2) + m[0][2] * minor(0, 1)
}

#[test]
fn log_determinants_are_those_of_dense_jacobians() {
    for (name, layer) in store(DType::F64).1 {
        for seed in 0..3 {
            let x = normal(&[1, 3], 1.0, 20 + seed);
            let rows: Vec<Vec<f64>> = (0..3)
                .map(|i| {
                    let output = |x: &Tensor| Ok(vector(&layer.forward(x)?.0)[i]);
                    vector(&gradient(output, &x, 1e-3).unwrap())
                })
                .collect();
            let expected = determinant(&rows).abs().ln();
            let found = vector(&layer.forward(&x).unwrap().1)[0];
            assert!(
                (found - expected).abs() < 1e-7,
                "{name}: {found} {expected}"
            );
        }
    }
}

/// Gradients of everything that a training uses, by every parameter and by the samples.
#[test]
fn gradients_are_those_of_finite_differences() {
    let (store, layers) = store(DType::F64);
    let x = normal(&[2, 3], 1.0, 30);
    let weights = normal(&[2, 3], 1.0, 31);
    for (name, layer) in layers {
        let of = |x: &Tensor, inverse: bool| -> advect_core::Result<Tensor> {
            let (y, log_determinant) = if inverse {
                layer.inverse(x)?
            } else {
                layer.forward(x)?
            };
            Ok(((y * &weights)?.sum_all()? + log_determinant.sum_all()?)?)
        };
        for inverse in [false, true] {
            // The inverse of a residual layer is part of no graph.
            if name == "residual" && inverse {
                assert!(!of(&x, true).unwrap().track_op());
                continue;
            }
            let var = Var::from_tensor(&x).unwrap();
            let gradients = of(&var, inverse).unwrap().backward().unwrap();
            let expected = gradient(|x| Ok(scalar(&of(x, inverse)?)), &x, 1e-4).unwrap();
            assert_close(gradients.get(&var).unwrap(), &expected, 1e-7, 1e-8);
            let own = |n: &String| n.starts_with(&format!("{name}."));
            for (parameter, var) in store.parameters().iter().filter(|(n, _)| own(n)) {
                let value = var.as_tensor().copy().unwrap().detach();
                let changed = |v: &Tensor| {
                    var.set(v)?;
                    Ok(scalar(&of(&x, inverse)?))
                };
                let expected = gradient(changed, &value, 1e-4).unwrap();
                var.set(&value).unwrap();
                let zero = expected.zeros_like().unwrap();
                let found = gradients.get(var).unwrap_or(&zero);
                let difference = (found - &expected).unwrap().abs().unwrap();
                let most = scalar(&difference.flatten_all().unwrap().max(0).unwrap());
                assert!(most < 1e-7, "{parameter}: {most}");
            }
        }
    }
}

fn plane(builder: &Builder) -> Composition {
    let mask = |parity| Mask::alternating(&[2], parity).unwrap();
    let net = perceptron(2, 17, &builder.pp("a"));
    let first = SplineCoupling::spline(mask(0), net, 6, 3.0).unwrap();
    let second = AffineCoupling::affine(mask(1), perceptron(2, 2, &builder.pp("b")));
    let made =
        MaskedPerceptron::new(&[0, 1], 0, &[8], 2, Activation::Tanh, &builder.pp("c")).unwrap();
    let third = MaskedAutoregressive::new(made, Affine::default()).unwrap();
    let residual = ResidualBlock::new(2, &[8], 0.7, &builder.pp("d")).unwrap();
    let layers: Vec<Box<dyn Bijection>> = vec![
        Box::new(first),
        Box::new(second),
        Box::new(Permutation::reversed(2).unwrap()),
        Box::new(third),
        Box::new(Inverted(residual)),
    ];
    Composition::new(&[2], layers).unwrap()
}

#[test]
fn densities_integrate_to_one() {
    let store = ParameterStore::new(Key::from_seed(3), DType::F64, device());
    let flow = NormalizingFlow::new(&[2], plane(&store.builder())).unwrap();
    let (side, half) = (161, 9.0);
    let step = 2.0 * half / (side - 1) as f64;
    let at = |k: usize| -half + step * k as f64;
    let grid: Vec<[f64; 2]> = (0..side * side)
        .map(|k| [at(k / side), at(k % side)])
        .collect();
    let grid = Tensor::from_vec(grid.concat(), (side * side, 2), device()).unwrap();
    let density = flow.log_density(&grid).unwrap().exp().unwrap();
    let mass = scalar(&density.sum_all().unwrap()) * step * step;
    assert!((mass - 1.0).abs() < 2e-3, "{mass}");
    // Samples come with the density that the inverse finds.
    let mut rng = Generator::from_seed(4);
    let noise = flow.noise(100, DType::F64, device(), &mut rng).unwrap();
    let (y, density) = flow.transform(&noise).unwrap();
    assert_close(&density, &flow.log_density(&y).unwrap(), 0.0, 1e-10);
}

/// A small Glow on images, its first batch made white.
#[test]
fn images() {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let builder = store.builder();
    let mut layers: Vec<Box<dyn Bijection>> = Vec::new();
    for k in 0..2 {
        let builder = builder.pp(k);
        let mask = Mask::halves(&[4, 2, 2], k).unwrap();
        layers.push(Box::new(AffineCoupling::affine(
            mask,
            perceptron(16, 2, &builder),
        )));
        layers.push(Box::new(
            InvertibleConvolution::new(4, Key::from_seed(k as u64), &builder).unwrap(),
        ));
        layers.push(Box::new(ActNorm::new(4, &builder).unwrap()));
    }
    layers.push(Box::new(Squeeze));
    let flow =
        NormalizingFlow::new(&[1, 4, 4], Composition::new(&[1, 4, 4], layers).unwrap()).unwrap();
    let data = normal(&[64, 1, 4, 4], 3.0, 1).affine(1.0, 5.0).unwrap();
    flow.initialize(&data).unwrap();
    let (noise, log_determinant) = flow.bijection().inverse(&data).unwrap();
    assert_eq!(noise.dims(), [64, 4, 2, 2]);
    let (back, _) = flow.bijection().forward(&noise).unwrap();
    assert_close(&back, &data, 1e-11, 1e-11);
    // The last layer before the couplings made it white, up to these.
    let last = ActNorm::new(4, &builder.pp(1)).unwrap();
    let (white, _) = last.inverse(&Squeeze.inverse(&data).unwrap().0).unwrap();
    let channels = white
        .transpose(0, 1)
        .unwrap()
        .contiguous()
        .unwrap()
        .flatten_from(1)
        .unwrap();
    assert!(
        vector(&channels.mean(1).unwrap())
            .iter()
            .all(|m| m.abs() < 1e-12)
    );
    assert!(
        vector(&channels.sqr().unwrap().mean(1).unwrap())
            .iter()
            .all(|v| (v - 1.0).abs() < 1e-12)
    );
    assert_eq!(log_determinant.dims(), [64]);
    let samples = flow
        .sample(3, DType::F64, device(), &mut Generator::from_seed(0))
        .unwrap();
    assert_eq!(samples.dims(), [3, 1, 4, 4]);
}

/// Layers of channels have the determinant of one place at each place.
#[test]
fn each_place_of_an_image_counts() {
    let (_, layers) = store(DType::F64);
    let (pixel, image) = (normal(&[2, 3], 1.0, 6), normal(&[2, 3, 4, 5], 1.0, 7));
    let linear = layers
        .iter()
        .filter(|(name, _)| ["conv", "norm"].contains(name));
    for (_, layer) in linear {
        let one = layer.inverse(&pixel).unwrap().1;
        let all = layer.inverse(&image).unwrap().1;
        assert_close(&all, &(one * 20.0).unwrap(), 1e-12, 1e-12);
        let (back, _) = layer.forward(&layer.inverse(&image).unwrap().0).unwrap();
        assert_close(&back, &image, 1e-12, 1e-12);
    }
}

/// Means of estimates are the exact log-determinant, and so are means of their gradients.
#[test]
fn roulette_has_no_bias() {
    let store = ParameterStore::new(Key::from_seed(1), DType::F64, device());
    let layer = ResidualBlock::new(3, &[8], 0.8, &store.builder()).unwrap();
    let x = normal(&[1, 3], 1.0, 2);
    // Where the activation's slope is about 1, so that many terms of the series count.
    let bias = &store.vars()[1];
    bias.set(&(bias.ones_like().unwrap() * 2.0).unwrap())
        .unwrap();
    let weight = &store.vars()[0];
    let derivative = |log_determinant: &Tensor| {
        let gradients = log_determinant.sum_all().unwrap().backward().unwrap();
        vector(gradients.get(weight).unwrap())[0]
    };
    let exact = layer.forward(&x).unwrap().1;
    let many = x.broadcast_as((200, 3)).unwrap().contiguous().unwrap();
    let draws: Vec<[f64; 2]> = (0..300)
        .map(|k| {
            let estimated = layer.estimated(Key::from_seed(k), 1);
            let log_determinant = estimated.forward(&many).unwrap().1.mean(0).unwrap();
            [scalar(&log_determinant), derivative(&log_determinant)]
        })
        .collect();
    for (part, exact) in [scalar(&exact.squeeze(0).unwrap()), derivative(&exact)]
        .iter()
        .enumerate()
    {
        let n = draws.len() as f64;
        let mean = draws.iter().map(|d| d[part]).sum::<f64>() / n;
        let variance = draws.iter().map(|d| (d[part] - mean).powi(2)).sum::<f64>() / n;
        let error = (variance / n).sqrt();
        assert!(
            (mean - exact).abs() < 4.0 * error,
            "{mean} ± {error}, expected {exact}"
        );
        assert!(error < 0.2 * exact.abs(), "{error} {exact}");
    }
}

#[test]
fn conditions_reach_the_networks() {
    let store = ParameterStore::new(Key::from_seed(1), DType::F64, device());
    let net = Mlp::config(2)
        .outputs(4)
        .hidden(&[8])
        .classes(3)
        .time(TimeEmbedding::None);
    let net = net.build(&store.builder()).unwrap();
    let coupling = AffineCoupling::affine(Mask::alternating(&[2], 0).unwrap(), net);
    let flow = NormalizingFlow::new(&[2], coupling).unwrap();
    let y = normal(&[1, 2], 1.0, 3).repeat((3, 1)).unwrap();
    let labels = Tensor::new(&[0u32, 1, 0], device()).unwrap();
    let density = vector(&flow.given(&labels).log_density(&y).unwrap());
    assert!(density[0] == density[2] && density[0] != density[1]);
    // A context of numbers, for autoregressive layers; the first element depends on it, too.
    let made = MaskedPerceptron::new(
        &[0, 1],
        2,
        &[8],
        2,
        Activation::Tanh,
        &store.builder().pp("m"),
    );
    let layer = MaskedAutoregressive::new(made.unwrap(), Affine::default()).unwrap();
    let context = normal(&[3, 2], 1.0, 5);
    let (x, _) = layer.inverse_given(&y, Some(&context)).unwrap();
    let first = vector(&x.narrow(1, 0, 1).unwrap());
    assert!(first[0] != first[1]);
    let (back, _) = layer.forward_given(&x, Some(&context)).unwrap();
    assert_close(&back, &y, 1e-12, 1e-12);
}

/// Numbers of nflows: `golden/flows_nflows.py`.
#[test]
fn numbers_of_nflows() {
    let text = include_str!("golden/flows_nflows.json");
    let golden: serde_json::Value = serde_json::from_str(text).unwrap();
    let tensor = |value: &serde_json::Value, dims: &[usize]| {
        let numbers = value
            .as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_f64().unwrap());
        Tensor::from_vec(numbers.collect::<Vec<_>>(), dims, device()).unwrap()
    };
    let spline = |name: &str| tensor(&golden["spline"][name], &[1, 6]);
    let parameters = tensor(&golden["spline"]["parameters"], &[6, 11]);
    let parameters = parameters
        .t()
        .unwrap()
        .contiguous()
        .unwrap()
        .unsqueeze(0)
        .unwrap();
    let function = RationalQuadraticSpline::new(4, 3.0).unwrap();
    let (y, log_slope) = function.forward(&spline("x"), &parameters).unwrap();
    assert_close(&y, &spline("y"), 1e-11, 1e-12);
    assert_close(&log_slope, &spline("log_slope"), 1e-11, 1e-12);
    let (back, log_slope) = function.inverse(&spline("x"), &parameters).unwrap();
    assert_close(&back, &spline("back"), 1e-10, 1e-11);
    assert_close(&log_slope, &spline("log_slope_back"), 1e-10, 1e-11);

    let golden = &golden["autoregressive"];
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let builder = store.builder();
    let net = MaskedPerceptron::new(&[0, 1, 2], 0, &[8, 8], 2, Activation::Relu, &builder).unwrap();
    for (name, var) in store.parameters() {
        let parts: Vec<&str> = name.split('.').collect();
        let kind = if parts[2] == "weight" {
            "weights"
        } else {
            "biases"
        };
        let value = &golden[kind][parts[1].parse::<usize>().unwrap()];
        var.set(&tensor(value, var.dims())).unwrap();
    }
    let layer = MaskedAutoregressive::new(net, Affine::unbounded()).unwrap();
    let data = tensor(&golden["data"], &[4, 3]);
    let (noise, log_determinant) = layer.inverse(&data).unwrap();
    assert_close(&noise, &tensor(&golden["noise"], &[4, 3]), 1e-11, 1e-12);
    assert_close(
        &log_determinant,
        &tensor(&golden["log_determinant"], &[4]),
        1e-11,
        1e-12,
    );
    let (samples, log_determinant) = layer.forward(&data).unwrap();
    assert_close(&samples, &tensor(&golden["samples"], &[4, 3]), 1e-11, 1e-12);
    assert_close(
        &log_determinant,
        &tensor(&golden["log_determinant_back"], &[4]),
        1e-11,
        1e-12,
    );
}
