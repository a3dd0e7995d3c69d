//! The layers of a network, in order, as data.

use advect_core::{Error, Result};

use super::settings::Settings;
use super::{SongDecoder, SongEncoder};
use crate::resample::Resample;

/// The sizes of a residual block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockPlan {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) resample: Resample,
    pub(super) attends: bool,
}

/// A layer of the encoder. "Beside" is a second, smaller version of the images that goes along with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Down {
    /// The first convolution, from inputs to outputs.
    Entry([usize; 2]),
    Block(BlockPlan),
    /// Halves the images beside.
    HalveBeside,
    /// Adds a convolution of the images beside.
    AddBeside([usize; 2]),
    /// Adds a convolution of the images beside, halved, and goes on with the sum there as well.
    ReplaceBeside([usize; 2]),
}

/// A layer of the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Up {
    Block(BlockPlan),
    /// A block that also gets the value of a layer of the encoder.
    Join(BlockPlan),
    /// Doubles the output so far.
    DoubleOutput,
    /// Adds to the output, from a number of channels.
    Head(usize),
}

/// A network's layers with their names; those of a head are its norm's and its convolution's, less `norm` and `conv`.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) encoder: Vec<(String, Down)>,
    pub(super) decoder: Vec<(String, Up)>,
}

/// The differences between plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Song(SongEncoder, SongDecoder),
    /// The first convolution has the width of the first level, all blocks of a level attend on the way up, and there is
    /// one head, with its own name.
    Dhariwal,
}

impl Plan {
    pub(super) fn new(settings: &Settings, kind: Kind) -> Self {
        let widths = settings.widths();
        let name = |part: &str, level: usize, end: &str| {
            let side = settings.resolution >> level;
            format!("{part}.{side}x{side}_{end}")
        };
        let block = |inputs, outputs, resample, attends| BlockPlan {
            inputs,
            outputs,
            resample,
            attends,
        };

        let (mut encoder, mut skips) = (Vec::new(), Vec::new());
        let mut beside = settings.images;
        let mut width = match kind {
            Kind::Song(..) => settings.channels,
            Kind::Dhariwal => widths.first().copied().unwrap_or(0),
        };
        for (level, &outputs) in widths.iter().enumerate() {
            let mut add = |end: &str, layer| encoder.push((name("enc", level, end), layer));
            skips.push(width);
            if level == 0 {
                add("conv", Down::Entry([settings.images, width]));
            } else {
                add(
                    "down",
                    Down::Block(block(width, width, Resample::Halve, false)),
                );
                match kind {
                    Kind::Song(SongEncoder::Skip, _) => {
                        add("aux_down", Down::HalveBeside);
                        add("aux_skip", Down::AddBeside([beside, width]));
                    }
                    Kind::Song(SongEncoder::Residual, _) => {
                        add("aux_residual", Down::ReplaceBeside([beside, width]));
                        beside = width;
                    }
                    _ => {}
                }
            }
            for i in 0..settings.blocks {
                let attends = settings.attends(level);
                let plan = block(width, outputs, Resample::Keep, attends);
                add(&format!("block{i}"), Down::Block(plan));
                width = outputs;
                skips.push(width);
            }
        }

        let mut decoder = Vec::new();
        for (level, &outputs) in widths.iter().enumerate().rev() {
            let mut add = |end: &str, layer| decoder.push((name("dec", level, end), layer));
            let deepest = level + 1 == widths.len();
            if deepest {
                add("in0", Up::Block(block(width, width, Resample::Keep, true)));
                add("in1", Up::Block(block(width, width, Resample::Keep, false)));
            } else {
                add(
                    "up",
                    Up::Block(block(width, width, Resample::Double, false)),
                );
            }
            for i in 0..=settings.blocks {
                let inputs = width.saturating_add(skips.pop().unwrap_or(0));
                let last = i == settings.blocks || kind == Kind::Dhariwal;
                let attends = settings.attends(level) && last;
                let plan = block(inputs, outputs, Resample::Keep, attends);
                add(&format!("block{i}"), Up::Join(plan));
                width = outputs;
            }
            match kind {
                Kind::Song(_, SongDecoder::Skip) => {
                    if !deepest {
                        add("aux_up", Up::DoubleOutput);
                    }
                    add("aux_", Up::Head(width));
                }
                Kind::Song(_, SongDecoder::Standard) if level == 0 => add("aux_", Up::Head(width)),
                _ => {}
            }
        }
        if kind == Kind::Dhariwal {
            decoder.push(("out_".to_string(), Up::Head(width)));
        }
        Plan { encoder, decoder }
    }

    /// Checks that the widths can be divided into groups and heads.
    pub(super) fn check(&self, settings: &Settings) -> Result<()> {
        for block in self.blocks() {
            groups(block.inputs)?;
            groups(block.outputs)?;
        }
        self.check_heads(settings)
    }

    /// Checks that the widths can be divided into heads.
    pub(super) fn check_heads(&self, settings: &Settings) -> Result<()> {
        let mut blocks = self.blocks().filter(|block| block.attends);
        blocks.try_for_each(|block| settings.heads.count(block.outputs).map(drop))
    }

    fn blocks(&self) -> impl Iterator<Item = &BlockPlan> {
        let down = self.encoder.iter().filter_map(|(_, layer)| match layer {
            Down::Block(block) => Some(block),
            _ => None,
        });
        let up = self.decoder.iter().filter_map(|(_, layer)| match layer {
            Up::Block(block) | Up::Join(block) => Some(block),
            _ => None,
        });
        down.chain(up)
    }
}

/// The number of groups of a normalisation: 32, or as many as have four channels each.
pub(super) fn groups(channels: usize) -> Result<usize> {
    let groups = (channels / 4).min(32);
    if groups > 0 && channels.is_multiple_of(groups) {
        return Ok(groups);
    }
    let given = format!("a block of {channels} channels");
    let accepted = "numbers for which all blocks have multiples of 4 channels, and of 32 if they have more than 128";
    Err(Error::range("channels", given, accepted))
}
