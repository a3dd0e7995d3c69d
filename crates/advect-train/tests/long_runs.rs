//! What a long run meets: scores, batches that are not finite, logs, folders that vanish.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use advect_core::testing::{assert_close, device};
use advect_core::{Conditional, Error, Generator, Key, Result, Time, observer_fn};
use advect_models::Mlp;
use advect_nn::{Linear, ParameterStore};
use advect_train::learning_rate::learning_rate_fn;
use advect_train::observer::{MetricLog, Validation, every};
use advect_train::{
    AdamW, AdamWConfig, Checkpoint, CheckpointFolder, Gradients, NonFinite, Recomputed, RunEnd,
    Trainer,
};
use candle_core::{DType, Tensor, Var};
use candle_nn::Optimizer;

struct Run {
    net: Linear,
    store: ParameterStore,
    trainer: Trainer,
}

fn run() -> Run {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let net = Linear::new(2, 1, &store.builder()).unwrap();
    let config = AdamWConfig {
        learning_rate: 0.01,
        ..AdamWConfig::default()
    };
    let optimizer = AdamW::from_store(&store, config).unwrap();
    let trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
    Run {
        net,
        store,
        trainer,
    }
}

fn skipping(non_finite: NonFinite) -> Run {
    let Run {
        net,
        store,
        trainer,
    } = run();
    let trainer = trainer.non_finite(non_finite).unwrap();
    Run {
        net,
        store,
        trainer,
    }
}

/// The loss of a step, times a factor.
fn loss(net: &Linear, rng: &mut Generator, factor: f64) -> Result<Tensor> {
    let x = rng.normal((8, 2), DType::F64, device())?;
    Ok(((net.forward(&x)? - 1.0)?.sqr()?.mean_all()? * factor)?)
}

impl Run {
    /// Runs with losses that are not finite at some steps.
    fn to(&mut self, until: usize, bad: &[usize]) -> Result<RunEnd> {
        let net = &self.net;
        let loss = |step: usize, rng: &mut Generator| {
            let factor = if bad.contains(&step) { f64::NAN } else { 1.0 };
            loss(net, rng, factor)
        };
        self.trainer.run(until, loss, &mut ())
    }

    fn weights(&self) -> Vec<f64> {
        let tensors = self.store.tensors();
        let flat = tensors
            .iter()
            .map(|x| x.flatten_all().unwrap().to_vec1::<f64>().unwrap());
        flat.flatten().collect()
    }
}

#[test]
fn bad_steps_are_skipped_counted_and_limited() {
    let mut run = skipping(NonFinite::Skip { limit: 2 });
    run.to(3, &[]).unwrap();
    let before = (run.weights(), run.trainer.checkpoint().unwrap());
    run.to(5, &[3, 4]).unwrap();
    assert_eq!(run.weights(), before.0);
    assert_eq!(run.trainer.recorded("skipped_steps"), Some((5, 2.0)));
    let report = run.trainer.report().clone();
    assert_eq!(report.step, 5);
    assert_eq!(report.skipped.unwrap(), "step 4: the loss is NaN");
    // A third one in a row ends the run, and as well in one that resumes.
    let checkpoint = run.trainer.checkpoint().unwrap();
    assert_eq!(
        checkpoint.parts["optimizer"].len(),
        before.1.parts["optimizer"].len()
    );
    for mut run in [run, {
        let mut resumed = skipping(NonFinite::Skip { limit: 2 });
        resumed.trainer.restore(&checkpoint).unwrap();
        resumed
    }] {
        let message = run.to(8, &[5]).unwrap_err().to_string();
        let expected = "stopped at step 5: the loss is NaN, after 2 skipped steps in a row";
        assert_eq!(message, expected);
        assert_eq!(run.trainer.step(), 5);
        // A good step begins anew.
        run.to(6, &[]).unwrap();
        run.to(8, &[6, 7]).unwrap();
        assert_eq!(run.trainer.recorded("skipped_steps"), Some((8, 4.0)));
    }
}

#[test]
fn gradients_that_are_not_finite_are_skipped_too() {
    // As another machine would send them.
    let poisoned = |net: &Linear, trainer: &mut Trainer| -> Result<Gradients> {
        let loss = loss(net, trainer.rng(), 1.0)?;
        let mut gradients = trainer.gradients(&loss)?;
        gradients.map(|name, gradient| match (name, gradient) {
            ("bias", Some(gradient)) => Ok(Some((gradient * f64::NAN)?)),
            (_, gradient) => Ok(gradient.cloned()),
        })?;
        Ok(gradients)
    };
    let mut run = skipping(NonFinite::Skip { limit: 1 });
    let before = run.weights();
    let net = &run.net;
    run.trainer
        .run_with(1, |trainer| poisoned(net, trainer), &mut ())
        .unwrap();
    let skipped = run.trainer.report().skipped.clone().unwrap();
    assert!(
        skipped.contains("gradient by \"bias\" is not finite"),
        "{skipped}"
    );
    assert!(run.trainer.report().loss.is_finite());
    assert_eq!(run.weights(), before);
    // One bad part of several.
    let (mut run, mut other) = (skipping(NonFinite::Skip { limit: 1 }), self::run());
    let net = &run.net;
    let parts = |trainer: &mut Trainer| {
        let losses = [1.0, f64::INFINITY].map(|f| loss(net, trainer.rng(), f));
        Gradients::mean(losses.into_iter().map(|loss| trainer.gradients(&loss?)))
    };
    run.trainer.run_with(1, parts, &mut ()).unwrap();
    assert!(run.trainer.report().skipped.is_some());
    assert_eq!(run.weights(), before);
    // Without a choice, the run ends.
    let message = other.to(1, &[0]).unwrap_err().to_string();
    assert_eq!(message, "stopped at step 0: the loss is NaN");
    for bad in [
        NonFinite::Skip { limit: 0 },
        NonFinite::LowerRate {
            factor: 1.0,
            limit: 1,
        },
        NonFinite::LowerRate {
            factor: 0.5,
            limit: 0,
        },
    ] {
        assert!(matches!(
            self::run().trainer.non_finite(bad),
            Err(Error::Range { .. })
        ));
    }
}

#[test]
fn lowered_rates_stay_lowered() {
    let lower = NonFinite::LowerRate {
        factor: 0.5,
        limit: 3,
    };
    let mut own = skipping(lower);
    own.to(4, &[1, 2]).unwrap();
    assert_eq!(own.trainer.report().learning_rate, 0.0025);
    assert_eq!(own.trainer.optimizer().learning_rate(), 0.01);
    let mut resumed = skipping(lower);
    resumed
        .trainer
        .restore(&own.trainer.checkpoint().unwrap())
        .unwrap();
    for run in [&mut own, &mut resumed] {
        run.to(8, &[6]).unwrap();
        assert_eq!(run.trainer.report().learning_rate, 0.00125);
    }
    assert_eq!(own.weights(), resumed.weights());
    let Run {
        net,
        store,
        trainer,
    } = skipping(lower);
    let rate = learning_rate_fn(|step| 0.1 * (step + 1) as f64);
    let trainer = trainer.learning_rate(rate);
    let mut scheduled = Run {
        net,
        store,
        trainer,
    };
    scheduled.to(4, &[0]).unwrap();
    assert_eq!(scheduled.trainer.report().learning_rate, 0.2);
}

#[test]
fn an_early_stop_counts_on_after_a_restart() {
    // A score that falls until step 30 and rises from there on.
    let score = |trainer: &Trainer| Ok((trainer.step() as f64 - 30.0).abs());
    let stops = |run: &mut Run, until: usize| {
        let net = &run.net;
        let validation = Validation::new("score", score)
            .unwrap()
            .patience(20)
            .unwrap();
        let loss = |_: usize, rng: &mut Generator| loss(net, rng, 1.0);
        let end = run
            .trainer
            .run(until, loss, &mut every(5, validation).unwrap());
        (end.unwrap(), run.trainer.step())
    };
    let mut whole = run();
    assert_eq!(stops(&mut whole, 1000), (RunEnd::Stopped, 50));
    let mut first = run();
    assert_eq!(stops(&mut first, 40), (RunEnd::Completed, 40));
    let mut second = run();
    second
        .trainer
        .restore(&first.trainer.checkpoint().unwrap())
        .unwrap();
    assert_eq!(second.trainer.recorded("score_best"), Some((30, 0.0)));
    assert_eq!(stops(&mut second, 1000), (RunEnd::Stopped, 50));
    let bad = Validation::new("score", |_: &Trainer| Ok(f64::NAN)).unwrap();
    let net = &whole.net;
    let loss = |_: usize, rng: &mut Generator| loss(net, rng, 1.0);
    let message = whole
        .trainer
        .run(51, loss, &mut { bad })
        .unwrap_err()
        .to_string();
    assert_eq!(message, "stopped at step 51: \"score\" is NaN");
    assert!(Validation::new("loss", score).is_err());
}

#[test]
fn the_best_of_a_record_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let folder = CheckpointFolder::open(place.path()).unwrap();
    let folder = folder.every(10).unwrap().best_of("score");
    let mut run = run();
    let score = |trainer: &Trainer| Ok((trainer.step() as f64 - 14.0).abs());
    let validation = every(4, Validation::new("score", score).unwrap()).unwrap();
    let net = &run.net;
    let loss = |_: usize, rng: &mut Generator| loss(net, rng, 1.0);
    run.trainer
        .run(30, loss, &mut folder.after(validation))
        .unwrap();
    let (score, path) = folder.best().unwrap().unwrap();
    let best = Checkpoint::load(path, device()).unwrap();
    assert_eq!((score, best.step), (2.0, 12));
    // Its records are those of its step.
    let record = best.parts["records"]["score"].to_vec1::<f64>().unwrap();
    assert_eq!(record, [12.0, 2.0]);
}

#[test]
fn records_are_parts_of_checkpoints() {
    let mut run = run();
    run.to(2, &[]).unwrap();
    assert!(
        !run.trainer
            .checkpoint()
            .unwrap()
            .parts
            .contains_key("records")
    );
    run.trainer.record("a/b c", -1.5).unwrap();
    let checkpoint = run.trainer.checkpoint().unwrap();
    let mut other = self::run();
    other.trainer.record("stale", 1.0).unwrap();
    other.trainer.restore(&checkpoint).unwrap();
    assert_eq!(other.trainer.recorded("a/b c"), Some((2, -1.5)));
    assert_eq!(other.trainer.recorded("stale"), None);
    for bad in [
        vec![1.0],
        vec![-1.0, 0.0],
        vec![0.5, 0.0],
        vec![1.0, f64::NAN],
    ] {
        let mut checkpoint = checkpoint.clone();
        let state = checkpoint.parts.get_mut("records").unwrap();
        state.insert("bad".into(), Tensor::new(bad, device()).unwrap());
        assert!(other.trainer.restore(&checkpoint).is_err());
    }
    for name in ["", "a,b", "a\"b", "a\\b", "a\nb", "loss", "step"] {
        assert!(run.trainer.record(name, 1.0).is_err(), "{name}");
    }
    assert!(run.trainer.record("x", f64::INFINITY).is_err());
}

#[test]
fn other_batches_are_another_run() {
    let checkpoint = {
        let trainer = run().trainer.batches(8, 10).unwrap();
        assert_eq!((trainer.epochs(3), trainer.epoch()), (30, Some(0)));
        trainer.checkpoint().unwrap()
    };
    let mut other = run().trainer.batches(16, 5).unwrap();
    let message = other.restore(&checkpoint).unwrap_err().to_string();
    assert!(message.contains("batch"), "{message}");
    assert!(run().trainer.batches(0, 1).is_err() && run().trainer.batches(1, 0).is_err());
    assert_eq!((run().trainer.epochs(3), run().trainer.epoch()), (3, None));
}

#[test]
fn speeds_are_those_of_the_stretch() {
    let Run { net, trainer, .. } = run();
    let mut trainer = trainer.batches(8, 10).unwrap();
    assert_eq!(
        (trainer.samples_per_second(), trainer.time_left()),
        (None, None)
    );
    let mut seen = Vec::new();
    let look = observer_fn(|trainer: &Trainer| {
        seen.push((trainer.samples_per_second(), trainer.time_left()));
    });
    let loss = |_: usize, rng: &mut Generator| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        loss(&net, rng, 1.0)
    };
    trainer.run(3, loss, &mut { look }).unwrap();
    for (i, (speed, left)) in seen.into_iter().enumerate() {
        let speed = speed.unwrap();
        assert!(speed > 8.0 && speed < 800.0, "{speed}");
        let left = left.unwrap().as_secs_f64();
        assert!((left > 0.009) == (i < 2) && left < 1.0, "{left}");
    }
}

/// A folder that vanishes for some time.
#[test]
fn a_run_may_go_on_without_its_folder() {
    let place = tempfile::tempdir().unwrap();
    let (here, away) = (place.path().join("run"), place.path().join("away"));
    let failures = Arc::new(AtomicUsize::new(0));
    for tolerant in [false, true] {
        let folder = CheckpointFolder::open(&here).unwrap().every(5).unwrap();
        let folder = match tolerant {
            true => {
                let failures = failures.clone();
                folder.on_failure(move |error| {
                    assert!(error.to_string().contains("run"), "{error}");
                    failures.fetch_add(1, Ordering::Relaxed);
                })
            }
            false => folder,
        };
        let mut run = run();
        folder.resume(&mut run.trainer).unwrap();
        let moves = observer_fn(|trainer: &Trainer| match trainer.step() {
            7 => fs::rename(&here, &away).unwrap(),
            17 => fs::rename(&away, &here).unwrap(),
            _ => (),
        });
        let net = &run.net;
        let loss = |_: usize, rng: &mut Generator| loss(net, rng, 1.0);
        let end = run.trainer.run(30, loss, &mut folder.after(moves));
        if tolerant {
            assert_eq!(end.unwrap(), RunEnd::Completed);
            assert_eq!(failures.load(Ordering::Relaxed), 2);
            assert_eq!(folder.steps().unwrap(), [20, 25, 30]);
        } else {
            assert!(matches!(end, Err(Error::File { .. })));
            assert_eq!(run.trainer.step(), 10);
            fs::rename(&away, &here).unwrap();
            assert_eq!(folder.steps().unwrap(), [5]);
        }
    }
    // The end of a run is told all the same.
    let folder = CheckpointFolder::open(&away).unwrap().on_failure(|_| ());
    let mut run = run();
    fs::remove_dir_all(&away).unwrap();
    let net = &run.net;
    let loss = |_: usize, rng: &mut Generator| loss(net, rng, 1.0);
    assert!(run.trainer.run(3, loss, &mut folder.after(())).is_err());
    // A folder that can't be is said at once.
    fs::write(place.path().join("file"), "").unwrap();
    assert!(CheckpointFolder::open(place.path().join("file/run")).is_err());
}

#[test]
fn what_killed_processes_left_is_removed() {
    let place = tempfile::tempdir().unwrap();
    let names = [
        "step-000000040.safetensors.advect-1-0.partial",
        "notes.partial",
    ];
    for name in names {
        fs::write(place.path().join(name), "half").unwrap();
    }
    CheckpointFolder::open(place.path()).unwrap();
    let there = names.map(|name| place.path().join(name).exists());
    assert_eq!(there, [false, true]);
}

#[test]
fn logs_have_each_step_once() {
    let place = tempfile::tempdir().unwrap();
    let [csv, json] = ["log.csv", "log.jsonl"].map(|name| place.path().join(name));
    let log = |from: &Checkpoint, until: usize| {
        let mut run = skipping(NonFinite::Skip { limit: 1 });
        run.trainer.restore(from).unwrap();
        let score = |trainer: &Trainer| Ok(trainer.step() as f64);
        let validation = every(4, Validation::new("score", score).unwrap()).unwrap();
        let logs = (
            MetricLog::csv(&csv).unwrap(),
            MetricLog::json_lines(&json).unwrap(),
        );
        let net = &run.net;
        let loss = |step: usize, rng: &mut Generator| {
            let factor = if step == 8 { f64::NAN } else { 1.0 };
            loss(net, rng, factor)
        };
        let mut kept = None;
        let keep = observer_fn(|trainer: &Trainer| -> Result<ControlFlow<()>> {
            if trainer.step() == 5 {
                kept = Some(trainer.checkpoint()?);
            }
            Ok(ControlFlow::Continue(()))
        });
        run.trainer
            .run(until, loss, &mut (validation, (logs, keep)))
            .unwrap();
        (
            fs::read_to_string(&csv).unwrap(),
            fs::read_to_string(&json).unwrap(),
            kept,
        )
    };
    let begin = run().trainer.checkpoint().unwrap();
    let (whole_csv, whole_json, at_5) = log(&begin, 12);
    let lines: Vec<&str> = whole_csv.lines().collect();
    let columns =
        "step,loss,gradient_norm,learning_rate,score,score_best,skipped_in_a_row,skipped_steps";
    assert_eq!((lines.len(), lines[0]), (13, columns));
    assert!(
        lines[3].ends_with(",0.01,,,,") && lines[4].ends_with(",0.01,4.0,4.0,,"),
        "{lines:?}"
    );
    assert_eq!(lines[9], "9,NaN,NaN,0.01,,,1.0,1.0");
    let object: serde_json::Value =
        serde_json::from_str(whole_json.lines().nth(8).unwrap()).unwrap();
    assert_eq!(
        (object["step"].as_u64(), object["skipped_steps"].as_f64()),
        (Some(9), Some(1.0))
    );
    assert!(object["loss"].is_null());
    // From a checkpoint of before, and with a row that was cut off.
    fs::write(&csv, &whole_csv[..whole_csv.len() - 3]).unwrap();
    fs::write(&json, whole_json.clone() + "{\"step\":13,\"lo").unwrap();
    let (csv_again, json_again, _) = log(&at_5.unwrap(), 12);
    assert_eq!(
        (csv_again, json_again),
        (whole_csv.clone(), whole_json.clone())
    );
    // All of it again, and from nothing but a piece of the header.
    fs::write(&csv, "ste").unwrap();
    let (csv_again, json_again, _) = log(&begin, 12);
    assert_eq!((csv_again, json_again), (whole_csv, whole_json));
}

#[test]
fn logs_that_can_not_be_are_said_at_once() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("log");
    for text in ["x,y\n1,2\n", "step,loss\n1,2,3\n", "step,loss\none,2\n"] {
        fs::write(&path, text).unwrap();
        let message = MetricLog::csv(&path).unwrap_err().to_string();
        assert!(message.contains("is not that of a log"), "{message}");
    }
    for text in ["{\"loss\":1}\n", "{\"step\":x}\n", "\n"] {
        fs::write(&path, text).unwrap();
        assert!(MetricLog::json_lines(&path).is_err(), "{text}");
    }
    // A file of something else stays, also if it is but one line that does not end.
    let stays = |open: &dyn Fn(&Path) -> Result<MetricLog>, text: &str| {
        fs::write(&path, text).unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{text}: {error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    };
    for text in ["hello", "steps,loss", "x", "\nstep,", "{\"step\":1"] {
        stays(&|path| MetricLog::csv(path), text);
    }
    let ours = "{\"step\":1,\"loss\":0.5}\n";
    for text in ["{\"lr\":0.1}", "hello", "{ ", "[", &format!("{ours}hello")] {
        stays(&|path| MetricLog::json_lines(path), text);
    }
    for text in ["{", "{\"step\"", "{\"step\":1"] {
        fs::write(&path, format!("{ours}{text}")).unwrap();
        drop(MetricLog::json_lines(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), ours);
    }
    let events = place.path().join("events");
    let file = events.join("events.out.tfevents.0.advect");
    fs::create_dir(&events).unwrap();
    for text in ["hello", "a line of a text"] {
        fs::write(&file, text).unwrap();
        assert!(MetricLog::tensorboard(&events).is_err(), "{text}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    fs::remove_file(&file).unwrap();
    drop(MetricLog::tensorboard(&events).unwrap());
    let whole = fs::read(&file).unwrap();
    for end in [0, 3, 12, 30, whole.len() - 1] {
        fs::write(&file, &whole[..end]).unwrap();
        drop(MetricLog::tensorboard(&events).unwrap());
        assert_eq!(fs::read(&file).unwrap().len(), whole.len(), "{end}");
    }
    drop(MetricLog::tensorboard(&events).unwrap());
    let mut bytes = fs::read(&file).unwrap();
    bytes[14] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let message = MetricLog::tensorboard(&events).unwrap_err().to_string();
    assert!(message.contains("at byte 0"), "{message}");
    assert!(MetricLog::csv(place.path()).is_err());
    assert!(MetricLog::csv(path.join("below a file")).is_err());
    assert!(MetricLog::tensorboard(&path).is_err());
    let _one = MetricLog::csv(place.path().join("new")).unwrap();
    let message = MetricLog::csv(place.path().join("new"))
        .unwrap_err()
        .to_string();
    assert!(message.contains("another run writes this log"), "{message}");
}

/// The path of the log is so long that the system takes none of a file beside it, whose name is longer.
/// Whether it is recorded before or after the row of its step, a number is in the log once.
#[test]
fn records_are_in_one_row() {
    let place = tempfile::tempdir().unwrap();
    let scores = |log_is_first: bool| {
        let path = place.path().join(format!("{log_is_first}.csv"));
        let mut log = MetricLog::csv(&path).unwrap();
        let Run {
            net, mut trainer, ..
        } = run();
        let loss = |_: usize, rng: &mut Generator| loss(&net, rng, 1.0);
        let score = |trainer: &Trainer| {
            let step = trainer.step();
            match step % 2 {
                0 => trainer.record("score", step as f64),
                _ => Ok(()),
            }
        };
        let mut run = |until: usize| {
            let score = observer_fn(score);
            match log_is_first {
                true => trainer.run(until, loss, &mut (&mut log, score)).unwrap(),
                false => trainer.run(until, loss, &mut (score, &mut log)).unwrap(),
            };
            trainer.checkpoint().unwrap()
        };
        let third = run(3);
        run(5);
        // From step 3 again, of which the log has the row.
        trainer.restore(&third).unwrap();
        let score = observer_fn(score);
        match log_is_first {
            true => trainer.run(5, loss, &mut (&mut log, score)).unwrap(),
            false => trainer.run(5, loss, &mut (score, &mut log)).unwrap(),
        };
        drop(log);
        let text = fs::read_to_string(&path).unwrap();
        let last = |line: &str| line.split(',').nth(4).unwrap_or_default().to_string();
        text.lines().skip(1).map(last).collect::<Vec<String>>()
    };
    assert_eq!(scores(false), ["", "2.0", "", "4.0", ""]);
    assert_eq!(scores(true), ["", "", "2.0", "", "4.0"]);
}

#[cfg(target_os = "linux")]
#[test]
fn rows_fit_their_header_after_a_column_that_could_not_be_added() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("x")).unwrap();
    let here = place.path().to_str().unwrap();
    let detours = (4090 - here.len() - "/log.csv".len()) / "/x/..".len();
    let path = format!("{here}{}/log.csv", "/x/..".repeat(detours));
    let mut log = MetricLog::csv(&path).unwrap();
    let Run {
        net, mut trainer, ..
    } = run();
    let loss = |_: usize, rng: &mut Generator| loss(&net, rng, 1.0);
    trainer.run(1, loss, &mut log).unwrap();
    let first = trainer.checkpoint().unwrap();
    let score = observer_fn(|trainer: &Trainer| trainer.record("score", 1.0));
    let error = trainer.run(2, loss, &mut (score, &mut log)).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
    trainer.restore(&first).unwrap();
    trainer.run(2, loss, &mut log).unwrap();
    drop(log);
    let text = fs::read_to_string(&path).unwrap();
    let cells: Vec<usize> = text.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(cells, [4; 3], "{text}");
    drop(MetricLog::csv(&path).unwrap());
}

/// Counts evaluations of a conditional field that depends on its time.
struct Counted {
    net: Mlp,
    evaluations: Arc<AtomicUsize>,
}

impl Conditional for Counted {
    fn at_given(&self, t: &Time, x: &Tensor, condition: &Tensor) -> Result<Tensor> {
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        let y = self.net.at_given(t, x, condition)?;
        Ok(y.broadcast_mul(&t.tensor(x)?.unsqueeze(1)?)?)
    }

    fn no_condition(&self, x: &Tensor) -> Result<Tensor> {
        self.net.no_condition(x)
    }
}

#[test]
fn recomputed_fields_have_the_same_gradients() {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let config = Mlp::config(2).hidden(&[8]).classes(3);
    let net = config.build(&store.builder()).unwrap();
    let evaluations = Arc::new(AtomicUsize::new(0));
    let counted = Counted {
        net,
        evaluations: evaluations.clone(),
    };
    let labels = Tensor::new(&[0u32, 2], device()).unwrap();
    let x = Var::new(&[[0.5f64, -1.0], [2.0, 0.1]], device()).unwrap();
    let t = Var::new(&[0.3f64, 0.8], device()).unwrap();
    let mut parameters = store.parameters();
    parameters.extend([("x".to_string(), x.clone()), ("t".to_string(), t.clone())]);
    let gradients = |field: &dyn Conditional| {
        let time = Time::PerSample(t.as_tensor().clone());
        let y = field.at_given(&time, x.as_tensor(), &labels).unwrap();
        Gradients::of(&y.sqr().unwrap().sum_all().unwrap(), &parameters).unwrap()
    };
    let expected = gradients(&counted);
    assert_eq!(evaluations.load(Ordering::Relaxed), 1);
    let again = gradients(&Recomputed::new(counted, &store));
    assert_eq!(evaluations.load(Ordering::Relaxed), 3);
    assert_eq!(
        (again.loss(), again.iter().count()),
        (expected.loss(), parameters.len())
    );
    for (name, gradient) in again.iter() {
        assert_close(gradient, expected.get(name).unwrap(), 1e-13, 1e-14);
    }
}
