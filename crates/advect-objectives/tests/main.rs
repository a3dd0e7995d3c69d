//! The tests of the crate, in one program: it is compiled and linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
mod conditions;
mod equivalences;
mod gradients;
mod minimisers;
mod tensors;
mod training;
