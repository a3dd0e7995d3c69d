//! Diagnostics of Markov chains: errors of means, autocorrelations, effective sample sizes, convergence.
//!
//! A series is a number for each step and each chain, `(steps, chains)`, or `(steps,)` for a single chain: an element of the states, an energy, any function of them.
//!
//! | | |
//! | --- | --- |
//! | [`CorrelatedMean`] | a mean with its error, and the integrated autocorrelation time by Sokal's window |
//! | [`autocorrelation`] | the correlations of a series with itself some steps later |
//! | [`effective_sample_size`] | the independent draws that would tell a mean as well, by Geyer's sums |
//! | [`split_r_hat`] | whether chains agree with each other and with themselves |
//! | [`Jackknife`] | functions of several means, with their errors |

mod autocorrelation;
mod correlated_mean;
mod effective_sample_size;
mod jackknife;
mod series;
mod split_r_hat;

pub use autocorrelation::autocorrelation;
pub use correlated_mean::CorrelatedMean;
pub use effective_sample_size::effective_sample_size;
pub use jackknife::Jackknife;
pub use split_r_hat::split_r_hat;
