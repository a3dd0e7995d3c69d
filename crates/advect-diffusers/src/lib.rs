//! What people have in the formats of diffusers: networks, schedulers and whole folders, with the names and the
//! configurations of the published checkpoints.
//!
//! | item | meaning |
//! | --- | --- |
//! | [`Config`] | a `config.json`, read key by key; what nobody read is refused |

mod config;

pub use config::{Config, FromJson};
