//! The tests of the crate, in one program: it is compiled and linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod adaptive_adams;
mod additive;
mod behaviour;
mod brownian;
mod detached;
mod detest;
mod diffrax;
mod divergence;
mod events;
mod golden_problems;
mod gradients;
mod grid_points;
mod implicit;
mod implicit_gradients;
mod integration;
mod jumps;
mod matrix_free;
mod matrix_free_units;
mod own_parts;
mod per_sample;
mod reactions;
mod reversible;
mod sde;
mod stiff;
mod stiff_problems;
mod stochastic;
mod stops;
mod symplectic;
mod system;
mod tolerances;
mod torchdiffeq;
mod views;
mod within_steps;
mod work_precision;
