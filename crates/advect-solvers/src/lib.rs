//! Solvers of ordinary differential equations on tensors
