//! The interactive page of the book: flows of points in the plane, trained where the page is read.
//!
//! A [`Playground`] holds a drawing and the network that learns it. It is an ordinary program on the library: a multilayer
//! perceptron, flow matching on a path with a coupling, AdamW, solvers, and the exact divergence for densities. All of it
//! runs natively, where it is tested; `browser.rs` hands it to JavaScript.
//!
//! Points are in the coordinates of the page, in which the drawing area is `[-1, 1]²`. The network sees them divided by
//! [`SCALE`], so that standard normal noise fills the area.

#[cfg(target_arch = "wasm32")]
pub mod browser;
mod density;
mod drawing;
mod playground;
mod presets;
mod settings;
mod trajectories;

pub use drawing::{MOST_POINTS, SCALE};
pub use playground::Playground;
pub use presets::{PRESETS, preset};
pub use settings::{COUPLINGS, PATHS, SAMPLERS, Settings};
pub use trajectories::Trajectories;
