//! The contract of communicators under `mpirun`, and ends that are no ends: `mpi end` with `end` one of `error`, `panic` and `stuck`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod contract;

use std::time::Duration;

use advect_core::{Error, Result};
use advect_parallel::{Mpi, Ranks};

fn main() -> Result<()> {
    let way = std::env::args().nth(1).unwrap_or_default();
    // A rank that is stuck is to end the run soon, and a busy machine not.
    let timeout = match way.as_str() {
        "" => 60,
        _ => 5,
    };
    let mpi = Mpi::new().timeout(Duration::from_secs(timeout))?;
    mpi.run(|ranks| match (way.as_str(), ranks.rank()) {
        ("error", 1) => Err(Error::range("x", -1, "a number above 0")),
        ("panic", 1) => panic!("on purpose"),
        ("stuck", 1) => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        ("error" | "panic" | "stuck", _) => ranks.barrier(),
        ("", _) => contract(ranks),
        (other, _) => Err(Error::range("argument", other, "error, panic or stuck")),
    })
}

fn contract(ranks: Ranks) -> Result<()> {
    contract::check(ranks.clone())?;
    println!(
        "rank {} of {}: the contract holds",
        ranks.rank(),
        ranks.size()
    );
    Ok(())
}
