//! A recurrent model of sequences.

use advect_core::{Result, check};
use advect_nn::{Builder, ClassEmbedding, Linear, NoClass};
use candle_core::Tensor;

use super::{Autoregressive, GatedRecurrentUnit, tokens};

/// A model of sequences of any length by a [`GatedRecurrentUnit`]: learned features of tokens, the recurrent layers, and a linear layer to logits.
///
/// Its parameters are called `embedding.weight`, with one row more than there are tokens, for the start; `gru.weight_ih_l0` and so on; `head.weight`, `head.bias`. Memory of
/// the past does not grow with a sequence while it is drawn.
///
/// ```
/// use advect_classics::autoregressive::{Autoregressive, RecurrentModel, TokenSampling};
/// use advect_core::{Generator, Key};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let model = RecurrentModel::new(26, 16, 1, &store.builder())?;
/// let word = Tensor::new(&[[0u32, 3, 21, 4, 2, 19]], &Device::Cpu)?;
/// assert_eq!(model.logits(&word)?.dims(), [1, 6, 26]);
/// let other = model.complete(&word, 8, &TokenSampling::new(), &mut Generator::from_seed(0))?;
/// assert_eq!(other.narrow(1, 0, 6)?.to_vec2::<u32>()?, word.to_vec2::<u32>()?);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "RNN")]
#[derive(Debug, Clone)]
pub struct RecurrentModel {
    embedding: ClassEmbedding,
    gru: GatedRecurrentUnit,
    head: Linear,
}

impl RecurrentModel {
    /// Creates the model of tokens below `vocabulary`, with features of `hidden` numbers and layers of as many units.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for a size of 0; errors of the builder.
    pub fn new(vocabulary: usize, hidden: usize, layers: usize, builder: &Builder) -> Result<Self> {
        let (none, embedding) = (NoClass::Learned, builder.pp("embedding"));
        check::at_least_one("vocabulary", vocabulary)?;
        check::at_least_one("hidden", hidden)?;
        Ok(RecurrentModel {
            embedding: ClassEmbedding::new(vocabulary, hidden, none, "weight", &embedding)?,
            gru: GatedRecurrentUnit::new(hidden, hidden, layers, &builder.pp("gru"))?,
            head: Linear::new(hidden, vocabulary, &builder.pp("head"))?,
        })
    }

    /// One step of the layers on features `(batch, hidden)`; part of no graph.
    fn one(&self, features: &Tensor, state: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let x = features.unsqueeze(1)?;
        let state = match state {
            Some(state) => state.clone(),
            None => self.gru.zeros(&x)?,
        };
        let (outputs, state) = self.gru.forward(&x, &state)?;
        let logits = self.head.forward(&outputs.squeeze(1)?)?;
        Ok((state.detach(), logits.detach()))
    }
}

impl Autoregressive for RecurrentModel {
    /// The state of the layers, `(layers, batch, hidden)`.
    type State = Tensor;

    fn vocabulary(&self) -> usize {
        self.embedding.classes()
    }

    fn logits(&self, tokens: &Tensor) -> Result<Tensor> {
        tokens::check(tokens, self.vocabulary())?;
        let x = tokens::shifted(tokens, &self.embedding)?;
        let (outputs, _) = self.gru.forward(&x, &self.gru.zeros(&x)?)?;
        self.head.forward(&outputs)
    }

    fn start(&self, batch: usize) -> Result<(Tensor, Tensor)> {
        check::at_least_one("batch", batch)?;
        let first = self.embedding.of_none()?.repeat((batch, 1))?;
        self.one(&first, None)
    }

    fn step(&self, state: Tensor, tokens: &Tensor) -> Result<(Tensor, Tensor)> {
        let batch = check::batch("tokens", tokens)?;
        check::labels("tokens", tokens, batch, self.vocabulary())?;
        self.one(&self.embedding.embed(tokens)?, Some(&state))
    }
}
