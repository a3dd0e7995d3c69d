//! The tests of the crate, in one program: it is compiled and linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod book;
mod funnel;
mod network;
mod owned;
mod unet;
