//! The tests of the crate, in one program: it is compiled and linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod assignment;
mod divergence;
mod exact_plan;
mod pot;
mod semidiscrete;
mod sinkhorn;
mod ties;
