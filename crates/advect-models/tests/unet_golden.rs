//! The U-Net computes what torchcfm's does, with its weights.

use std::collections::HashMap;

use advect_core::testing::device;
use advect_core::{Conditional, Field, Key, Time};
use advect_models::{UNet, UNetConfig};
use advect_nn::{ParameterStore, State, Stateful};
use advect_ops::HeadOrder;
use candle_core::{DType, Tensor, Var};

/// What torchcfm 1.0.7 answered: weights (`w.`), inputs (`in.`), and outputs (`out.`), for the loss mean(value²).
fn golden(name: &str) -> HashMap<String, Tensor> {
    let path = format!(
        "{}/tests/golden/unet_torchcfm_{name}.safetensors",
        env!("CARGO_MANIFEST_DIR")
    );
    candle_core::safetensors::load(path, device()).unwrap()
}

fn plain() -> UNetConfig {
    let config = UNet::config(&[1, 12, 12]).channels(32).blocks(1);
    config.multipliers(&[1.0, 2.0]).attention(&[6]).heads(2)
}

fn full() -> UNetConfig {
    let config = UNet::config(&[3, 16, 16]).channels(32).blocks(2);
    let config = config
        .multipliers(&[1.0, 2.0, 2.0])
        .attention(&[8, 4])
        .head_channels(16);
    config.scale_shift(true).resample_in_blocks(true).classes(5)
}

fn new_order() -> UNetConfig {
    let config = UNet::config(&[2, 8, 8]).channels(32).blocks(1);
    let config = config.multipliers(&[1.0, 2.0]).attention(&[4]).heads(4);
    config.head_order(HeadOrder::ByRole)
}

/// The value, and the gradients of x and of all parameters, in a dtype.
fn evaluated(
    config: &UNetConfig,
    golden: &HashMap<String, Tensor>,
    dtype: DType,
) -> (Tensor, Vec<Tensor>, ParameterStore) {
    let store = ParameterStore::new(Key::from_seed(0), dtype, device());
    let net = config.build(&store.builder()).unwrap();
    let mut state = State::new();
    for (name, tensor) in golden {
        if let Some(name) = name.strip_prefix("w.") {
            state.insert(name.to_string(), tensor.to_dtype(dtype).unwrap());
        }
    }
    // Neither a name too many nor one too few.
    store.restore(&state).unwrap();
    let t = Time::PerSample(golden["in.t"].to_dtype(DType::F64).unwrap());
    let x = Var::from_tensor(&golden["in.x"].to_dtype(dtype).unwrap()).unwrap();
    let value = match golden.get("in.y") {
        Some(labels) => net.given(labels).at(&t, &x).unwrap(),
        None => net.at(&t, &x).unwrap(),
    };
    let gradients = value.sqr().unwrap().mean_all().unwrap().backward().unwrap();
    let mut found = vec![gradients.get(&x).unwrap().clone()];
    for (name, var) in store.parameters() {
        let gradient = gradients
            .get(&var)
            .unwrap_or_else(|| panic!("{name} has no gradient"));
        assert_eq!(gradient.dims(), var.dims());
        found.push(gradient.clone());
    }
    (value.detach(), found, store)
}

/// The value, and the gradients of x and of the first convolution.
fn ours(config: &UNetConfig, golden: &HashMap<String, Tensor>, dtype: DType) -> [Tensor; 3] {
    let (value, gradients, store) = evaluated(config, golden, dtype);
    let names = store.parameters();
    let first = names
        .iter()
        .position(|(name, _)| name == "input_blocks.0.0.weight");
    [
        value,
        gradients[0].clone(),
        gradients[1 + first.unwrap()].clone(),
    ]
}

fn largest(x: &Tensor) -> f64 {
    let x = x.to_dtype(DType::F64).unwrap().abs().unwrap();
    x.flatten_all()
        .unwrap()
        .max(0)
        .unwrap()
        .to_scalar::<f64>()
        .unwrap()
}

/// The largest difference, relative to the largest number.
fn difference(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (
        a.to_dtype(DType::F64).unwrap(),
        b.to_dtype(DType::F64).unwrap(),
    );
    largest(&(a - &b).unwrap()) / largest(&b)
}

#[test]
fn values_and_gradients_are_those_of_torchcfm() {
    for (name, config) in [
        ("plain", plain()),
        ("full", full()),
        ("neworder", new_order()),
    ] {
        let golden = golden(name);
        let expected = ["out.v", "out.grad_x", "out.grad_first_conv"].map(|key| &golden[key]);
        let single = ours(&config, &golden, DType::F32);
        let double = ours(&config, &golden, DType::F64);
        for ((expected, single), double) in expected.into_iter().zip(&single).zip(&double) {
            let (error, exact) = (difference(single, expected), difference(double, expected));
            println!("{name}: {error:.1e} in f32, {exact:.1e} in f64");
            assert!(error < 1e-4 && exact < 1e-4, "{name}: {error:e}, {exact:e}");
        }
    }
}

/// The same network by candle's own operations alone, for f64: what the weights' names say, with nothing of Advect but
/// their values. `halves` and `doubles` name the residual blocks that change the size.
struct Composed<'a> {
    weights: &'a HashMap<String, Var>,
    config: Shape<'a>,
}

/// What the names don't tell.
#[derive(Clone, Copy)]
struct Shape<'a> {
    channels: usize,
    /// By the name of the block, and its channels.
    heads: fn(&str, usize) -> usize,
    by_role: bool,
    scale_shift: bool,
    halves: &'a [&'a str],
    doubles: &'a [&'a str],
}

type Candle<T> = candle_core::Result<T>;

impl Composed<'_> {
    fn weight(&self, name: &str) -> Tensor {
        self.weights[name].as_tensor().clone()
    }

    fn has(&self, name: &str) -> bool {
        self.weights.contains_key(name)
    }

    fn convolution(&self, name: &str, x: &Tensor, stride: usize) -> Candle<Tensor> {
        let weight = self.weight(&format!("{name}.weight"));
        let bias = self
            .weight(&format!("{name}.bias"))
            .reshape((1, (), 1, 1))?;
        let padding = weight.dim(3)? / 2;
        x.contiguous()?
            .conv2d(&weight, padding, stride, 1, 1)?
            .broadcast_add(&bias)
    }

    fn linear(&self, name: &str, x: &Tensor) -> Candle<Tensor> {
        let weight = self.weight(&format!("{name}.weight"));
        x.matmul(&weight.t()?)?
            .broadcast_add(&self.weight(&format!("{name}.bias")))
    }

    fn norm(&self, name: &str, x: &Tensor) -> Candle<Tensor> {
        let rows = x.reshape((x.dim(0)? * 32, ()))?;
        let centred = rows.broadcast_sub(&rows.mean_keepdim(1)?)?;
        let deviation = (centred.sqr()?.mean_keepdim(1)? + 1e-5)?.sqrt()?;
        let normal = centred.broadcast_div(&deviation)?.reshape(x.shape())?;
        let mut column = vec![1; x.rank()];
        column[1] = x.dim(1)?;
        let weight = self
            .weight(&format!("{name}.weight"))
            .reshape(column.clone())?;
        let bias = self.weight(&format!("{name}.bias")).reshape(column)?;
        normal.broadcast_mul(&weight)?.broadcast_add(&bias)
    }

    fn resized(&self, name: &str, x: &Tensor) -> Candle<Tensor> {
        let (b, c, h, w) = x.dims4()?;
        if self.config.halves.contains(&name) {
            return x.reshape((b, c, h / 2, 2, w / 2, 2))?.mean(5)?.mean(3);
        }
        if self.config.doubles.contains(&name) {
            let pixels = x
                .reshape((b, c, h, 1, w, 1))?
                .broadcast_as((b, c, h, 2, w, 2))?;
            return pixels.reshape((b, c, 2 * h, 2 * w));
        }
        Ok(x.clone())
    }

    fn residual(&self, name: &str, x: &Tensor, embedding: &Tensor) -> Candle<Tensor> {
        let at = |part: &str| format!("{name}.{part}");
        let h = self.norm(&at("in_layers.0"), x)?.silu()?;
        let (h, x) = (self.resized(name, &h)?, self.resized(name, x)?);
        let h = self.convolution(&at("in_layers.2"), &h, 1)?;
        let e = self.linear(&at("emb_layers.1"), &embedding.silu()?)?;
        let e = e.reshape((e.dim(0)?, e.dim(1)?, 1, 1))?;
        let norm = |h: &Tensor| self.norm(&at("out_layers.0"), h);
        let h = if self.config.scale_shift {
            let parts = e.chunk(2, 1)?;
            norm(&h)?
                .broadcast_mul(&(&parts[0] + 1.0)?)?
                .broadcast_add(&parts[1])?
        } else {
            norm(&h.broadcast_add(&e)?)?
        };
        let h = self.convolution(&at("out_layers.3"), &h.silu()?, 1)?;
        if self.has(&at("skip_connection.weight")) {
            return h + self.convolution(&at("skip_connection"), &x, 1)?;
        }
        h + x
    }

    fn attention(&self, name: &str, x: &Tensor) -> Candle<Tensor> {
        let (b, c, h, w) = x.dims4()?;
        let line = x.reshape((b, c, h * w))?;
        let product = |part: &str, x: &Tensor| {
            let weight = self.weight(&format!("{name}.{part}.weight")).squeeze(2)?;
            let bias = self
                .weight(&format!("{name}.{part}.bias"))
                .reshape((1, (), 1))?;
            weight
                .broadcast_left(b)?
                .contiguous()?
                .matmul(x)?
                .broadcast_add(&bias)
        };
        let qkv = product("qkv", &self.norm(&format!("{name}.norm"), &line)?)?;
        let heads = (self.config.heads)(name, c);
        let qkv = match self.config.by_role {
            true => qkv
                .reshape((b, 3, heads, c / heads, h * w))?
                .transpose(1, 2)?,
            false => qkv.reshape((b, heads, 3, c / heads, h * w))?,
        };
        let part = |i: usize| qkv.narrow(2, i, 1)?.squeeze(2)?.contiguous();
        let scores =
            (part(0)?.t()?.contiguous()?.matmul(&part(1)?)? / ((c / heads) as f64).sqrt())?;
        let weights = candle_nn::ops::softmax(&scores, 3)?;
        let value = part(2)?
            .matmul(&weights.t()?.contiguous()?)?
            .reshape((b, c, h * w))?;
        (line + product("proj_out", &value)?)?.reshape((b, c, h, w))
    }

    /// The layers of a block, by what their names say they are.
    fn block(&self, name: &str, mut x: Tensor, embedding: &Tensor) -> Candle<Tensor> {
        for layer in 0.. {
            let name = format!("{name}.{layer}");
            let has = |part: &str| self.has(&format!("{name}.{part}.weight"));
            x = if has("in_layers.0") {
                self.residual(&name, &x, embedding)?
            } else if has("qkv") {
                self.attention(&name, &x)?
            } else if has("op") {
                self.convolution(&format!("{name}.op"), &x, 2)?
            } else if has("conv") {
                let (b, c, h, w) = x.dims4()?;
                let pixels = x
                    .reshape((b, c, h, 1, w, 1))?
                    .broadcast_as((b, c, h, 2, w, 2))?;
                self.convolution(
                    &format!("{name}.conv"),
                    &pixels.reshape((b, c, 2 * h, 2 * w))?,
                    1,
                )?
            } else if self.has(&format!("{name}.weight")) {
                self.convolution(&name, &x, 1)?
            } else {
                break;
            };
        }
        Ok(x)
    }

    fn value(&self, t: &Tensor, x: &Tensor, labels: Option<&Tensor>) -> Candle<Tensor> {
        let half = self.config.channels / 2;
        let frequencies: Vec<f64> = (0..half)
            .map(|k| (-(10_000f64.ln()) * k as f64 / half as f64).exp())
            .collect();
        let phase =
            t.reshape(((), 1))?
                .matmul(&Tensor::from_vec(frequencies, (1, half), t.device())?)?;
        let features = Tensor::cat(&[phase.cos()?, phase.sin()?], 1)?;
        let embedding = self.linear("time_embed.0", &features)?.silu()?;
        let mut embedding = self.linear("time_embed.2", &embedding)?;
        if let Some(labels) = labels {
            embedding = (embedding + self.weight("label_emb.weight").index_select(labels, 0)?)?;
        }
        let (mut h, mut skips) = (x.clone(), Vec::new());
        let blocks = |prefix: &'static str| {
            (0..)
                .map(move |i| format!("{prefix}.{i}"))
                .take_while(|name| {
                    self.weights
                        .keys()
                        .any(|key| key.starts_with(&format!("{name}.")))
                })
        };
        for name in blocks("input_blocks") {
            h = self.block(&name, h, &embedding)?;
            skips.push(h.clone());
        }
        h = self.block("middle_block", h, &embedding)?;
        for name in blocks("output_blocks") {
            h = Tensor::cat(&[h, skips.pop().unwrap()], 1)?;
            h = self.block(&name, h, &embedding)?;
        }
        self.convolution("out.2", &self.norm("out.0", &h)?.silu()?, 1)
    }
}

/// In f64 the network is the composition to rounding: its value, and every gradient.
#[test]
fn values_and_gradients_are_those_of_plain_operations() {
    let simple = Shape {
        channels: 32,
        heads: |_, _| 2,
        by_role: false,
        scale_shift: false,
        halves: &[],
        doubles: &[],
    };
    let full_shape = Shape {
        heads: |_, channels| channels / 16,
        scale_shift: true,
        halves: &["input_blocks.3.0", "input_blocks.6.0"],
        doubles: &["output_blocks.2.2", "output_blocks.5.2"],
        ..simple
    };
    let new_shape = Shape {
        heads: |_, _| 4,
        by_role: true,
        ..simple
    };
    let upwards = Shape {
        heads: |name, _| if name.starts_with("output") { 4 } else { 2 },
        ..simple
    };
    for (name, config, shape) in [
        ("plain", plain(), simple),
        ("plain", plain().heads_upwards(4), upwards),
        ("full", full(), full_shape),
        ("neworder", new_order(), new_shape),
    ] {
        let golden = golden(name);
        let mut weights = HashMap::new();
        for (name, tensor) in &golden {
            if let Some(name) = name.strip_prefix("w.") {
                let tensor = tensor.to_dtype(DType::F64).unwrap();
                weights.insert(name.to_string(), Var::from_tensor(&tensor).unwrap());
            }
        }
        let x = Var::from_tensor(&golden["in.x"].to_dtype(DType::F64).unwrap()).unwrap();
        let t = golden["in.t"].to_dtype(DType::F64).unwrap();
        let composed = Composed {
            weights: &weights,
            config: shape,
        };
        let value = composed.value(&t, &x, golden.get("in.y")).unwrap();
        let expected = value.sqr().unwrap().mean_all().unwrap().backward().unwrap();
        let (ours, gradients, store) = evaluated(&config, &golden, DType::F64);
        let mut worst = difference(&ours, &value);
        worst = worst.max(difference(&gradients[0], expected.get(&x).unwrap()));
        let pairs: Vec<(&Tensor, &Tensor)> = (store.parameters().iter().zip(&gradients[1..]))
            .map(|((name, _), gradient)| (gradient, expected.get(&weights[name]).unwrap()))
            .collect();
        // Some are zero but for rounding: those of biases that a normalisation takes away again.
        let size = pairs
            .iter()
            .map(|(_, expected)| largest(expected))
            .fold(0.0, f64::max);
        for (ours, expected) in pairs {
            let scale = largest(expected).max(1e-4 * size);
            worst = worst.max(largest(&(ours - expected).unwrap()) / scale);
        }
        println!("{name}: {worst:.1e}");
        assert!(worst < 1e-9, "{name}: {worst:e}");
    }
}
