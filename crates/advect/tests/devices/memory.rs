//! A device whose memory is full: the error, and what is left of a step.
//!
//! The emulated driver can be given little memory. On a GPU, where that would take filling it, only an allocation that no GPU has room for
//! is made.

use std::process::Command;

use advect::candle::Var;
use advect::nn::Stateful;
use advect::prelude::*;
use advect::train::{Muon, MuonConfig, StatefulOptimizer};

use crate::place::{device, weighted};
use crate::report::Report;

/// Set where a test runs in a process of its own.
const WITHIN: &str = "ADVECT_TEST_OF_MEMORY";
/// Bytes.
const LITTLE: usize = 1 << 20;

/// Runs the test of a name again in a process of its own, with so many bytes of memory. Returns whether this is that process, and its driver an
/// emulated one.
fn is_within(name: &str, limit: usize) -> bool {
    if device().is_cpu() {
        return false;
    }
    if std::env::var(WITHIN).is_err() {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("memory::{name}"), "--nocapture"]);
        let limit = ("EMULATED_CUDA_MEMORY", limit.to_string());
        let status = command.env(WITHIN, "1").envs([limit]).status();
        assert!(status.unwrap().success());
        return false;
    }
    bytes(limit + 1).is_err()
}

fn bytes(count: usize) -> Result<Tensor> {
    Ok(Tensor::zeros(count, DType::U8, device())?)
}

fn is_full<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::DeviceMemory { .. }))
}

#[test]
fn more_than_there_is() {
    if device().is_cpu() {
        return;
    }
    // 4 PiB.
    let error = bytes(1 << 52).unwrap_err();
    assert!(error.to_string().contains("a smaller batch"), "{error}");
    bytes(1 << 10).unwrap();
}

#[test]
fn little() {
    if !is_within("little", LITTLE) {
        return;
    }
    let mut report = Report::new();
    report.holds("AdamW", |_| {
        let make = |store: &ParameterStore| AdamW::from_store(store, AdamWConfig::default());
        goes_on(DType::F32, make)
    });
    report.holds("AdamW in bf16", |_| {
        let make = |store: &ParameterStore| AdamW::from_store(store, AdamWConfig::default());
        goes_on(DType::BF16, make)
    });
    report.holds("Muon", |_| {
        let make = |store: &ParameterStore| Muon::from_store(store, MuonConfig::default());
        goes_on(DType::F32, make)
    });
    report.holds("a smaller batch", |_| smaller_batches());
    report.finish();
}

/// The weights of both heads and their gradients would take 68 MiB; those of one at a time take half.
#[test]
fn long_attention() {
    if !is_within("long_attention", 48 << 20) {
        return;
    }
    let mut report = Report::new();
    report.same("long attention", 1e-5, |place| {
        let shape = [1, 2, 2112, 2];
        let inputs = [0, 1, 2].map(|seed| place.normal(seed, &shape));
        let mut vars = Vec::new();
        for input in inputs {
            vars.push(Var::from_tensor(&input?)?);
        }
        let mask = place.normal(3, &[1, 2, 1, 2112])?;
        let y = advect::ops::attention(
            vars[0].as_tensor(),
            vars[1].as_tensor(),
            vars[2].as_tensor(),
            Some(&mask),
        )?;
        let gradients = weighted(place, &y)?.backward()?;
        let mut found = vec![y.detach()];
        found.extend(vars.iter().filter_map(|var| gradients.get(var).cloned()));
        Ok(found)
    });
    report.finish();
}

/// Takes all memory but for `room` bytes, and gives it back in the end.
fn with_room<T>(room: usize, f: impl FnOnce() -> T) -> Result<T> {
    let kept = bytes(room)?;
    let mut taken = Vec::new();
    let mut size = LITTLE;
    while size > 0 {
        match bytes(size) {
            Ok(some) => taken.push(some),
            Err(Error::DeviceMemory { .. }) => size /= 2,
            Err(error) => return Err(error),
        }
    }
    drop(kept);
    Ok(f())
}

struct Run<O> {
    store: ParameterStore,
    net: Mlp,
    trainer: Trainer<O>,
}

impl<O: StatefulOptimizer> Run<O> {
    fn new(dtype: DType, make: impl Fn(&ParameterStore) -> Result<O>) -> Result<Self> {
        let store = ParameterStore::new(Key::from_seed(3), dtype, device());
        let net = Mlp::config(2).hidden(&[16, 16]).build(&store.builder())?;
        let trainer = Trainer::new(&store, make(&store)?, Generator::from_seed(3))
            .clip_norm(0.1)?
            .ema(0.9)?;
        Ok(Run {
            store,
            net,
            trainer,
        })
    }

    fn loss(net: &Mlp, dtype: DType, batch: usize, rng: &mut Generator) -> Result<Tensor> {
        let data = rng.normal((batch, 2), dtype, device())?;
        rectified_flow().loss(net, &rng.normal_like(&data)?, &data, rng)
    }

    /// Makes the next step, on a batch of this size.
    fn step(&mut self, batch: usize) -> Result<()> {
        let (net, dtype) = (&self.net, self.store.dtype());
        let loss = |_: usize, rng: &mut Generator| Self::loss(net, dtype, batch, rng);
        self.trainer.run(self.trainer.step() + 1, loss, &mut ())?;
        Ok(())
    }

    /// All numbers of the run.
    fn state(&mut self) -> Result<(Vec<Vec<f64>>, Generator)> {
        let parts: [&dyn Stateful; 3] = [
            &self.store,
            self.trainer.optimizer(),
            self.trainer.averaged(),
        ];
        let variables = parts.into_iter().flat_map(Stateful::variables);
        let numbers = variables.map(|(_, var)| {
            let x = var.as_detached_tensor().to_device(&Device::Cpu)?;
            Ok(x.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?)
        });
        Ok((numbers.collect::<Result<_>>()?, self.trainer.rng().clone()))
    }
}

/// Wherever a step runs out of memory, it leaves the run as it was, and is made as if nothing had happened when there is more.
fn goes_on<O: StatefulOptimizer>(
    dtype: DType,
    make: impl Fn(&ParameterStore) -> Result<O>,
) -> Result<bool> {
    let mut expected = Run::new(dtype, &make)?;
    let mut run = Run::new(dtype, &make)?;
    for run in [&mut expected, &mut run] {
        run.step(16)?;
    }
    let whole = fails_before(&mut run, |run| run.step(16))?;
    expected.step(16)?;
    // Its last part needs less than the backward pass, and comes with as much: by itself, with less.
    let loss = Run::<O>::loss(&run.net, dtype, 16, run.trainer.rng())?;
    let gradients = run.trainer.gradients(&loss)?;
    drop(loss);
    let last = fails_before(&mut run, |run| {
        run.trainer.apply(gradients.clone()).map(drop)
    })?;
    expected.step(16)?;
    eprintln!("{whole} and {last} failures");
    Ok(whole > 20 && last > 0 && run.state()? == expected.state()?)
}

/// Does something with more and more memory until it succeeds. Returns how often it did not; 0 if that has changed something.
fn fails_before<O: StatefulOptimizer>(
    run: &mut Run<O>,
    f: impl Fn(&mut Run<O>) -> Result<()>,
) -> Result<usize> {
    let before = run.state()?;
    let steps = run.trainer.step();
    for (failures, room) in (0..LITTLE).step_by(160).enumerate() {
        let result = with_room(room, || f(run))?;
        if result.is_ok() {
            return Ok(failures);
        }
        if !is_full(&result) || run.state()? != before || run.trainer.step() != steps {
            eprintln!("with {room} bytes: {result:?}");
            return Ok(0);
        }
    }
    Ok(0)
}

/// A batch that is too large doesn't prevent the next one, which is smaller.
fn smaller_batches() -> Result<bool> {
    let make = |store: &ParameterStore| AdamW::from_store(store, AdamWConfig::default());
    let (mut expected, mut run) = (Run::new(DType::F32, make)?, Run::new(DType::F32, make)?);
    for _ in 0..3 {
        expected.step(32)?;
        if !is_full(&run.step(1 << 14)) {
            return Ok(false);
        }
        run.step(32)?;
    }
    Ok(run.state()? == expected.state()?)
}
