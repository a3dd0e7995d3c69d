//! Samples of the current model, for its loss.
//!
//! | negatives | source |
//! | --- | --- |
//! | [`ContrastiveDivergence`] | Hinton 2002 |
//! | [`PersistentChains`] | Tieleman 2008 |
//! | [`ParallelTempering`] | Desjardins et al. 2010 |
//! | [`ReplayBuffer`] | Du and Mordatch 2019 |

mod contrastive_divergence;
mod parallel_tempering;
mod persistent_chains;
mod replay_buffer;

use advect_core::{Error, Generator, Result, check};
use candle_core::Tensor;

pub use contrastive_divergence::ContrastiveDivergence;
pub use parallel_tempering::ParallelTempering;
pub use persistent_chains::PersistentChains;
pub use replay_buffer::ReplayBuffer;

/// A source of a model's samples for [`contrastive_loss`](super::contrastive_loss), with chains that may continue from
/// one call to the next.
pub trait Negatives<M> {
    /// Returns samples of the model, part of no graph, given a batch of data.
    ///
    /// # Errors
    /// The errors of the model; [`Error`](advect_core::Error) for data that does not fit the chains.
    fn draw(&mut self, model: &M, data: &Tensor, rng: &mut Generator) -> Result<Tensor>;
}

/// Checks inverse temperatures, which rise to 1 from a number that is `least` or more.
pub(crate) fn check_betas(betas: &[f64], least: f64) -> Result<()> {
    let rise = betas.windows(2).all(|b| b[0] < b[1]);
    let from = betas.first().is_some_and(|b| match least {
        0.0 => *b == 0.0,
        _ => *b >= 0.0,
    });
    if rise && from && betas.last() == Some(&1.0) {
        return Ok(());
    }
    let start = if least == 0.0 {
        "from 0"
    } else {
        "from 0 or more"
    };
    let accepted = format!("numbers that rise {start} to 1");
    Err(Error::range("betas", format!("{betas:?}"), accepted))
}

/// Checks that chains are states of samples like the data's.
fn check_chains(chains: &Tensor, data: &Tensor) -> Result<()> {
    check::batch("data", data)?;
    if chains.dims()[1..] != data.dims()[1..] {
        let accepted = format!(
            "samples of the shape {:?} of the chains'",
            &chains.dims()[1..]
        );
        return Err(Error::shape("data", data.dims(), accepted));
    }
    check::same_kind("data", data, "the chains", chains)
}
