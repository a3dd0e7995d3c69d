//! Losses of the two networks.

mod least_squares;
mod non_saturating;
mod wasserstein;

use advect_core::Result;
use candle_core::Tensor;

pub use least_squares::LeastSquares;
pub use non_saturating::NonSaturating;
pub use wasserstein::Wasserstein;

/// The losses of a discriminator and a generator, scalars of the discriminator's outputs, `(batch,)`. There may be more real samples than made ones, or fewer.
///
/// For the discriminator's step the samples are detached from the generator; for the generator's step they are not.
pub trait AdversarialLoss {
    /// Returns the discriminator's loss, of its outputs at data and at samples.
    ///
    /// # Errors
    /// [`Error`](advect_core::Error) naming outputs that are not `(batch,)` floats.
    #[doc(alias = "critic")]
    fn discriminator(&self, real: &Tensor, fake: &Tensor) -> Result<Tensor>;

    /// Returns the generator's loss, of the discriminator's outputs at its samples.
    ///
    /// # Errors
    /// As [`AdversarialLoss::discriminator`].
    fn generator(&self, fake: &Tensor) -> Result<Tensor>;
}
