//! Ranks that are processes of MPI.

mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use advect_core::{Error, Result};
use mpi::traits::Communicator as _;

use crate::Ranks;
use crate::watch::Watch;
use world::World;

/// The processes that `mpirun` (or `srun`, `mpiexec`, …) has started, by the system's MPI.
///
/// ```no_run
/// use advect_core::Result;
/// use advect_parallel::{Mpi, Ranks};
///
/// fn program(ranks: Ranks) -> Result<()> {
///     println!("rank {} of {}", ranks.rank(), ranks.size());
///     Ok(())
/// }
///
/// fn main() -> Result<()> {
///     Mpi::new().run(program)
/// }
/// ```
///
/// A run ends as a whole, and says why. If the program returns an error or panics on a rank, that rank prints the error and
/// aborts all others. A process that is killed is noticed by `mpirun`, which ends the others. Where a rank has waited longer than the
/// [`timeout`](Mpi::timeout) in one collective operation, it says so and ends the run.
///
/// A program that is started without `mpirun` is rank 0 of 1.
#[derive(Debug, Clone)]
pub struct Mpi {
    timeout: Duration,
}

impl Default for Mpi {
    fn default() -> Self {
        Self::new()
    }
}

impl Mpi {
    /// Creates the settings of a run, whose operations may take 30 minutes, as those of PyTorch's MPI and Gloo.
    pub fn new() -> Self {
        Mpi {
            timeout: Duration::from_secs(30 * 60),
        }
    }

    /// Sets the time after which a rank that waits for others ends the run. It must be longer than anything that one rank does while others
    /// wait, such as writing a checkpoint.
    ///
    /// # Errors
    /// [`Error::Range`] for 0.
    pub fn timeout(self, timeout: Duration) -> Result<Self> {
        match timeout.is_zero() {
            true => Err(Error::range("timeout", "0 s", "a time above 0")),
            false => Ok(Mpi { timeout }),
        }
    }

    /// Runs a program on every rank. Returns its result, unless it is an error on one of several ranks, which ends all processes.
    ///
    /// # Errors
    /// [`Error::Stopped`] if MPI was started before in this process; that of the program, if there is one rank.
    ///
    /// # Panics
    /// Where the program does, if there is one rank.
    pub fn run<T>(&self, program: impl FnOnce(Ranks) -> Result<T>) -> Result<T> {
        let Some(universe) = mpi::initialize() else {
            let reason = "MPI can be started once in a process, and has been";
            return Err(Error::stopped("the start", reason));
        };
        let world = universe.world();
        let (rank, size) = (world.rank(), world.size());
        let [place, places] = [rank, size].map(|n| n.unsigned_abs() as usize);
        // `mpirun` ends the others when a process ends without MPI's consent.
        let watch = Watch::start(self.timeout, place, places, || std::process::exit(1));
        let ranks = Ranks::new(World::new(universe.world(), watch));
        let result = catch_unwind(AssertUnwindSafe(|| {
            let result = program(ranks.clone())?;
            // Nobody leaves, which would wait for the others, while they may still fail.
            ranks.barrier()?;
            Ok(result)
        }));
        match result {
            Ok(Err(error)) if size > 1 => {
                tell(&format!("rank {rank} of {size}: {error}\n"));
                world.abort(1)
            }
            Err(_) if size > 1 => {
                // The reason has been printed.
                tell(&format!("rank {rank} of {size} panicked\n"));
                world.abort(101)
            }
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        }
    }
}

/// Prints a message in one piece, so that those of several ranks don't mix.
fn tell(message: &str) {
    eprint!("{message}");
}
