//! Tokens: checks, and features of the tokens before each.

use advect_core::{Error, Result, check};
use advect_nn::ClassEmbedding;
use candle_core::Tensor;

/// Checks that tokens are `(batch, length)` integers of a vocabulary, and returns the two sizes.
pub(super) fn check(tokens: &Tensor, vocabulary: usize) -> Result<(usize, usize)> {
    check::batch("tokens", tokens)?;
    let &[batch, length] = tokens.dims() else {
        return Err(Error::shape("tokens", tokens.dims(), "(batch, length)"));
    };
    check::labels("tokens", &tokens.flatten_all()?, batch * length, vocabulary)?;
    Ok((batch, length))
}

/// The features of the token before each, `(batch, length, width)`: first those of the start, then those of all but the last token.
pub(super) fn shifted(tokens: &Tensor, embedding: &ClassEmbedding) -> Result<Tensor> {
    let (batch, length) = tokens.dims2()?;
    let start = embedding.of_none()?;
    let width = start.dims()[1];
    let start = start.unsqueeze(0)?.broadcast_as((batch, 1, width))?;
    if length == 1 {
        return Ok(start.contiguous()?);
    }
    let before = tokens.narrow(1, 0, length - 1)?.flatten_all()?;
    let features = embedding.embed(&before)?;
    let features = features.reshape((batch, length - 1, width))?;
    Ok(Tensor::cat(&[&start, &features], 1)?)
}
