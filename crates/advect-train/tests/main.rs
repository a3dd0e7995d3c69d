//! The tests of the crate, in one program: it is compiled and linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accounts;
mod atomic;
mod folders;
mod gradients;
mod groups;
mod kills;
mod long_runs;
mod observers;
mod optimisers;
mod parallel;
mod post_hoc;
mod resume;
mod sixteen_bits;
mod torch;
