//! Items that every Advect crate shares: the [`Field`] trait, [`Time`], the [`Error`] type, seeded randomness ([`Key`],
//! [`Generator`]), argument checks, shape helpers, and, with the feature `testing`, closed-form problems and comparisons for tests.
//!
//! ```
//! use advect_core::{Field, Generator, Result, Time, field_fn};
//! use candle_core::{DType, Device};
//!
//! # fn main() -> Result<()> {
//! // A closure becomes a field by name: here dx/dt = -t x.
//! let field = field_fn(|t, x| t.coefficient(|t| -t)?.times(x));
//!
//! let mut rng = Generator::from_seed(0);
//! let x = rng.normal((4, 2), DType::F32, &Device::Cpu)?;
//! assert_eq!(field.at(&Time::Shared(0.5), &x)?.dims(), &[4, 2]);
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod check;
mod clock;
mod coefficient;
mod conditional;
mod device_memory;
mod energy;
mod error;
mod field;
pub mod file;
mod forward_to;
mod from_fn;
mod generator;
mod jvp;
mod key;
pub mod normal;
mod observer;
pub mod parallel;
mod progress;
pub mod shape;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod time;

pub use clock::Instant;
pub use coefficient::Coefficient;
pub use conditional::{Conditional, Given};
pub use energy::Energy;
pub use error::{Error, Result};
pub use field::Field;
pub use from_fn::{FromFn, field_fn, system_fn};
pub use generator::Generator;
pub use jvp::{ConditionalJvp, Jvp};
pub use key::Key;
pub use observer::{Observer, Verdict, observer_fn, stop_when};
pub use progress::Advance;
#[cfg(feature = "progress")]
pub use progress::Progress;
pub use time::Time;
