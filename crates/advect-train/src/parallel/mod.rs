//! Data-parallel training: the same model on every rank, and a part of each batch. (Goyal et al. 2017, section 3; Li et
//! al. 2020, "PyTorch Distributed".)

mod average;
mod replicas;
mod together;

use advect_core::{Error, Generator, Observer, Result, check};
use advect_nn::{ParameterStore, Stateful};
use advect_parallel::{Ranks, Shard};
use candle_core::Tensor;

use crate::{AdamW, Gradients, RunEnd, StatefulOptimizer, Trainer};
use together::Together;

/// A [`Trainer`] on several ranks, which share the parameters and divide every batch: gradients are averaged over the ranks between the backward
/// pass and the step.
///
/// Each batch is cut into shards of equal sizes, one for each rank, or several for each, one after the other
/// ([`with_shards`](DataParallel::with_shards)). A shard draws its random numbers from a key of the step and the shard. So a run depends on the number of shards and not
/// on the number of ranks: with the same shards, one rank computes what 64 compute, but for the order in which gradients are added.
///
/// - Rank 0's parameters, optimiser, step, generator and [records](Trainer::record) are copied to all ranks at the start.
/// - Settings, shapes, clipping, scales of losses and learning rates that differ between ranks are an error at the start, which names
///   the rank and the setting. All tensors are compared after the first step, and every 1,000 steps: what else differs is an error there.
/// - An error on one rank is an error on all of them, and the step is not made. A loss of NaN is one, unless all
///   [skip](Trainer::non_finite) such steps. A stop by an observer on any rank stops all.
/// - Clipping sees the averaged gradient. The average of the parameters is kept on rank 0 alone.
///
/// Observers are called on every rank. Make those that write on rank 0 only, by [`Ranks::on_root`]: an
/// `Option` of an observer is one.
///
/// ```
/// use advect_core::{Generator, Key, Result};
/// use advect_nn::{Linear, ParameterStore};
/// use advect_parallel::{Ranks, Shard, Threads};
/// use advect_train::{AdamW, AdamWConfig, DataParallel, Trainer};
/// use candle_core::{DType, Device, Tensor};
///
/// fn program(ranks: Ranks) -> Result<Vec<f64>> {
///     let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
///     let net = Linear::new(2, 1, &store.builder())?;
///     let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
///     let trainer = Trainer::new(&store, optimizer, Generator::from_seed(1)).clip_norm(1.0)?;
///     let mut trainer = DataParallel::with_shards(trainer, &ranks, 4)?;
///     let batch = Tensor::arange(0f64, 16.0, &Device::Cpu)?.reshape((8, 2))?;
///     let loss = |_: usize, shard: Shard, _: &mut Generator| {
///         Ok((net.forward(&shard.rows(&batch)?)? - 1.0)?.sqr()?.mean_all()?)
///     };
///     trainer.run(10, loss, &mut ())?;
///     Ok(net.weight().flatten_all()?.to_vec1::<f64>()?)
/// }
///
/// # fn main() -> Result<()> {
/// let alone = program(Ranks::alone())?;
/// for weight in Threads::new(2)?.run(program) {
///     assert!(weight?.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-12));
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "DDP")]
#[doc(alias = "DistributedDataParallel")]
#[doc(alias = "distributed")]
#[derive(Debug)]
pub struct DataParallel<O = AdamW> {
    trainer: Trainer<O>,
    ranks: Ranks,
    shards: usize,
    /// Whether rank 0 has an average.
    averages: bool,
}

impl<O: StatefulOptimizer> DataParallel<O> {
    /// Joins the trainers of all ranks, with one shard of the batch for each rank. All ranks call it, each with an equal
    /// trainer.
    ///
    /// # Errors
    /// As [`DataParallel::with_shards`].
    pub fn new(trainer: Trainer<O>, ranks: &Ranks) -> Result<Self> {
        Self::with_shards(trainer, ranks, ranks.size())
    }

    /// Joins the trainers of all ranks, with this number of shards of the batch, divided equally among the ranks. The number
    /// becomes the [setting](Trainer::setting) `shards` of the run.
    ///
    /// # Errors
    /// [`Error::Range`] unless the number of shards is a multiple of the number of ranks, or if a setting, a tensor's
    /// shape, clipping, the scale of losses or a learning rate differ between ranks, naming the first that does;
    /// [`Error::Stopped`] if a rank is no longer there.
    #[doc(alias = "gradient accumulation")]
    pub fn with_shards(trainer: Trainer<O>, ranks: &Ranks, shards: usize) -> Result<Self> {
        let shards = check::at_least_one("shards", shards);
        let shards = ranks.agree(shards.and_then(|shards| divided(shards, ranks.size())))?;
        let trainer = trainer.setting("shards", shards);
        ranks.require_same("settings", &trainer.description())?;
        let mut parallel = DataParallel {
            averages: trainer.has_average(),
            trainer,
            ranks: ranks.clone(),
            shards,
        };
        if !ranks.is_root() {
            parallel.trainer.drop_average();
        }
        parallel.copy_from_root()?;
        Ok(parallel)
    }

    /// Changes the trainer on rank 0, and copies its state to all ranks. This is how a run resumes, as rank 0 has the checkpoints.
    ///
    /// ```no_run
    /// # use advect_core::Result;
    /// # use advect_parallel::Ranks;
    /// # use advect_train::{CheckpointFolder, DataParallel};
    /// # fn resume(ranks: Ranks, mut trainer: DataParallel) -> Result<()> {
    /// let mut folder = ranks.on_root(|| CheckpointFolder::open("run")?.every(100))?;
    /// trainer.from_root(|trainer| folder.iter().try_for_each(|f| f.resume(trainer).map(drop)))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// That of the function, on all ranks.
    #[doc(alias = "resume")]
    pub fn from_root(&mut self, change: impl FnOnce(&mut Trainer<O>) -> Result<()>) -> Result<()> {
        self.ranks.on_root(|| change(&mut self.trainer))?;
        self.copy_from_root()
    }

    /// Makes steps until the run has made `until` steps in all, each on the mean over all shards of
    /// `loss(step, shard, rng)`: the mean loss of the rows that [`Shard::rows`] takes from the batch. All ranks end
    /// after the same step.
    ///
    /// # Errors
    /// Errors of `loss` and the observers on any rank, on all ranks; as [`Trainer::apply`]; [`Error::Stopped`] if a rank is no longer there,
    /// or has other numbers than rank 0.
    #[doc(alias = "fit")]
    pub fn run(
        &mut self,
        until: usize,
        mut loss: impl FnMut(usize, Shard, &mut Generator) -> Result<Tensor>,
        observer: &mut dyn Observer<Trainer<O>>,
    ) -> Result<RunEnd> {
        let name = "until".to_string();
        self.ranks
            .require_same("run", &[(name, until.to_string())].into())?;
        let (ranks, shards) = (self.ranks.clone(), self.shards);
        let gradients = |trainer: &mut Trainer<O>| {
            let local = local_gradients(trainer, &ranks, shards, &mut loss);
            average::over(&ranks, local, shards)
        };
        let mut together = Together::new(&ranks, observer);
        let end = self.trainer.run_with(until, gradients, &mut together)?;
        replicas::compare(&ranks, &self.trainer)?;
        Ok(end)
    }

    /// Returns the averaged parameters on every rank: those of rank 0, or the parameters themselves for a run without an
    /// average. Use it to sample or to validate on all ranks.
    ///
    /// # Errors
    /// [`Error::Stopped`] if a rank is no longer there.
    #[doc(alias = "EMA")]
    pub fn averaged(&self) -> Result<ParameterStore> {
        let root = self.trainer.averaged();
        if !self.averages || self.ranks.size() == 1 {
            return Ok(root.clone());
        }
        let store = match self.ranks.is_root() {
            true => root.clone(),
            // As averages are, which 16 bits would hold up.
            false => root.widened()?,
        };
        replicas::copy(&self.ranks, store.variables())?;
        Ok(store)
    }

    /// Returns the trainer of this rank.
    pub fn trainer(&self) -> &Trainer<O> {
        &self.trainer
    }

    /// Returns the trainer of this rank, which then runs alone. It has the average on rank 0 only.
    pub fn into_trainer(self) -> Trainer<O> {
        self.trainer
    }

    fn copy_from_root(&mut self) -> Result<()> {
        replicas::copy_trainer(&self.ranks, &mut self.trainer)
    }
}

/// The number of shards, if each rank has as many as the others.
fn divided(shards: usize, ranks: usize) -> Result<usize> {
    match shards.is_multiple_of(ranks) {
        true => Ok(shards),
        false => {
            let accepted = format!("a multiple of {ranks}, the number of ranks");
            Err(Error::range("shards", shards, accepted))
        }
    }
}

/// The sum of the gradients of this rank's shards, one after the other.
fn local_gradients<O: StatefulOptimizer>(
    trainer: &mut Trainer<O>,
    ranks: &Ranks,
    shards: usize,
    mut loss: impl FnMut(usize, Shard, &mut Generator) -> Result<Tensor>,
) -> Result<Gradients> {
    // One draw on every rank, whatever happens next: generators stay the same.
    let key = trainer.rng().split();
    let mut sum: Option<Gradients> = None;
    for index in ranks.shard().range(shards) {
        let shard = Shard::new(index, shards)?;
        let mut rng = Generator::from(key.child(index as u64));
        let gradients = trainer.gradients(&loss(trainer.step(), shard, &mut rng)?)?;
        match &mut sum {
            None => sum = Some(gradients),
            Some(sum) => sum.add(&gradients)?,
        }
    }
    trainer.check_average()?;
    let argument = "shards".into();
    sum.ok_or(Error::Empty { argument })
}
