//! Shared drawing for the examples.
