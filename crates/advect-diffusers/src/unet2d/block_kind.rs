//! The kinds of blocks of a level.

use advect_core::Result;

use crate::Config;

/// The kind of a block of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockKind {
    pub(super) attends: bool,
    pub(super) resampling: Resampling,
}

/// How a block changes the size of images for the next level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resampling {
    Convolution,
    Residual,
    /// By a residual block, beside a path of the images themselves (Song et al. 2021, appendix H.1).
    Skip,
}

/// The kinds of blocks by their names: `DownBlock2D` and its relatives, or those of `Up`.
pub(super) fn kinds(
    c: &mut Config,
    key: &str,
    way: &str,
    [attending, resampling]: [&str; 2],
    choices: &[(&str, Resampling)],
) -> Result<Vec<BlockKind>> {
    let plain = format!("{way}Block2D");
    let attends = format!("Attn{way}Block2D");
    let default = match way {
        "Down" => [&plain, &attends, &attends, &attends],
        _ => [&attends, &attends, &attends, &plain],
    };
    let names = c.optional(key, default.map(String::clone).to_vec())?;
    // Only blocks that attend heed the key.
    let attending = c.choice(attending, choices)?;
    let known = [
        (plain, false, Resampling::Convolution),
        (attends, true, attending),
        (
            format!("Resnet{resampling}Block2D"),
            false,
            Resampling::Residual,
        ),
        (format!("Skip{way}Block2D"), false, Resampling::Skip),
        (format!("AttnSkip{way}Block2D"), true, Resampling::Skip),
    ];
    let kind = |name: &String| match known.iter().find(|(known, ..)| known == name) {
        Some(&(_, attends, resampling)) => Ok(BlockKind {
            attends,
            resampling,
        }),
        None => {
            let names: Vec<String> = known.iter().map(|(name, ..)| format!("{name:?}")).collect();
            Err(c.wrong(key, format!("{name:?}"), names.join(", ")))
        }
    };
    names.iter().map(kind).collect()
}
