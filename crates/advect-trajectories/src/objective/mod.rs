//! Losses of fields and potentials on curves through the snapshots.
//!
//! | objective | trains | by |
//! | --- | --- | --- |
//! | [`FlowMatching`] | a velocity | regression on the velocities of the curves |
//! | [`ActionMatching`] | a potential, whose gradient is the velocity | the action's gap, which needs states alone |

mod action_matching;
mod flow_matching;

pub use action_matching::ActionMatching;
pub use flow_matching::FlowMatching;
