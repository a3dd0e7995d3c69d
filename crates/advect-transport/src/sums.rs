//! Differences of floats, with what rounding leaves.

/// `c − f − g` for potentials that are sums of two floats. What the differences of floats lose is added again (D. E. Knuth, The Art of
/// Computer Programming 2, section 4.2.2, theorem C).
#[inline(always)]
pub(crate) fn reduced(c: f64, f: (f64, f64), g: (f64, f64)) -> f64 {
    let (first, first_rest) = difference(c, g.0);
    let (second, second_rest) = difference(first, f.0);
    second + ((first_rest + second_rest) - (g.1 + f.1))
}

/// `a − b` rounded, and what rounding leaves.
#[inline(always)]
fn difference(a: f64, b: f64) -> (f64, f64) {
    let difference = a - b;
    let part = difference - a;
    (difference, (a - (difference - part)) - (b + part))
}
