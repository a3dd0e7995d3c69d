//! A U-Net for images of any size.

use advect::models::UNetConfig;
use advect::prelude::*;

/// A U-Net that fits images `[channels, height, width]`: halved down to about 4 pixels, with attention where there are at most 8 × 8.
pub fn fitting_unet(dim: [usize; 3], channels: usize, classes: usize) -> UNetConfig {
    let [_, height, width] = dim;
    let halvings = height.trailing_zeros().min(width.trailing_zeros()).min(3);
    let halvings = halvings.min((height.min(width) / 4).max(1).ilog2());
    let multipliers = [1.0, 2.0, 2.0, 2.0];
    let sizes = (0..=halvings).map(|level| width >> level);
    let small: Vec<usize> = sizes.filter(|&width| width <= 8).collect();
    UNet::config(&dim)
        .channels(channels)
        .blocks(1)
        .multipliers(&multipliers[..=halvings as usize])
        .attention(&small)
        .head_channels(channels.min(32))
        .groups(16)
        .scale_shift(true)
        .classes(classes)
        .time_scale(100.0)
}
