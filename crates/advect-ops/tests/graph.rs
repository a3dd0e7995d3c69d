//! Values with gradients of one's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use advect_core::Coefficient::Shared;
use advect_core::Error;
use advect_core::testing::{assert_close, device, gradient};
use advect_ops::{
    Activation, Value, backward, checkpointed, combine, linear, mlp, with_gradient, with_graph,
    with_plain_graph, without_graph,
};
use candle_core::backend::BackendStorage;
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, DType, Layout, Shape, Tensor, Var};

fn var(values: &[f64]) -> Var {
    Var::new(values, device()).unwrap()
}

/// A way backwards.
type Way = fn(&Tensor) -> candle_core::Result<GradStore>;

/// Candle's, and ours.
const WAYS: [Way; 2] = [Tensor::backward, |loss| Ok(backward(loss)?)];

/// Each way within each.
fn ways_within_ways() -> impl Iterator<Item = [Way; 2]> {
    WAYS.into_iter()
        .flat_map(|outer| WAYS.map(|inner| [outer, inner]))
}

/// From one input to more than candle's operations take, tracked and not, for values that are parts of others.
#[test]
fn any_number_of_inputs_get_their_gradients() {
    for count in 1..9 {
        let vars: Vec<Var> = (0..count).map(|i| var(&[f64::from(i), 1.0])).collect();
        let mut inputs: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
        inputs.insert(
            1.min(inputs.len()),
            Tensor::new(&[7f64, 7.0], device()).unwrap(),
        );
        let wide = Tensor::new(&[[1f64, 2.0, 3.0], [4.0, 5.0, 6.0]], device()).unwrap();
        let value = wide.narrow(0, 1, 1).unwrap().narrow(1, 1, 2).unwrap();
        let y = with_gradient(&value, &inputs, |g, inputs| {
            (inputs.iter().map(|x| Ok((g.squeeze(0)? * x)?))).collect()
        });
        let y = y.unwrap();
        assert_eq!(y.to_vec2::<f64>().unwrap(), [[5.0, 6.0]]);
        let loss = (&y * Tensor::new(&[[10f64, 100.0]], device()).unwrap()).unwrap();
        let gradients = loss.sum_all().unwrap().backward().unwrap();
        for (i, v) in vars.iter().enumerate() {
            let gradient = gradients.get(v).unwrap().flatten_all().unwrap();
            assert_eq!(gradient.to_vec1::<f64>().unwrap(), [10.0 * i as f64, 100.0]);
        }
    }
}

/// A weight of two layers is often listed for each.
#[test]
fn a_parameter_that_is_given_twice_has_one_gradient() {
    let (x, w) = (var(&[2.0]), var(&[3.0]));
    let weight = w.as_tensor().clone();
    let twice = [weight.clone(), weight.clone()];
    let y = checkpointed(&[x.as_tensor()], &twice, move |inputs| {
        Ok((&inputs[0] * &weight)?)
    });
    let gradients = y.unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(gradients.get(&w).unwrap().to_vec1::<f64>().unwrap(), [2.0]);
    assert_eq!(gradients.get(&x).unwrap().to_vec1::<f64>().unwrap(), [3.0]);
}

/// A million small contributions to a gradient are not lost beside their sum.
#[test]
fn gradients_of_columns_for_all_rows_are_whole_sums() {
    let rows = 1_000_000;
    let x = Tensor::zeros((rows, 1), DType::F32, device()).unwrap();
    let t = Var::zeros((1, 1), DType::F32, device()).unwrap();
    let w = Tensor::full(0.1f32, (1, 2), device()).unwrap();
    let b = Tensor::zeros(1, DType::F32, device()).unwrap();
    let y = mlp(&[&x, t.as_tensor()], &[(&w, &b)], Activation::Identity).unwrap();
    let gradients = y.sum_all().unwrap().backward().unwrap();
    let gradient = gradients.get(&t).unwrap().to_vec2::<f32>().unwrap()[0][0];
    assert!((gradient / 1e5 - 1.0).abs() < 1e-4, "{gradient}");
}

/// Layers that nobody trains pass gradients on all the same.
#[test]
fn frozen_layers_have_gradients_of_their_input() {
    let x = Var::new(&[[1f64, 2.0]], device()).unwrap();
    let w = Var::new(&[[3f64, 4.0], [5.0, 6.0]], device()).unwrap();
    let b = Var::new(&[0f64, 1.0], device()).unwrap();
    let of_x = |w: &Tensor, b: &Tensor| {
        let y = mlp(&[x.as_tensor()], &[(w, b), (w, b)], Activation::Tanh).unwrap();
        let gradients = y.sum_all().unwrap().backward().unwrap();
        let known = [&w, &b].map(|p| gradients.get(p).is_some());
        (gradients.get(&x).unwrap().to_vec2::<f64>().unwrap(), known)
    };
    let (tracked, known) = of_x(w.as_tensor(), b.as_tensor());
    assert_eq!(known, [true; 2]);
    let (frozen, known) = of_x(&w.as_detached_tensor(), &b.as_detached_tensor());
    assert_eq!(known, [false; 2]);
    assert_eq!(tracked, frozen);
}

#[test]
fn wrong_numbers_of_gradients_are_an_error() {
    let x = var(&[1.0]);
    let y = with_gradient(x.as_tensor(), &[x.as_tensor().clone()], |_, _| Ok(vec![])).unwrap();
    let error = Error::from(y.sum_all().unwrap().backward().unwrap_err());
    assert!(matches!(error, Error::Range { argument, .. } if argument == "backward"));
    let untracked = Tensor::ones(2, DType::F32, device()).unwrap();
    let y = with_gradient(x.as_tensor(), &[untracked], |_, _| Ok(vec![])).unwrap();
    assert!(!y.track_op());
}

#[test]
fn the_graph_comes_back_after_a_panic() {
    let x = var(&[1.0]);
    let run = || without_graph(|| panic!("on purpose"));
    assert!(std::panic::catch_unwind(run).is_err());
    assert!(Activation::Silu.apply(x.as_tensor()).unwrap().track_op());
}

#[test]
fn graphs_within_none_within_graphs() {
    let x = var(&[1.0]);
    let tracked = || Activation::Silu.apply(x.as_tensor()).unwrap().track_op();
    without_graph(|| {
        assert!(with_graph(|| tracked()
            && !without_graph(tracked)
            && tracked()));
        assert!(!tracked());
    });
    assert!(tracked());
}

/// A value that operations of both kinds use, some more than once.
fn shared(x: &Tensor, weight: &Tensor) -> candle_core::Result<Tensor> {
    let h = Activation::Tanh.apply(x)?;
    let doubled = linear(&h, weight, None, Activation::Identity)?;
    let silu = Activation::Silu.apply(&h)?;
    let own = Activation::Gelu.apply(&(&h * &silu)?)?;
    let scaled = h.times(&h)?.map_linear(|y| Ok((y * 0.5)?))?;
    let seen_by_both = (own.clone() + linear(&own, weight, None, Activation::Identity)?)?;
    (doubled + scaled)?.sub(&(seen_by_both * &h)?)?.sum_all()
}

#[test]
fn gradients_of_shared_values_are_those_of_finite_differences() {
    let x = Var::new(&[[0.3f64, -1.2], [0.7, 2.0]], device()).unwrap();
    let weight = Var::new(&[[0.5f64, -0.4], [1.5, 0.2]], device()).unwrap();
    let loss = shared(&x, &weight).unwrap();
    let number = |y: candle_core::Result<Tensor>| Ok(y?.to_scalar::<f64>()?);
    let numeric = [
        gradient(|x| number(shared(x, &weight)), &x, 1e-3).unwrap(),
        gradient(|weight| number(shared(&x, weight)), &weight, 1e-3).unwrap(),
    ];
    // Each pass of the same graph gives the same bits, in any thread.
    let passes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    [WAYS, WAYS]
                        .as_flattened()
                        .iter()
                        .map(|way| way(&loss).unwrap())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let passes = threads.into_iter().map(|thread| thread.join().unwrap());
        passes.flatten().collect()
    });
    for (var, numeric) in [&x, &weight].into_iter().zip(&numeric) {
        let first = passes[0].get(var).unwrap();
        assert_close(first, numeric, 1e-8, 1e-8);
        for pass in &passes {
            assert_close(pass.get(var).unwrap(), first, 0.0, 0.0);
        }
    }
}

/// What a failed pass left behind does not count in the next.
#[test]
fn a_failed_pass_leaves_nothing() {
    let x = var(&[0.5, -2.0]);
    let h = Activation::Tanh.apply(x.as_tensor()).unwrap();
    // One use fails, before or after the other was visited.
    let fails = Arc::new(AtomicBool::new(false));
    let failing = fails.clone();
    let wrong = with_gradient(&h, std::slice::from_ref(&h), move |g, _| {
        match failing.swap(false, Ordering::Relaxed) {
            true => Err(Error::range("gradient", "a failure", "none")),
            false => Ok(vec![g.clone()]),
        }
    });
    for (uses, [first, second]) in [[0, 1], [1, 0]]
        .into_iter()
        .flat_map(|uses| ways_within_ways().map(move |ways| (uses, ways)))
    {
        let parts = [
            Activation::Silu.apply(&h).unwrap(),
            wrong.as_ref().unwrap().clone(),
        ];
        let sum = (&parts[uses[0]] + &parts[uses[1]]).unwrap();
        let loss = sum.sum_all().unwrap();
        fails.store(true, Ordering::Relaxed);
        assert!(first(&loss).is_err());
        let gradients = second(&loss).unwrap();
        let numeric = gradient(
            |x| {
                let h = Activation::Tanh.apply(x)?;
                let sum = (Activation::Silu.apply(&h)? + h)?.sum_all()?;
                Ok(sum.to_scalar::<f64>()?)
            },
            &x,
            1e-3,
        );
        assert_close(gradients.get(&x).unwrap(), &numeric.unwrap(), 1e-8, 1e-8);
    }
}

/// Nor does what a pass left that failed within the backward function of another, which goes on.
#[test]
fn a_pass_that_fails_within_another_leaves_nothing() {
    ways_within_ways().for_each(fails_within_another);
}

fn fails_within_another([outer, way]: [Way; 2]) {
    let x = var(&[0.5, -2.0]);
    let h = Activation::Tanh.apply(x.as_tensor()).unwrap();
    let broken = with_gradient(&h, std::slice::from_ref(&h), |_, _| {
        Err(Error::range("gradient", "a failure", "none"))
    })
    .unwrap();
    let used = Activation::Silu.apply(&h).unwrap();
    let inner = [(&broken + &used).unwrap(), (&used + &broken).unwrap()];
    let inner = inner.map(|sum| sum.sum_all().unwrap());
    let nested = with_gradient(x.as_tensor(), &[x.as_tensor().clone()], move |g, _| {
        assert!(inner.iter().all(|inner| way(inner).is_err()));
        Ok(vec![g.clone()])
    })
    .unwrap();
    let uses = [Activation::Gelu, Activation::Softplus].map(|f| f.apply(&h).unwrap());
    let plain = |x: &Tensor| {
        let h = Activation::Tanh.apply(x)?;
        let uses = (Activation::Gelu.apply(&h)? + Activation::Softplus.apply(&h)?)?;
        Ok((uses + x)?.sum_all()?.to_scalar::<f64>()?)
    };
    let numeric = gradient(plain, &x, 1e-3).unwrap();
    // Before, between and after the uses of the same value.
    for order in [[0, 1, 2], [1, 0, 2], [1, 2, 0]] {
        let terms = [&nested, &uses[0], &uses[1]];
        let [a, b, c] = order.map(|i| terms[i]);
        let sum = ((a + b).unwrap() + c).unwrap();
        let gradients = outer(&sum.sum_all().unwrap()).unwrap();
        assert_close(gradients.get(&x).unwrap(), &numeric, 1e-8, 1e-8);
    }
}

/// The graph of candle alone gives the same gradients, inside of it and across its border.
#[test]
fn plain_graphs_give_the_same_gradients() {
    let x = Var::new(&[[0.3f64, -1.2], [0.7, 2.0]], device()).unwrap();
    let weight = Var::new(&[[0.5f64, -0.4], [1.5, 0.2]], device()).unwrap();
    let first = shared(&x, &weight).unwrap().backward().unwrap();
    let second = with_plain_graph(|| shared(&x, &weight)).unwrap();
    let second = second.backward().unwrap();
    for var in [&x, &weight] {
        let (first, second) = (first.get(var).unwrap(), second.get(var).unwrap());
        assert_close(second, first, 1e-15, 1e-14);
    }
    // Where each value is used once the order of no sum differs.
    let chain = |outer: bool, inner: bool| {
        let plain =
            |plain: bool, f: &dyn Fn() -> Tensor| if plain { with_plain_graph(f) } else { f() };
        let h = plain(inner, &|| {
            linear(&*x, &weight, None, Activation::Silu).unwrap()
        });
        let y = plain(outer, &|| {
            linear(&h, &weight, None, Activation::Gelu).unwrap()
        });
        let gradients = y.sum_all().unwrap().backward().unwrap();
        gradients.get(&x).unwrap().to_vec2::<f64>().unwrap()
    };
    for (outer, inner) in [(true, true), (true, false), (false, true)] {
        assert_eq!(chain(outer, inner), chain(false, false));
    }
}

/// Memory is given back with the last tensor: 200 graphs of 8 MB.
#[test]
fn graphs_are_dropped() {
    let x = Var::zeros((1 << 10, 1 << 10), DType::F32, device()).unwrap();
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS"));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        kilobytes.unwrap_or(0usize)
    };
    let before = resident();
    for _ in 0..200 {
        let h = Activation::Tanh.apply(x.as_tensor()).unwrap();
        let _unused = Activation::Silu.apply(&h).unwrap();
    }
    assert!(resident() < before + (200 << 10), "{before} {}", resident());
}

/// A pass within the backward function of another, through the same value.
#[test]
fn passes_may_be_nested() {
    let x = var(&[0.5, -2.0]);
    let h = Activation::Tanh.apply(x.as_tensor()).unwrap();
    let inner = Activation::Silu.apply(&h).unwrap().sum_all().unwrap();
    for (first, [outer, way]) in [true, false]
        .into_iter()
        .flat_map(|first| ways_within_ways().map(move |ways| (first, ways)))
    {
        let inner = inner.clone();
        let nested = with_gradient(x.as_tensor(), &[x.as_tensor().clone()], move |g, _| {
            way(&inner)?;
            Ok(vec![g.clone()])
        });
        let (nested, used) = (nested.unwrap(), Activation::Gelu.apply(&h).unwrap());
        let sum = match first {
            true => nested + used,
            false => used + nested,
        };
        let gradients = outer(&sum.unwrap().sum_all().unwrap()).unwrap();
        let plain = |x: &Tensor| {
            let h = Activation::Tanh.apply(x)?;
            Ok((Activation::Gelu.apply(&h)? + x)?
                .sum_all()?
                .to_scalar::<f64>()?)
        };
        let numeric = gradient(plain, &x, 1e-3).unwrap();
        assert_close(gradients.get(&x).unwrap(), &numeric, 1e-8, 1e-8);
    }
}

/// The same through an operation of more arguments than candle's have, in graphs of both kinds.
#[test]
fn passes_may_be_nested_through_many_arguments() {
    for (plain, [outer, way]) in [true, false]
        .into_iter()
        .flat_map(|plain| ways_within_ways().map(move |ways| (plain, ways)))
    {
        let vars: Vec<Var> = (0..6).map(|i| var(&[f64::from(i), 1.0])).collect();
        let inputs: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
        let depth = std::sync::atomic::AtomicUsize::new(0);
        let within: Arc<std::sync::OnceLock<Tensor>> = Arc::default();
        let inner = within.clone();
        let make = || {
            let many = with_gradient(&inputs[0], &inputs, move |g, inputs| {
                // A pass through this very node, and one that fails.
                if depth.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
                    let inner = inner.get().unwrap();
                    let gradients = way(inner)?;
                    assert!(gradients.get_ids().count() >= 6);
                    way(inner)?;
                }
                (inputs.iter().map(|x| Ok((g * x)?))).collect()
            });
            let many = many.unwrap();
            within
                .set((&many * 7.0).unwrap().sum_all().unwrap())
                .unwrap();
            let scaled = Activation::Silu.apply(&many).unwrap();
            (scaled + many).unwrap().sum_all().unwrap()
        };
        let loss = if plain {
            with_plain_graph(make)
        } else {
            make()
        };
        let gradients = outer(&loss).unwrap();
        let value = inputs[0].to_vec1::<f64>().unwrap();
        for (i, v) in vars.iter().enumerate() {
            let gradient = gradients.get(v).unwrap().to_vec1::<f64>().unwrap();
            for ((g, y), x) in gradient.iter().zip(&value).zip([i as f64, 1.0]) {
                let s = 1.0 / (1.0 + (-y).exp());
                let slope = 1.0 + s * (1.0 + y * (1.0 - s));
                assert!((g - slope * x).abs() < 1e-12, "{g} {}", slope * x);
            }
        }
    }
}

/// x, by an operation of candle's kind that begins a pass of its own when it is walked backwards, which nobody sees.
struct Hidden(Tensor);

impl CustomOp1 for Hidden {
    fn name(&self) -> &'static str {
        "hidden"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((x.try_clone(layout)?, layout.shape().clone()))
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        Ok((x.try_clone(layout)?, layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, g: &Tensor) -> candle_core::Result<Option<Tensor>> {
        self.0.backward()?;
        Ok(Some(g.clone()))
    }
}

/// Passes that are hidden in another, through the same values: where they can't be told apart, that is an error.
#[test]
fn hidden_passes_make_no_gradient_wrong() {
    let x = var(&[0.5, -2.0]);
    let h = Activation::Tanh.apply(x.as_tensor()).unwrap();
    let of_h = |f: Activation| f.apply(&h).unwrap();
    let silu = of_h(Activation::Silu);
    let two = (&silu + of_h(Activation::Gelu)).unwrap();
    let three = (&two + of_h(Activation::Softplus)).unwrap();
    let plain = |x: &Tensor| {
        let h = Activation::Tanh.apply(x)?;
        let uses = (Activation::Relu.apply(&h)? + Activation::Sigmoid.apply(&h)?)?;
        Ok((uses + x)?.sum_all()?.to_scalar::<f64>()?)
    };
    let numeric = gradient(plain, &x, 1e-3).unwrap();
    for inner in [silu, two, three] {
        let hidden = x.apply_op1(Hidden(inner.sum_all().unwrap())).unwrap();
        let terms = [hidden, of_h(Activation::Relu), of_h(Activation::Sigmoid)];
        for (order, way) in [[0, 1, 2], [1, 0, 2], [1, 2, 0]]
            .into_iter()
            .flat_map(|order| WAYS.map(|way| (order, way)))
        {
            let [a, b, c] = order.map(|i| &terms[i]);
            let loss = ((a + b).unwrap() + c).unwrap().sum_all().unwrap();
            match way(&loss) {
                Ok(gradients) => assert_close(gradients.get(&x).unwrap(), &numeric, 1e-8, 1e-8),
                Err(error) => assert!(error.to_string().contains("no gradient"), "{error}"),
            }
            // Nothing of it stays.
            let loss = (&terms[1] + &terms[2]).unwrap().sum_all().unwrap();
            let [candle, ours] = WAYS.map(|way| way(&loss).unwrap());
            assert_close(ours.get(&x).unwrap(), candle.get(&x).unwrap(), 0.0, 1e-14);
        }
    }
}

#[test]
fn gradients_that_do_not_fit_are_errors() {
    let x = var(&[0.5, -2.0]);
    let h = Activation::Tanh.apply(x.as_tensor()).unwrap();
    for wrong in [
        Tensor::zeros(3, DType::F64, device()),
        Tensor::zeros((1, 2), DType::F64, device()),
        Tensor::zeros(2, DType::F32, device()),
    ] {
        let wrong = wrong.unwrap();
        let backward = move |_: &Tensor, _: &[Tensor]| Ok(vec![wrong.clone()]);
        let y = with_gradient(&h, std::slice::from_ref(&h), backward).unwrap();
        let error = Error::from(y.sum_all().unwrap().backward().unwrap_err());
        assert!(error.to_string().contains("gradient"), "{error}");
    }
}

/// Walking and dropping a long chain takes no more stack than a thread has.
#[test]
fn long_chains_fit_on_the_stack() {
    let x = var(&[0.5, -2.0]);
    let walk = move || {
        let mut h = x.as_tensor().clone();
        for _ in 0..1000 {
            h = Activation::Tanh.apply(&h).unwrap();
        }
        let gradients = h.sum_all().unwrap().backward().unwrap();
        assert!(gradients.get(&x).is_some());
    };
    std::thread::spawn(walk).join().unwrap();
}

/// Checks that the gradients by all variables are candle's, twice, and in no graph. The bits differ only where operations of both kinds use a
/// variable, as the order of sums does.
fn check_backward(loss: &Tensor, vars: &[&Var]) {
    check_backward_to(0.0, loss, vars);
}

fn check_backward_to(rtol: f64, loss: &Tensor, vars: &[&Var]) {
    let expected = loss.backward().unwrap();
    for _ in 0..2 {
        let ours = backward(loss).unwrap();
        for var in vars {
            let (ours, expected) = (ours.get(var).unwrap(), expected.get(var).unwrap());
            assert_close(ours, expected, rtol, 0.0);
            assert!(!ours.track_op() && ours.is_contiguous());
        }
    }
}

/// Variables that operations of one kind use, of both, none, some more than once, and more than candle's operations take.
#[test]
fn gradients_of_variables_are_those_of_candle() {
    let x = Var::new(&[[0.3f64, -1.2], [0.7, 2.0]], device()).unwrap();
    let weight = Var::new(&[[0.5f64, -0.4], [1.5, 0.2]], device()).unwrap();
    let bias = var(&[0.1, -0.3]);
    check_backward(&shared(&x, &weight).unwrap(), &[&x, &weight]);
    let layers = [(weight.as_tensor(), bias.as_tensor()); 3];
    let y = mlp(&[x.as_tensor()], &layers, Activation::Silu).unwrap();
    check_backward(&y.sum_all().unwrap(), &[&x, &weight, &bias]);
    let both =
        y.sqr().unwrap().sum_all().unwrap() + (weight.sqr().unwrap() * 0.1).unwrap().sum_all();
    check_backward_to(1e-14, &both.unwrap(), &[&x, &weight, &bias]);
    let plain = with_plain_graph(|| shared(&x, &weight)).unwrap();
    check_backward(&plain, &[&x, &weight]);
    check_backward(&(x.sum_all().unwrap() * 2.0).unwrap(), &[&x]);
    assert!(
        backward(&x.detach().sum_all().unwrap())
            .unwrap()
            .get(&x)
            .is_none()
    );
}

/// Gradients that are memory of others are copied, so that a step in place changes no other.
#[test]
fn gradients_of_variables_are_alone() {
    let (x, y) = (var(&[1.0, 2.0]), var(&[3.0, 4.0]));
    let sum = combine(&[(Shared(1.0), x.as_tensor()), (Shared(1.0), y.as_tensor())]).unwrap();
    // The gradient of ½ x² is x.
    let inputs = [x.as_tensor().clone(), y.as_tensor().clone()];
    let own = with_gradient(&x.sum_all().unwrap(), &inputs, |_, inputs| {
        let all = Tensor::ones(1, DType::F64, device())?.broadcast_as(2)?;
        Ok(vec![inputs[0].clone(), all])
    });
    for loss in [sum.sum_all().unwrap(), own.unwrap()] {
        check_backward(&loss, &[&x, &y]);
        let gradients = backward(&loss).unwrap();
        let before = gradients.get(&y).unwrap().to_vec1::<f64>().unwrap();
        let step = gradients.get(&x).unwrap();
        step.slice_set(&step.ones_like().unwrap().affine(0.0, 9.0).unwrap(), 0, 0)
            .unwrap();
        assert_eq!(gradients.get(&y).unwrap().to_vec1::<f64>().unwrap(), before);
        assert_eq!(x.to_vec1::<f64>().unwrap(), [1.0, 2.0]);
        assert_eq!(
            loss.backward()
                .unwrap()
                .get(&y)
                .unwrap()
                .to_vec1::<f64>()
                .unwrap(),
            before
        );
    }
}

/// Of a gradient that is not contiguous, both terms of a sum get one of their own.
#[test]
fn gradients_by_transposed_ones_are_apart() {
    let square = |values: &[f64; 4]| Tensor::from_slice(values, (2, 2), device()).unwrap();
    let [x, y] = [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]
        .map(|values| Var::from_tensor(&square(&values)).unwrap());
    let sum = combine(&[(1.0.into(), x.as_tensor()), (1.0.into(), y.as_tensor())]).unwrap();
    let turned = with_gradient(&sum, std::slice::from_ref(&sum), |g, _| Ok(vec![g.t()?]));
    let loss = (turned.unwrap() * square(&[1.0, 2.0, 3.0, 4.0])).unwrap();
    let gradients = backward(&loss.sum_all().unwrap()).unwrap();
    let of = |x: &Var| gradients.get(x).unwrap().flatten_all().unwrap();
    let step = gradients.get(&x).unwrap();
    step.slice_set(&square(&[9.0; 4]), 0, 0).unwrap();
    assert_eq!(of(&y).to_vec1::<f64>().unwrap(), [1.0, 3.0, 2.0, 4.0]);
}

/// The gradient of a computed parameter would end there.
#[test]
fn computed_parameters_are_refused() {
    let (x, v) = (var(&[0.5, -2.0]), var(&[1.5, 0.7]));
    let weight = (v.as_tensor() * 2.0).unwrap();
    let error = checkpointed(&[x.as_tensor()], std::slice::from_ref(&weight), |inputs| {
        Ok(inputs[0].clone())
    });
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("parameters: got a computed tensor")
    );
}

/// A pass within another keeps to itself, and so does one after a pass that failed.
#[test]
fn passes_within_passes_keep_their_variables() {
    let (x, w) = (var(&[0.5, -2.0]), var(&[1.5, 0.7]));
    let weight = w.as_tensor().clone();
    let y = checkpointed(&[x.as_tensor()], &[w.as_tensor().clone()], move |inputs| {
        Activation::Tanh.apply(&(&inputs[0] * &weight)?)
    });
    let used = Activation::Silu.apply(w.as_tensor()).unwrap();
    let loss = (y.unwrap() * used).unwrap().sum_all().unwrap();
    check_backward(&loss, &[&x, &w]);
    // One that a backward function of candle's own begins, with a variable of the outer pass.
    let fails = Arc::new(AtomicBool::new(true));
    let (failing, inner) = (fails.clone(), w.clone());
    let h = Activation::Tanh.apply(w.as_tensor()).unwrap();
    let z = with_gradient(&h, std::slice::from_ref(&h), move |g, _| {
        let inside = Activation::Gelu.apply(inner.as_tensor())?.sum_all()?;
        let slope = inside.backward()?.get(&inner).cloned();
        match failing.load(Ordering::Relaxed) {
            true => Err(Error::range("gradient", "a failure", "none")),
            false => Ok(vec![(g * slope.unwrap())?]),
        }
    });
    let loss = z.unwrap().sum_all().unwrap();
    assert!(backward(&loss).is_err());
    fails.store(false, Ordering::Relaxed);
    check_backward(&loss, &[&w]);
    let threads: Vec<_> = (0..4).map(|_| loss.clone()).collect();
    let expected = loss
        .backward()
        .unwrap()
        .get(&w)
        .unwrap()
        .to_vec1::<f64>()
        .unwrap();
    std::thread::scope(|scope| {
        for loss in &threads {
            let (w, expected) = (&w, &expected);
            scope.spawn(move || {
                let own = backward(loss).unwrap();
                assert_eq!(own.get(w).unwrap().to_vec1::<f64>().unwrap(), *expected);
            });
        }
    });
}
