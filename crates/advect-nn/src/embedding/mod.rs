//! Embeddings: time and class as features.

mod class_embedding;
mod positions;
mod time_embedding;
mod time_features;

pub use class_embedding::{ClassEmbedding, NoClass, class_weights};
pub use positions::sinusoidal_positions;
pub use time_embedding::TimeEmbedding;
pub use time_features::TimeFeatures;
