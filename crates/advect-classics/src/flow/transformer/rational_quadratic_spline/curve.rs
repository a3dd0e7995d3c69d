//! One element's spline in f64: its bin, its value and slope there, and derivatives (Durkan et al. 2019, eq. 19 to 29).

use super::{LEAST, RationalQuadraticSpline};

/// Room for the shares that a softmax gives the widths and the heights of bins.
pub(super) struct Shares {
    widths: Vec<f64>,
    heights: Vec<f64>,
}

/// The bin that an element lies in.
pub(super) struct Bin {
    index: usize,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    /// The slopes d and d' at its ends.
    slopes: [f64; 2],
}

/// What a gradient has to be passed on to: the element and its parameters.
pub(super) struct Gradient<'a> {
    pub(super) values: f64,
    pub(super) log_slopes: f64,
    pub(super) parameters: &'a mut dyn FnMut(usize, f64),
}

impl Shares {
    pub(super) fn new(spline: &RationalQuadraticSpline) -> Self {
        Shares {
            widths: vec![0.0; spline.bins],
            heights: vec![0.0; spline.bins],
        }
    }
}

fn softmax(shares: &mut [f64], number: impl Fn(usize) -> f64) {
    let mut largest = f64::NEG_INFINITY;
    for (k, share) in shares.iter_mut().enumerate() {
        *share = number(k);
        largest = largest.max(*share);
    }
    let mut sum = 0.0;
    for share in shares.iter_mut() {
        *share = (*share - largest).exp();
        sum += *share;
    }
    shares.iter_mut().for_each(|share| *share /= sum);
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f64) -> f64 {
    let small = (-x.abs()).exp();
    if x < 0.0 {
        small / (1.0 + small)
    } else {
        1.0 / (1.0 + small)
    }
}

impl RationalQuadraticSpline {
    /// What a share of 1 has more than one of 0.
    fn range(&self) -> f64 {
        2.0 * self.bound * (1.0 - LEAST * self.bins as f64)
    }

    /// The size of a bin with a share.
    fn size(&self, share: f64) -> f64 {
        self.range() * share + 2.0 * self.bound * LEAST
    }

    /// The bin of x, or of y, in [−B, B], with parameters `raw(0)`, `raw(1)`, ….
    pub(super) fn bin_of(
        &self,
        number: f64,
        raw: &dyn Fn(usize) -> f64,
        shares: &mut Shares,
        inverse: bool,
    ) -> Bin {
        let bins = self.bins;
        softmax(&mut shares.widths, raw);
        softmax(&mut shares.heights, |k| raw(bins + k));
        let (mut index, mut x, mut y) = (0, -self.bound, -self.bound);
        let (mut width, mut height) = (self.size(shares.widths[0]), self.size(shares.heights[0]));
        while index + 1 < bins && number >= if inverse { y + height } else { x + width } {
            (x, y, index) = (x + width, y + height, index + 1);
            (width, height) = (
                self.size(shares.widths[index]),
                self.size(shares.heights[index]),
            );
        }
        // At the knot before bin k.
        let slope = |k: usize| match k {
            0 => 1.0,
            k if k == bins => 1.0,
            k => LEAST + softplus(raw(2 * bins + k - 1)),
        };
        let slopes = [slope(index), slope(index + 1)];
        Bin {
            index,
            x,
            y,
            width,
            height,
            slopes,
        }
    }

    /// Passes on gradients by y and by the logarithm of dy/dx at the part ξ of a bin's width, with x held fixed, and returns the one by x.
    pub(super) fn pass_on(
        &self,
        bin: &Bin,
        part: f64,
        raw: &dyn Fn(usize) -> f64,
        shares: &Shares,
        to: Gradient<'_>,
    ) -> f64 {
        let (f, l, bins) = (to.values, to.log_slopes, self.bins);
        let (by_value, by_log) = (
            bin.derivatives_of_value(part),
            bin.derivatives_of_log_slope(part),
        );
        let [by_part, by_ratio, by_first, by_second] =
            std::array::from_fn(|k| f * by_value[k] + l * by_log[k]);
        let by_x = by_part / bin.width;
        let by_height = f * bin.share(part) + by_ratio / bin.width;
        let by_width = -by_ratio * bin.ratio() / bin.width - by_part * part / bin.width;
        // A bin's ends move with all sizes before it.
        for (shares, from, before, own) in [
            (&shares.widths, 0, -by_x, by_width),
            (&shares.heights, bins, f, by_height),
        ] {
            let by_size = |k: usize| match k.cmp(&bin.index) {
                std::cmp::Ordering::Less => before,
                std::cmp::Ordering::Equal => own,
                std::cmp::Ordering::Greater => 0.0,
            };
            let mean: f64 = shares
                .iter()
                .enumerate()
                .take(bin.index + 1)
                .map(|(k, share)| share * by_size(k))
                .sum();
            for (k, share) in shares.iter().enumerate() {
                (to.parameters)(from + k, self.range() * share * (by_size(k) - mean));
            }
        }
        for (k, gradient) in [(bin.index, by_first), (bin.index + 1, by_second)] {
            if k > 0 && k < bins {
                let k = 2 * bins + k - 1;
                (to.parameters)(k, gradient * sigmoid(raw(k)));
            }
        }
        by_x
    }
}

impl Bin {
    fn ratio(&self) -> f64 {
        self.height / self.width
    }

    pub(super) fn part_of_x(&self, x: f64) -> f64 {
        (x - self.x) / self.width
    }

    /// The part ξ of the width at y; the tensors' `part` says how.
    pub(super) fn part_of_y(&self, y: f64) -> f64 {
        // Rounding may put y beyond the end of its bin.
        let height = ((y - self.y) / self.height).clamp(0.0, 1.0);
        let (ahead, behind) = (self.ratio() * height, self.ratio() * (1.0 - height));
        let u = self.slopes[0] * (1.0 - height) - self.slopes[1] * height;
        let q = u.abs() + (u * u + 4.0 * ahead * behind).sqrt();
        match u < 0.0 {
            true => q / (2.0 * behind + q),
            false => 2.0 * ahead / (2.0 * ahead + q),
        }
    }

    pub(super) fn x(&self, part: f64) -> f64 {
        self.x + part * self.width
    }

    /// y (eq. 19).
    pub(super) fn y(&self, part: f64) -> f64 {
        self.y + self.height * self.share(part)
    }

    /// The part of the height that lies below y.
    fn share(&self, part: f64) -> f64 {
        let above = self.ratio() * part * part + self.slopes[0] * part * (1.0 - part);
        above / self.below(part)
    }

    /// The denominator of eq. 19.
    fn below(&self, part: f64) -> f64 {
        let rest = 1.0 - part;
        self.ratio() * (part * part + rest * rest) + (self.slopes[0] + self.slopes[1]) * part * rest
    }

    /// The sum in the numerator of eq. 22.
    fn bend(&self, part: f64) -> f64 {
        let rest = 1.0 - part;
        self.slopes[1] * part * part
            + self.slopes[0] * rest * rest
            + 2.0 * self.ratio() * part * rest
    }

    /// `ln dy/dx` (eq. 22).
    pub(super) fn log_slope(&self, part: f64) -> f64 {
        let quotient = self.ratio() / self.below(part);
        (self.bend(part) * quotient * quotient).ln()
    }

    /// Derivatives of y by ξ, by the ratio, and by the slopes at the ends.
    fn derivatives_of_value(&self, part: f64) -> [f64; 4] {
        let (rest, below) = (1.0 - part, self.below(part));
        let (product, share) = (part * rest, self.share(part));
        let scale = self.height / below;
        [
            scale * self.ratio() * self.bend(part) / below,
            scale * (part * part - share * (part * part + rest * rest)),
            scale * product * (1.0 - share),
            -scale * product * share,
        ]
    }

    /// Derivatives of `ln dy/dx` by the same.
    fn derivatives_of_log_slope(&self, part: f64) -> [f64; 4] {
        let (rest, below, bend) = (1.0 - part, self.below(part), self.bend(part));
        let ([first, second], ratio, product) = (self.slopes, self.ratio(), part * rest);
        let turn = rest - part;
        [
            2.0 * (second * part - first * rest + ratio * turn) / bend
                - 2.0 * turn * (first + second - 2.0 * ratio) / below,
            2.0 * product / bend + 2.0 / ratio - 2.0 * (part * part + rest * rest) / below,
            rest * rest / bend - 2.0 * product / below,
            part * part / bend - 2.0 * product / below,
        ]
    }

    /// The derivative of `ln dy/dx` by x, and dy/dx.
    pub(super) fn slopes(&self, part: f64) -> [f64; 2] {
        [
            self.derivatives_of_log_slope(part)[0] / self.width,
            self.log_slope(part).exp(),
        ]
    }
}
