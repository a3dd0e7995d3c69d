//! Folders of checkpoints: which are kept, what a damaged one costs, and who may write.

use std::fs;
use std::path::Path;

use advect_core::testing::device;
use advect_core::{Generator, Key};
use advect_nn::{Linear, ParameterStore, Stateful};
use advect_train::{AdamW, AdamWConfig, CheckpointFolder, Trainer};
use candle_core::{DType, Tensor};

struct Run {
    net: Linear,
    store: ParameterStore,
    trainer: Trainer,
}

impl Run {
    fn new() -> Self {
        let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
        let net = Linear::new(2, 1, &store.builder()).unwrap();
        let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
        let trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
        Run {
            net,
            store,
            trainer,
        }
    }

    fn to(&mut self, step: usize, folder: &mut CheckpointFolder) {
        let net = &self.net;
        let loss = |_: usize, rng: &mut Generator| {
            let x = rng.normal((8, 2), DType::F64, device())?;
            Ok((net.forward(&x)? - 1.0)?.sqr()?.mean_all()?)
        };
        self.trainer.run(step, loss, folder).unwrap();
    }

    fn weights(&self) -> Vec<Tensor> {
        self.store.tensors()
    }
}

fn open(path: &Path) -> CheckpointFolder {
    let folder = CheckpointFolder::open(path).unwrap();
    folder.every(10).unwrap().keeping(2).unwrap()
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_damaged_checkpoint_is_set_aside_and_the_run_is_the_same() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    let mut whole = Run::new();
    {
        let other = tempfile::tempdir().unwrap();
        whole.to(60, &mut open(other.path()));
    }
    let mut folder = open(path);
    let mut run = Run::new();
    run.to(40, &mut folder);
    assert_eq!(folder.steps().unwrap(), [30, 40]);
    drop(folder);
    // The newest is cut off, as by a disk that lies about what it wrote.
    let newest = path.join("step-000000040.safetensors");
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();

    let mut folder = open(path);
    let mut again = Run::new();
    let resumed = folder.resume(&mut again.trainer).unwrap();
    assert!(
        resumed
            .path
            .unwrap()
            .ends_with("step-000000030.safetensors")
    );
    let message = resumed.damaged[0].to_string();
    assert!(message.contains("step-000000040"), "{message}");
    assert_eq!(again.trainer.step(), 30);
    again.to(60, &mut folder);
    for (a, b) in again.weights().iter().zip(whole.weights()) {
        assert_eq!(
            a.flatten_all().unwrap().to_vec1::<f64>().unwrap(),
            b.flatten_all().unwrap().to_vec1::<f64>().unwrap()
        );
    }
    assert_eq!(
        names(path),
        [
            "lock",
            "step-000000040.safetensors.damaged",
            "step-000000050.safetensors",
            "step-000000060.safetensors"
        ]
    );
}

#[test]
fn the_best_stays_the_best() {
    let place = tempfile::tempdir().unwrap();
    let mut folder = open(place.path());
    let mut run = Run::new();
    for (step, score, saved) in [
        (1, 0.3, true),
        (2, 0.5, false),
        (3, 0.1 + 0.2, false),
        (4, -1e-7, true),
    ] {
        run.to(step, &mut folder);
        assert_eq!(
            folder.save_best(&run.trainer, score).unwrap(),
            saved,
            "{step}"
        );
        if saved {
            assert_eq!(folder.best().unwrap().unwrap().0, score);
        }
    }
    drop(folder);
    let folder = open(place.path());
    assert!(!folder.save_best(&run.trainer, 0.0).unwrap());
    let (score, path) = folder.best().unwrap().unwrap();
    assert_eq!(score, -1e-7);
    run.trainer.resume(path).unwrap();
    assert_eq!(run.trainer.step(), 4);
    assert!(folder.save_best(&run.trainer, f64::NAN).is_err());
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let place = tempfile::tempdir().unwrap();
    let mut folder = open(place.path());
    let message = CheckpointFolder::open(place.path())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("another run has this folder open"),
        "{message}"
    );
    let mut run = Run::new();
    run.to(20, &mut folder);
    drop(folder);
    // A run that does not go on from what is there would remove it.
    let folder = open(place.path());
    let message = folder.save(&Run::new().trainer).unwrap_err().to_string();
    assert!(
        message.contains("step 20") && message.contains("step 0"),
        "{message}"
    );
    assert_eq!(folder.steps().unwrap(), [10, 20]);
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(CheckpointFolder::open(file).is_err());
    assert!(folder.every(0).is_err());
}

/// A run of its own kind each time, so that the best of an earlier one is not in its way.
#[test]
fn an_emptied_folder_begins_anew() {
    let place = tempfile::tempdir().unwrap();
    let mut folder = open(place.path());
    let run = Run::new();
    let trainer = run.trainer.ema(0.9).unwrap();
    let mut run = Run { trainer, ..run };
    run.to(20, &mut folder);
    assert!(folder.save_best(&run.trainer, 0.25).unwrap());
    let average = run.trainer.averaged().state();
    assert_eq!(folder.load_best(&run.store).unwrap(), 0.25);
    for (name, value) in run.store.state() {
        let expected = average[&name].flatten_all().unwrap();
        let value = value.flatten_all().unwrap();
        assert_eq!(
            value.to_vec1::<f64>().unwrap(),
            expected.to_vec1::<f64>().unwrap()
        );
    }
    drop(folder);
    let folder = CheckpointFolder::create(place.path()).unwrap();
    assert_eq!(names(place.path()), ["lock"]);
    let error = folder.load_best(&run.store).unwrap_err().to_string();
    assert!(error.contains("saved as the best"), "{error}");
}

/// A newer program's checkpoint, or one that can't be read, is no damaged one.
#[test]
fn checkpoints_of_another_version_stay() {
    let place = tempfile::tempdir().unwrap();
    let mut folder = open(place.path());
    let mut run = Run::new();
    run.to(20, &mut folder);
    let path = place.path().join("step-000000020.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let from = b"\"advect\":\"1 ";
    let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
    bytes[at + from.len() - 2] = b'2';
    fs::write(&path, &bytes).unwrap();
    let error = folder.resume(&mut Run::new().trainer).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    // Names that are not the folder's own are left alone.
    fs::write(place.path().join("step-5.safetensors"), b"").unwrap();
    assert_eq!(folder.steps().unwrap(), [10, 20]);
}

/// A folder in which nothing can be written is told at once, and a run that was kept in it is not harmed.
#[cfg(unix)]
#[test]
fn folders_without_permission_are_told_at_once() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let closed = place.path().join("closed");
    fs::create_dir(&closed).unwrap();
    let allow = |mode| fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o555);
    if fs::write(closed.join("probe"), "").is_ok() {
        println!("whoever runs this may write everywhere: nothing is tested");
        return;
    }
    let message = CheckpointFolder::open(closed.join("run"))
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains("closed"), "{message}");
    allow(0o755);
    let mut folder = open(&closed.join("run"));
    let mut run = Run::new();
    run.to(10, &mut folder);
    let before = names(&closed.join("run"));
    fs::set_permissions(closed.join("run"), fs::Permissions::from_mode(0o555)).unwrap();
    let message = folder.save(&run.trainer).err().unwrap().to_string();
    assert!(message.contains("run"), "{message}");
    assert_eq!(names(&closed.join("run")), before);
    fs::set_permissions(closed.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    drop(folder);
    open(&closed.join("run"))
        .resume(&mut Run::new().trainer)
        .unwrap();
}
