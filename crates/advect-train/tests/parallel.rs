//! A run on several ranks is the run on one.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Mutex;

use advect_core::testing::device;
use advect_core::{Error, Generator, Key, Result, observer_fn};
use advect_nn::{Linear, ParameterStore, Stateful};
use advect_parallel::{DeviceCommunicator, Ranks, Shard, Threads};
use advect_train::decay::decay_fn;
use advect_train::learning_rate::learning_rate_fn;
use advect_train::{
    AdamW, AdamWConfig, CheckpointFolder, DataParallel, Gradients, LossScale, NonFinite,
    ParameterGroup, RunEnd, Trainer,
};
use candle_core::{DType, Device, Tensor};

const BATCH: usize = 12;

struct Run {
    store: ParameterStore,
    net: Linear,
    trainer: Trainer,
}

/// A run whose store and generator have this seed.
fn run_of(seed: u64, dtype: DType) -> Result<Run> {
    let store = ParameterStore::new(Key::from_seed(seed), dtype, device());
    let net = Linear::new(3, 2, &store.builder())?;
    let config = AdamWConfig {
        learning_rate: 0.02,
        ..AdamWConfig::default()
    };
    let optimizer = AdamW::from_store(&store, config)?;
    let trainer = Trainer::new(&store, optimizer, Generator::from_seed(seed))
        .clip_norm(0.2)?
        .ema(0.9)?;
    Ok(Run {
        store,
        net,
        trainer,
    })
}

/// The batch of a step, the same on every rank.
fn batch(step: usize, dtype: DType) -> Result<Tensor> {
    Generator::from_seed(step as u64).normal((BATCH, 3), dtype, device())
}

fn loss_of(net: &Linear, x: &Tensor) -> Result<Tensor> {
    let target = x.narrow(1, 0, 2)?.sin()?;
    Ok((net.forward(x)? - target)?.sqr()?.mean_all()?)
}

/// All numbers of a store, as bits.
fn bits(store: &impl Stateful) -> Vec<u64> {
    let values = store.state().into_values().flat_map(|x| {
        let x = x.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
        x.to_vec1::<f64>().unwrap()
    });
    values.map(f64::to_bits).collect()
}

fn largest_difference(a: &[u64], b: &[u64]) -> f64 {
    let pairs = a.iter().zip(b);
    let apart = pairs.map(|(a, b)| (f64::from_bits(*a) - f64::from_bits(*b)).abs());
    apart.fold(0.0, f64::max)
}

/// Parameters, average and loss of a run on these ranks, whose own seeds differ.
fn parallel(ranks: &Ranks, shards: usize, dtype: DType) -> Result<(Vec<u64>, Vec<u64>, f64)> {
    let Run {
        store,
        net,
        trainer,
    } = run_of(7 + ranks.rank() as u64, dtype)?;
    let mut trainer = DataParallel::with_shards(trainer, ranks, shards)?;
    let loss = |step: usize, shard: Shard, rng: &mut Generator| {
        let x = shard.rows(&batch(step, dtype)?)?;
        let noise = rng.normal(x.shape(), dtype, device())?;
        loss_of(&net, &(x + (noise * 0.1)?)?)
    };
    trainer.run(20, loss, &mut ())?;
    let loss = trainer.trainer().report().loss;
    let own = bits(trainer.trainer().averaged());
    assert_eq!(
        own == bits(&store),
        !ranks.is_root(),
        "rank 0 alone has an average"
    );
    Ok((bits(&store), bits(&trainer.averaged()?), loss))
}

fn on_threads<T: Send>(size: usize, program: impl Fn(Ranks) -> Result<T> + Sync) -> Vec<T> {
    let results = Threads::new(size).unwrap().run(program);
    results.into_iter().map(Result::unwrap).collect()
}

/// One shard for each rank: sums have the order in which one rank adds its shards.
#[test]
fn as_many_ranks_as_shards_have_the_bits_of_one() {
    for dtype in [DType::F32, DType::F64] {
        for shards in [2, 3, 4] {
            let alone = parallel(&Ranks::alone(), shards, dtype).unwrap();
            assert_ne!(alone.0, alone.1);
            for result in on_threads(shards, |ranks| parallel(&ranks, shards, dtype)) {
                assert!(result == alone, "{shards} {dtype:?}");
            }
        }
    }
}

/// Adds tensors in the order of the ranks where they are, as a double of the connection between GPUs.
struct OnDevices(Ranks);

impl OnDevices {
    fn all(&self, tensor: &Tensor) -> Result<Vec<Tensor>> {
        let all = self.0.gather_rows(&tensor.unsqueeze(0)?)?;
        (0..self.0.size()).map(|rank| Ok(all.get(rank)?)).collect()
    }
}

impl DeviceCommunicator for OnDevices {
    fn takes(&self, _: &Device, _: DType) -> bool {
        true
    }

    fn all_reduce(&self, tensor: &Tensor) -> Result<Tensor> {
        let mut all = self.all(tensor)?.into_iter();
        let first = all.next().unwrap();
        all.try_fold(first, |sum, x| Ok((sum + x)?))
    }

    fn broadcast(&self, tensor: &Tensor) -> Result<Tensor> {
        Ok(self.all(tensor)?.swap_remove(0))
    }
}

#[test]
fn sums_on_devices_make_the_same_run() {
    for dtype in [DType::F32, DType::F64] {
        let alone = parallel(&Ranks::alone(), 2, dtype).unwrap();
        let connected = |ranks: Ranks| {
            ranks.connect_devices(OnDevices(ranks.clone()))?;
            parallel(&ranks, 2, dtype)
        };
        for result in on_threads(2, connected) {
            assert!(result == alone, "{dtype:?}");
        }
    }
}

#[test]
fn any_number_of_ranks_makes_the_same_run_to_rounding() {
    for (dtype, tolerance) in [(DType::F64, 1e-13), (DType::F32, 1e-4)] {
        let alone = parallel(&Ranks::alone(), 6, dtype).unwrap();
        for size in [2, 3] {
            let all = on_threads(size, |ranks| parallel(&ranks, 6, dtype));
            assert!(all.iter().all(|other| *other == all[0]), "ranks are alike");
            assert!(
                largest_difference(&all[0].0, &alone.0) < tolerance,
                "{size} {dtype:?}"
            );
            assert!((all[0].2 - alone.2).abs() < tolerance);
        }
    }
}

/// Against a plain trainer, whose batch is whole: the same gradient, clipping, steps and average.
#[test]
fn two_ranks_make_the_steps_of_one_with_the_whole_batch() {
    let dtype = DType::F64;
    let mut plain = run_of(7, dtype).unwrap();
    let net = &plain.net;
    let loss = |step: usize, _: &mut Generator| loss_of(net, &batch(step, dtype)?);
    let mut norms = Vec::new();
    let mut observer = observer_fn(|trainer: &Trainer| norms.push(trainer.report().gradient_norm));
    plain.trainer.run(20, loss, &mut observer).unwrap();
    assert!(norms[0] > 0.2, "it is clipped");
    let expected = (bits(&plain.store), bits(plain.trainer.averaged()));
    let program = |ranks: Ranks| {
        let Run {
            store,
            net,
            trainer,
        } = run_of(7, dtype)?;
        let mut trainer = DataParallel::new(trainer, &ranks)?;
        let mut norms = Vec::new();
        let mut observer =
            observer_fn(|trainer: &Trainer| norms.push(trainer.report().gradient_norm));
        let loss = |step: usize, shard: Shard, _: &mut Generator| {
            loss_of(&net, &shard.rows(&batch(step, dtype)?)?)
        };
        trainer.run(20, loss, &mut observer)?;
        Ok((bits(&store), bits(&trainer.averaged()?), norms))
    };
    for (parameters, average, theirs) in on_threads(2, program) {
        assert!(largest_difference(&parameters, &expected.0) < 1e-13);
        assert!(largest_difference(&average, &expected.1) < 1e-13);
        assert!(
            norms
                .iter()
                .zip(&theirs)
                .all(|(a, b)| (a - b).abs() < 1e-13)
        );
    }
}

#[test]
fn the_mean_of_gradients_is_that_of_one_process() {
    let Run { net, trainer, .. } = run_of(7, DType::F32).unwrap();
    let parts = (0..3).map(|i| {
        let x = Shard::new(i, 3)?.rows(&batch(0, DType::F32)?)?;
        trainer.gradients(&loss_of(&net, &x)?)
    });
    let mean = Gradients::mean(parts).unwrap();
    let run = |ranks: Ranks| {
        let Run { net, trainer, .. } = run_of(7, DType::F32)?;
        let mut trainer = DataParallel::new(trainer, &ranks)?;
        let loss = |step: usize, shard: Shard, _: &mut Generator| {
            loss_of(&net, &shard.rows(&batch(step, DType::F32)?)?)
        };
        trainer.run(1, loss, &mut ())?;
        let report = trainer.trainer().report();
        Ok((report.loss, report.gradient_norm))
    };
    for (loss, norm) in on_threads(3, run) {
        assert_eq!((loss, norm), (mean.loss(), mean.norm().unwrap()));
    }
}

/// Every row is used once, in the same order for any number of ranks.
#[test]
fn data_have_one_order_and_no_overlap() {
    let used = |size: usize| {
        let rows = Mutex::new(Vec::new());
        let program = |ranks: Ranks| {
            let Run { net, trainer, .. } = run_of(7, DType::F64)?;
            let mut trainer = DataParallel::with_shards(trainer, &ranks, 4)?;
            let loss = |step: usize, shard: Shard, rng: &mut Generator| {
                let permutation = Generator::from_seed(step as u64).permutation(8, device())?;
                let mine = shard.rows(&permutation)?.to_vec1::<u32>()?;
                let noise = rng.normal(1, DType::F64, device())?.to_vec1::<f64>()?[0];
                rows.lock()
                    .unwrap()
                    .push((step, shard.index(), mine, noise.to_bits()));
                loss_of(&net, &batch(step, DType::F64)?)
            };
            trainer.run(3, loss, &mut ())
        };
        on_threads(size, program);
        let mut rows = rows.into_inner().unwrap();
        rows.sort();
        rows
    };
    let alone = used(1);
    for step in 0..3 {
        let of_step = alone.iter().filter(|(at, ..)| *at == step);
        let rows: HashSet<u32> = of_step.flat_map(|(_, _, rows, _)| rows.clone()).collect();
        assert_eq!(rows.len(), 8, "each row once");
    }
    let noises: HashSet<u64> = alone.iter().map(|(.., noise)| *noise).collect();
    assert_eq!(
        noises.len(),
        12,
        "each shard of each step has its own noise"
    );
    assert!(used(2) == alone && used(4) == alone);
}

/// The errors of two ranks that make runs by `make` and then train by `loss`.
fn errors(
    make: impl Fn(usize, Run) -> Result<(Linear, Trainer)> + Sync,
    loss: impl Fn(usize, usize, Tensor) -> Result<Tensor> + Sync,
) -> [String; 2] {
    let program = |ranks: Ranks| -> Result<()> {
        let (net, trainer) = make(ranks.rank(), run_of(7, DType::F64)?)?;
        let mut trainer = DataParallel::new(trainer, &ranks)?;
        let of_shard = |step: usize, shard: Shard, _: &mut Generator| {
            let x = shard.rows(&batch(step, DType::F64)?)?;
            loss(ranks.rank(), step, loss_of(&net, &x)?)
        };
        trainer.run(5, of_shard, &mut ()).map(drop)
    };
    let results = Threads::new(2).unwrap().run(program);
    let texts = results.into_iter().map(|r| r.unwrap_err().to_string());
    texts.collect::<Vec<_>>().try_into().unwrap()
}

#[test]
fn ranks_with_other_settings_are_named_at_the_start() {
    let start = |change: fn(Trainer) -> Result<Trainer>| {
        let make = move |rank: usize, run: Run| {
            let trainer = run.trainer.setting("batch", BATCH);
            let changed = if rank == 1 { change(trainer)? } else { trainer };
            Ok((run.net, changed))
        };
        let never = |_: usize, _: usize, _: Tensor| Err(Error::range("loss", "a call", "none"));
        let [a, b] = errors(make, never);
        assert_eq!(a, b);
        a
    };
    assert_eq!(
        start(|trainer| Ok(trainer.setting("batch", 13))),
        "settings: got batch = 13 on rank 1, expected batch = 12, as on rank 0"
    );
    assert_eq!(
        start(|trainer| trainer.clip_norm(2.0)),
        "settings: got clip_norm = 2 on rank 1, expected clip_norm = 0.2, as on rank 0"
    );
    let rate =
        |trainer: Trainer| Ok(trainer.learning_rate(learning_rate_fn(|s| 0.02 / (1.0 + s as f64))));
    assert!(start(rate).starts_with("settings: got learning rate of step 1 = 0.01 on rank 1"));
    assert_eq!(
        start(|trainer| trainer.loss_scale(LossScale::default())),
        "settings: got loss_scale = initial 65536, interval 2000 on rank 1, expected loss_scale = none, as on rank 0"
    );
    let frozen = |trainer: Trainer| trainer.group(ParameterGroup::matching("bias").frozen());
    assert!(start(frozen).contains("group bias = frozen on rank 1, expected no group bias"));
}

/// What no setting tells is found after the first step.
#[test]
fn ranks_that_come_apart_are_named() {
    let make = |rank: usize, run: Run| {
        let config = AdamWConfig {
            learning_rate: 0.02,
            beta2: if rank == 1 { 0.99 } else { 0.999 },
            ..AdamWConfig::default()
        };
        let optimizer = AdamW::from_store(&run.store, config)?;
        let trainer = Trainer::new(&run.store, optimizer, Generator::from_seed(0));
        Ok((run.net, trainer))
    };
    let [a, b] = errors(make, |_, _, loss| Ok(loss));
    assert_eq!(a, b);
    assert!(
        a.starts_with("stopped at step 1: \"") && a.contains("\" on rank 1 differs"),
        "{a}"
    );
}

#[test]
fn a_step_that_fails_on_one_rank_fails_on_all() {
    let make = |_: usize, run: Run| Ok((run.net, run.trainer));
    let [a, b] = errors(make, |rank, step, loss| match (rank, step) {
        (1, 3) => Ok((loss * f64::NAN)?),
        _ => Ok(loss),
    });
    assert_eq!(a, b);
    assert!(
        a.starts_with("stopped at rank 1 of 2: stopped at step 3: the loss is NaN"),
        "{a}"
    );
}

/// Rank 0 alone has the average.
#[test]
fn an_average_that_fails_fails_on_all_ranks_before_the_step() {
    let bad_decay = |run: Run| {
        let decay = decay_fn(|step| if step == 3 { 2.0 } else { 0.9 });
        let trainer = run.trainer.ema(decay)?;
        Ok((run.net, trainer))
    };
    let bad_start = |run: Run| {
        let var = &run.trainer.averaged().vars()[0];
        var.set(&(var.as_tensor() * f64::NAN)?)?;
        Ok((run.net, run.trainer))
    };
    type Change<'a> = &'a (dyn Fn(Run) -> Result<(Linear, Trainer)> + Sync);
    let cases: [(Change<'_>, usize, &str); 2] = [
        (&bad_decay, 3, "average: decay: got 2"),
        (&bad_start, 0, "ema/weight: got NaN"),
    ];
    for (change, step, words) in cases {
        let program = |ranks: Ranks| {
            let run = run_of(7, DType::F64)?;
            let store = run.store.clone();
            let (net, trainer) = change(run)?;
            let mut trainer = DataParallel::new(trainer, &ranks)?;
            let loss = |step: usize, shard: Shard, _: &mut Generator| {
                loss_of(&net, &shard.rows(&batch(step, DType::F64)?)?)
            };
            let error = trainer.run(5, loss, &mut ()).unwrap_err();
            Ok((error.to_string(), trainer.trainer().step(), bits(&store)))
        };
        let all = on_threads(2, program);
        assert_eq!(all[0], all[1]);
        assert!(all[0].0.contains(words), "{}", all[0].0);
        assert_eq!(all[0].1, step);
    }
}

#[test]
fn sizes_that_do_not_divide_are_typed_errors() {
    let on = |size: usize, shards: usize| {
        Threads::new(size)
            .unwrap()
            .run(|ranks| parallel(&ranks, shards, DType::F64))
    };
    for result in on(3, 4) {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Range { .. }));
        let expected = "shards: got 4, expected a multiple of 3, the number of ranks";
        assert_eq!(error.to_string(), expected);
    }
    for result in on(5, 5) {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Shape { .. }), "{error}");
        assert!(
            error.to_string().starts_with("batch: got shape [12, 3]"),
            "{error}"
        );
    }
    for result in on(2, 0) {
        assert!(matches!(result.unwrap_err(), Error::Range { .. }));
    }
}

#[test]
fn a_stop_on_one_rank_stops_all() {
    let program = |ranks: Ranks| {
        let Run { net, trainer, .. } = run_of(7, DType::F64)?;
        let mut trainer = DataParallel::new(trainer, &ranks)?;
        let mut observer =
            observer_fn(
                |trainer: &Trainer| match ranks.rank() == 1 && trainer.step() == 4 {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                },
            );
        let loss = |step: usize, shard: Shard, _: &mut Generator| {
            loss_of(&net, &shard.rows(&batch(step, DType::F64)?)?)
        };
        let end = trainer.run(10, loss, &mut observer)?;
        Ok((end, trainer.trainer().step()))
    };
    assert_eq!(on_threads(2, program), [(RunEnd::Stopped, 4); 2]);
}

/// Rank 0 has the checkpoints; a run goes on with the same bits on another number of ranks.
#[test]
fn runs_resume_on_other_numbers_of_ranks() {
    let program = |ranks: Ranks, until: usize, place: &std::path::Path| {
        let Run {
            store,
            net,
            trainer,
        } = run_of(7 + ranks.rank() as u64, DType::F64)?;
        let mut trainer = DataParallel::with_shards(trainer, &ranks, 2)?;
        let mut folder = ranks.on_root(|| CheckpointFolder::open(place)?.every(5))?;
        trainer.from_root(|trainer| {
            let mut folders = folder.iter();
            folders.try_for_each(|folder| folder.resume(trainer).map(drop))
        })?;
        let loss = |step: usize, shard: Shard, rng: &mut Generator| {
            let x = shard.rows(&batch(step, DType::F64)?)?;
            let noise = rng.normal(x.shape(), DType::F64, device())?;
            loss_of(&net, &(x + noise)?)
        };
        trainer.run(until, loss, &mut folder)?;
        let average = trainer.averaged()?;
        Ok((bits(&store), bits(&average), trainer.trainer().step()))
    };
    let [whole, parts] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let expected = program(Ranks::alone(), 12, whole.path()).unwrap();
    on_threads(2, |ranks| program(ranks, 5, parts.path()));
    program(Ranks::alone(), 8, parts.path()).unwrap();
    for resumed in on_threads(2, |ranks| program(ranks, 12, parts.path())) {
        assert!(resumed == expected);
    }
    // A folder that can't be opened on rank 0 is an error on all.
    let file = whole.path().join("file");
    std::fs::write(&file, "").unwrap();
    let results = Threads::new(2)
        .unwrap()
        .run(|ranks| program(ranks, 12, &file));
    assert!(results.iter().all(Result::is_err));
}

/// A step that leaves parameters out is one of all ranks, of which rank 0 alone has read the checkpoint.
#[test]
fn ranks_resume_at_a_step_that_leaves_parameters_out() {
    let program = |ranks: Ranks, until: usize, place: &std::path::Path| {
        let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
        let [a, b] = ["a", "b"].map(|name| Linear::new(1, 1, &store.builder().pp(name)));
        let (a, b) = (a?, b?);
        let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
        let trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
        let mut trainer = DataParallel::with_shards(trainer, &ranks, 2)?;
        let mut folder = ranks.on_root(|| CheckpointFolder::open(place)?.every(1))?;
        trainer.from_root(|trainer| {
            let mut folders = folder.iter();
            folders.try_for_each(|folder| folder.resume(trainer).map(drop))
        })?;
        let x = Tensor::ones((1, 1), DType::F64, &Device::Cpu)?;
        let loss = |step: usize, _: Shard, _: &mut Generator| match step.is_multiple_of(2) {
            true => Ok(b.forward(&a.forward(&x)?)?.sum_all()?),
            false => Ok(a.forward(&x)?.sum_all()?),
        };
        trainer.run(until, loss, &mut folder)?;
        Ok(bits(&store))
    };
    let [whole, parts] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let expected = program(Ranks::alone(), 4, whole.path()).unwrap();
    on_threads(2, |ranks| program(ranks, 1, parts.path()));
    for resumed in on_threads(2, |ranks| program(ranks, 4, parts.path())) {
        assert!(resumed == expected);
    }
}

/// Parameters that some ranks leave out count as zeros there.
#[test]
fn gradients_that_some_ranks_lack() {
    let program = |ranks: Ranks| {
        let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
        let a = Linear::new(1, 1, &store.builder().pp("a"))?;
        let b = Linear::new(1, 1, &store.builder().pp("b"))?;
        let unused = Linear::new(1, 1, &store.builder().pp("unused"))?;
        let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
        let trainer = Trainer::new(&store, optimizer, Generator::from_seed(0))
            .group(ParameterGroup::matching("unused.*").may_be_unused())?;
        let mut trainer = DataParallel::with_shards(trainer, &ranks, 2)?;
        let x = Tensor::ones((1, 1), DType::F64, device())?;
        let loss = |_: usize, shard: Shard, _: &mut Generator| match shard.index() {
            0 => Ok(a.forward(&x)?.sum_all()?),
            _ => Ok(b.forward(&x)?.sum_all()?),
        };
        trainer.run(1, loss, &mut ())?;
        let report = trainer.trainer().report();
        assert_eq!(report.without_gradient, ["unused.weight", "unused.bias"]);
        assert_eq!(unused.bias().dims(), [1]);
        // Half of 1 by each of four numbers.
        Ok((report.gradient_norm, bits(&store)))
    };
    let alone = program(Ranks::alone()).unwrap();
    assert_eq!(alone.0, 1.0);
    for result in on_threads(2, program) {
        assert!(result == alone);
    }
}

/// A loss of NaN on one rank is a step that all skip, and a learning rate that all lower, also after a restart.
#[test]
fn skipped_steps_are_those_of_all_ranks() {
    let program = |ranks: Ranks, until: usize, place: &std::path::Path| {
        let Run {
            store,
            net,
            trainer,
        } = run_of(7, DType::F64)?;
        let policy = NonFinite::LowerRate {
            factor: 0.5,
            limit: 1,
        };
        let mut trainer = DataParallel::with_shards(trainer.non_finite(policy)?, &ranks, 2)?;
        let mut folder = ranks.on_root(|| CheckpointFolder::open(place)?.every(4))?;
        trainer.from_root(|trainer| {
            let mut folders = folder.iter();
            folders.try_for_each(|folder| folder.resume(trainer).map(drop))
        })?;
        let loss = |step: usize, shard: Shard, _: &mut Generator| {
            let loss = loss_of(&net, &shard.rows(&batch(step, DType::F64)?)?)?;
            let factor = if (step, shard.index()) == (2, 1) {
                f64::NAN
            } else {
                1.0
            };
            Ok((loss * factor)?)
        };
        trainer.run(until, loss, &mut folder)?;
        let trainer = trainer.trainer();
        let skipped = trainer.recorded("skipped_steps");
        Ok((bits(&store), skipped, trainer.report().learning_rate))
    };
    let [whole, parts] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let expected = program(Ranks::alone(), 8, whole.path()).unwrap();
    assert_eq!((expected.1, expected.2), (Some((3, 1.0)), 0.01));
    on_threads(2, |ranks| program(ranks, 4, parts.path()));
    for resumed in on_threads(2, |ranks| program(ranks, 8, parts.path())) {
        assert!(resumed == expected);
    }
}
