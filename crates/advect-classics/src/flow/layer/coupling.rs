//! Couplings (Dinh, Sohl-Dickstein and Bengio 2017, "Density estimation using Real NVP", section 3.2; Durkan et al. 2019).

use advect_core::{Error, Result, Time, check};
use advect_nn::Network;
use candle_core::Tensor;

use super::check_samples;
use crate::flow::{Affine, Bijection, Layout, Mask, RationalQuadraticSpline, Transformer};

/// A coupling: elements that a [`Mask`] keeps go to a network N, which gives the parameters of a [`Transformer`] T for each of the others.
///
/// The network sees the sample with zeros for the elements that are changed, at time 0, and the condition. Its output has P numbers for each element of a sample, of
/// which those for kept elements are not used: `(batch, P · channels, ...)`, all channels of the first parameter before those of the second. For samples of d numbers an
/// `Mlp::config(d).outputs(P * d)` fits.
///
/// ```
/// use advect_classics::flow::{AffineCoupling, Bijection, Mask, SplineCoupling};
/// use advect_core::Key;
/// use advect_models::Mlp;
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let x = Tensor::new(&[[0.3f64, -1.2]], &Device::Cpu)?;
/// let net = Mlp::config(2).outputs(2 * 2).build(&store.builder().pp("affine"))?;
/// let affine = AffineCoupling::affine(Mask::alternating(&[2], 0)?, net);
/// let net = Mlp::config(2).outputs(23 * 2).build(&store.builder().pp("spline"))?;
/// let spline = SplineCoupling::spline(Mask::alternating(&[2], 0)?, net, 8, 3.0)?;
/// for layer in [&affine as &dyn Bijection, &spline] {
///     let (y, log_determinant) = layer.forward(&x)?;
///     let (back, inverse) = layer.inverse(&y)?;
///     assert_eq!(y.to_vec2::<f64>()?[0][1], -1.2);
///     assert!((back.to_vec2::<f64>()?[0][0] - 0.3).abs() < 1e-12);
///     assert!((log_determinant + inverse)?.to_vec1::<f64>()?[0].abs() < 1e-12);
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Real NVP")]
#[doc(alias = "RealNVP")]
#[derive(Debug, Clone)]
pub struct Coupling<N, T> {
    mask: Mask,
    network: N,
    transformer: T,
}

/// A coupling of scales and shifts: Real NVP.
pub type AffineCoupling<N> = Coupling<N, Affine>;

/// A coupling of rational-quadratic splines: a neural spline flow.
#[doc(alias = "NSF")]
pub type SplineCoupling<N> = Coupling<N, RationalQuadraticSpline>;

impl<N: Network> Coupling<N, Affine> {
    /// Creates a coupling of scales, which are bounded as those of [`Affine::default`], and shifts.
    pub fn affine(mask: Mask, network: N) -> Self {
        Self::new(mask, network, Affine::default())
    }
}

impl<N: Network> Coupling<N, RationalQuadraticSpline> {
    /// Creates a coupling of splines with a number of bins on [−bound, bound].
    ///
    /// # Errors
    /// As [`RationalQuadraticSpline::new`].
    pub fn spline(mask: Mask, network: N, bins: usize, bound: f64) -> Result<Self> {
        let spline = RationalQuadraticSpline::new(bins, bound)?;
        Ok(Self::new(mask, network, spline))
    }
}

impl<N: Network, T: Transformer> Coupling<N, T> {
    /// Creates a coupling.
    pub fn new(mask: Mask, network: N, transformer: T) -> Self {
        Coupling {
            mask,
            network,
            transformer,
        }
    }

    /// Applies the transformer, or its inverse, with the parameters that the network computes from the kept elements.
    fn apply(
        &self,
        argument: &'static str,
        x: &Tensor,
        condition: Option<&Tensor>,
        map: impl Fn(&Tensor, &Tensor) -> Result<(Tensor, Tensor)>,
    ) -> Result<(Tensor, Tensor)> {
        let batch = check_samples(argument, x, self.mask.shape())?;
        let kept = self.mask.tensor(x)?;
        let seen = x.broadcast_mul(&kept)?;
        let output = self
            .network
            .evaluate(&Time::Shared(0.0), &seen, condition)?;
        let (size, count) = (x.elem_count() / batch, self.transformer.parameters());
        if check::batch("network", &output)? != batch || output.elem_count() != batch * count * size
        {
            let accepted =
                format!("{count} numbers for each of the {size} elements of {batch} samples");
            return Err(Error::shape("network", output.dims(), accepted));
        }
        check::same_kind("network", &output, argument, x)?;
        // The transformer computes the changed elements alone.
        let [changed, places] = self.mask.changed(x.device())?;
        let parameters = output.reshape((batch, count, size))?;
        let parameters = parameters.index_select(&changed, 2)?;
        let flat = x.reshape((batch, size))?.contiguous()?;
        let (moved, log_slope) = map(&flat.index_select(&changed, 1)?, &parameters)?;
        let all = Tensor::cat(&[&flat, &moved], 1)?;
        let y = all.index_select(&places, 1)?.reshape(x.shape())?;
        Ok((y, log_slope.sum(1)?))
    }
}

impl<N: Network, T: Transformer> Bijection for Coupling<N, T> {
    fn forward_given(&self, x: &Tensor, condition: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        self.apply("x", x, condition, |x, p| self.transformer.forward(x, p))
    }

    fn inverse_given(&self, y: &Tensor, condition: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        self.apply("y", y, condition, |y, p| self.transformer.inverse(y, p))
    }

    fn latent(&self, data: &Layout) -> Result<Layout> {
        data.check(self.mask.shape())?;
        let both = data.changed().iter().zip(self.mask.kept());
        let changed = both.map(|(changed, kept)| *changed || !kept).collect();
        data.clone().with_changed(changed)
    }
}
