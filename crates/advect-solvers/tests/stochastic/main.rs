//! Stochastic equations beyond fixed steps and commuting noise, and exponential integrators: laws, paths and orders.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod adaptive;
mod between;
mod common;
mod exponential;
mod levy;
mod orders;
