//! All tests of this crate in one program.
#![allow(clippy::unwrap_used, clippy::panic)]

mod contract;
mod devices;
mod threads;
