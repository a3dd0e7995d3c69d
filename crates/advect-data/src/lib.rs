//! Two-dimensional toy data, handwritten digits and shuffled batches
