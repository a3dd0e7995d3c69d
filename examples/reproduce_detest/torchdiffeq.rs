//! What torchdiffeq's dopri5 does on the same problems: the output of `torchdiffeq_detest.py`, with torchdiffeq 0.2.5.

/// Evaluations and largest errors over the tolerance, by class and of all, at a tolerance of so many digits; none for digits that were not run.
pub(crate) fn figures(digits: i32) -> Option<([u32; 6], [&'static str; 6])> {
    let (evaluations, errors) = match digits {
        3 => (
            [316, 892, 940, 1660, 850, 4658],
            ["1.23", "199.07", "58.76", "940.64", "165.83", "940.64"],
        ),
        6 => (
            [880, 2224, 1186, 3808, 2422, 10_520],
            ["12.57", "22.24", "29.07", "966.48", "57.16", "966.48"],
        ),
        9 => (
            [2824, 7282, 2686, 12_334, 7816, 32_942],
            ["11.44", "17.45", "9.30", "252.15", "16.47", "252.15"],
        ),
        _ => return None,
    };
    Some((evaluations, errors))
}
