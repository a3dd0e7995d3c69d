//! The tests of the crate, in one program: it is compiled and linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod closed_form;
mod diffusers;
mod edm;
mod flow_matching;
mod joint_law;
mod properties;
mod time_map;
mod torchcfm;
