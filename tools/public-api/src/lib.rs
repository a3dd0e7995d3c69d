//! The public items of a library, one a line, as text that is compared with what was committed.
//!
//! The library's source is parsed, not compiled: its modules are followed from `src/lib.rs`, its names through
//! `use` declarations, and each public item is written with its full path and signature. A listing holds
//!
//! - modules, functions, constants, statics, type aliases and exported macros (the patterns that they accept);
//! - structs and unions with their public fields (`{ .. }` says that there are others), enums with their variants;
//! - traits, whose items are `required` or `provided`;
//! - functions, constants and types of inherent `impl` blocks; the header and the types of trait implementations;
//!   derived traits;
//! - `pub use alias = path`, for what has a path of its own or is another crate's;
//! - attributes that users notice, such as `#[non_exhaustive]`, and `#[cfg(…)]`.
//!
//! What is in no listing: private items, those for tests, those that are hidden from documentation, values of
//! constants, bodies, documentation, and automatic traits such as `Send`.
//!
//! A macro that declares items is not expanded. Its invocation is listed, with the heads of what it declares as the
//! macro's definition spells them.

mod attributes;
mod difference;
mod error;
mod exports;
mod implementations;
mod item;
mod line;
mod listing;
mod macros;
mod names;
mod paths;
mod signature;
mod source;
mod text;
mod traits;
mod types;
mod workspace;

pub use difference::difference;
pub use error::{Error, Result};
pub use listing::listing;
pub use workspace::{differences, update};
