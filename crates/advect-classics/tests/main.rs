//! The tests of the crate, in one program: it is compiled and linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod arguments;
mod autoregressive;
mod common;
mod differences;
mod fitting;
mod flows;
mod gan;
mod lattice;
mod machines;
mod negatives;
mod vae;
