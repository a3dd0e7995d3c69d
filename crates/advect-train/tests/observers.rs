//! What watches a run: reports, checkpoints, an end before its time.

use advect_core::testing::device;
use advect_core::{Advance, Error, Generator, Key, Result, observer_fn, stop_when};
use advect_nn::{Linear, ParameterStore, Stateful};
use advect_train::learning_rate::WarmupCosine;
use advect_train::observer::Checkpointing;
use advect_train::{AdamW, AdamWConfig, Checkpoint, ParameterGroup, RunEnd, Trainer};
use candle_core::{DType, Tensor};

fn run() -> (Trainer, impl Fn(usize, &mut Generator) -> Result<Tensor>) {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let net = Linear::new(2, 2, &store.builder()).unwrap();
    let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let trainer = Trainer::new(&store, optimizer, Generator::from_seed(1));
    let loss = move |_: usize, rng: &mut Generator| {
        let x = rng.normal((4, 2), DType::F64, device())?;
        Ok((net.forward(&x)? - x)?.sqr()?.mean_all()?)
    };
    (trainer.ema(0.9).unwrap(), loss)
}

#[test]
fn checkpoints_are_saved_now_and_then_and_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let (mut trainer, loss) = run();
    let mut saved = Vec::new();
    let look = observer_fn(|_: &Trainer| {
        saved.push(Checkpoint::load(&path, device()).map_or(0, |c| c.step));
    });
    let checkpointing = Checkpointing::every(3, &path).unwrap();
    trainer
        .run(8, &loss, &mut (checkpointing.clone(), look))
        .unwrap();
    assert_eq!(saved, [0, 0, 3, 3, 3, 6, 6, 8]);
    assert!(Checkpointing::every(0, &path).is_err());

    // A run that was stopped goes on from there, to the same bits.
    let (mut stopped, loss) = run();
    let stop = stop_when(|trainer: &Trainer| trainer.step() == 3);
    let end = stopped.run(8, &loss, &mut (checkpointing, stop)).unwrap();
    assert_eq!((end, stopped.step()), (RunEnd::Stopped, 3));
    let (mut resumed, loss) = run();
    resumed.resume(&path).unwrap();
    assert_eq!(resumed.report().step, 3);
    assert_eq!(resumed.run(8, &loss, &mut ()).unwrap(), RunEnd::Completed);
    for (name, x) in resumed.averaged().state() {
        let whole = trainer.averaged().state();
        advect_core::testing::assert_close(&x, &whole[&name], 0.0, 0.0);
    }
}

#[test]
fn observers_see_the_run() {
    let (mut trainer, loss) = run();
    assert!(trainer.report().loss.is_nan() && trainer.until().is_none());
    let mut snapshots = Vec::new();
    let mut observer = observer_fn(|trainer: &Trainer| {
        assert_eq!(trainer.report().step, trainer.step());
        assert_eq!(
            (trainer.position(), trainer.length()),
            (trainer.step(), Some(4))
        );
        snapshots.push(trainer.averaged().duplicate()?);
        Ok(())
    });
    trainer.run(4, &loss, &mut observer).unwrap();
    assert_eq!(snapshots.len(), 4);
    let mut failing = observer_fn(|_: &Trainer| -> Result<()> { Err(Error::range("x", 1, "2")) });
    assert!(trainer.run(5, &loss, &mut failing).is_err());
    assert_eq!(trainer.step(), 5);
}

#[test]
fn what_is_shown_of_a_step() {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let [used, _] = ["used", "other"].map(|name| {
        let builder = store.builder().pp(name);
        Linear::new(1, 1, &builder).unwrap()
    });
    let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1))
        .learning_rate(WarmupCosine::new(1e-3, 0, 2).unwrap())
        .group(ParameterGroup::matching("other.*").may_be_unused())
        .unwrap();
    let x = Tensor::ones((1, 1), DType::F64, device()).unwrap();
    let mut seen = Vec::new();
    let mut observer = observer_fn(|trainer: &Trainer| {
        let names: Vec<&str> = trainer.notes().iter().map(|(name, _)| *name).collect();
        seen.push((trainer.message(), names.join(" "), trainer.is_milestone()));
    });
    let loss = |_: usize, _: &mut Generator| Ok(used.forward(&x)?.sqr()?.sum_all()?);
    trainer.run(3, loss, &mut observer).unwrap();
    let expected = [
        ("rate 1.0e-3".to_string(), "unused".to_string(), false),
        ("rate 5.0e-4".to_string(), "unused".to_string(), false),
        (
            "rate 0.0e0".to_string(),
            "schedule unused".to_string(),
            true,
        ),
    ];
    assert_eq!(seen, expected);
    let notes: Vec<String> = trainer.notes().into_iter().map(|(_, note)| note).collect();
    assert!(
        notes[0].contains("schedule has ended before step 3; its rate is 0.0e0"),
        "{notes:?}"
    );
    let unused = "no gradient at step 3 for 2 of the parameters (other.weight, other.bias)";
    assert_eq!(notes[1], unused);
    let (name, value) = trainer.noisy().unwrap();
    assert_eq!((name, value), ("loss", trainer.report().loss));
}

#[cfg(feature = "progress")]
#[test]
fn progress_shows_the_loss_and_the_rate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let (mut trainer, loss) = run();
    let file = std::fs::File::create(&path).unwrap();
    let mut progress = advect_core::Progress::lines("training", file);
    trainer.run(20, &loss, &mut progress).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("training  20/20  loss "), "{text}");
    assert!(text.contains("  rate 1.0e-3  ") && text.trim_end().ends_with(" s a step  0 s left"));
}
