//! Kernels give the same with every instruction set, to rounding, and the same bits with any number of threads.

use std::sync::Mutex;

use crate::activation::{Function, Order};
use crate::attention::Sizes;
use crate::combine::Factor;
use crate::convolution::{Begin, Geometry};
use crate::gated_recurrence::{Recurrent, Steps};
use crate::group_norm::Groups;
use crate::layer_norm::Rows;
use crate::layers::{Layer, Layers as _, Part, Wanted};
use crate::update::AdamWRates;
use crate::vectorize::{LEVEL, Level};
use crate::{Alone, Kernels, Matrix, Threads};

/// All gradients of layers.
const ALL: Wanted = Wanted {
    input: true,
    weights: true,
};

/// Three threads for everything.
struct Three;

impl Threads for Three {
    fn count(&self) -> usize {
        3
    }

    fn worthwhile(&self, _: usize) -> bool {
        true
    }

    fn piece(&self, count: usize, unit: usize, _: usize) -> usize {
        count.div_ceil(7).next_multiple_of(unit.max(1)).max(1)
    }

    fn each_index(&self, count: usize, f: &(dyn Fn(usize) + Sync)) {
        let next = Mutex::new(0..count);
        let work = || {
            while let Some(i) = next.lock().ok().and_then(|mut next| next.next()) {
                f(i);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(work);
            }
        });
    }
}

/// A size, or one that Miri gets through: all paths, at fewer numbers.
fn size(all: usize, miri: usize) -> usize {
    if cfg!(miri) { miri } else { all }
}

/// Numbers between −1 and 1 that look random.
fn numbers<T: Kernels>(count: usize) -> Vec<T> {
    let number = |i: usize| (i * 7919 % 2003) as f64 / 1001.5 - 1.0;
    (0..count).map(|i| T::of(number(i))).collect()
}

fn convolutions<T: Kernels>(threads: &dyn Threads, channels: usize, kernel: usize) -> Vec<Vec<T>> {
    let [height, width] = [size(9, 4), size(8, 3)];
    let area = height * width;
    let g = &Geometry {
        batch: size(3, 1),
        groups: 1,
        inputs: channels,
        outputs: channels + 3,
        size: [height, width],
        out: [height, width],
        kernel: [kernel; 2],
        stride: [1, 1],
        padding: [kernel / 2; 2],
        dilation: [1, 1],
    };
    let x = numbers::<T>(g.batch * channels * area);
    let weight = numbers::<T>(g.outputs * channels * kernel * kernel);
    let gradient = numbers::<T>(g.batch * g.outputs * area);
    vec![
        T::convolve(threads, g, &x, &weight, Begin::default()),
        T::input_gradient(threads, g, &weight, &gradient),
        T::weight_gradient(threads, g, &x, &gradient),
        T::channel_sums(threads, g, &gradient),
    ]
}

fn layers<T: Kernels>(threads: &dyn Threads) -> Vec<Vec<T>> {
    let (rows, widths) = (size(75, 9), [5, size(37, 4), size(19, 3), 2]);
    let x = numbers::<T>(rows * widths[0]);
    let weights: Vec<Vec<T>> = widths.windows(2).map(|w| numbers(w[0] * w[1])).collect();
    let biases: Vec<Vec<T>> = widths[1..].iter().map(|&w| numbers(w)).collect();
    let functions = [Function::Silu, Function::Tanh, Function::Identity];
    let layers: Vec<Layer<'_, T>> = (0..3)
        .map(|l| Layer {
            weight: Matrix::new(&weights[l], widths[l + 1], widths[l]),
            bias: Some(&biases[l]),
            activation: functions[l],
        })
        .collect();
    let part = || Part {
        values: &x[..],
        width: widths[0],
        shared: false,
    };
    let (value, saved) = T::layers_forward(threads, rows, &[part()], &layers, true);
    let g = numbers::<T>(value.len());
    let gradients = T::layers_backward(threads, rows, &x, &layers, &value, &saved, &g, ALL);
    let along = T::layers_along(threads, rows, &[part()], &[vec![Some(part())]], &layers);
    let mut all = vec![value, gradients.input, along.0];
    all.extend(gradients.weights);
    all.extend(gradients.biases);
    all.extend(along.1);
    all
}

fn recurrences<T: Kernels>(threads: &dyn Threads) -> Vec<Vec<T>> {
    let mut all = Vec::new();
    for (batch, length, hidden) in [
        (1, 1, 5),
        (2, size(3, 2), size(7, 4)),
        (size(19, 7), size(4, 2), size(33, 3)),
        (3, 2, 0),
        (0, 2, 3),
        (2, 0, 3),
    ] {
        let steps = Steps {
            batch,
            length,
            hidden,
        };
        let states = batch * length * hidden;
        let (inputs, state) = (numbers::<T>(3 * states), numbers::<T>(batch * hidden));
        let (weight, bias) = (numbers(3 * hidden * hidden), numbers(3 * hidden));
        let parameters = Recurrent {
            weight: &weight,
            bias: &bias,
        };
        let (value, gates) = T::recur(threads, steps, &inputs, &state, parameters, true);
        let g = numbers(states);
        let back = T::recur_backward(threads, steps, &state, parameters, &value, &gates, &g);
        let (plain, _) = T::recur(threads, steps, &inputs, &state, parameters, false);
        assert_eq!(value, plain);
        all.extend([value, back.inputs, back.state, back.weight, back.bias]);
    }
    all
}

/// What all kernels make of some numbers.
fn everything<T: Kernels>(threads: &dyn Threads) -> Vec<Vec<T>> {
    let x = numbers::<T>(6 * 130);
    let (g, ones) = (numbers::<T>(6 * 130), vec![T::ONE; 130]);
    let mut all = layers::<T>(threads);
    all.extend(recurrences::<T>(threads));
    for (channels, kernel) in [(3, 5), (size(20, 16), 3), (4, 1)] {
        all.extend(convolutions::<T>(threads, channels, kernel));
    }
    for function in [
        Function::Gelu,
        Function::GeluTanh,
        Function::Selu,
        Function::Softplus,
    ] {
        for order in [Order::Value, Order::Slope, Order::Curvature] {
            all.push(T::elements(threads, function, order, &x, &[&g]));
        }
    }
    let y = T::softmax(threads, &x, 130);
    all.push(T::softmax_backward(threads, &y, &g, 130));
    all.push(y);
    let chosen = [0, 129, 64, 3, 5, 77];
    all.push(T::log_softmax_at(threads, &x, 130, &chosen));
    let back = T::log_softmax_at_backward(threads, &x, 130, &chosen, &g[..6]);
    all.push(back);
    let rows = &Rows {
        centred: true,
        epsilon: 1e-5,
        width: 130,
        rows: 6,
        sharing: 6,
    };
    all.push(T::layer_norm(threads, rows, &x, &ones, Some(&g[..130])));
    all.extend(T::layer_norm_backward(threads, rows, &x, &ones, &g));
    let groups = &Groups {
        function: Function::Silu,
        epsilon: 1e-5,
        groups: 2,
        channels: 5,
        area: 13,
        adaptive: false,
    };
    all.push(T::group_norm(threads, groups, &x, &ones[..10], &g[..10]));
    all.extend(T::group_norm_backward(
        threads,
        groups,
        &x,
        &ones[..10],
        &g[..10],
        &g,
    ));
    let sizes = Sizes {
        batch: 1,
        heads: 2,
        n: size(39, 6),
        m: size(39, 6),
        d: 10,
        e: 10,
    };
    let tokens = 2 * sizes.n * 10;
    let qkv = [&x[..tokens], &g[..tokens], &x[..tokens]];
    let value = T::attend(threads, sizes, qkv, None);
    all.extend(T::attend_backward(
        threads,
        sizes,
        qkv,
        None,
        &value,
        &g[..tokens],
    ));
    all.push(value);
    let channels = [[0..4, 8..12, 16..20], [4..8, 12..16, 20..24]];
    let sizes = Sizes {
        n: size(31, 5),
        m: size(31, 5),
        d: 4,
        e: 4,
        ..sizes
    };
    let qkv = &x[..24 * sizes.n];
    let value = T::attend_channels(threads, sizes, &channels, qkv);
    let back =
        T::attend_channels_backward(threads, sizes, &channels, qkv, &value, &g[..8 * sizes.n]);
    all.extend([value, back]);
    let columns = [[0..5, 10..15, 20..25], [5..10, 15..20, 25..30]];
    for n in [1, size(7, 3), size(33, 5)] {
        let sizes = Sizes {
            batch: 2,
            heads: 2,
            n,
            m: n,
            d: 5,
            e: 5,
        };
        let (qkv, g) = (numbers::<T>(2 * n * 30), numbers::<T>(2 * n * 10));
        for causal in [false, true] {
            let value = T::attend_tokens(threads, sizes, &columns, causal, &qkv);
            let back =
                T::attend_tokens_backward(threads, sizes, &columns, causal, &qkv, &value, &g);
            all.extend([value, back]);
        }
    }
    let terms = [
        (Factor::Shared(0.3), &x[..]),
        (Factor::PerSample(&[1.0, -2.0, 0.5]), &g[..]),
    ];
    all.push(T::combine(threads, &terms, 3));
    all.push(T::squared_errors(threads, &x, &g, 6));
    all.push(T::differences(threads, &x, &g, &ones[..6], T::ONE));
    let points = size(78, 9);
    let distances = T::squared_distances(
        threads,
        &x[..10 * points],
        &g[..10 * points],
        points,
        points,
        10,
    );
    all.push(distances.into_iter().map(T::of).collect());
    let total = T::scaled_error(threads, &x, &g, &g, 0.1, 1.0);
    all.push(vec![T::of(total.squares), T::of(total.largest)]);
    let (mut value, mut first, mut second) = (x.clone(), g.clone(), vec![T::ONE; g.len()]);
    let rates = AdamWRates {
        decay: 0.9,
        rate: 0.1,
        correction: 0.5,
        beta1: 0.9,
        beta2: 0.99,
        epsilon: 1e-8,
    };
    T::adamw(threads, [&mut value, &mut first, &mut second], &g, &rates);
    T::average(threads, &mut second, &value, T::of(0.25));
    all.extend([value, first, second]);
    all.push(vec![T::of(T::sum_squares(threads, &x, 2.0))]);
    all
}

fn check<T: Kernels>(tolerance: f64) {
    if cfg!(miri) {
        // It has no vectors that are as wide, and looks at memory, not at values.
        everything::<T>(&Three);
        return;
    }
    let with = |level: Level| {
        LEVEL.set(level);
        let all = everything::<T>(&Alone);
        LEVEL.set(Level::Widest);
        all
    };
    let expected = with(Level::Widest);
    for level in [Level::Scalar, Level::Avx2] {
        for (i, (values, expected)) in with(level).iter().zip(&expected).enumerate() {
            assert_eq!(values.len(), expected.len());
            let scale = expected
                .iter()
                .fold(1.0, |m, x| f64::max(m, x.to_f64().abs()));
            for (x, y) in values.iter().zip(expected) {
                let error = (x.to_f64() - y.to_f64()).abs();
                assert!(error <= tolerance * scale, "{level:?} {i}: {x:?} {y:?}");
            }
        }
    }
    for (i, (values, expected)) in everything::<T>(&Three).iter().zip(&expected).enumerate() {
        assert!(values == expected, "three threads: {i}");
    }
}

#[test]
fn every_instruction_set_gives_the_same() {
    check::<f32>(2e-5);
    if !cfg!(miri) {
        check::<f64>(2e-14);
    }
}

/// Scratch memory holds what another call left.
#[test]
fn gradients_of_no_rows_are_zeros() {
    let weight = numbers::<f32>(64 * 40);
    let layer = || Layer {
        weight: Matrix::new(&weight, 64, 40),
        bias: None,
        activation: Function::Tanh,
    };
    for rows in [100, 0] {
        let x = numbers::<f32>(rows * 40);
        let part = Part {
            values: &x,
            width: 40,
            shared: false,
        };
        let (y, saved) = f32::layers_forward(&Three, rows, &[part], &[layer()], true);
        let gradients = f32::layers_backward(&Three, rows, &x, &[layer()], &y, &saved, &y, ALL);
        assert_eq!(gradients.input.len(), rows * 40);
        let zero = gradients.weights[0]
            .iter()
            .chain(&gradients.biases[0])
            .all(|g| *g == 0.0);
        assert_eq!(zero, rows == 0);
        assert_eq!(gradients.weights[0].len(), 64 * 40);
    }
}
