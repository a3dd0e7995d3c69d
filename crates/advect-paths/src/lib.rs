//! Schedules, conditional probability paths, couplings and conversions
