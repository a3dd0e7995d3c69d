//! Every parameter is accounted for.

use advect_core::testing::device;
use advect_core::{Error, Generator, Key, observer_fn};
use advect_nn::{Linear, ParameterStore, Stateful};
use advect_train::learning_rate::WarmupCosine;
use advect_train::{AdamW, AdamWConfig, Gradients, ParameterGroup, Trainer};
use candle_core::{DType, Tensor, Var};
use candle_nn::{Module, Optimizer};

fn store() -> ParameterStore {
    ParameterStore::new(Key::from_seed(0), DType::F32, device())
}

fn adamw(store: &ParameterStore) -> AdamW {
    AdamW::from_store(store, AdamWConfig::default()).unwrap()
}

fn trainer(store: &ParameterStore) -> Trainer {
    Trainer::new(store, adamw(store), Generator::from_seed(0))
}

fn layer(store: &ParameterStore, name: &str) -> Linear {
    Linear::new(4, 4, &store.builder().pp(name)).unwrap()
}

fn frozen(name: &str) -> ParameterGroup {
    ParameterGroup::matching(name).frozen()
}

/// The mean square of what some layers make, one after the other, of the same numbers.
fn loss(layers: &[&Linear]) -> Tensor {
    let mut rng = Generator::from_seed(1);
    let x = rng.normal((8, 4), DType::F32, device()).unwrap();
    let y = (layers.iter()).fold(x, |x: Tensor, layer| layer.forward(&x).unwrap());
    y.sqr().unwrap().mean_all().unwrap()
}

fn values(store: &ParameterStore) -> Vec<Vec<f32>> {
    let values = |var: &Var| var.flatten_all().unwrap().to_vec1().unwrap();
    store.vars().iter().map(values).collect()
}

/// A step that fails with a message that has these words, and moves nothing.
fn fails(store: &ParameterStore, trainer: &mut Trainer, loss: &Tensor, words: &[&str]) {
    let before = values(store);
    // It fails for as long as nothing is declared.
    for _ in 0..2 {
        let error = trainer.update(loss).unwrap_err();
        assert!(matches!(error, Error::Stopped { .. }), "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
    }
    assert_eq!(values(store), before);
    assert_eq!(trainer.step(), 0);
}

#[test]
fn optimisers_of_nothing_are_refused() {
    let empty = AdamW::from_store(&store(), AdamWConfig::default());
    let error = empty.unwrap_err().to_string();
    assert!(error.contains("a store without parameters"), "{error}");

    // On its own, an optimiser that has no gradient.
    let [x, other] = [1f32, 2.0].map(|x| Var::new(x, device()).unwrap());
    let mut optimizer = AdamW::new(vec![x], AdamWConfig::default()).unwrap();
    let error = optimizer.backward_step(&other.sqr().unwrap()).unwrap_err();
    let error = Error::from(error);
    assert!(matches!(error, Error::Detached { .. }), "{error}");
}

#[test]
fn networks_built_after_the_optimiser_are_named() {
    let store = store();
    let first = layer(&store, "first");
    let mut trainer = trainer(&store);
    let second = layer(&store, "second");
    let words = ["the optimiser does not hold 2 of 4 parameters (second.weight, second.bias)"];
    fails(&store, &mut trainer, &loss(&[&first, &second]), &words);
}

#[test]
fn networks_built_while_training_are_named() {
    let store = store();
    let first = layer(&store, "first");
    let mut trainer = trainer(&store);
    trainer.update(&loss(&[&first])).unwrap();
    layer(&store, "second");
    let before = values(&store);
    let error = trainer.update(&loss(&[&first])).unwrap_err().to_string();
    assert!(error.contains("(second.weight, second.bias)"), "{error}");
    assert_eq!(values(&store), before);
}

#[test]
fn variables_outside_of_the_store_are_named() {
    let store = store();
    let net = layer(&store, "net");
    let mut parameters = store.parameters();
    parameters.push(("temperature".into(), Var::new(1f32, device()).unwrap()));
    let optimizer = AdamW::from_named(parameters, AdamWConfig::default()).unwrap();
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
    let words = ["variables that are not in the store, 1 in all (temperature)"];
    fails(&store, &mut trainer, &loss(&[&net]), &words);
}

/// candle's fused layer norm has no gradient: what lies before it would stand still in silence.
#[test]
fn layers_without_a_backward_pass_are_found() {
    let store = store();
    let first = layer(&store, "first");
    let norm = candle_nn::layer_norm(4, 1e-5, store.builder().pp("norm")).unwrap();
    let second = layer(&store, "second");
    let mut rng = Generator::from_seed(1);
    let x = rng.normal((8, 4), DType::F32, device()).unwrap();
    let y = norm.forward(&first.forward(&x).unwrap()).unwrap();
    let loss = second
        .forward(&y)
        .unwrap()
        .sqr()
        .unwrap()
        .mean_all()
        .unwrap();
    let words =
        ["no gradient to 4 of 6 parameters (first.weight, first.bias, norm.weight, norm.bias)"];
    fails(&store, &mut trainer(&store), &loss, &words);
}

#[test]
fn a_long_list_is_cut() {
    let store = store();
    let used = layer(&store, "used");
    for i in 0..4 {
        layer(&store, &format!("unused.{i}"));
    }
    let words = ["8 of 10 parameters", "unused.2.weight and 3 more)"];
    fails(&store, &mut trainer(&store), &loss(&[&used]), &words);
}

#[test]
fn frozen_parameters_stay() {
    let store = store();
    let (first, second) = (layer(&store, "a.first"), layer(&store, "b.second"));
    let mut trainer = trainer(&store).group(frozen("a.*")).unwrap();
    let before = values(&store);
    let report = trainer.update(&loss(&[&first, &second])).unwrap();
    let after = values(&store);
    assert_eq!(before[..2], after[..2]);
    assert!(before[2] != after[2] && before[3] != after[3]);
    assert!(report.without_gradient.is_empty());
    // The norm is that of what is trained.
    let trained = &store.parameters()[2..];
    let norm = Gradients::of(&loss(&[&first, &second]), trained)
        .unwrap()
        .norm()
        .unwrap();
    let report = trainer.update(&loss(&[&first, &second])).unwrap();
    assert_eq!(report.gradient_norm, norm);

    let error = trainer.update(&loss(&[&first])).unwrap_err().to_string();
    assert!(error.contains("frozen parameters only"), "{error}");
    let error = trainer.group(frozen("c.*")).unwrap_err().to_string();
    assert!(
        error.contains("pattern: got \"c.*\"") && error.contains("a.first.weight"),
        "{error}"
    );
}

/// Frozen parameters need no optimiser.
#[test]
fn an_optimiser_of_the_head_alone() {
    let store = store();
    let (encoder, head) = (layer(&store, "encoder"), layer(&store, "head"));
    let parameters = store.parameters().split_off(2);
    let optimizer = AdamW::from_named(parameters, AdamWConfig::default()).unwrap();
    let trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
    let mut trainer = trainer.group(frozen("encoder.*")).unwrap();
    trainer.update(&loss(&[&encoder, &head])).unwrap();
}

#[test]
fn unused_parameters_are_reported() {
    let store = store();
    let (first, branch) = (layer(&store, "first"), layer(&store, "branch"));
    let names = ["branch.weight", "branch.bias"];
    let mut declared = trainer(&store)
        .group(ParameterGroup::matching("branch.*").may_be_unused())
        .unwrap();
    let report = declared.update(&loss(&[&first])).unwrap();
    assert_eq!(report.without_gradient, names);
    let report = declared.update(&loss(&[&first, &branch])).unwrap();
    assert!(report.without_gradient.is_empty());

    // Not declared, and left out later.
    let mut trainer = trainer(&store);
    trainer.update(&loss(&[&first, &branch])).unwrap();
    let before = values(&store);
    let report = trainer.update(&loss(&[&first])).unwrap();
    assert_eq!(report.without_gradient, names);
    assert_eq!(values(&store)[2..], before[2..]);
}

/// The steps after the first may leave parameters out, also in a process that made none of those before.
#[test]
fn a_run_resumes_at_a_step_that_leaves_parameters_out() {
    let start = || {
        let store = store();
        let layers = ["first", "branch"].map(|name| layer(&store, name));
        (trainer(&store), store, layers)
    };
    let to = |until: usize, trainer: &mut Trainer, [first, branch]: &[Linear; 2]| {
        let of_step = |step: usize, _: &mut Generator| match step.is_multiple_of(2) {
            true => Ok(loss(&[first, branch])),
            false => Ok(loss(&[first])),
        };
        trainer.run(until, of_step, &mut ())
    };
    let (mut whole, expected, layers) = start();
    to(3, &mut whole, &layers).unwrap();
    let checkpoint = whole.checkpoint().unwrap();
    to(6, &mut whole, &layers).unwrap();

    let (mut resumed, store, layers) = start();
    resumed.restore(&checkpoint).unwrap();
    to(4, &mut resumed, &layers).unwrap();
    let names = ["branch.weight", "branch.bias"];
    assert_eq!(resumed.report().without_gradient, names);
    to(6, &mut resumed, &layers).unwrap();
    assert_eq!(values(&store), values(&expected));

    // The start of a run, and a store that grows, are accounted for all the same.
    let (fresh, store, [first, _]) = start();
    let begin = fresh.checkpoint().unwrap();
    let mut fresh = fresh;
    fresh.restore(&begin).unwrap();
    let words = ["no gradient to 2 of 4 parameters"];
    fails(&store, &mut fresh, &loss(&[&first]), &words);
    let (mut resumed, store, [first, _]) = start();
    resumed.restore(&checkpoint).unwrap();
    layer(&store, "later");
    let error = resumed.update(&loss(&[&first])).unwrap_err().to_string();
    assert!(error.contains("does not hold 2 of 6"), "{error}");
    let (mut resumed, _, [first, _]) = start();
    resumed.restore(&checkpoint).unwrap();
    let group = ParameterGroup::matching("first.*").weight_decay(0.0);
    let mut grouped = resumed.group(group).unwrap();
    let error = grouped.update(&loss(&[&first])).unwrap_err().to_string();
    assert!(error.contains(words[0]), "{error}");
}

#[test]
fn numbers_that_are_not_finite_at_first_are_named() {
    let store = store();
    let net = layer(&store, "net");
    let mut trainer = trainer(&store);
    let (_, second) = trainer.optimizer().variables()[1].clone();
    let mut moments = vec![0f32; 16];
    moments[3] = f32::INFINITY;
    second
        .set(&Tensor::from_vec(moments, (4, 4), device()).unwrap())
        .unwrap();
    let error = trainer.update(&loss(&[&net])).unwrap_err().to_string();
    let expected = "optimizer/second.net.weight: got inf at flat index 3, expected finite values";
    assert_eq!(error, expected);
}

#[test]
fn the_end_of_a_schedule_is_told_once() {
    let store = store();
    let net = layer(&store, "net");
    let mut trainer = trainer(&store).learning_rate(WarmupCosine::new(1e-3, 0, 3).unwrap());
    let mut ended = Vec::new();
    let mut observer = observer_fn(|trainer: &Trainer| ended.push(trainer.report().schedule_ended));
    trainer
        .run(6, |_, _| Ok(loss(&[&net])), &mut observer)
        .unwrap();
    assert_eq!(ended, [false, false, false, true, false, false]);
}
