//! The diffusion transformer: numbers of SiT, derivatives of every option, sizes, states of one to three axes, and what
//! bad input gets.

use std::collections::HashMap;

use advect_core::testing::{assert_close, device};
use advect_core::{Conditional, Error, Field, Key, Result, Time};
use advect_models::{
    DiffusionTransformer, DiffusionTransformerConfig, FeedForward, PositionEmbedding, TokenNorm,
};
use advect_nn::{Builder, ParameterStore, State, Stateful};
use candle_core::backprop::GradStore;
use candle_core::{D, DType, Device, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use crate::derivatives::{check, normal, number, randomize, slope};

fn store(dtype: DType) -> ParameterStore {
    ParameterStore::new(Key::from_seed(0), dtype, device())
}

/// Numbers of willisma/SiT: weights (`w.`), inputs (`in.`) and the output.
fn golden() -> HashMap<String, Tensor> {
    let path = format!(
        "{}/tests/golden/sit.safetensors",
        env!("CARGO_MANIFEST_DIR")
    );
    candle_core::safetensors::load(path, device()).unwrap()
}

fn golden_config() -> DiffusionTransformerConfig {
    let config = DiffusionTransformer::config(&[4, 8, 8], 2);
    config.width(48).depth(2).heads(4).classes(7)
}

/// The network of SiT in a dtype.
fn golden_network(
    golden: &HashMap<String, Tensor>,
    dtype: DType,
) -> (DiffusionTransformer, ParameterStore) {
    let store = store(dtype);
    let net = golden_config().build(&store.builder()).unwrap();
    let mut state = State::new();
    for (name, tensor) in golden {
        if let Some(name) = name.strip_prefix("w.") {
            state.insert(name.to_string(), tensor.to_dtype(dtype).unwrap());
        }
    }
    // Neither a name too many nor one too few.
    store.restore(&state).unwrap();
    (net, store)
}

fn largest(x: &Tensor) -> f64 {
    let x = x.to_dtype(DType::F64).unwrap().abs().unwrap();
    number(&x.max_all().unwrap())
}

/// The largest difference, relative to the largest number.
fn difference(a: &Tensor, b: &Tensor) -> f64 {
    let [a, b] = [a, b].map(|x| x.to_dtype(DType::F64).unwrap());
    largest(&(a - &b).unwrap()) / largest(&b)
}

#[test]
fn values_are_those_of_sit() {
    let golden = golden();
    for dtype in [DType::F32, DType::F64] {
        let (net, store) = golden_network(&golden, dtype);
        let t = Time::PerSample(golden["in.t"].to_dtype(DType::F64).unwrap());
        let x = golden["in.x"].to_dtype(dtype).unwrap();
        let value = net.at_given(&t, &x, &golden["in.y"]).unwrap();
        let error = difference(&value, &golden["out.v"]);
        println!("{dtype:?}: {error:.1e}");
        assert!(error < 2e-6, "{dtype:?}: {error:e}");
        // Positions are none of the parameters, and part of what is stored.
        assert_eq!(net.cost().parameters, store.element_count());
        assert_eq!(store.state().len(), store.parameters().len() + 1);
        assert_eq!(
            store.duplicate().unwrap().state().len(),
            store.state().len()
        );
    }
}

#[test]
fn a_file_with_positions_is_loaded_and_saved() {
    let golden = golden();
    let (net, first) = golden_network(&golden, DType::F32);
    let file = tempfile::NamedTempFile::new().unwrap();
    // A table that is not ours is used, too.
    let table = (first.state()["pos_embed"].clone() * 2.0).unwrap();
    let mut state = first.state();
    state.insert("pos_embed".into(), table.clone());
    candle_core::safetensors::save(&state.into_iter().collect(), file.path()).unwrap();
    let second = store(DType::F32);
    let loaded = golden_config().build(&second.builder()).unwrap();
    second.load(file.path()).unwrap();
    assert_close(&second.state()["pos_embed"], &table, 0.0, 0.0);
    let (t, x) = (Time::Shared(0.5), &golden["in.x"]);
    let [ours, theirs] = [&net, &loaded].map(|net| net.at(&t, x).unwrap());
    assert!(difference(&ours, &theirs) > 1e-3);
    first.save(file.path()).unwrap();
    second.load(file.path()).unwrap();
    let twin = loaded.on(&second.frozen()).unwrap().at(&t, x).unwrap();
    assert!(!twin.track_op());
    assert_close(&twin, &ours, 0.0, 0.0);
    // Any other builder of candle's.
    let state = first.state().into_iter().collect();
    let builder = VarBuilder::from_tensors(state, DType::F32, device());
    let other = golden_config().build(&builder).unwrap();
    assert_close(&other.at(&t, x).unwrap(), &ours, 0.0, 0.0);
}

/// The fixed positions of DiT: the columns of images first, then their rows, each as sines and then cosines.
#[test]
fn fixed_positions_are_sines_and_cosines_of_each_axis() {
    let table = |dim: &[usize], width: usize| {
        let store = store(DType::F64);
        let config = DiffusionTransformer::config(dim, 2)
            .width(width)
            .depth(1)
            .heads(1);
        config.build(&store.builder()).unwrap();
        assert_eq!(
            store
                .parameters()
                .iter()
                .filter(|(name, _)| name == "pos_embed")
                .count(),
            0
        );
        store.state()["pos_embed"]
            .get(0)
            .unwrap()
            .to_vec2::<f64>()
            .unwrap()
    };
    let waves = |i: f64, n: i32| -> Vec<f64> {
        let angles = (0..n).map(move |k| i / 10_000f64.powf(f64::from(k) / f64::from(n)));
        (angles.clone().map(f64::sin).chain(angles.map(f64::cos))).collect()
    };
    let check = |ours: &[f64], expected: &[Vec<f64>]| {
        let expected = expected.concat();
        assert_eq!(ours.len(), expected.len());
        for (a, b) in ours.iter().zip(expected) {
            assert!((a - b).abs() < 1e-14, "{a} {b}");
        }
    };
    // Row 1, column 2 of three columns.
    check(&table(&[1, 4, 6], 24)[5], &[waves(2.0, 6), waves(1.0, 6)]);
    check(&table(&[1, 8], 8)[3], &[waves(3.0, 4)]);
    // Plane 1, row 0, column 1, and what three axes leave of the width.
    let volume = table(&[1, 4, 4, 4], 15);
    check(
        &volume[5],
        &[waves(1.0, 2), waves(0.0, 2), waves(1.0, 2), vec![0.0; 3]],
    );
    // A number of SiT's own table: token 14 of 4 × 4, feature 21 of 48.
    assert!((table(&[4, 8, 8], 48)[14][21] - 0.999_998_000_000_666_6).abs() < 1e-14);
}

/// SiT by candle's own operations alone, from what the names of its weights say, for images with patches of 2 and two
/// blocks with four heads.
struct Composed<'a> {
    weights: &'a HashMap<String, Tensor>,
    /// The base of rotations.
    rotary: Option<f64>,
}

type Candle<T> = candle_core::Result<T>;

/// The GELU with the logistic function. (The gradient of candle's own has constants of six digits.)
fn gelu(x: &Tensor) -> Candle<Tensor> {
    let u = ((x + (x.powf(3.0)? * 0.044715)?)? * (2.0 / std::f64::consts::PI).sqrt())?;
    (x * (u.tanh()? + 1.0)?)? * 0.5
}

impl Composed<'_> {
    fn linear(&self, name: &str, x: &Tensor) -> Candle<Tensor> {
        let weight = &self.weights[&format!("{name}.weight")];
        let bias = &self.weights[&format!("{name}.bias")];
        let rows = x.reshape(((), weight.dim(1)?))?;
        let y = rows.matmul(&weight.t()?)?.broadcast_add(bias)?;
        let mut shape = x.dims().to_vec();
        shape.pop();
        shape.push(weight.dim(0)?);
        y.reshape(shape)
    }

    /// Rows with a variance of 1, or, where there are weights, with a mean square of 1 and multiplied by these.
    fn normal(&self, name: &str, x: &Tensor) -> Candle<Tensor> {
        if let Some(weight) = self.weights.get(&format!("{name}.weight")) {
            let root = (x.sqr()?.mean_keepdim(D::Minus1)? + 1e-6)?.sqrt()?;
            return x.broadcast_div(&root)?.broadcast_mul(weight);
        }
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + 1e-6)?.sqrt()?;
        centred.broadcast_div(&deviation)
    }

    fn norm(&self, name: &str, x: &Tensor, shift: &Tensor, scale: &Tensor) -> Candle<Tensor> {
        let scale = (scale.unsqueeze(1)? + 1.0)?;
        (self.normal(name, x)?.broadcast_mul(&scale)?).broadcast_add(&shift.unsqueeze(1)?)
    }

    /// Each pair of numbers times `exp(i angle)`: the first half turns with the row, the second with the column.
    fn turned(&self, x: &Tensor, columns: usize) -> Candle<Tensor> {
        let Some(base) = self.rotary else {
            return Ok(x.clone());
        };
        let (_, _, n, d) = x.dims4()?;
        let axis = d / 2;
        let mut matrix = vec![0.0; n * d * d];
        for token in 0..n {
            for pair in 0..d / 2 {
                let place = if 2 * pair < axis {
                    token / columns
                } else {
                    token % columns
                };
                let k = (2 * pair % axis) as f64;
                let (sin, cos) = (place as f64 * base.powf(-k / axis as f64)).sin_cos();
                let mut set = |i: usize, j: usize, value: f64| {
                    matrix[(token * d + 2 * pair + i) * d + 2 * pair + j] = value;
                };
                set(0, 0, cos);
                set(0, 1, -sin);
                set(1, 0, sin);
                set(1, 1, cos);
            }
        }
        let matrix = Tensor::from_vec(matrix, (1, 1, n, d, d), x.device())?;
        // Products of numbers, and sums over the columns.
        (matrix.broadcast_mul(&x.unsqueeze(3)?)?).sum(4)
    }

    fn attention(&self, name: &str, x: &Tensor, columns: usize) -> Candle<Tensor> {
        let (b, n, width) = x.dims3()?;
        let qkv = self.linear(&format!("{name}.qkv"), x)?;
        let qkv = qkv.reshape((b, n, 3, 4, width / 4))?;
        let part = |i: usize| {
            let part = qkv.narrow(2, i, 1)?.squeeze(2)?;
            part.transpose(1, 2)?.contiguous()
        };
        let prepared = |i: usize, norm: &str| {
            let norm = format!("{name}.{norm}");
            let part = match self.weights.contains_key(&format!("{norm}.weight")) {
                true => self.normal(&norm, &part(i)?)?,
                false => part(i)?,
            };
            self.turned(&part, columns)
        };
        let keys = prepared(1, "k_norm")?.transpose(2, 3)?.contiguous()?;
        let scores = (prepared(0, "q_norm")?.matmul(&keys)? / ((width / 4) as f64).sqrt())?;
        let weights = candle_nn::ops::softmax(&scores, 3)?;
        let values = weights.matmul(&part(2)?)?.transpose(1, 2)?;
        self.linear(&format!("{name}.proj"), &values.reshape((b, n, width))?)
    }

    fn feed_forward(&self, name: &str, x: &Tensor) -> Candle<Tensor> {
        if !self.weights.contains_key(&format!("{name}.w12.weight")) {
            let hidden = gelu(&self.linear(&format!("{name}.fc1"), x)?)?;
            return self.linear(&format!("{name}.fc2"), &hidden);
        }
        let both = self.linear(&format!("{name}.w12"), x)?.chunk(2, 2)?;
        let hidden = (both[0].silu()? * &both[1])?;
        self.linear(&format!("{name}.w3"), &hidden)
    }

    fn value(&self, t: &Tensor, x: &Tensor, labels: &Tensor) -> Candle<Tensor> {
        let frequencies: Vec<f64> = (0..128)
            .map(|k| (-(10_000f64.ln()) * f64::from(k) / 128.0).exp())
            .collect();
        let frequencies = Tensor::from_vec(frequencies, (1, 128), t.device())?;
        let phase = t.reshape(((), 1))?.matmul(&frequencies)?;
        let features = Tensor::cat(&[phase.cos()?, phase.sin()?], 1)?;
        let hidden = self.linear("t_embedder.mlp.0", &features)?.silu()?;
        let c = self.linear("t_embedder.mlp.2", &hidden)?;
        let table = &self.weights["y_embedder.embedding_table.weight"];
        let c = (c + table.index_select(labels, 0)?)?.silu()?;
        let kernel = &self.weights["x_embedder.proj.weight"];
        let bias = &self.weights["x_embedder.proj.bias"];
        let tokens = x.conv2d(kernel, 0, 2, 1, 1)?.flatten_from(2)?;
        let mut h = tokens.transpose(1, 2)?.contiguous()?;
        h = h.broadcast_add(bias)?;
        if let Some(positions) = self.weights.get("pos_embed") {
            h = h.broadcast_add(positions)?;
        }
        let (_, channels, height, columns) = x.dims4()?;
        let (rows, columns) = (height / 2, columns / 2);
        for block in ["blocks.0", "blocks.1"] {
            let modulation = self.linear(&format!("{block}.adaLN_modulation.1"), &c)?;
            let parts = modulation.chunk(6, 1)?;
            let normal = self.norm(&format!("{block}.norm1"), &h, &parts[0], &parts[1])?;
            let change = self.attention(&format!("{block}.attn"), &normal, columns)?;
            h = (&h + change.broadcast_mul(&parts[2].unsqueeze(1)?)?)?;
            let normal = self.norm(&format!("{block}.norm2"), &h, &parts[3], &parts[4])?;
            let change = self.feed_forward(&format!("{block}.mlp"), &normal)?;
            h = (&h + change.broadcast_mul(&parts[5].unsqueeze(1)?)?)?;
        }
        let modulation = self.linear("final_layer.adaLN_modulation.1", &c)?;
        let parts = modulation.chunk(2, 1)?;
        let normal = self.norm("final_layer.norm_final", &h, &parts[0], &parts[1])?;
        let y = self.linear("final_layer.linear", &normal)?;
        let y = y.reshape((y.dim(0)?, rows, columns, 2, 2, channels))?;
        y.permute((0, 5, 1, 3, 2, 4))?.reshape(x.shape())
    }
}

/// In f64 the network is the composition to rounding, with the weights of SiT: its value, and every gradient.
#[test]
fn values_and_gradients_are_those_of_plain_operations() {
    let golden = golden();
    let wide = |x: &Tensor| Var::from_tensor(&x.to_dtype(DType::F64).unwrap()).unwrap();
    let weights: HashMap<String, Tensor> = (golden.iter())
        .filter_map(|(name, x)| Some((name.strip_prefix("w.")?.to_string(), wide(x).into_inner())))
        .collect();
    let (x, t) = (
        wide(&golden["in.x"]),
        golden["in.t"].to_dtype(DType::F64).unwrap(),
    );
    let labels = &golden["in.y"];
    let composed = Composed {
        weights: &weights,
        rotary: None,
    };
    let plain = composed.value(&t, &x, labels).unwrap();
    let (net, store) = golden_network(&golden, DType::F64);
    let value = net.at_given(&Time::PerSample(t), &x, labels).unwrap();
    let mut worst = difference(&value, &plain);
    let gradients = |y: &Tensor| y.sqr().unwrap().mean_all().unwrap().backward().unwrap();
    let (ours, theirs) = (gradients(&value), gradients(&plain));
    worst = worst.max(difference(ours.get(&x).unwrap(), theirs.get(&x).unwrap()));
    let of = |name: &str| theirs.get(&weights[name]).unwrap();
    let size = (store.parameters().iter())
        .map(|(name, _)| largest(of(name)))
        .fold(0.0, f64::max);
    for (name, var) in store.parameters() {
        // Those of the biases of keys are 0 but for rounding.
        let error = largest(&(ours.get(&var).unwrap() - of(&name)).unwrap());
        worst = worst.max(error / largest(of(&name)).max(1e-4 * size));
    }
    println!("{worst:.1e}");
    assert!(worst < 1e-12, "{worst:e}");
}

/// The values of all options are those of the composition, too.
#[test]
fn options_are_those_of_plain_operations() {
    let (rms, swiglu) = (TokenNorm::Rms, FeedForward::SwiGlu);
    let plain = || {
        DiffusionTransformer::config(&[3, 4, 6], 2)
            .width(32)
            .depth(2)
            .heads(4)
            .classes(4)
    };
    let options = [
        (plain().norm(rms), None),
        (plain().feed_forward(swiglu), None),
        (plain().rotary(50.0), Some(50.0)),
        (plain().norm(rms).qk_norm(true), None),
        (
            plain()
                .norm(rms)
                .qk_norm(true)
                .feed_forward(swiglu)
                .rotary(10_000.0)
                .positions(PositionEmbedding::None),
            Some(10_000.0),
        ),
        (plain().positions(PositionEmbedding::Learned), None),
    ];
    for (config, rotary) in options {
        let store = store(DType::F64);
        let net = config.build(&store.builder()).unwrap();
        randomize(&store);
        let weights: HashMap<String, Tensor> = store.state().into_iter().collect();
        let (x, t) = (
            normal(1, &[2, 3, 4, 6]),
            Tensor::new(&[0.2f64, 0.7], device()).unwrap(),
        );
        let labels = Tensor::new(&[1u32, 4], device()).unwrap();
        let weights = &weights;
        let expected = Composed { weights, rotary }.value(&t, &x, &labels).unwrap();
        let value = net.at_given(&Time::PerSample(t), &x, &labels).unwrap();
        let error = difference(&value, &expected);
        assert!(error < 1e-12, "{config:?}: {error:e}");
    }
}

/// A small network.
fn small(dim: &[usize]) -> DiffusionTransformerConfig {
    let config = DiffusionTransformer::config(dim, 2);
    config.width(12).depth(1).heads(1).ratio(2.0)
}

/// Each option and some of their combinations, with the shape of a batch of states.
fn options() -> Vec<(DiffusionTransformerConfig, Vec<usize>)> {
    let images = || small(&[2, 4, 6]);
    let shape = vec![3, 2, 4, 6];
    let (swiglu, rms) = (FeedForward::SwiGlu, TokenNorm::Rms);
    vec![
        (images().time_scale(10.0), shape.clone()),
        (images().norm(rms), shape.clone()),
        (images().feed_forward(swiglu), shape.clone()),
        (images().rotary(100.0), shape.clone()),
        (images().qk_norm(true).heads(3), shape.clone()),
        (
            images().positions(PositionEmbedding::Learned),
            shape.clone(),
        ),
        (images().outputs(1).discarded_outputs(2), shape),
        (
            small(&[1, 6])
                .norm(rms)
                .qk_norm(true)
                .positions(PositionEmbedding::None),
            vec![2, 1, 8],
        ),
        (
            small(&[1, 2, 4, 2])
                .patches(&[1, 2, 1])
                .feed_forward(swiglu),
            vec![2, 1, 2, 4, 2],
        ),
        (
            small(&[1, 2, 2, 2])
                .patches(&[1, 2, 2])
                .norm(rms)
                .feed_forward(swiglu)
                .rotary(100.0)
                .qk_norm(true)
                .positions(PositionEmbedding::None),
            vec![1, 1, 3, 4, 2],
        ),
    ]
}

/// The value's derivative along a direction and its gradients are those of finite differences, of each parameter as
/// well; and the cost counts all parameters.
#[test]
fn every_option_has_its_derivatives() {
    for (i, (config, shape)) in options().into_iter().enumerate() {
        let store = store(DType::F64);
        let config = match i % 2 {
            0 => config.classes(3),
            _ => config.condition_vectors(5),
        };
        let net = config.build(&store.builder()).unwrap();
        randomize(&store);
        assert_eq!(net.cost().parameters, store.element_count(), "{config:?}");
        let labels: Vec<u32> = (0..shape[0] as u32).map(|i| i % 4).collect();
        let condition = match i % 2 {
            0 => Tensor::new(labels, device()).unwrap(),
            _ => normal(7, &[shape[0], 5]),
        };
        check(&net, &store, &shape, &condition);

        let (x, t) = (normal(1, &shape), Time::Shared(0.3));
        let loss = || {
            let y = net.at_given(&t, &x, &condition).unwrap();
            y.sqr().unwrap().sum_all().unwrap()
        };
        let gradients = loss().backward().unwrap();
        compare_checkpointed(&config, &store, (&x, &condition), &gradients);
        let size = f64::from(u16::try_from(store.parameters().len()).unwrap());
        for (k, (name, var)) in store.parameters().into_iter().enumerate() {
            let direction = normal(300 + k as u64, var.dims());
            let before = var.as_detached_tensor().copy().unwrap();
            let numeric = slope(|h| {
                let moved = (&before + (&direction * h).unwrap()).unwrap();
                var.set(&moved).unwrap();
                loss()
            });
            var.set(&before).unwrap();
            let ours = (gradients.get(&var).unwrap() * direction).unwrap();
            let (ours, numeric) = (number(&ours.sum_all().unwrap()), number(&numeric));
            let error = (ours - numeric).abs();
            assert!(
                error < 1e-6 * (size + numeric.abs()),
                "{name} of {config:?}: {ours} {numeric}"
            );
        }
    }
}

/// With less memory, the same gradients.
fn compare_checkpointed(
    config: &DiffusionTransformerConfig,
    store: &ParameterStore,
    (x, condition): (&Tensor, &Tensor),
    expected: &GradStore,
) {
    let net = config.clone().checkpointing(true).build(&store.builder());
    let y = net.unwrap().at_given(&Time::Shared(0.3), x, condition);
    let gradients = y
        .unwrap()
        .sqr()
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    for (name, var) in store.parameters() {
        let (ours, expected) = (gradients.get(&var).unwrap(), expected.get(&var).unwrap());
        let size = largest(expected).max(1e-3);
        let error = largest(&(ours - expected).unwrap());
        assert!(error < 1e-12 * size, "{name}: {error:e} {size:e}");
    }
}

/// Parameters of any size that are one number, so that they take no memory.
struct Repeated;

impl SimpleBackend for Repeated {
    fn get(
        &self,
        shape: Shape,
        _: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        Tensor::zeros((), dtype, device)?.broadcast_as(shape)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("{name} has no shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

/// The published numbers of parameters (Peebles and Xie 2023, table 4), in millions; that of XL/2 in full, which
/// counts the fixed positions.
#[test]
fn sizes_have_their_numbers_of_parameters() {
    type Size = fn(&[usize], usize) -> DiffusionTransformerConfig;
    let sizes: [(Size, [usize; 3]); 4] = [
        (DiffusionTransformer::small, [33, 33, 33]),
        (DiffusionTransformer::base, [130, 130, 131]),
        (DiffusionTransformer::large, [458, 458, 459]),
        (DiffusionTransformer::extra_large, [675, 675, 676]),
    ];
    for (size, millions) in sizes {
        for (patch, millions) in [2, 4, 8].into_iter().zip(millions) {
            let builder = Builder::from_backend(Box::new(Repeated), DType::F32, device().clone());
            let config = size(&[4, 32, 32], patch).outputs(8).classes(1000);
            let net = config.build(&builder).unwrap();
            let count = net.cost().parameters;
            println!("{patch}: {count}");
            assert_eq!((count + 500_000) / 1_000_000, millions, "{count}");
            if (patch, millions) == (2, 675) {
                assert_eq!(count + 16 * 16 * 1152, 675_129_632);
            }
        }
    }
}

/// Patches are those of a convolution with their stride, along one, two and three axes.
#[test]
fn patches_are_a_strided_convolution() {
    for (dim, patch) in [
        (vec![2, 6], vec![3]),
        (vec![2, 4, 6], vec![2, 3]),
        (vec![2, 2, 4, 3], vec![1, 2, 3]),
    ] {
        let store = store(DType::F64);
        let config = DiffusionTransformer::config(&dim, 1).patches(&patch);
        let config = config.width(12).depth(1).heads(1);
        let net = config
            .positions(PositionEmbedding::None)
            .build(&store.builder())
            .unwrap();
        randomize(&store);
        // With gates of 0 and a last layer that picks some features, these are seen as they are but for the norm.
        for (name, var) in store.parameters() {
            if name.contains("adaLN") || name.ends_with("linear.bias") {
                var.set(&var.zeros_like().unwrap()).unwrap();
            }
        }
        let mut shape = vec![2];
        shape.extend(&dim);
        let x = normal(1, &shape);
        let y = net.at(&Time::Shared(0.3), &x).unwrap();
        let [kernel, bias, last] = [
            "x_embedder.proj.weight",
            "x_embedder.proj.bias",
            "final_layer.linear.weight",
        ]
        .map(|name| store.state()[name].clone());
        let kernel = kernel.flatten_from(1).unwrap().to_vec2::<f64>().unwrap();
        let (bias, last) = (
            bias.to_vec1::<f64>().unwrap(),
            last.to_vec2::<f64>().unwrap(),
        );
        // By hand, with images as volumes of one plane.
        let ones = 4 - dim.len();
        let full = |sizes: &[usize]| [vec![1; ones], sizes.to_vec()].concat();
        let (size, side) = (full(&dim[1..]), full(&patch));
        let element = |x: &[f64], b: usize, c: usize, at: [usize; 3]| {
            let mut place = b * dim[0] + c;
            for (at, size) in at.iter().zip(&size) {
                place = place * size + at;
            }
            x[place]
        };
        let [x, y] = [&x, &y].map(|x| x.flatten_all().unwrap().to_vec1::<f64>().unwrap());
        let inner = |f: &mut dyn FnMut([usize; 3])| {
            for i in 0..side[0] {
                for j in 0..side[1] {
                    (0..side[2]).for_each(|k| f([i, j, k]));
                }
            }
        };
        let mut checked = 0;
        for b in 0..2 {
            for corner in 0..size.iter().product::<usize>() {
                let corner = [
                    corner / size[2] / size[1],
                    corner / size[2] % size[1],
                    corner % size[2],
                ];
                if (0..3).any(|axis| corner[axis] % side[axis] != 0) {
                    continue;
                }
                let at =
                    |offset: [usize; 3]| std::array::from_fn(|axis| corner[axis] + offset[axis]);
                let mut patch = Vec::new();
                for c in 0..dim[0] {
                    inner(&mut |offset| patch.push(element(&x, b, c, at(offset))));
                }
                let dot = |w: &[f64], x: &[f64]| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
                let token: Vec<f64> = (kernel.iter().zip(&bias))
                    .map(|(w, b)| dot(w, &patch) + b)
                    .collect();
                let mean = token.iter().sum::<f64>() / 12.0;
                let variance = token.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 12.0;
                let normal: Vec<f64> = (token.iter())
                    .map(|x| (x - mean) / (variance + 1e-6).sqrt())
                    .collect();
                let mut row = 0;
                inner(&mut |offset| {
                    for c in 0..dim[0] {
                        let ours = element(&y, b, c, at(offset));
                        assert!((ours - dot(&last[row], &normal)).abs() < 1e-12);
                        (row, checked) = (row + 1, checked + 1);
                    }
                });
            }
        }
        assert_eq!(checked, y.len());
    }
}

/// Without positions a network does as well with patches in another order; with rotations it does not.
#[test]
fn rotations_tell_the_order_of_patches() {
    let store = store(DType::F64);
    let (x, t) = (normal(1, &[1, 1, 8]), Time::Shared(0.5));
    let parts = |x: &Tensor| [(2, 6), (0, 2)].map(|(start, n)| x.narrow(2, start, n).unwrap());
    let swap = |x: &Tensor| Tensor::cat(&parts(x), 2).unwrap();
    let blind = small(&[1, 8]).positions(PositionEmbedding::None);
    for (config, same) in [(blind.clone(), true), (blind.rotary(10_000.0), false)] {
        let net = config.build(&store.builder()).unwrap();
        randomize(&store);
        let (y, moved) = (net.at(&t, &x).unwrap(), net.at(&t, &swap(&x)).unwrap());
        let error = difference(&moved, &swap(&y));
        assert!(if same { error < 1e-12 } else { error > 1e-3 }, "{error:e}");
    }
}

#[test]
fn no_condition_is_the_default_and_the_twin_follows() {
    let x = normal(1, &[2, 1, 4, 4]);
    let t = Time::Shared(0.5);
    let plain = || small(&[1, 4, 4]);
    let vector = normal(2, &[2, 3]);
    let label = Tensor::new(&[0u32, 2], device()).unwrap();
    for (config, condition) in [
        (plain().classes(3), &label),
        (plain().classes_without_none(3), &label),
        (plain().condition_vectors(3), &vector),
    ] {
        let store = store(DType::F64);
        let net = config.build(&store.builder()).unwrap();
        // The last layer begins as zeros.
        assert_eq!(largest(&net.at(&t, &x).unwrap()), 0.0);
        randomize(&store);
        let none = net.no_condition(&x).unwrap();
        let value = net.at(&t, &x).unwrap();
        assert_close(&net.at_given(&t, &x, &none).unwrap(), &value, 1e-14, 1e-14);
        let given = net.at_given(&t, &x, condition).unwrap();
        assert!(difference(&given, &value) > 1e-3);
        let twin = net.on(&store.frozen()).unwrap();
        let frozen = twin.at_given(&t, &x, condition).unwrap();
        assert!(!frozen.track_op() && given.track_op());
        assert_close(&frozen, &given, 0.0, 0.0);
        // A sample's value does not depend on the others.
        let [x, condition] = [&x, condition].map(|x| x.narrow(0, 1, 1).unwrap());
        let alone = twin.at_given(&t, &x, &condition).unwrap();
        assert_close(&alone, &frozen.narrow(0, 1, 1).unwrap(), 1e-12, 1e-12);
    }
    let table = |config: DiffusionTransformerConfig| {
        let store = store(DType::F32);
        config.build(&store.builder()).unwrap();
        store.state()["y_embedder.embedding_table.weight"].dims()[0]
    };
    assert_eq!(table(plain().classes(3)), 4);
    assert_eq!(table(plain().classes_without_none(3)), 3);
}

/// The laws of the original: Xavier's uniform law, normal numbers of deviation 0.02, and zeros.
#[test]
fn initial_values_follow_the_laws_of_the_original() {
    let store = store(DType::F64);
    let config = DiffusionTransformer::config(&[4, 8, 8], 2)
        .width(64)
        .depth(1)
        .heads(4);
    config.classes(100).build(&store.builder()).unwrap();
    for (name, var) in store.parameters() {
        let values = var.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let count = values.len() as f64;
        let variance = values.iter().map(|v| v * v).sum::<f64>() / count;
        let largest = values.iter().fold(0f64, |m, v| m.max(v.abs()));
        let (tolerance, outputs) = (5.0 / count.sqrt(), var.dims()[0] as f64);
        let zero = name.contains("adaLN") || name.contains("final_layer");
        if zero || name.ends_with("bias") {
            assert_eq!(largest, 0.0, "{name}");
        } else if name.contains("_embedder") && !name.contains("x_embedder") {
            let ratio = variance / 0.02f64.powi(2);
            assert!((ratio - 1.0).abs() < 2.0 * tolerance, "{name}: {ratio}");
        } else {
            let bound = (6.0 / (count / outputs + outputs)).sqrt();
            let near = bound * (1.0 - 20.0 / count);
            assert!(
                largest <= bound && largest > near,
                "{name}: {largest} {bound}"
            );
            let ratio = 3.0 * variance / bound.powi(2);
            assert!((ratio - 1.0).abs() < tolerance, "{name}: {ratio}");
        }
    }
}

#[test]
fn bad_input_is_a_typed_error() {
    let parameters = store(DType::F32);
    let builder = parameters.builder();
    let range = |config: DiffusionTransformerConfig, argument: &str| match config.build(&builder) {
        Err(Error::Range { argument: name, .. }) => assert_eq!(name, argument),
        other => panic!("{argument}: {other:?}"),
    };
    let plain = || small(&[3, 8, 8]);
    range(small(&[3]), "dim");
    range(small(&[3, 0, 4]), "dim");
    range(small(&[3, 2, 2, 2, 2]), "dim");
    range(plain().patches(&[2]), "patches");
    range(plain().patches(&[2, 0]), "patches");
    range(plain().width(0), "width");
    range(plain().width(2), "width");
    range(plain().width(1 << 40), "width");
    range(plain().depth(0), "depth");
    range(plain().depth(1 << 40), "depth");
    range(plain().outputs(0), "outputs");
    range(plain().discarded_outputs(usize::MAX), "discarded_outputs");
    range(plain().heads(0), "heads");
    range(plain().heads(5), "heads");
    range(plain().heads(4).rotary(100.0), "heads");
    range(plain().rotary(0.0), "rotary");
    range(plain().rotary(f64::NAN), "rotary");
    for ratio in [0.0, 1e-3, -1.0, f64::NAN, f64::INFINITY, 1e300] {
        range(plain().ratio(ratio), "ratio");
    }
    range(plain().time_scale(f64::INFINITY), "time_scale");
    for dim in [&[3, 8, 7][..], &[3, 1 << 40, 1 << 40]] {
        assert!(matches!(
            small(dim).build(&builder),
            Err(Error::Shape { .. })
        ));
    }
    assert!(parameters.parameters().is_empty());
    // Angles of all tokens that don't fit in memory.
    let wide = small(&[1, 1 << 24]).patches(&[1]).width(1 << 20);
    let wide = wide.positions(PositionEmbedding::None).rotary(100.0);
    let error = wide.build(&store(DType::F32).builder()).unwrap_err();
    assert!(
        matches!(&error, Error::Range { argument, .. } if argument == "dim"),
        "{error}"
    );
    for config in [
        plain().classes(usize::MAX),
        plain().condition_vectors(1 << 40),
    ] {
        assert!(config.build(&store(DType::F32).builder()).is_err());
    }

    let net = plain().classes(5).build(&builder).unwrap();
    let x = Tensor::zeros((2, 3, 8, 8), DType::F32, device()).unwrap();
    let t = Time::Shared(0.5);
    let shape = |net: &DiffusionTransformer, x: &Tensor| {
        let found: Result<Tensor> = net.at(&t, x);
        assert!(
            matches!(&found, Err(Error::Shape { argument, .. }) if argument == "x"),
            "{found:?}"
        );
    };
    shape(&net, &x.narrow(1, 0, 2).unwrap());
    shape(&net, &x.narrow(3, 0, 7).unwrap());
    shape(&net, &x.narrow(3, 0, 6).unwrap());
    shape(&net, &x.get(0).unwrap());
    assert!(matches!(
        net.at(&t, &x.to_dtype(DType::F64).unwrap()),
        Err(Error::DType { .. })
    ));
    assert!(net.at(&t, &x.narrow(0, 0, 0).unwrap()).is_err());
    assert!(net.at(&Time::per_sample(&[0.1; 3]).unwrap(), &x).is_err());
    for labels in [&[0u32, 6][..], &[0, 1, 2]] {
        let labels = Tensor::new(labels, device()).unwrap();
        assert!(net.at_given(&t, &x, &labels).is_err());
    }
    let named = |found: Result<Tensor>| found.unwrap_err().to_string().starts_with("condition: ");
    let vectors = plain()
        .condition_vectors(4)
        .build(&store(DType::F32).builder())
        .unwrap();
    assert!(named(vectors.at_given(
        &t,
        &x,
        &Tensor::zeros((2, 3), DType::F32, device()).unwrap()
    )));
    assert!(named(vectors.at_given(
        &t,
        &x,
        &Tensor::zeros(2, DType::U32, device()).unwrap()
    )));
    let unlabelled = plain().build(&store(DType::F32).builder()).unwrap();
    let labels = Tensor::new(&[0u32, 1], device()).unwrap();
    assert!(named(unlabelled.at_given(&t, &x, &labels)));
    assert!(unlabelled.no_condition(&x).is_err());
}

/// In 16 bits the network has values, finite ones.
#[test]
fn it_runs_in_16_bits() {
    for dtype in [DType::F16, DType::BF16] {
        let store = store(dtype);
        let config = small(&[1, 4, 4])
            .rotary(100.0)
            .qk_norm(true)
            .norm(TokenNorm::Rms);
        let net = config
            .feed_forward(FeedForward::SwiGlu)
            .build(&store.builder())
            .unwrap();
        randomize(&store);
        let x = normal(1, &[2, 1, 4, 4]).to_dtype(dtype).unwrap();
        let y = net.at(&Time::Shared(0.5), &x).unwrap();
        assert_eq!((y.dims(), y.dtype()), (x.dims(), dtype));
        assert!(advect_core::check::is_finite(&y).unwrap());
    }
}
