//! Tokens: checks, and features of the tokens before each.

use advect_core::{Error, Result, check};
use advect_nn::ClassEmbedding;
use candle_core::{DType, Tensor};

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
    let labels = tokens.to_dtype(DType::I64)?;
    let start = Tensor::full(embedding.classes() as i64, (batch, 1), tokens.device())?;
    let before = Tensor::cat(&[&start, &labels], 1)?.narrow(1, 0, length)?;
    let features = embedding.embed(&before.flatten_all()?)?;
    Ok(features.reshape((batch, length, ()))?)
}
