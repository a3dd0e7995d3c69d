//! Training objectives, and the pieces that they consist of.
//!
//! An [`Objective`](objective::Objective) turns a field and a batch of pairs into one loss per sample;
//! a [`TimeSampler`](time_sampler::TimeSampler) draws the times, a [`Weighting`](weighting::Weighting)
//! weighs them, a [`Distance`](distance::Distance) compares, a [`Decoder`](decoder::Decoder) ends a bound;
//! a [`DequantizationNoise`](dequantization::DequantizationNoise) makes levels continuous.
//!
//! ```
//! use advect_core::{Generator, Time, field_fn};
//! use advect_objectives::objective::{Objective, flow_matching};
//! use advect_paths::{path::Affine, schedule::CondOt};
//! use candle_core::{DType, Device, Tensor};
//! # fn main() -> advect_core::Result<()> {
//! let mut rng = Generator::from_seed(0);
//! let x0 = rng.normal((64, 2), DType::F32, &Device::Cpu)?;
//! let x1 = (&x0 + 3.0)?;
//! // A field that knows the answer: everything moves by 3.
//! let field = field_fn(|_, x| Ok(x.affine(0.0, 3.0)?));
//! let objective = flow_matching(Affine::new(CondOt::default()));
//! let losses = objective.losses(&field, &x0, &x1, &mut rng)?;
//! assert_eq!(losses.dims(), [64]);
//! assert!(losses.max_all()?.to_scalar::<f32>()? < 1e-10);
//! # Ok(())
//! # }
//! ```

mod condition_dropout;
pub mod decoder;
pub mod dequantization;
pub mod distance;
pub mod objective;
pub mod time_sampler;
pub mod weighting;

pub use condition_dropout::ConditionDropout;
