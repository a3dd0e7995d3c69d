//! Optimisers, each given by a formula for one parameter.
//!
//! | optimiser | step | settings |
//! | --- | --- | --- |
//! | [`AdamW`] | a mean gradient divided by its root mean square, with separate weight decay | [`AdamWConfig`] |
//! | [`Adam`] | the same, with the weight decay in the gradient | [`AdamConfig`] |
//! | [`Sgd`] | down the gradient, optionally with momentum | [`SgdConfig`] |
//! | [`Lion`] | the sign of a mean gradient | [`LionConfig`] |
//! | [`Muon`] | matrices by an orthogonalised mean gradient, the rest as AdamW | [`MuonConfig`] |
//!
//! Each is a [`PerParameter`] of its settings, which are an [`UpdateRule`]: a formula for one parameter at a time. All
//! of them take [groups](crate::ParameterGroup) of parameters, store and restore their state, and refuse a step that
//! would leave NaN or an infinity. Your own rule gets the same.

mod adam;
mod adamw;
mod lion;
mod muon;
mod parameter;
mod per_parameter;
mod sgd;
mod update_rule;

pub use adam::AdamConfig;
pub use adamw::AdamWConfig;
pub use lion::LionConfig;
pub use muon::MuonConfig;
pub use per_parameter::PerParameter;
pub use sgd::{Momentum, SgdConfig};
pub use update_rule::{Bounds, UpdateRule};

/// The optimiser AdamW; see [`AdamWConfig`] for its formula.
pub type AdamW = PerParameter<AdamWConfig>;
/// The optimiser Adam; see [`AdamConfig`] for its formula.
pub type Adam = PerParameter<AdamConfig>;
/// The optimiser for stochastic gradient descent; see [`SgdConfig`] for its formula.
#[doc(alias = "stochastic gradient descent")]
pub type Sgd = PerParameter<SgdConfig>;
/// The optimiser Lion; see [`LionConfig`] for its formula.
pub type Lion = PerParameter<LionConfig>;
/// The optimiser Muon; see [`MuonConfig`] for its formula.
pub type Muon = PerParameter<MuonConfig>;
