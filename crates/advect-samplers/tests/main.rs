//! The tests of the crate, in one program: it is compiled and linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod behaviour;
mod bounds;
mod bridges;
mod common;
mod convergence;
mod diagnostics;
mod diffusers;
mod equivalences;
mod guidance;
mod hamiltonian;
mod inpainting;
mod inverse;
mod laws;
mod likelihood;
mod pretrained;
mod properties;
mod starts;
mod two_fields;
mod two_fields_jvp;
mod zero_terminal_snr;
