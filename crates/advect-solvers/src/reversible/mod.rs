//! A method whose steps can be undone exactly, so that gradients need neither a graph nor kept states.
//!
//! [`ReversibleHeun`] integrates a pair of states, and [`Doubled`] makes the field of the pair from that of one.
//! [`adjoint::Reversible`](crate::adjoint::Reversible) takes gradients by it.

mod doubled;
mod reversible_heun;

pub use doubled::Doubled;
pub use reversible_heun::ReversibleHeun;
