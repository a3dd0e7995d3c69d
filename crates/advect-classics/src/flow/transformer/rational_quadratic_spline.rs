//! Monotone rational-quadratic splines (Gregory and Delbourgo 1982; Durkan, Bekasov, Murray and Papamakarios 2019, "Neural spline flows", section 3.1 and appendix A).

use advect_core::{Error, Result, check};
use advect_ops::{Activation, softmax};
use candle_core::{Device, Tensor};

use super::Transformer;

/// The least width and height of a bin, in units of the whole, and the least slope at a knot; those of the authors.
const LEAST: f64 = 1e-3;

/// A monotone spline from [−B, B] to itself, of K bins, and the identity outside. In each bin it is a quotient of two quadratics with given slopes at its ends; at ±B
/// they are 1.
///
/// An element has K parameters for the widths of bins and K for their heights, by a softmax, and K − 1 for the slopes at the knots, by a softplus. The authors' networks
/// divide the first 2 K by the root of their width; here parameters are taken as they are.
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

/// What a bin is, for each element.
struct Bin {
    x: Tensor,
    y: Tensor,
    width: Tensor,
    height: Tensor,
    /// The slopes at both ends.
    slopes: [Tensor; 2],
    /// `height/width`.
    ratio: Tensor,
    /// `slope + slope' − 2 ratio`
    bend: Tensor,
}

impl Bin {
    /// `ln dy/dx` at the part ξ of the width (eq. 22).
    fn log_slope(&self, part: &Tensor) -> Result<Tensor> {
        let rest = part.affine(-1.0, 1.0)?;
        let product = (part * &rest)?;
        let below = (&self.ratio + (&self.bend * &product)?)?;
        let ends = ((&self.slopes[1] * part.sqr()?)? + (&self.slopes[0] * rest.sqr()?)?)?;
        let above = (ends + ((&self.ratio * product)? * 2.0)?)?;
        Ok(((above.log()? + (self.ratio.log()? * 2.0)?)? - (below.log()? * 2.0)?)?)
    }

    /// y at the part ξ of the width (eq. 19).
    fn value(&self, part: &Tensor) -> Result<Tensor> {
        let product = (part * part.affine(-1.0, 1.0)?)?;
        let below = (&self.ratio + (&self.bend * &product)?)?;
        let above = ((&self.ratio * part.sqr()?)? + (&self.slopes[0] * product)?)?;
        Ok((&self.y + ((&self.height * above)? / below)?)?)
    }

    /// The part ξ of the width at y, by the root of the quadratic equation that does not cancel (eq. 25 to 29).
    fn part(&self, y: &Tensor) -> Result<Tensor> {
        let rise = (y - &self.y)?;
        let bent = (&rise * &self.bend)?;
        let a = ((&self.height * (&self.ratio - &self.slopes[0])?)? + &bent)?;
        let b = ((&self.height * &self.slopes[0])? - bent)?;
        let c = (&self.ratio * rise)?.neg()?;
        let root = (b.sqr()? - ((a * &c)? * 4.0)?)?.sqrt()?;
        Ok(((c * 2.0)? / (b.neg()? - root)?)?)
    }
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

    /// The left ends of bins and their sizes, `(n, bins)`, of unnormalised sizes.
    fn knots(&self, sizes: &Tensor) -> Result<(Tensor, Tensor)> {
        let share = softmax(sizes)?.affine(1.0 - LEAST * self.bins as f64, LEAST)?;
        let sizes = (share * (2.0 * self.bound))?;
        // Sums of the sizes before each bin.
        let k = self.bins;
        let before = |place: usize| f64::from(u8::from(place / k < place % k));
        let before: Vec<f64> = (0..k * k).map(before).collect();
        let before = Tensor::from_vec(before, (k, k), &Device::Cpu)?.to_dtype(sizes.dtype())?;
        let left = sizes.matmul(&before.to_device(sizes.device())?)?;
        Ok(((left - self.bound)?, sizes))
    }

    /// The bin of each number `(n,)`, which lies in [−B, B]: of x, or of y for the inverse.
    fn bin(&self, number: &Tensor, parameters: &Tensor, inverse: bool) -> Result<Bin> {
        let k = self.bins;
        let part = |from, count| parameters.narrow(1, from, count)?.contiguous();
        let (x, widths) = self.knots(&part(0, k)?)?;
        let (y, heights) = self.knots(&part(k, k)?)?;
        let inner = (Activation::Softplus.apply(&part(2 * k, k - 1)?)? + LEAST)?;
        let one = inner.narrow(1, 0, 1)?.ones_like()?.detach();
        let first = Tensor::cat(&[&one, &inner], 1)?;
        let second = Tensor::cat(&[&inner, &one], 1)?;

        // 1 for the bin, 0 for the others: number ≥ its left end, and not ≥ the next one's.
        let ends = if inverse { &y } else { &x }.detach();
        let beyond = number
            .detach()
            .unsqueeze(1)?
            .broadcast_ge(&ends.narrow(1, 1, k - 1)?)?;
        let beyond = beyond.to_dtype(number.dtype())?;
        let zero = one.zeros_like()?;
        let chosen = (Tensor::cat(&[&one, &beyond], 1)? - Tensor::cat(&[&beyond, &zero], 1)?)?;
        let choose = |values: &Tensor| Ok::<_, Error>((values * &chosen)?.sum(1)?);

        let (width, height) = (choose(&widths)?, choose(&heights)?);
        let slopes = [choose(&first)?, choose(&second)?];
        let ratio = (&height / &width)?;
        let bend = ((&slopes[0] + &slopes[1])? - (&ratio * 2.0)?)?;
        Ok(Bin {
            x: choose(&x)?,
            y: choose(&y)?,
            width,
            height,
            slopes,
            ratio,
            bend,
        })
    }

    /// Applies a function of numbers in [−B, B] and their parameters, and the identity outside.
    fn within(
        &self,
        x: &Tensor,
        parameters: &Tensor,
        map: impl Fn(&Tensor, &Tensor) -> Result<(Tensor, Tensor)>,
    ) -> Result<(Tensor, Tensor)> {
        let (count, flat) = (self.parameters(), x.flatten_all()?);
        let rows = parameters
            .transpose(1, 2)?
            .contiguous()?
            .reshape(((), count))?;
        let inside = flat.detach().abs()?.le(self.bound)?.to_dtype(x.dtype())?;
        let (y, log_slope) = map(&flat.clamp(-self.bound, self.bound)?, &rows)?;
        let outside = (flat * inside.affine(-1.0, 1.0)?)?;
        let y = ((y * &inside)? + outside)?;
        Ok((
            y.reshape(x.shape())?,
            (log_slope * inside)?.reshape(x.shape())?,
        ))
    }
}

impl Transformer for RationalQuadraticSpline {
    fn parameters(&self) -> usize {
        3 * self.bins - 1
    }

    fn forward(&self, x: &Tensor, parameters: &Tensor) -> Result<(Tensor, Tensor)> {
        self.within(x, parameters, |x, parameters| {
            let bin = self.bin(x, parameters, false)?;
            let part = ((x - &bin.x)? / &bin.width)?;
            Ok((bin.value(&part)?, bin.log_slope(&part)?))
        })
    }

    fn inverse(&self, y: &Tensor, parameters: &Tensor) -> Result<(Tensor, Tensor)> {
        self.within(y, parameters, |y, parameters| {
            let bin = self.bin(y, parameters, true)?;
            let part = bin.part(y)?;
            let x = (&bin.x + (&part * &bin.width)?)?;
            Ok((x, bin.log_slope(&part)?.neg()?))
        })
    }
}
