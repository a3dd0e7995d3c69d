//! Helpers for tests of code built on Advect: problems with known solutions, finite differences, measured orders of
//! convergence, comparison of tensors, and the device to run on.
//!
//! These functions panic where a comparison fails, as test helpers do.

mod close;
pub mod detest;
mod device;
mod finite_difference;
mod order;
pub mod problems;

pub use close::assert_close;
pub use device::device;
pub use finite_difference::{derivative, gradient};
pub use order::measured_order;
