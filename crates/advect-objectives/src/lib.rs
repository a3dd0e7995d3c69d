//! Training objectives: flow matching, time samplers and weightings
