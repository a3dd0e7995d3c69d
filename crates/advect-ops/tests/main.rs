//! The tests of the crate, in one program: it is compiled and linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod absurd;
mod arguments;
mod contract;
mod convolution;
mod custom;
mod graph;
mod operations;
mod overflow;
mod scaled_errors;
mod sequences;
mod sixteen_bits;
mod tangents;
