//! The tests of the crate, in one program: it is compiled and linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod derivatives;
mod edm;
mod edm2;
mod edm_golden;
mod forward_mode;
mod mlp;
mod sizes;
mod soft_labels;
mod transformer;
mod unet;
mod unet_golden;
