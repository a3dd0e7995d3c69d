//! Dequantization noise by a flow of affine couplings (Dinh, Sohl-Dickstein and Bengio, Real NVP, 2017, section 3.2),
//! given the data.

use advect_core::{Error, Field, Generator, Result, Time, check, shape};
use advect_ops::Activation;
use candle_core::{DType, Device, Tensor};
use rand_distr::Open01;

use super::DequantizationNoise;

/// Noise by affine couplings, `u = 1/(1 + e^(−z))` with z a flow of logistic noise: layer i takes the elements of parity
/// i, by the sum of their indices, to `z e^s + m`, with m and s of a network that sees the data and the other elements.
///
/// Without layers, or where all m and s are 0, u is uniform. Two layers move each element once; one is enough for a
/// single element.
///
/// A layer's network is any [`Field`], at time 0. Its input has twice the channels of the data along dimension 1, the
/// data and then z with zeros for the elements that the layer moves. Its output has m and `S` in their places, and `s = 2
/// tanh(S/2)`. An `Mlp::config(2 * dim)` fits, and a `UNet` of twice the channels.
///
/// ```
/// use advect_core::{Generator, field_fn};
/// use advect_objectives::dequantization::{CouplingNoise, DequantizationNoise};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // One element, moved by 1 where the data is 1.
/// let net = field_fn(|_, x| Ok(Tensor::cat(&[x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?.zeros_like()?], 1)?));
/// let noise = CouplingNoise::new(vec![net]);
/// let x = Tensor::new(&[[0f64], [1.0]], &Device::Cpu)?;
/// let (u, log_density) = noise.draw(0, &x, &mut Generator::from_seed(0))?;
/// let found = log_density.to_vec1::<f64>()?;
/// // Uniform at the first; at the second q(u) = s(z − 1)/s(z) with the logistic density s at z = ln u/(1 − u).
/// let u = u.to_vec2::<f64>()?[1][0];
/// let odds = u / (1.0 - u) / 1f64.exp();
/// let expected = odds / (1.0 + odds).powi(2) / (u * (1.0 - u));
/// assert!(found[0].abs() < 1e-14 && (found[1] - expected.ln()).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Flow++")]
#[doc(alias = "Real NVP")]
#[doc(alias = "normalizing flow")]
#[derive(Debug, Clone, PartialEq)]
pub struct CouplingNoise<F> {
    layers: Vec<F>,
}

impl<F: Field> CouplingNoise<F> {
    /// Creates the law of a network for each layer, in the order in which they are applied.
    pub fn new(layers: Vec<F>) -> Self {
        CouplingNoise { layers }
    }

    /// Returns the networks.
    pub fn layers(&self) -> &[F] {
        &self.layers
    }

    /// Maps logistic noise `z`, shaped like the data, to `u`, with `log q(u | x)`.
    ///
    /// # Errors
    /// Typed errors for data that is empty, not in f32 or f64, or without channels, and for noise that is not like it;
    /// the errors of the networks.
    pub fn transform(&self, x: &Tensor, z: &Tensor) -> Result<(Tensor, Tensor)> {
        check_data(x)?;
        check::alike("z", z, "x", x)?;
        let mut log_density = logistic_log_density(z)?;
        let mut z = z.clone();
        for (index, net) in self.layers.iter().enumerate() {
            let (shift, scale) = coupling(net, index, x, &z)?;
            z = ((z * scale.exp()?)? + shift)?;
            log_density = (log_density - shape::sum_per_sample(&scale)?)?;
        }
        let log_density = (log_density - logistic_log_density(&z)?)?;
        Ok((Activation::Sigmoid.apply(&z)?, log_density))
    }

    /// Returns `log q(u | x)` for u in (0, 1), by the inverse of the flow.
    ///
    /// # Errors
    /// As [`CouplingNoise::transform`]; [`Error::NonFinite`] for u outside.
    pub fn log_density(&self, x: &Tensor, u: &Tensor) -> Result<Tensor> {
        check_data(x)?;
        check::alike("u", u, "x", x)?;
        let mut z = (u.log()? - u.affine(-1.0, 1.0)?.log()?)?;
        check::finite("u", &z)?;
        let mut log_density = logistic_log_density(&z)?.neg()?;
        for (index, net) in self.layers.iter().enumerate().rev() {
            let (shift, scale) = coupling(net, index, x, &z)?;
            z = ((z - shift)? * scale.neg()?.exp()?)?;
            log_density = (log_density - shape::sum_per_sample(&scale)?)?;
        }
        Ok((log_density + logistic_log_density(&z)?)?)
    }
}

impl<F: Field> DequantizationNoise for CouplingNoise<F> {
    fn draw(&self, first: u64, x: &Tensor, rng: &mut Generator) -> Result<(Tensor, Tensor)> {
        check_data(x)?;
        let samples = x.dims()[0];
        let uniform = rng.values_by_sample(&Open01, first, samples, x.elem_count() / samples)?;
        let logistic: Vec<f64> = uniform.into_iter().map(|u| u.ln() - (-u).ln_1p()).collect();
        let z = Tensor::from_vec(logistic, x.shape(), &Device::Cpu)?.to_dtype(x.dtype())?;
        self.transform(x, &z.to_device(x.device())?)
    }
}

/// The shift m and the logarithm s of the scale in a layer, which are 0 for the elements that it keeps.
fn coupling(net: &impl Field, index: usize, x: &Tensor, z: &Tensor) -> Result<(Tensor, Tensor)> {
    let moved = moved(index, z)?;
    let kept = z.broadcast_mul(&moved.affine(-1.0, 1.0)?)?;
    let input = Tensor::cat(&[x, &kept], 1)?;
    let output = net.at(&Time::Shared(0.0), &input)?;
    check::alike("layer", &output, "its input", &input)?;
    let channels = x.dims()[1];
    let half = |k| {
        output
            .narrow(1, k * channels, channels)?
            .broadcast_mul(&moved)
    };
    Ok((half(0)?, ((half(1)? * 0.5)?.tanh()? * 2.0)?))
}

/// 1 for the elements whose indices' sum has the parity of the layer's, and 0 for the others: a checkerboard.
fn moved(index: usize, z: &Tensor) -> Result<Tensor> {
    let mut dims = z.dims().to_vec();
    dims[0] = 1;
    let element = |place: usize| {
        let mut rest = place;
        let mut sum = index;
        for size in dims.iter().rev() {
            sum += rest % size;
            rest /= size;
        }
        if sum.is_multiple_of(2) { 1.0 } else { 0.0 }
    };
    let values: Vec<f64> = (0..dims.iter().product()).map(element).collect();
    let mask = Tensor::from_vec(values, dims, &Device::Cpu)?;
    Ok(mask.to_dtype(z.dtype())?.to_device(z.device())?)
}

/// `Σ ln s(z)` with the logistic density `ln s(z) = −ln(1 + e^z) − ln(1 + e^(−z))`.
fn logistic_log_density(z: &Tensor) -> Result<Tensor> {
    let both = (Activation::Softplus.apply(z)? + Activation::Softplus.apply(&z.neg()?)?)?;
    Ok(shape::sum_per_sample(&both)?.neg()?)
}

fn check_data(x: &Tensor) -> Result<()> {
    check::batch("x", x)?;
    if !matches!(x.dtype(), DType::F32 | DType::F64) {
        return Err(Error::dtype("x", x.dtype(), "f32 or f64"));
    }
    match x.rank() {
        1 => Err(Error::shape("x", x.dims(), "(batch, channels, ...)")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use advect_core::testing::assert_close;
    use advect_core::{FromFn, field_fn};

    /// Two layers of some smooth functions of all inputs.
    fn noise() -> CouplingNoise<FromFn<impl Fn(&Time, &Tensor) -> Result<Tensor>>> {
        let layer = |k: f64| {
            let weights: Vec<f64> = (0..16).map(|i| (k + 1.3 * f64::from(i)).sin()).collect();
            let weights = Tensor::from_vec(weights, (4, 4), &Device::Cpu).unwrap();
            move |_: &Time, x: &Tensor| Ok(x.sin()?.matmul(&weights)?)
        };
        let nets = [0.3, 1.1].map(layer);
        CouplingNoise::new(nets.map(field_fn).into())
    }

    fn at(values: &[[f64; 2]]) -> Tensor {
        Tensor::from_vec(values.concat(), (values.len(), 2), &Device::Cpu).unwrap()
    }

    /// Over u = 1/(1 + e^(−z)) on a grid of z, where the density is smooth: `∫ q du = ∫ q(u(z)) s(z) dz`.
    #[test]
    fn the_density_integrates_to_one() {
        let (count, step) = (160, 0.25);
        let place = |i: usize| step * (i as f64 - 0.5 * (count - 1) as f64);
        let grid: Vec<[f64; 2]> = (0..count * count)
            .map(|k| [place(k / count), place(k % count)])
            .collect();
        let z = at(&grid);
        let u = Activation::Sigmoid.apply(&z).unwrap();
        for data in [[0.0, 0.0], [1.0, -2.0]] {
            let x = at(&[data]).broadcast_as(u.shape()).unwrap();
            let log_density = noise().log_density(&x, &u).unwrap();
            let logs = (&log_density + logistic_log_density(&z).unwrap()).unwrap();
            let sum = logs.exp().unwrap().sum_all().unwrap();
            let total = sum.to_scalar::<f64>().unwrap() * step * step;
            assert!((total - 1.0).abs() < 1e-4, "{data:?}: {total}");
            let most = log_density.max(0).unwrap().to_scalar::<f64>().unwrap();
            assert!(most > 1.0, "far from uniform: {most}");
        }
    }

    /// `q(u | x) = Π s(z) / |det ∂u/∂z|`, by differences, and by the inverse.
    #[test]
    fn the_density_is_that_of_the_jacobian() {
        let (x, z) = (at(&[[0.5, -1.0]]), at(&[[0.3, -0.8]]));
        let flow = |z: &Tensor| noise().transform(&x, z).unwrap();
        let h = 1e-5;
        let row = |j: usize| {
            let step = |sign: f64| {
                let mut values = z.to_vec2::<f64>().unwrap()[0].clone();
                values[j] += sign * h;
                let moved = flow(&at(&[[values[0], values[1]]])).0;
                moved.to_vec2::<f64>().unwrap()[0].clone()
            };
            let (up, down) = (step(1.0), step(-1.0));
            [0, 1].map(|i| (up[i] - down[i]) / (2.0 * h))
        };
        let (a, b) = (row(0), row(1));
        let determinant = (a[0] * b[1] - a[1] * b[0]).abs();
        let logistic = |z: f64| (-z).exp() / (1.0 + (-z).exp()).powi(2);
        let expected = (logistic(0.3) * logistic(-0.8) / determinant).ln();
        let (u, found) = flow(&z);
        let found = found.to_vec1::<f64>().unwrap()[0];
        assert!((found - expected).abs() < 1e-8, "{found} {expected}");
        // All four derivatives are at work.
        assert!(a.iter().chain(&b).all(|d| d.abs() > 1e-3), "{a:?} {b:?}");
        let inverse = noise().log_density(&x, &u).unwrap();
        assert!((inverse.to_vec1::<f64>().unwrap()[0] - found).abs() < 1e-12);
    }

    #[test]
    fn layers_that_do_nothing_are_uniform() {
        let still = CouplingNoise::new(vec![field_fn(|_, x| Ok(x.zeros_like()?)); 3]);
        for dtype in [DType::F32, DType::F64] {
            let x = Tensor::zeros((500, 2, 3), dtype, &Device::Cpu).unwrap();
            let mut rng = Generator::from_seed(1);
            let (u, log_density) = still.draw(0, &x, &mut rng.clone()).unwrap();
            assert_close(&log_density, &log_density.zeros_like().unwrap(), 0.0, 1e-5);
            let mean = u.to_dtype(DType::F64).unwrap().mean_all().unwrap();
            assert!((mean.to_scalar::<f64>().unwrap() - 0.5).abs() < 0.03);
            let some = still.draw(498, &x.narrow(0, 498, 2).unwrap(), &mut rng);
            assert_close(&some.unwrap().0, &u.narrow(0, 498, 2).unwrap(), 0.0, 0.0);
        }
        let half = Tensor::zeros((5, 2), DType::F16, &Device::Cpu).unwrap();
        let error = still.draw(0, &half, &mut Generator::from_seed(1));
        assert!(matches!(error, Err(Error::DType { .. })));
        let x = Tensor::zeros((5, 2), DType::F64, &Device::Cpu).unwrap();
        let edge = x.ones_like().unwrap();
        let error = still.log_density(&x, &edge);
        assert!(matches!(error, Err(Error::NonFinite { argument, .. }) if argument == "u"));
    }

    #[test]
    fn a_layer_moves_the_squares_of_one_colour() {
        let z = Tensor::zeros((3, 1, 2, 2), DType::F64, &Device::Cpu).unwrap();
        let colours = |index| moved(index, &z).unwrap().flatten_all().unwrap();
        assert_eq!(colours(0).to_vec1::<f64>().unwrap(), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(colours(1).to_vec1::<f64>().unwrap(), [0.0, 1.0, 1.0, 0.0]);
    }
}
