//! The clock that run times are read from.

/// The clock of run times: [`std::time::Instant`], and in a browser, where that one panics, the page's own clock by the crate
/// `web-time`, with the same methods.
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
pub use std::time::Instant;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
pub use web_time::Instant;
