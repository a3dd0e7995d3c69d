//! Networks of couplings with the symmetries of the lattice (Albergo et al. 2019, section III; Del Debbio, Marsh Rossney and Wilson 2021, "Efficient modelling of trivializing maps for lattice
//! φ⁴ theory using normalizing flows", section III C).

use advect_core::{Error, Result, check};
use advect_nn::{Activation, Builder, Network};
use advect_ops::{Convolution, Value, conv2d};
use candle_core::Tensor;
use candle_nn::{Init, init::ZERO};

/// A convolutional network of a two-dimensional lattice that gives an [affine coupling](crate::flow::AffineCoupling) its shift m and logarithm S of a scale, so that the coupling is odd,
/// `T(−φ) = −T(φ)`, and the law of its samples even if that of the noise is:
///
/// `h = tanh(w_n ∗ … tanh(w₁ ∗ φ))`, `m = u ∗ h`, `S = v ∗ h² + b`.
///
/// There are no biases but b, so that h and m are odd and S is even. Boundaries are periodic: with the masks of a checkerboard, shifts by even numbers of sites commute with the coupling. It
/// begins as the identity, with u = v = b = 0.
///
/// ```
/// use advect_classics::flow::{AffineCoupling, Bijection, Mask};
/// use advect_classics::lattice::OddConvolution;
/// use advect_core::{Generator, Key};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = OddConvolution::new(&[4, 4], 3, &store.builder())?;
/// let coupling = AffineCoupling::affine(Mask::alternating(&[4, 6], 0)?, net);
/// let field = Generator::from_seed(1).normal((2, 4, 6), DType::F64, &Device::Cpu)?;
/// let (sample, _) = coupling.forward(&field)?;
/// let (opposite, _) = coupling.forward(&field.neg()?)?;
/// assert_eq!((sample + opposite)?.abs()?.sum_all()?.to_scalar::<f64>()?, 0.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct OddConvolution {
    hidden: Vec<Tensor>,
    shift: Tensor,
    scale: Tensor,
    bias: Tensor,
    kernel: usize,
}

impl OddConvolution {
    /// Creates a network with hidden channels and a square kernel of an odd size, with parameters `hidden.0.weight`, …, `shift.weight`, `scale.weight` and `scale.bias`.
    ///
    /// # Errors
    /// [`Error::Range`] without hidden channels and for a kernel of an even size; errors of the builder.
    pub fn new(hidden: &[usize], kernel: usize, builder: &Builder) -> Result<Self> {
        check::at_least_one("hidden", hidden.len())?;
        if kernel.is_multiple_of(2) {
            return Err(Error::range("kernel", kernel, "an odd number"));
        }
        let (mut channels, mut layers) = (1, Vec::with_capacity(hidden.len()));
        for (k, &width) in hidden.iter().enumerate() {
            check::at_least_one("hidden", width)?;
            // Variance 1 in, variance 1 out.
            let deviation = 1.0 / ((channels * kernel * kernel) as f64).sqrt();
            let init = Init::Randn {
                mean: 0.0,
                stdev: deviation,
            };
            let shape = (width, channels, kernel, kernel);
            let layer = builder.pp(format!("hidden.{k}"));
            layers.push(layer.get_with_hints(shape, "weight", init)?);
            channels = width;
        }
        let (last, scale) = ((1, channels, kernel, kernel), builder.pp("scale"));
        Ok(OddConvolution {
            hidden: layers,
            shift: builder.pp("shift").get_with_hints(last, "weight", ZERO)?,
            scale: scale.get_with_hints(last, "weight", ZERO)?,
            bias: scale.get_with_hints(1, "bias", ZERO)?,
            kernel,
        })
    }

    /// A convolution whose boundaries are periodic.
    fn convolve<V: Value>(&self, x: &V, weight: &Tensor, bias: Option<&Tensor>) -> Result<V> {
        let width = self.kernel / 2;
        let padded = (2..4).try_fold(x.clone(), |x, dim| match width {
            0 => Ok(x),
            _ => x.map_linear(|x| periodic(x, dim, width)),
        })?;
        conv2d(&padded, weight, bias, &Convolution::default())
    }
}

/// Adds the last sites before the first and the first after the last.
fn periodic(x: &Tensor, dim: usize, width: usize) -> Result<Tensor> {
    let extent = x.dim(dim)?;
    if extent < width {
        let accepted = format!("extents of at least {width}, half the kernel");
        return Err(Error::shape("x", x.dims(), accepted));
    }
    let (first, last) = (
        x.narrow(dim, 0, width)?,
        x.narrow(dim, extent - width, width)?,
    );
    Ok(Tensor::cat(&[&last, x, &first], dim)?)
}

impl Network for OddConvolution {
    fn forward<V: Value>(&self, _: &V, x: &V, _: Option<&Tensor>) -> Result<V> {
        let dims = x.primal().dims();
        if dims.len() != 3 {
            return Err(Error::shape("x", dims, "(batch, height, width)"));
        }
        let mut h = x.map_linear(|x| Ok(x.unsqueeze(1)?))?;
        for weight in &self.hidden {
            h = Activation::Tanh.apply(&self.convolve(&h, weight, None)?)?;
        }
        let shift = self.convolve(&h, &self.shift, None)?;
        let scale = self.convolve(&h.times(&h)?, &self.scale, Some(&self.bias))?;
        V::concatenate(&[&shift, &scale], 1)
    }
}
