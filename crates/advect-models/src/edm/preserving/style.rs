//! The settings that all blocks have in common.

use advect_core::{Result, check};

/// The settings that all blocks have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Style {
    /// How much the residual branch counts.
    pub(super) residual: f64,
    /// How much attention counts.
    pub(super) attention: f64,
    /// The limit of a block's values.
    pub(super) clip: Option<f64>,
    pub(super) checkpointing: bool,
}

impl Style {
    pub(super) fn check(&self) -> Result<()> {
        check::fraction("residual_balance", self.residual)?;
        check::fraction("attention_balance", self.attention)?;
        match self.clip {
            Some(bound) => check::positive("clip", bound).map(drop),
            None => Ok(()),
        }
    }
}
