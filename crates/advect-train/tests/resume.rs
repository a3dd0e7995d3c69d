//! Stopping and resuming, and what bad checkpoints get.

use std::fs;
use std::path::Path;

use advect_core::testing::{assert_close, device};
use advect_core::{Error, Field, Generator, Key, Result, Time};
use advect_models::Mlp;
use advect_nn::{ParameterStore, State, Stateful, Weights};
use advect_train::decay::{Warmup, decay_fn};
use advect_train::learning_rate::{WarmupCosine, learning_rate_fn};
use advect_train::{AdamW, AdamWConfig, Checkpoint, Ema, Trainer};
use candle_core::{DType, Tensor};

struct Run {
    trainer: Trainer,
    store: ParameterStore,
    net: Mlp,
}

fn run_of(width: usize, seed: u64) -> Run {
    let store = ParameterStore::new(Key::from_seed(seed), DType::F32, device());
    let net = Mlp::config(2)
        .hidden(&[width])
        .build(&store.builder())
        .unwrap();
    let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let trainer = Trainer::new(&store, optimizer, Generator::from_seed(seed))
        .learning_rate(WarmupCosine::new(1e-2, 5, 100).unwrap())
        .clip_norm(0.5)
        .unwrap()
        .ema(0.9)
        .unwrap();
    Run {
        trainer,
        store,
        net,
    }
}

impl Run {
    fn until(&mut self, step: usize) {
        let net = &self.net;
        let loss = |_: usize, rng: &mut Generator| -> Result<Tensor> {
            let x = rng.normal((16, 2), DType::F32, device())?;
            Ok((net.at(&Time::Shared(0.5), &x)? - x.sin()?)?
                .sqr()?
                .mean_all()?)
        };
        self.trainer.run(step, loss, &mut ()).unwrap();
    }

    fn states(&self) -> [State; 2] {
        [self.store.state(), self.trainer.averaged().state()]
    }
}

fn same_bits(a: &[State; 2], b: &[State; 2]) {
    for (a, b) in a.iter().zip(b) {
        for (name, tensor) in a {
            assert_close(tensor, &b[name], 0.0, 0.0);
        }
    }
}

#[test]
fn a_resumed_run_has_the_bits_of_one_that_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let mut whole = run_of(8, 0);
    whole.until(40);
    let mut first = run_of(8, 0);
    first.until(17);
    first.trainer.save(&path).unwrap();
    // Another seed: everything must come from the file.
    let mut second = run_of(8, 1);
    second.trainer.resume(&path).unwrap();
    assert_eq!(second.trainer.step(), 17);
    second.until(40);
    same_bits(&second.states(), &whole.states());
    // And the same state writes the same file.
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    second.trainer.save(&a).unwrap();
    whole.trainer.save(&b).unwrap();
    assert_eq!(fs::read(a).unwrap(), fs::read(b).unwrap());
}

#[test]
fn bad_checkpoints_are_refused_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let mut run = run_of(8, 0);
    run.until(3);
    let before = [
        run.store.duplicate().unwrap().state(),
        run.trainer.averaged().duplicate().unwrap().state(),
    ];
    run.trainer.save(&path).unwrap();
    let good = fs::read(&path).unwrap();

    let mut refused = |bytes: &[u8], word: &str| {
        fs::write(&path, bytes).unwrap();
        let error = run.trainer.resume(&path).unwrap_err();
        assert!(matches!(error, Error::File { .. }));
        assert!(error.to_string().contains(word), "{error}");
    };
    for length in [0, 4, 100, good.len() / 2, good.len() - 1] {
        refused(&good[..length], "truncated");
    }
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    refused(&flipped, "checksum");
    let replaced = |from: &str, to: &str| {
        let at = good
            .windows(from.len())
            .position(|w| w == from.as_bytes())
            .unwrap();
        let mut bytes = good.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    refused(
        &replaced("\"advect\":\"1 ", "\"advect\":\"2 "),
        "version 2; expected version 1",
    );
    refused(
        &replaced("\"advect\":\"1 3", "\"advect\":\"1 4"),
        "checksum",
    );
    refused(&replaced("\"advect\":", "\"affect\":"), "not a checkpoint");

    let write = |run: &Trainer, path: &Path| {
        run.save(path).unwrap();
        fs::read(path).unwrap()
    };
    let wider = write(&run_of(9, 0).trainer, &folder.path().join("wider"));
    refused(
        &wider,
        "it is from another run: checkpoint: got a part \"parameters\" that does not fit (state: got a state with 3 tensors",
    );
    let mut partial = Checkpoint::new(0, &Generator::from_seed(0));
    partial
        .parts
        .insert("parameters".into(), run_of(8, 0).store.state());
    let other = folder.path().join("partial");
    partial.save(&other).unwrap();
    refused(&fs::read(&other).unwrap(), "no part \"optimizer\"");

    fs::remove_file(&path).unwrap();
    assert!(matches!(run.trainer.resume(&path), Err(Error::File { .. })));
    assert_eq!(run.trainer.step(), 3);
    same_bits(&run.states(), &before);
}

#[test]
fn a_checkpoint_is_no_file_of_weights_and_weights_are_no_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let mut run = run_of(8, 0);
    run.until(3);
    run.trainer.save(&path).unwrap();
    // Weights of a checkpoint are taken by choice, and only by choice.
    let other = run_of(8, 1);
    let error = other.store.load(&path).unwrap_err().to_string();
    assert!(
        error.contains("Trainer::resume") && error.contains("parameters (4 tensors)"),
        "{error}"
    );
    for (part, expected) in ["parameters", "ema"].into_iter().zip(run.states()) {
        other.store.load(Weights::new(&path).within(part)).unwrap();
        for (name, tensor) in other.store.state() {
            assert_close(&tensor, &expected[&name], 0.0, 0.0);
        }
    }
    let mut refused = |word: &str| {
        let error = run.trainer.resume(&path).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    other.store.save(&path).unwrap();
    refused("ParameterStore::load");
    fs::write(&path, b"PK\x03\x04").unwrap();
    refused("not a checkpoint: it is a zip archive");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused("not a regular file");
}

#[test]
fn nan_stops_before_it_does_harm() {
    let mut run = run_of(4, 0);
    let before = run.store.duplicate().unwrap().state();
    let nan = |_: usize, _: &mut Generator| {
        let (_, var) = &run.store.parameters()[0];
        Ok((var.as_tensor().sum_all()? * f64::NAN)?)
    };
    let error = run.trainer.run(5, nan, &mut ()).unwrap_err();
    assert_eq!(error.to_string(), "stopped at step 0: the loss is NaN");
    // A finite loss with an infinite gradient.
    let (_, var) = run.store.parameters()[0].clone();
    let zeros = (var.as_tensor() - var.as_detached_tensor()).unwrap();
    let error = run
        .trainer
        .update(&zeros.sqrt().unwrap().sum_all().unwrap())
        .unwrap_err();
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
    assert!(matches!(
        run.trainer.update(&var.as_tensor().clone()),
        Err(Error::Shape { .. })
    ));
    for (name, tensor) in run.store.state() {
        assert_close(&tensor, &before[&name], 0.0, 0.0);
    }
}

#[test]
fn the_average_follows_its_formula() {
    let run = run_of(4, 0);
    let (name, var) = run.store.parameters()[0].clone();
    let ema = Ema::new(&run.store, 0.75).unwrap();
    let start = var.as_detached_tensor().to_dtype(DType::F64).unwrap();
    var.set(&(var.as_detached_tensor() + 1.0).unwrap()).unwrap();
    for k in 1..=5 {
        ema.update(k as usize).unwrap();
        let expected = (&start + (1.0 - 0.75f64.powi(k))).unwrap();
        assert_close(&ema.state()[&name], &expected, 1e-6, 1e-6);
    }
    assert!(Ema::new(&run.store, 1.0).is_err());
    assert!(Ema::new(&run.store, -0.1).is_err());
}

#[test]
fn useless_steps_are_refused() {
    let mut run = run_of(4, 0);
    let twin = run.net.on(&run.store.frozen()).unwrap();
    let x = Tensor::zeros((2, 2), DType::F32, device()).unwrap();
    let loss = |net: &Mlp| net.at(&Time::Shared(0.0), &x).unwrap().sum_all().unwrap();
    let error = run.trainer.update(&loss(&twin)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "stopped at step 0: the loss depends on no parameter"
    );
    for bad in [f64::NAN, f64::INFINITY, -1e-3] {
        let Run { trainer, net, .. } = run_of(4, 0);
        let mut trainer = trainer.learning_rate(learning_rate_fn(move |_| bad));
        let error = trainer.update(&loss(&net)).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("stopped at step 0: the learning rate is {bad}")
        );
    }
}

#[test]
fn averages_of_another_size_are_refused() {
    let run = run_of(4, 0);
    let ema = Ema::new(&run.store, 0.9).unwrap();
    Mlp::config(3)
        .build(&run.store.builder().pp("more"))
        .unwrap();
    assert!(matches!(ema.update(0), Err(Error::Range { .. })));
}

#[test]
fn a_checkpoint_with_more_parts_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let run = run_of(4, 0);
    run.trainer.save(&path).unwrap();
    let optimizer = AdamW::from_store(&run.store, AdamWConfig::default()).unwrap();
    let mut without_average = Trainer::new(&run.store, optimizer, Generator::from_seed(0));
    let error = without_average.resume(&path).unwrap_err().to_string();
    assert!(error.contains("\"ema\""), "{error}");
}

#[test]
fn averages_are_begun_and_dropped_by_choice() {
    let mut with = run_of(4, 0);
    with.until(3);
    let without = || {
        let optimizer = AdamW::from_store(&with.store, AdamWConfig::default()).unwrap();
        Trainer::new(&with.store, optimizer, Generator::from_seed(0))
    };
    let stored = with.trainer.checkpoint().unwrap();
    let mut trainer = without();
    let error = trainer.restore(&stored).unwrap_err().to_string();
    assert!(error.contains("Checkpoint::drop_average"), "{error}");
    assert_eq!(trainer.step(), 0);
    trainer.restore(&stored.clone().drop_average()).unwrap();
    assert_eq!(trainer.step(), 3);
    // None is lost by accident.
    assert!(stored.start_average().is_err());

    let plain = trainer.checkpoint().unwrap();
    let mut again = run_of(4, 1);
    let error = again.trainer.restore(&plain).unwrap_err().to_string();
    assert!(error.contains("Checkpoint::start_average"), "{error}");
    again
        .trainer
        .restore(&plain.start_average().unwrap())
        .unwrap();
    let [parameters, average] = again.states();
    same_bits(
        &[parameters.clone(), parameters],
        &[average.clone(), average],
    );
}

#[test]
fn decays_follow_their_schedule() {
    let run = run_of(4, 0);
    let (name, var) = run.store.parameters()[0].clone();
    let ema = Ema::new(&run.store, Warmup::new(0.9).unwrap()).unwrap();
    let mut expected = var.as_detached_tensor().to_dtype(DType::F64).unwrap();
    for step in 0..100 {
        let value = (var.as_detached_tensor() * 0.9).unwrap();
        var.set(&value).unwrap();
        ema.update(step).unwrap();
        let decay = (0.9f64).min((1 + step) as f64 / (10 + step) as f64);
        let value = value.to_dtype(DType::F64).unwrap();
        expected = ((expected * decay).unwrap() + (value * (1.0 - decay)).unwrap()).unwrap();
        assert_close(&ema.state()[&name], &expected, 1e-5, 1e-7);
    }
    for bad in [1.0, -0.1, f64::NAN] {
        assert!(Warmup::new(bad).is_err());
        assert!(Ema::new(&run.store, decay_fn(move |_| bad)).is_err());
    }
    assert!(
        Ema::new(
            &ParameterStore::new(Key::from_seed(0), DType::F32, device()),
            0.9
        )
        .is_err()
    );
}

#[test]
fn runs_with_other_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let with = |settings: &[(&str, usize)]| {
        let trainer = run_of(4, 0).trainer;
        let settings = settings.iter();
        settings.fold(trainer, |trainer, (name, value)| {
            trainer.setting(name, value)
        })
    };
    with(&[("seed", 1), ("batch", 64)]).save(&path).unwrap();
    with(&[("batch", 64), ("seed", 1)]).resume(&path).unwrap();
    for (settings, words) in [
        (
            &[("seed", 1), ("batch", 32)][..],
            "got batch = 64, expected batch = 32, as in this run",
        ),
        (
            &[("seed", 1)],
            "got batch = 64, expected no batch, as in this run",
        ),
        (
            &[("seed", 1), ("batch", 64), ("flip", 1)],
            "got no flip, expected flip = 1, as in this run",
        ),
        (&[], "got batch = 64, expected no batch"),
    ] {
        let mut other = with(settings);
        let error = other.resume(&path).unwrap_err();
        assert!(matches!(error, Error::File { .. }));
        assert!(error.to_string().contains(words), "{error}");
    }
    let mut knowing = with(&[("seed", 1), ("batch", 32)]);
    let mut checkpoint = Checkpoint::load(&path, device()).unwrap();
    checkpoint.settings.insert("batch".into(), "32".into());
    knowing.restore(&checkpoint).unwrap();
    // A setting is part of what the checksum covers.
    let bytes = fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|w| w == b"batch=64").unwrap();
    let mut changed = bytes.clone();
    changed[at..at + 8].copy_from_slice(b"batch=32");
    fs::write(&path, changed).unwrap();
    let error = knowing.resume(&path).unwrap_err().to_string();
    assert!(error.contains("checksum"), "{error}");
}

#[test]
fn runs_move_between_threads() {
    fn moves<T: Send>(_: &T) {}
    let run = run_of(4, 0);
    moves(&run.trainer);
    moves(&run.store);
    moves(&run.net);
}
