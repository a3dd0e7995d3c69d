//! Conditional flow matching (Lipman et al. 2023, eq. 9; Tong et al. 2024a, eq. 10) and its variants.

use advect_paths::Prediction;
use advect_paths::path::Path;

use super::Regression;

/// Creates the regression of a velocity on that of a path, `|v(t, x_t) − u_t(x_t | x0, x1)|² / d`.
///
/// | with the path | and pairs | it is |
/// | --- | --- | --- |
/// | [`Affine`](advect_paths::path::Affine) of `CondOt`, σ_min > 0 | independent | target CFM (Lipman et al. 2023) |
/// | [`ConstantSigma`](advect_paths::path::ConstantSigma) | independent | I-CFM (Tong et al. 2024a) |
/// | [`ConstantSigma`](advect_paths::path::ConstantSigma) | [`ExactOt`](advect_paths::coupling::ExactOt) | OT-CFM |
/// | [`SchrodingerBridge`](advect_paths::path::SchrodingerBridge) | [`EntropicOt`](advect_paths::coupling::EntropicOt) | SB-CFM |
/// | [`Affine`](advect_paths::path::Affine) of a diffusion's schedule | independent | its probability flow |
/// | [`Marginal`](advect_paths::path::Marginal) | any | flow matching itself (Lipman et al. 2023, eq. 5) |
///
/// The velocities of Schrödinger bridges and of variance-preserving diffusions grow without bound at an end, so much that
/// the expected loss is infinite: times should end before, as
/// [`UniformWithin`](crate::time_sampler::UniformWithin) has it.
///
/// ```
/// use advect_core::{Generator, Time, field_fn};
/// use advect_objectives::objective::{Objective, flow_matching};
/// use advect_paths::{path::Affine, schedule::CondOt};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let x0 = rng.normal((64, 2), DType::F32, &Device::Cpu)?;
/// let x1 = (&x0 + 3.0)?;
/// let field = field_fn(|_, x| Ok(x.affine(0.0, 2.0)?));
/// let loss = flow_matching(Affine::new(CondOt::default())).loss(&field, &x0, &x1, &mut rng)?;
/// assert!((loss.to_scalar::<f32>()? - 1.0).abs() < 1e-5);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "CFM")]
#[doc(alias = "I-CFM")]
#[doc(alias = "conditional flow matching")]
pub fn flow_matching<P: Path>(path: P) -> Regression<P> {
    Regression::new(path, Prediction::Velocity)
}
