//! Autoregressive models of sequences of tokens: `p(x) = Π p(x_i | x_1, …, x_{i−1})`, an exact likelihood, and samples one token after the other.
//!
//! Tokens are integers below the size of a vocabulary, `(batch, length)` of u8, u32 or i64. A model gives logits of each token by those before it: see
//! [`Autoregressive`].
//!
//! | model | sees the past by |
//! | --- | --- |
//! | [`CausalTransformer`] | attention to all tokens before (Vaswani et al. 2017; pre-norm blocks as of GPT-2) |
//! | [`RecurrentModel`] | a state of fixed size, by a [`GatedRecurrentUnit`] (Cho et al. 2014) |
//! | [`MaskedAutoencoder`] | masked weights, for sequences of one length (MADE, Germain et al. 2015) |
//!
//! ```
//! use advect_classics::autoregressive::{Autoregressive, MaskedAutoencoder, TokenSampling};
//! use advect_core::{Generator, Key, Result};
//! use advect_nn::{Activation, ParameterStore};
//! use advect_train::{Adam, AdamConfig, Trainer};
//! use candle_core::{DType, Device, Tensor};
//! # fn main() -> Result<()> {
//! // Two patterns of four pixels, equally likely.
//! let data = Tensor::new(&[[1u32, 1, 0, 0], [0, 0, 1, 1]], &Device::Cpu)?;
//! let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
//! let model = MaskedAutoencoder::new(4, 2, &[16], Activation::Relu, &store.builder())?;
//! let optimizer = Adam::from_store(&store, AdamConfig { learning_rate: 0.03, ..AdamConfig::default() })?;
//! let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1));
//! trainer.run(200, |_: usize, _: &mut Generator| model.cross_entropy(&data), &mut ())?;
//!
//! let nats = model.log_likelihood(&data)?.to_vec1::<f32>()?;
//! assert!(nats.iter().all(|x| (x + 2f32.ln()).abs() < 0.05));
//! let samples = model.sample(8, 4, &TokenSampling::new(), trainer.rng())?;
//! assert_eq!(samples.dims(), [8, 4]);
//! # Ok(())
//! # }
//! ```

mod causal_transformer;
mod gated_recurrent_unit;
mod masked_autoencoder;
mod recurrent_model;
mod token_sampling;
mod tokens;

use advect_core::{Error, Generator, Result, check, shape};
use advect_ops::log_softmax_at;
use candle_core::Tensor;

pub use causal_transformer::{CausalTransformer, CausalTransformerConfig, KeysAndValues};
pub use gated_recurrent_unit::GatedRecurrentUnit;
pub use masked_autoencoder::MaskedAutoencoder;
pub use recurrent_model::RecurrentModel;
pub use token_sampling::TokenSampling;

/// A model of sequences whose tokens are drawn one after the other.
///
/// A network of its own needs the size of its vocabulary, the logits of whole sequences, and the logits of one token at a time, which have to agree. Here is one that knows
/// the last token only:
///
/// ```
/// use advect_classics::autoregressive::{Autoregressive, TokenSampling};
/// use advect_core::{Generator, Result};
/// use candle_core::{Device, Tensor};
///
/// /// A Markov chain of two tokens: logits of the first, and of the next by the last.
/// struct Chain {
///     first: Tensor, // (1, 2)
///     next: Tensor,  // (2, 2)
/// }
///
/// impl Autoregressive for Chain {
///     type State = ();
///     fn vocabulary(&self) -> usize {
///         2
///     }
///     fn logits(&self, tokens: &Tensor) -> Result<Tensor> {
///         let (batch, length) = tokens.dims2()?;
///         let next = self.next.index_select(&tokens.narrow(1, 0, length - 1)?.flatten_all()?, 0)?;
///         Ok(Tensor::cat(&[&self.first.repeat((batch, 1, 1))?, &next.reshape((batch, length - 1, 2))?], 1)?)
///     }
///     fn start(&self, batch: usize) -> Result<((), Tensor)> {
///         Ok(((), self.first.repeat((batch, 1))?))
///     }
///     fn step(&self, _: (), tokens: &Tensor) -> Result<((), Tensor)> {
///         Ok(((), self.next.index_select(tokens, 0)?))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let first = Tensor::new(&[[0.25f64, 0.75]], &Device::Cpu)?.log()?;
/// let next = Tensor::new(&[[0.9f64, 0.1], [0.5, 0.5]], &Device::Cpu)?.log()?;
/// let chain = Chain { first, next };
/// let p = chain.log_likelihood(&Tensor::new(&[[1u32, 0, 0]], &Device::Cpu)?)?.exp()?.to_vec1::<f64>()?[0];
/// assert!((p - 0.75 * 0.5 * 0.9).abs() < 1e-15);
/// let likely = chain.sample(1, 3, &TokenSampling::new().top_k(1)?, &mut Generator::from_seed(0))?;
/// assert_eq!(likely.to_vec2::<u32>()?, [[1, 0, 0]]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "language model")]
#[doc(alias = "GPT")]
pub trait Autoregressive {
    /// The memory of the tokens of a batch so far.
    type State;

    /// Returns the number of different tokens.
    fn vocabulary(&self) -> usize;

    /// Returns the logits of each token given those before it, `(batch, length, vocabulary)`: those at place i depend
    /// only on tokens before i.
    ///
    /// # Errors
    /// [`Error`] naming tokens that do not fit.
    #[doc(alias = "teacher forcing")]
    fn logits(&self, tokens: &Tensor) -> Result<Tensor>;

    /// Returns the state before the first tokens of a batch, and their logits, `(batch, vocabulary)`.
    ///
    /// # Errors
    /// [`Error::Range`] for a batch of 0.
    fn start(&self, batch: usize) -> Result<(Self::State, Tensor)>;

    /// Takes in one more token of each sequence, `(batch,)`, and returns the state after it and the logits of the next, `(batch, vocabulary)`.
    ///
    /// # Errors
    /// [`Error`] naming tokens that do not fit, or a sequence that is too long.
    fn step(&self, state: Self::State, tokens: &Tensor) -> Result<(Self::State, Tensor)>;

    /// Returns `log p(x) = Σ_i log p(x_i | x_1, …, x_{i−1})` of each sequence, `(batch,)`.
    ///
    /// # Errors
    /// As [`Autoregressive::logits`].
    #[doc(alias = "log_prob")]
    fn log_likelihood(&self, tokens: &Tensor) -> Result<Tensor> {
        let (batch, length) = tokens::check(tokens, self.vocabulary())?;
        let logits = self.logits(tokens)?;
        if logits.dims() != [batch, length, self.vocabulary()] {
            let accepted = format!("({batch}, {length}, {})", self.vocabulary());
            return Err(Error::shape("logits", logits.dims(), accepted));
        }
        check::float("logits", &logits)?;
        shape::sum_per_sample(&log_softmax_at(&logits, tokens)?)
    }

    /// Returns the mean of `−log p(x_i | x_1, …, x_{i−1})` over all tokens, a scalar to be minimised, in nats; its exponential is the perplexity.
    ///
    /// # Errors
    /// As [`Autoregressive::log_likelihood`].
    #[doc(alias = "perplexity")]
    fn cross_entropy(&self, tokens: &Tensor) -> Result<Tensor> {
        let length = tokens.dims().last().copied().unwrap_or(1).max(1);
        Ok((self.log_likelihood(tokens)?.mean_all()? * (-1.0 / length as f64))?)
    }

    /// Draws sequences of a length, `(count, length)` of u32.
    ///
    /// # Errors
    /// [`Error::Range`] for a count or a length of 0; those of [`Autoregressive::step`] and [`TokenSampling::probabilities`].
    #[doc(alias = "generate")]
    fn sample(
        &self,
        count: usize,
        length: usize,
        sampling: &TokenSampling,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        check::at_least_one("count", count)?;
        check::at_least_one("length", length)?;
        let start = self.start(count)?;
        Ok(Tensor::stack(
            &drawn(self, start, length, sampling, rng)?,
            1,
        )?)
    }

    /// Draws continuations of given tokens, `(batch, n)`, up to a length: `(batch, length)` of u32, which begin with
    /// these tokens.
    ///
    /// # Errors
    /// [`Error::Range`] unless the length is above n; as [`Autoregressive::sample`].
    #[doc(alias = "prompt")]
    fn complete(
        &self,
        tokens: &Tensor,
        length: usize,
        sampling: &TokenSampling,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let (batch, given) = tokens::check(tokens, self.vocabulary())?;
        if length <= given {
            let accepted = format!("more than the {given} tokens that are given");
            return Err(Error::range("length", length, accepted));
        }
        let mut at = self.start(batch)?;
        for i in 0..given {
            at = self.step(at.0, &tokens.narrow(1, i, 1)?.squeeze(1)?.contiguous()?)?;
        }
        let further = Tensor::stack(&drawn(self, at, length - given, sampling, rng)?, 1)?;
        let tokens = tokens.to_dtype(further.dtype())?;
        Ok(Tensor::cat(&[&tokens, &further], 1)?)
    }
}

/// Tokens that are drawn one after the other, each `(batch,)`.
fn drawn<A: Autoregressive + ?Sized>(
    model: &A,
    (mut state, mut logits): (A::State, Tensor),
    length: usize,
    sampling: &TokenSampling,
    rng: &mut Generator,
) -> Result<Vec<Tensor>> {
    let mut tokens = Vec::with_capacity(length);
    loop {
        let next = sampling.draw(&logits, rng)?;
        tokens.push(next.clone());
        if tokens.len() == length {
            return Ok(tokens);
        }
        (state, logits) = model.step(state, &next)?;
    }
}
