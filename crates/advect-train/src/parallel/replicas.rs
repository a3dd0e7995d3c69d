//! The same state on every rank.

use advect_core::{Error, Result};
use advect_parallel::Ranks;
use candle_core::Var;

use crate::checkpoint::add_to_checksum;
use crate::{StatefulOptimizer, Trainer};

/// Copies rank 0's values to the variables of all ranks.
pub(super) fn copy(ranks: &Ranks, variables: Vec<(String, Var)>) -> Result<()> {
    for (_, var) in variables {
        let values = ranks.broadcast(&var.as_detached_tensor())?;
        if !ranks.is_root() {
            var.set(&values)?;
        }
    }
    Ok(())
}

/// Copies the state of rank 0's trainer to those of all ranks, but for the average.
pub(super) fn copy_trainer<O: StatefulOptimizer>(
    ranks: &Ranks,
    trainer: &mut Trainer<O>,
) -> Result<()> {
    if ranks.size() == 1 {
        return Ok(());
    }
    copy(ranks, trainer.replicated())?;
    let all = ranks.all_gather(trainer.progress().as_bytes())?;
    let root = all.first().map(|bytes| String::from_utf8_lossy(bytes));
    if !ranks.is_root() {
        let copied = root.and_then(|progress| trainer.set_progress(&progress));
        copied.ok_or_else(|| Error::stopped("the start", "rank 0 sent no step"))?;
    }
    Ok(())
}

/// Checks that all ranks have the same numbers, by checksums of each tensor.
///
/// # Errors
/// [`Error::Stopped`] on all ranks, naming the first tensor and rank that differ from rank 0.
pub(super) fn compare<O: StatefulOptimizer>(ranks: &Ranks, trainer: &Trainer<O>) -> Result<()> {
    if ranks.size() == 1 {
        return Ok(());
    }
    let variables = trainer.replicated();
    let mut sums = Vec::with_capacity(4 * variables.len());
    for (name, var) in &variables {
        let mut crc = crc32fast::Hasher::new();
        add_to_checksum(&mut crc, name, &var.as_detached_tensor().contiguous()?);
        sums.extend(crc.finalize().to_le_bytes());
    }
    let all = ranks.all_gather(&sums)?;
    for (rank, theirs) in all.iter().enumerate() {
        let mut pairs = all[0].chunks(4).zip(theirs.chunks(4));
        if let Some(place) = pairs.position(|(root, other)| root != other) {
            let name = variables.get(place).map_or("?", |(name, _)| name);
            let reason = format!(
                "\"{name}\" on rank {rank} differs from that on rank 0: the ranks have different settings that were not \
                 recorded by Trainer::setting, or machines whose arithmetic differs"
            );
            return Err(Error::stopped(format!("step {}", trainer.step()), reason));
        }
    }
    Ok(())
}
