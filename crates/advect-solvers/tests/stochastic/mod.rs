//! Stochastic equations beyond fixed steps and commuting noise, and exponential integrators: laws, paths and orders.

mod adaptive;
mod between;
mod common;
mod exponential;
mod levy;
mod orders;
