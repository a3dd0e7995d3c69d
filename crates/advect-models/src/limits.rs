//! Limits of levels, blocks and channels, within which the sizes of networks can be counted.

use std::ops::RangeInclusive;

use advect_core::{Error, Result};

pub(crate) const LEVELS: RangeInclusive<usize> = 1..=32;
pub(crate) const BLOCKS: RangeInclusive<usize> = 1..=1 << 10;
pub(crate) const CHANNELS: RangeInclusive<usize> = 1..=1 << 20;

/// Checks a count.
pub(crate) fn count(
    argument: &'static str,
    count: usize,
    range: RangeInclusive<usize>,
) -> Result<usize> {
    match range.contains(&count) {
        true => Ok(count),
        false => {
            let accepted = format!("a count from {} to {}", range.start(), range.end());
            Err(Error::range(argument, count, accepted))
        }
    }
}

/// Checks the last dimensions of images or sequences, `spatial` of them, which are halved from each level to the next.
pub(crate) fn check_halving(
    argument: &'static str,
    dims: &[usize],
    spatial: usize,
    levels: usize,
) -> Result<()> {
    let most = 1 << (levels - 1);
    let sizes = &dims[dims.len() - spatial..];
    if sizes
        .iter()
        .all(|&size| size > 0 && size.is_multiple_of(most))
    {
        return Ok(());
    }
    let accepted = format!(
        "a size divisible by {most} along each spatial dimension, as the number of levels is {levels}"
    );
    Err(Error::shape(argument, dims, accepted))
}
