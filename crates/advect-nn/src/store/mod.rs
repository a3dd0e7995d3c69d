//! Parameters: their store, their initial values, and files of weights.

mod buffer;
mod initialization;
mod listing;
mod misfit;
mod parameter_store;
mod stateful;
mod weights;

pub use buffer::{buffer, constant, table};
pub use parameter_store::{Builder, ParameterStore};
pub use stateful::{State, Stateful};
pub use weights::{Weights, tensor_of_view};
