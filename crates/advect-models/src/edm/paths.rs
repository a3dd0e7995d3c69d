//! The paths of images through a [`SongUNet`](crate::SongUNet) (Song et al. 2021, appendix H; Karras et al. 2020,
//! figure 7).

/// The path of the images through the encoder of a [`SongUNet`](crate::SongUNet).
#[doc(alias = "encoder_type")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SongEncoder {
    /// They enter at the first level alone.
    #[default]
    Standard,
    /// Each level adds a projection of the images, halved to its size.
    Skip,
    /// Each level adds a convolution of what the level before got in this way, halved to its size, and divides by √2.
    Residual,
}

/// The levels of the decoder of a [`SongUNet`](crate::SongUNet) that contribute to the output.
#[doc(alias = "decoder_type")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SongDecoder {
    /// The first level alone.
    #[default]
    Standard,
    /// Each level adds to the output of the level below, doubled to its size.
    Skip,
}
