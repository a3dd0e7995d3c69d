//! Everything that computes, on a device against the CPU.
//!
//! `ADVECT_TEST_DEVICE` names the device: `cuda`, `cuda:1` and so on need the feature `cuda` and a GPU; without one of
//! these the tests fail. Unset, the device is the CPU.
//!
//! Each test goes through many cases, and reports all that differ at its end. Inputs are drawn from seeds, which give
//! the same bits on every device; tolerances are relative to the largest element of what is expected.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(feature = "cuda")]
mod attention;
mod classics;
mod convolutions;
mod measures;
mod memory;
mod misplaced;
mod networks;
mod objectives;
mod operations;
mod place;
mod randomness;
mod report;
mod samplers;
mod solvers;
mod training;
mod updates;
