//! Splines by operations of tensors, for devices and types that have no kernel.

use advect_core::{Error, Result};
use advect_ops::{Activation, softmax};
use candle_core::{Device, Tensor};

use super::{LEAST, RationalQuadraticSpline};

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

    /// The part ξ of the width at y: the root of eq. 25 to 29, written so that nothing cancels. With the part θ of the height, slopes d and d' at the ends and the ratio s, take
    /// `u = d (1 − θ) − d' θ` and `q = |u| + √(u² + 4 s² θ (1 − θ))`. Then `ξ = 2 s θ/(2 s θ + q)` for u ≥ 0, and `1 − ξ = 2 s (1 − θ)/(2 s (1 − θ) + q)` for u < 0.
    fn part(&self, y: &Tensor) -> Result<Tensor> {
        let height = ((y - &self.y)? / &self.height)?;
        // Rounding may put y beyond the end of its bin. Its slope stays.
        let within = height.detach().clamp(0f64, 1f64)?;
        let height = (&height + (within - height.detach())?)?;
        let rest = height.affine(-1.0, 1.0)?;
        let (ahead, behind) = ((&self.ratio * &height)?, (&self.ratio * &rest)?);
        let u = ((&self.slopes[0] * &rest)? - (&self.slopes[1] * &height)?)?;
        let root = (u.sqr()? + ((&ahead * &behind)? * 4.0)?)?.sqrt()?;
        let q = (u.abs()? + root)?;
        let share = |x: Tensor| Ok::<_, Error>((&x / (&x + &q)?)?);
        let (ahead, behind) = (share((ahead * 2.0)?)?, share((behind * 2.0)?)?);
        Ok(u.detach()
            .ge(0f64)?
            .where_cond(&ahead, &behind.affine(-1.0, 1.0)?)?)
    }
}

impl RationalQuadraticSpline {
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
        let (count, flat) = (3 * self.bins - 1, x.flatten_all()?);
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

    /// y and the logarithms of slopes, or x and those of the inverse's slopes, `(2, batch, n)`.
    pub(super) fn composed(
        &self,
        number: &Tensor,
        parameters: &Tensor,
        inverse: bool,
    ) -> Result<Tensor> {
        let (value, log_slope) = self.within(number, parameters, |number, parameters| {
            let bin = self.bin(number, parameters, inverse)?;
            if inverse {
                let part = bin.part(number)?;
                let x = (&bin.x + (&part * &bin.width)?)?;
                return Ok((x, bin.log_slope(&part)?.neg()?));
            }
            let part = ((number - &bin.x)? / &bin.width)?;
            Ok((bin.value(&part)?, bin.log_slope(&part)?))
        })?;
        Ok(Tensor::stack(&[value, log_slope], 0)?)
    }
}
