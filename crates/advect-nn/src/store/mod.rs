//! Parameters: their store, their initial values, and files of weights.

mod buffer;
mod initialization;
mod listing;
mod misfit;
mod near_miss;
mod parameter_store;
mod stateful;
mod weights;

pub use buffer::{buffer, constant, table};
pub use parameter_store::{Builder, ParameterStore};
pub use stateful::{State, Stateful};
pub use weights::{Contents, StoredTensor, Weights, tensor_of_view};
