//! Optimisers, averaging, learning-rate schedules, checkpoints and the training loop
