//! The tests of the crate, in one program: it is compiled and linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod autoencoder_kl;
mod defaults;
mod dit;
mod pipelines;
mod unet1d;
mod unet2d;
