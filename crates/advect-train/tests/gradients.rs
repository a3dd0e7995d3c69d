//! Gradients between a loss and a step.

use advect_core::testing::{assert_close, device};
use advect_core::{Error, Generator, Key};
use advect_nn::{Linear, ParameterStore, State, Stateful};
use advect_train::{AdamW, AdamWConfig, Gradients, ParameterGroup, Trainer};
use candle_core::{DType, Tensor};

struct Run {
    trainer: Trainer,
    store: ParameterStore,
    layers: [Linear; 2],
}

fn run() -> Run {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let layer = |name| Linear::new(3, 3, &store.builder().pp(name)).unwrap();
    let layers = [layer("first"), layer("second")];
    let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let trainer = Trainer::new(&store, optimizer, Generator::from_seed(1))
        .clip_norm(0.1)
        .unwrap()
        .ema(0.9)
        .unwrap();
    Run {
        trainer,
        store,
        layers,
    }
}

fn data() -> Tensor {
    let mut rng = Generator::from_seed(2);
    rng.normal((8, 3), DType::F64, device()).unwrap()
}

impl Run {
    fn loss(&self, x: &Tensor) -> Tensor {
        let y = self.layers[0].forward(x).unwrap();
        let y = self.layers[1].forward(&y).unwrap();
        (y - x).unwrap().sqr().unwrap().mean_all().unwrap()
    }

    fn states(&self) -> Vec<State> {
        let parts: [&dyn Stateful; 3] = [
            &self.store,
            self.trainer.optimizer(),
            self.trainer.averaged(),
        ];
        let copied = |(name, x): (String, Tensor)| (name, x.copy().unwrap());
        let states = parts.into_iter().map(Stateful::state);
        states
            .map(|state| state.into_iter().map(copied).collect())
            .collect()
    }
}

fn close(ours: &[State], theirs: &[State], tolerance: f64) {
    for (ours, theirs) in ours.iter().zip(theirs) {
        for (name, x) in ours {
            assert_close(x, &theirs[name], tolerance, tolerance);
        }
    }
}

#[test]
fn an_update_is_both_halves() {
    let (mut whole, mut halves) = (run(), run());
    for _ in 0..3 {
        let report = whole.trainer.update(&whole.loss(&data())).unwrap();
        let gradients = halves.trainer.gradients(&halves.loss(&data())).unwrap();
        assert_eq!(halves.trainer.apply(gradients).unwrap(), report);
        assert_eq!(halves.trainer.report(), &report);
    }
    close(&whole.states(), &halves.states(), 0.0);
}

#[test]
fn micro_batches_are_a_batch() {
    let (mut whole, mut parts) = (run(), run());
    for _ in 0..3 {
        let report = whole.trainer.update(&whole.loss(&data())).unwrap();
        let gradients = (0..4).map(|k| {
            let x = data().narrow(0, 2 * k, 2)?;
            parts.trainer.gradients(&parts.loss(&x))
        });
        let mean = Gradients::mean(gradients).unwrap();
        let other = parts.trainer.apply(mean).unwrap();
        assert!((report.loss - other.loss).abs() < 1e-14);
        assert!((report.gradient_norm - other.gradient_norm).abs() < 1e-14);
    }
    close(&whole.states(), &parts.states(), 1e-11);
    assert!(matches!(Gradients::mean([]), Err(Error::Empty { .. })));
}

#[test]
fn gradients_have_the_order_of_the_store_and_no_graph() {
    let run = run();
    let gradients = run.trainer.gradients(&run.loss(&data())).unwrap();
    let names: Vec<&str> = gradients.iter().map(|(name, _)| name).collect();
    let expected = ["first.weight", "first.bias", "second.weight", "second.bias"];
    assert_eq!(names, expected);
    for (_, x) in gradients.iter() {
        assert!(!x.track_op());
    }
    let (all, one) = (
        gradients.norm().unwrap(),
        gradients.get("first.bias").unwrap(),
    );
    assert!(
        all > one
            .sqr()
            .unwrap()
            .sum_all()
            .unwrap()
            .to_scalar::<f64>()
            .unwrap()
            .sqrt()
    );
    assert!(gradients.get("third").is_none());
}

/// A part that leaves parameters out counts as 0 for them.
#[test]
fn parts_may_leave_parameters_out() {
    let run = run();
    let x = data();
    let only = |layer: &Linear| {
        let loss = layer.forward(&x).unwrap().sum_all().unwrap();
        run.trainer.gradients(&loss).unwrap()
    };
    let (mut sum, second) = (only(&run.layers[0]), only(&run.layers[1]));
    assert_eq!(
        sum.missing().collect::<Vec<_>>(),
        ["second.weight", "second.bias"]
    );
    let loss = sum.loss() + second.loss();
    sum.add(&second).unwrap();
    assert_eq!((sum.missing().count(), sum.loss()), (0, loss));
    for name in ["first.bias", "second.bias"] {
        let bias = sum.get(name).unwrap().to_vec1::<f64>().unwrap();
        assert_eq!(bias, [8.0; 3]);
    }
    sum.scale(0.5).unwrap();
    assert_eq!(
        sum.get("first.bias").unwrap().to_vec1::<f64>().unwrap(),
        [4.0; 3]
    );
    assert_eq!(sum.loss(), loss / 2.0);
    assert!(matches!(sum.scale(f64::NAN), Err(Error::Range { .. })));
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let (mut run, other) = (run(), run());
    let mut gradients = run.trainer.gradients(&run.loss(&data())).unwrap();
    let theirs = other.trainer.gradients(&other.loss(&data())).unwrap();
    assert!(matches!(gradients.add(&theirs), Err(Error::Range { .. })));
    let before = run.states();
    let error = run.trainer.apply(theirs).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("\"first.weight\" of another store"),
        "{error}"
    );
    // The second of the gradients has another shape.
    let error = gradients.map(|name, x| match name {
        "first.bias" => Ok(Some(Tensor::zeros(2, DType::F64, device())?)),
        _ => Ok(x.map(|x| x * 2.0).transpose()?),
    });
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("the gradient by \"first.bias\": got shape [2]"),
        "{error}"
    );
    let same = run.trainer.gradients(&run.loss(&data())).unwrap();
    for ((_, x), (_, y)) in gradients.iter().zip(same.iter()) {
        assert_close(x, y, 0.0, 0.0);
    }
    // NaN from another machine.
    gradients
        .map(|_, x| Ok(x.map(|x| x * f64::NAN).transpose()?))
        .unwrap();
    let error = run.trainer.apply(gradients).unwrap_err().to_string();
    assert!(
        error.starts_with("stopped at step 0: ")
            && error.contains("the gradient by \"first.weight\""),
        "{error}"
    );
    // None at all.
    let mut none = same;
    none.map(|_, _| Ok(None)).unwrap();
    assert!(matches!(
        run.trainer.apply(none),
        Err(Error::Stopped { .. })
    ));
    close(&run.states(), &before, 0.0);
    assert_eq!(run.trainer.step(), 0);
}

/// Gradients that were not the trainer's own have the frozen ones left out, too.
#[test]
fn frozen_parameters_have_no_part_in_steps() {
    let Run {
        trainer,
        store,
        layers,
    } = run();
    let trainer = trainer
        .group(ParameterGroup::matching("first.*").frozen())
        .unwrap();
    let mut run = Run {
        trainer,
        store,
        layers,
    };
    let all = Gradients::of(&run.loss(&data()), &run.store.parameters()).unwrap();
    let trained = run.trainer.gradients(&run.loss(&data())).unwrap();
    assert_eq!((all.iter().count(), trained.iter().count()), (4, 2));
    let norm = trained.norm().unwrap();
    let before = run.store.tensors()[0].to_vec2::<f64>().unwrap();
    assert_eq!(run.trainer.apply(all).unwrap().gradient_norm, norm);
    assert_eq!(run.store.tensors()[0].to_vec2::<f64>().unwrap(), before);
}
