//! Monotone rational-quadratic splines (Gregory and Delbourgo 1982; Durkan, Bekasov, Murray and Papamakarios 2019, "Neural spline flows", section 3.1 and appendix A).

mod composed;
mod curve;
mod kernel;

use advect_core::{Error, Result, check};
use advect_ops::custom::apply;
use candle_core::Tensor;

use super::Transformer;

/// The least width and height of a bin, in units of the whole, and the least slope at a knot; those of the authors.
const LEAST: f64 = 1e-3;

/// A monotone spline from [−B, B] to itself, of K bins, and the identity outside. In each bin it is a quotient of two quadratics with given slopes at its ends; at ±B
/// they are 1.
///
/// An element has K parameters for the widths of bins and K for their heights, by a softmax, and K − 1 for the slopes at the knots, by a softplus. The authors' networks
/// divide the first 2 K by the root of their width; here parameters are taken as they are.
///
/// In the CPU's memory each element is computed in f64 and rounded once at the end, also in f32: forward and back is x but for the rounding of y, times the slope of the inverse.
///
/// ```
/// use advect_classics::flow::{RationalQuadraticSpline, Transformer};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let spline = RationalQuadraticSpline::new(4, 3.0)?;
/// assert_eq!(spline.parameters(), 11);
/// let x = Tensor::new(&[[-3f64, 1.1, 5.0]], &Device::Cpu)?;
/// let parameters = Tensor::zeros((1, 11, 3), DType::F64, &Device::Cpu)?;
/// let (y, _) = spline.forward(&x, &parameters)?;
/// let y = y.to_vec2::<f64>()?[0].clone();
/// assert!((y[0] + 3.0).abs() < 1e-12 && (y[1] - 1.1).abs() < 0.2 && y[2] == 5.0);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "RQS")]
#[doc(alias = "NSF")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RationalQuadraticSpline {
    bins: usize,
    bound: f64,
}

impl RationalQuadraticSpline {
    /// Creates the spline of K bins on [−B, B].
    ///
    /// # Errors
    /// [`Error::Range`] unless there are 2 to 500 bins and B is above 0.
    pub fn new(bins: usize, bound: f64) -> Result<Self> {
        if !(2..=500).contains(&bins) {
            return Err(Error::range("bins", bins, "2 to 500"));
        }
        let bound = check::positive("bound", bound)?;
        Ok(RationalQuadraticSpline { bins, bound })
    }

    /// The number of samples, of the parameters of an element, checked, and of the elements of a sample.
    fn sizes(&self, x: &[usize], parameters: &[usize]) -> Result<(usize, usize, usize)> {
        let count = 3 * self.bins - 1;
        match *x {
            [batch, n] if parameters == [batch, count, n] => Ok((batch, count, n)),
            _ => {
                let accepted = format!("(batch, {count}, n) for elements {x:?}, (batch, n)");
                Err(Error::shape("parameters", parameters, accepted))
            }
        }
    }

    /// Values and the logarithms of slopes.
    fn apply(
        &self,
        number: &Tensor,
        parameters: &Tensor,
        inverse: bool,
    ) -> Result<(Tensor, Tensor)> {
        self.sizes(number.dims(), parameters.dims())?;
        let operation = kernel::Spline { of: *self, inverse };
        let both = apply(operation, &[number, parameters], &[])?;
        Ok((both.get(0)?, both.get(1)?))
    }
}

impl Transformer for RationalQuadraticSpline {
    fn parameters(&self) -> usize {
        3 * self.bins - 1
    }

    fn forward(&self, x: &Tensor, parameters: &Tensor) -> Result<(Tensor, Tensor)> {
        self.apply(x, parameters, false)
    }

    fn inverse(&self, y: &Tensor, parameters: &Tensor) -> Result<(Tensor, Tensor)> {
        self.apply(y, parameters, true)
    }
}
