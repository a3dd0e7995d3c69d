//! Squares of numbers, transposed in registers.

use crate::Float;

/// Numbers of a side.
pub(crate) const SIDE: usize = 8;

pub(crate) type Square<T> = [[T; SIDE]; SIDE];

/// The columns of the square that begins a matrix with rows `stride` apart.
#[inline(always)]
pub(crate) fn columns<T: Float>(source: &[T], stride: usize) -> Square<T> {
    T::transposed(std::array::from_fn(|i| {
        let mut row = [T::ZERO; SIDE];
        row.copy_from_slice(&source[i * stride..][..SIDE]);
        row
    }))
}

/// Number by number.
#[inline(always)]
pub(crate) fn plain<T: Copy>(rows: Square<T>) -> Square<T> {
    std::array::from_fn(|j| std::array::from_fn(|i| rows[i][j]))
}

/// Transposes by the shuffles of AVX, if the machine has them.
#[inline(always)]
pub(crate) fn shuffled(rows: Square<f32>) -> Square<f32> {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return avx::transposed(simd.avx, rows);
    }
    plain(rows)
}

/// In functions that are always inlined, not closures: only so do the shuffles become single instructions.
#[cfg(target_arch = "x86_64")]
mod avx {
    use std::arch::x86_64::__m256;

    use pulp::cast;
    use pulp::core_arch::x86::Avx;

    use super::Square;

    #[inline(always)]
    pub(super) fn transposed(simd: Avx, [a, b, c, d, e, f, g, h]: Square<f32>) -> Square<f32> {
        let [a, b, c, d] = fours(simd, [cast(a), cast(b), cast(c), cast(d)]);
        let [e, f, g, h] = fours(simd, [cast(e), cast(f), cast(g), cast(h)]);
        [
            cast(simd._mm256_permute2f128_ps::<0x20>(a, e)),
            cast(simd._mm256_permute2f128_ps::<0x20>(b, f)),
            cast(simd._mm256_permute2f128_ps::<0x20>(c, g)),
            cast(simd._mm256_permute2f128_ps::<0x20>(d, h)),
            cast(simd._mm256_permute2f128_ps::<0x31>(a, e)),
            cast(simd._mm256_permute2f128_ps::<0x31>(b, f)),
            cast(simd._mm256_permute2f128_ps::<0x31>(c, g)),
            cast(simd._mm256_permute2f128_ps::<0x31>(d, h)),
        ]
    }

    /// Transposes squares of four: those of the first halves, and those of the second halves.
    #[inline(always)]
    fn fours(simd: Avx, [a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
        let (low_ab, high_ab) = (simd._mm256_unpacklo_ps(a, b), simd._mm256_unpackhi_ps(a, b));
        let (low_cd, high_cd) = (simd._mm256_unpacklo_ps(c, d), simd._mm256_unpackhi_ps(c, d));
        [
            simd._mm256_shuffle_ps::<0b01_00_01_00>(low_ab, low_cd),
            simd._mm256_shuffle_ps::<0b11_10_11_10>(low_ab, low_cd),
            simd._mm256_shuffle_ps::<0b01_00_01_00>(high_ab, high_cd),
            simd._mm256_shuffle_ps::<0b11_10_11_10>(high_ab, high_cd),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_transpose() {
        let stride = 11;
        let source: Vec<f32> = (0..100).map(|i| i as f32).collect();
        let expected: Square<f32> =
            std::array::from_fn(|j| std::array::from_fn(|i| (i * stride + j) as f32));
        assert_eq!(columns(&source, stride), expected);
        assert_eq!(plain(plain(expected)), expected);
        assert_eq!(shuffled(expected), plain(expected));
        let source: Vec<f64> = source.iter().map(|&x| x.into()).collect();
        assert_eq!(
            columns(&source, stride),
            expected.map(|row| row.map(f64::from))
        );
    }
}
