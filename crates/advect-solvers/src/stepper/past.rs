//! The past of multistep methods.

/// The least distance between the times of two slopes, in steps: the rounding of a difference between nearer ones is more
/// than the slope tells.
const APART: f64 = 0.01;

/// Returns the slopes of the past that a step can use, with their places in steps from its start, where there is one, too.
/// Those of the past have their times, the latest first; one that is too near the one after it is left out.
pub(super) fn apart<X>(past: &[(f64, X)], (start, end): (f64, f64)) -> Vec<(f64, &X)> {
    let mut latest = 0.0;
    let mut found = Vec::with_capacity(past.len());
    for (t, slope) in past {
        let node = (t - start) / (end - start);
        if latest - node >= APART {
            found.push((node, slope));
            latest = node;
        }
    }
    found
}
