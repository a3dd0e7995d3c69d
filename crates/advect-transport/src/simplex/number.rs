//! The numbers of potentials: floats, which are fast, and exact where they are short, and fixed-point numbers,
//! which are always exact.

use crate::Cost;

/// A number with sums, as potentials need.
pub(crate) trait Number: Copy {
    /// Whether the numbers are floats. If so, reduced costs may be wrong by this part of the potentials.
    const ROUNDING: Option<f64>;

    /// Converts a finite float to a number in units of `2^unit`.
    fn of(value: f64, unit: i32) -> Self;

    fn plus(self, other: Self) -> Self;

    fn minus(self, other: Self) -> Self;

    fn is_negative(self) -> bool;

    /// Returns the number as a float, with a relative error of at most 2⁻⁵⁰.
    fn approximate(self, unit: i32) -> f64;

    /// Returns the number less its approximation, as a float.
    fn rest(self, approximation: f64, unit: i32) -> f64;
}

/// Any floats.
impl Number for f64 {
    const ROUNDING: Option<f64> = Some(1.0 / (1u64 << 47) as f64);

    fn of(value: f64, _: i32) -> Self {
        value
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn minus(self, other: Self) -> Self {
        self - other
    }

    fn is_negative(self) -> bool {
        self < 0.0
    }

    fn approximate(self, _: i32) -> f64 {
        self
    }

    fn rest(self, _: f64, _: i32) -> f64 {
        0.0
    }
}

/// Floats all of whose sums have 53 bits at most, so that they are exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Short(f64);

impl Number for Short {
    const ROUNDING: Option<f64> = Some(0.0);

    fn of(value: f64, _: i32) -> Self {
        Short(value)
    }

    fn plus(self, other: Self) -> Self {
        Short(self.0 + other.0)
    }

    fn minus(self, other: Self) -> Self {
        Short(self.0 - other.0)
    }

    fn is_negative(self) -> bool {
        self.0 < 0.0
    }

    fn approximate(self, _: i32) -> f64 {
        self.0
    }

    fn rest(self, _: f64, _: i32) -> f64 {
        0.0
    }
}

/// A whole number of `64 N` bits in two's complement, the lowest limb first. In units of a power of two it holds floats,
/// and their sums, exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fixed<const N: usize>([u64; N]);

impl<const N: usize> Fixed<N> {
    const ZERO: Self = Fixed([0; N]);
}

impl<const N: usize> Number for Fixed<N> {
    const ROUNDING: Option<f64> = None;

    fn of(value: f64, unit: i32) -> Self {
        let (mantissa, exponent) = parts(value);
        let mut limbs = [0; N];
        if mantissa != 0 {
            let shift = (exponent - unit) as usize;
            let wide = u128::from(mantissa) << (shift % 64);
            limbs[shift / 64] = wide as u64;
            let high = (wide >> 64) as u64;
            if high != 0 {
                limbs[shift / 64 + 1] = high;
            }
        }
        match value < 0.0 {
            true => Self::ZERO.minus(Fixed(limbs)),
            false => Fixed(limbs),
        }
    }

    fn plus(self, other: Self) -> Self {
        let (mut sum, mut carry) = ([0; N], false);
        for ((sum, a), b) in sum.iter_mut().zip(self.0).zip(other.0) {
            let (part, first) = a.overflowing_add(b);
            let (part, second) = part.overflowing_add(u64::from(carry));
            (*sum, carry) = (part, first | second);
        }
        Fixed(sum)
    }

    fn minus(self, other: Self) -> Self {
        let (mut difference, mut borrow) = ([0; N], false);
        for ((difference, a), b) in difference.iter_mut().zip(self.0).zip(other.0) {
            let (part, first) = a.overflowing_sub(b);
            let (part, second) = part.overflowing_sub(u64::from(borrow));
            (*difference, borrow) = (part, first | second);
        }
        Fixed(difference)
    }

    fn is_negative(self) -> bool {
        self.0[N - 1] >> 63 == 1
    }

    fn approximate(self, unit: i32) -> f64 {
        let magnitude = match self.is_negative() {
            true => Self::ZERO.minus(self),
            false => self,
        };
        let Some(top) = magnitude.0.iter().rposition(|limb| *limb != 0) else {
            return 0.0;
        };
        let low = top.checked_sub(1).map_or(0, |k| magnitude.0[k]);
        let value = ((u128::from(magnitude.0[top]) << 64) | u128::from(low)) as f64;
        let value = scaled(value, unit + 64 * (top as i32 - 1));
        if self.is_negative() { -value } else { value }
    }

    fn rest(self, approximation: f64, unit: i32) -> f64 {
        self.minus(Self::of(approximation, unit)).approximate(unit)
    }
}

/// `value · 2^exponent`, in steps that neither over- nor underflow where the result doesn't.
fn scaled(mut value: f64, mut exponent: i32) -> f64 {
    while exponent != 0 && value != 0.0 && value.is_finite() {
        let step = exponent.clamp(-500, 500);
        value *= f64::from(step).exp2();
        exponent -= step;
    }
    value
}

/// The exponent of the last bit of a normal number's mantissa; [`LOWEST`] for a subnormal number, one less than it is.
fn exponent(value: f64) -> i32 {
    (value.to_bits() >> 52 & 0x7ff) as i32 + LOWEST
}

const LOWEST: i32 = -1075;

/// An odd mantissa and an exponent with `|value| = mantissa · 2^exponent`; both 0 for 0.
fn parts(value: f64) -> (u64, i32) {
    let fraction = value.to_bits() & ((1 << 52) - 1);
    let (mantissa, exponent) = match exponent(value) {
        LOWEST => (fraction, LOWEST + 1),
        exponent => (fraction | 1 << 52, exponent),
    };
    if mantissa == 0 {
        return (0, 0);
    }
    let zeros = mantissa.trailing_zeros();
    (mantissa >> zeros, exponent + zeros as i32)
}

/// The unit that all costs, and `forbidden`, are whole multiples of, as a power of two; and the bits that sums of
/// `terms` of them take, the sign included.
pub(super) fn precision(cost: &Cost, forbidden: f64, terms: usize) -> (i32, u32) {
    let rows = (0..cost.rows()).flat_map(|i| cost.row(i).iter().copied());
    precision_of(rows.chain([forbidden]), terms)
}

/// The unit that all finite values are whole multiples of, as a power of two; and the bits that sums of `terms` of them take,
/// the sign included.
pub(crate) fn precision_of(values: impl Iterator<Item = f64>, terms: usize) -> (i32, u32) {
    let (mut lowest, mut largest) = (i32::MAX, 0f64);
    for value in values.filter(|value| value.is_finite()) {
        largest = largest.max(value.abs());
        // Most values have no bits so low.
        if exponent(value) < lowest && value != 0.0 {
            lowest = lowest.min(parts(value).1);
        }
    }
    if largest == 0.0 {
        return (0, 2);
    }
    let (mantissa, exponent) = parts(largest);
    let highest = exponent + 64 - mantissa.leading_zeros() as i32;
    let sums = usize::BITS - terms.leading_zeros();
    (lowest, (highest - lowest) as u32 + sums + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Sums of small multiples of powers of two are whole numbers, which i128 has too.
        #[test]
        fn sums_are_exact(values in prop::collection::vec((-(1i64 << 52)..1 << 52, 0i32..60), 1..20)) {
            let unit = -30;
            let mut expected = 0i128;
            let (mut narrow, mut wide) = (Fixed::<2>::ZERO, Fixed::<5>::ZERO);
            for (k, (mantissa, shift)) in values.into_iter().enumerate() {
                let value = mantissa as f64 * f64::from(shift - 30).exp2();
                let whole = i128::from(mantissa) << shift;
                let (a, b) = (Fixed::<2>::of(value, unit), Fixed::<5>::of(value, unit));
                if k % 3 == 1 {
                    (expected, narrow, wide) = (expected - whole, narrow.minus(a), wide.minus(b));
                } else {
                    (expected, narrow, wide) = (expected + whole, narrow.plus(a), wide.plus(b));
                }
            }
            let float = expected as f64 * f64::from(unit).exp2();
            prop_assert_eq!(narrow.0, [expected as u64, (expected >> 64) as u64]);
            prop_assert_eq!(wide.is_negative(), expected < 0);
            prop_assert!((narrow.approximate(unit) - float).abs() <= 1e-15 * float.abs());
            let near = narrow.approximate(unit);
            let rest = (expected - (near * f64::from(-unit).exp2()) as i128) as f64 * f64::from(unit).exp2();
            prop_assert_eq!((narrow.rest(near, unit), wide.rest(near, unit)), (rest, rest));
            prop_assert!((wide.approximate(unit) - float).abs() <= 1e-15 * float.abs());
        }
    }

    #[test]
    fn extremes_are_held() {
        let unit = -1074;
        for value in [f64::from_bits(1), -f64::MIN_POSITIVE, 1e290, -1e-300, 0.0] {
            assert_eq!(Fixed::<36>::of(value, unit).approximate(unit), value);
        }
        let tiny = Fixed::<36>::of(f64::from_bits(1), unit);
        let huge = Fixed::<36>::of(1e290, unit);
        assert!(huge.minus(huge.plus(tiny)).is_negative());
        assert!(!huge.minus(huge).is_negative());
    }
}
