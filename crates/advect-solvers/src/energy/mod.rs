//! Scalar functions of the state, and fields that are their gradients.
//!
//! | item | meaning |
//! | --- | --- |
//! | [`Energy`] | `E(t, x)`, one number for each sample |
//! | [`Summed`] | the sum of a field's elements, as an energy |
//! | [`GradientField`] | `∇_x E(t, x)`, which can be integrated and trained through |
//!
//! A forward pass that is written once for any [`Value`](advect_ops::Value) gives both methods of an energy:
//!
//! ```
//! use advect_core::{Energy, Result, Time};
//! use advect_ops::{Activation, Dual, Value, linear};
//! use candle_core::{Device, Tensor};
//!
//! /// `½ |tanh(x Wᵀ)|²`.
//! struct Well(Tensor);
//!
//! impl Well {
//!     fn forward<V: Value>(&self, x: &V) -> Result<V> {
//!         let h = linear(x, &self.0, None, Activation::Tanh)?;
//!         h.times(&h)?.map_linear(|squares| Ok((squares.sum(1)? * 0.5)?))
//!     }
//! }
//!
//! impl Energy for Well {
//!     fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
//!         self.forward(x)
//!     }
//!
//!     fn jvp(&self, _: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
//!         self.forward(&Dual::new(x.clone(), dx.clone())?)?.into_parts()
//!     }
//! }
//!
//! # fn main() -> Result<()> {
//! let well = Well(Tensor::new(&[[1f64, 0.0]], &Device::Cpu)?);
//! let x = Tensor::new(&[[0.5f64, 7.0]], &Device::Cpu)?;
//! let (value, along) = well.jvp(&Time::Shared(0.0), &x, 0.0, &x.ones_like()?)?;
//! let tanh = 0.5f64.tanh();
//! assert!((value.to_vec1::<f64>()?[0] - 0.5 * tanh * tanh).abs() < 1e-14);
//! assert!((along.to_vec1::<f64>()?[0] - tanh * (1.0 - tanh * tanh)).abs() < 1e-14);
//! # Ok(())
//! # }
//! ```

mod gradient_field;
mod summed;

pub use advect_core::Energy;
pub use gradient_field::GradientField;
pub use summed::Summed;
