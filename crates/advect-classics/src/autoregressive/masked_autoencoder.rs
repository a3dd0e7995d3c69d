//! Autoregression by masked weights (Germain, Gregor, Murray and Larochelle 2015, "MADE: masked autoencoder for distribution estimation").

use advect_core::{Error, Result, check};
use advect_nn::{Activation, Builder};
use candle_core::{DType, Device, Tensor, Var};

use super::{Autoregressive, tokens};
use crate::flow::MaskedPerceptron;

/// A model of sequences of one length, such as pixels in their order, by one [`MaskedPerceptron`]: a single pass gives all logits.
///
/// The network sees token v as the number `v/(vocabulary − 1)`. The logit of token 0 is 0, so that two tokens have one output for each place, the logit of 1.
///
/// Nothing tells the first token but a bias, which small steps of training move slowly: [`initialize`](MaskedAutoencoder::initialize) starts at the shares of tokens in the data.
///
/// ```
/// use advect_classics::autoregressive::{Autoregressive, MaskedAutoencoder};
/// use advect_core::Key;
/// use advect_nn::{Activation, ParameterStore};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let model = MaskedAutoencoder::new(2, 2, &[8], Activation::Relu, &store.builder())?;
/// let all = Tensor::new(&[[0u32, 0], [0, 1], [1, 0], [1, 1]], &Device::Cpu)?;
/// let sum = model.log_likelihood(&all)?.exp()?.sum_all()?.to_scalar::<f64>()?;
/// assert!((sum - 1.0).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "MADE")]
#[derive(Debug, Clone)]
pub struct MaskedAutoencoder {
    net: MaskedPerceptron,
    vocabulary: usize,
    dtype: DType,
    device: Device,
}

impl MaskedAutoencoder {
    /// Creates the model of sequences of `length` tokens below `vocabulary`, with hidden layers of these widths and parameters called as those of [`MaskedPerceptron`]. A layer
    /// narrower than `length − 1` leaves some dependences of tokens out.
    ///
    /// # Errors
    /// [`Error::Range`] for a length or a width of 0 and a vocabulary below 2; errors of the builder.
    pub fn new(
        length: usize,
        vocabulary: usize,
        hidden: &[usize],
        activation: Activation,
        builder: &Builder,
    ) -> Result<Self> {
        check::at_least_one("length", length)?;
        if vocabulary < 2 {
            return Err(Error::range("vocabulary", vocabulary, "at least 2"));
        }
        let order: Vec<usize> = (0..length).collect();
        Ok(MaskedAutoencoder {
            net: MaskedPerceptron::new(&order, 0, hidden, vocabulary - 1, activation, builder)?,
            vocabulary,
            dtype: builder.dtype(),
            device: builder.device().clone(),
        })
    }

    /// Sets the biases of the outputs to the logits of the tokens' shares in the data at each place, `ln (n_v + ½)/(n_0 + ½)` for `n_v` tokens v among those at the place
    /// (Krichevsky and Trofimov 1981). All other parameters stay, so that the first token has exactly these shares.
    ///
    /// ```
    /// use advect_classics::autoregressive::{Autoregressive, MaskedAutoencoder};
    /// use advect_core::Key;
    /// use advect_nn::{Activation, ParameterStore};
    /// use candle_core::{DType, Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
    /// let model = MaskedAutoencoder::new(2, 2, &[8], Activation::Relu, &store.builder())?;
    /// model.initialize(&Tensor::new(&[[1u32, 0], [1, 1], [1, 0]], &Device::Cpu)?)?;
    /// let both = Tensor::new(&[[1u32, 0], [1, 1]], &Device::Cpu)?;
    /// let first = model.log_likelihood(&both)?.exp()?.sum_all()?.to_scalar::<f64>()?;
    /// assert!((first - 3.5 / 4.0).abs() < 1e-14); // three ones and half of one, no zero and half of one
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error`] naming tokens that do not fit; [`Error::Range`] for parameters that are frozen.
    #[doc(alias = "bias initialization")]
    pub fn initialize(&self, tokens: &Tensor) -> Result<()> {
        self.check(tokens)?;
        let bias = self.net.last_bias()?;
        if !bias.is_variable() {
            let accepted = "parameters of a store that is trained";
            return Err(Error::range("the model", "frozen parameters", accepted));
        }
        let length = self.net.dim();
        let mut counts = vec![0.5f64; self.vocabulary * length];
        for row in tokens.to_dtype(DType::U32)?.to_vec2::<u32>()? {
            for (place, token) in row.into_iter().enumerate() {
                counts[token as usize * length + place] += 1.0;
            }
        }
        let (none, others) = counts.split_at(length);
        let logit = |(k, count): (usize, &f64)| (count / none[k % length]).ln();
        let logits: Vec<f64> = others.iter().enumerate().map(logit).collect();
        let logits = Tensor::from_vec(logits, bias.shape(), &Device::Cpu)?;
        let logits = logits.to_dtype(self.dtype)?.to_device(&self.device)?;
        Ok(Var::from_tensor(bias)?.set(&logits)?)
    }

    /// Checks that tokens are sequences of the model's length.
    fn check(&self, tokens: &Tensor) -> Result<()> {
        let (_, length) = tokens::check(tokens, self.vocabulary)?;
        if length != self.net.dim() {
            let accepted = format!("(batch, {})", self.net.dim());
            return Err(Error::shape("tokens", tokens.dims(), accepted));
        }
        Ok(())
    }

    /// Logits `(batch, length, vocabulary)` of numbers `(batch, length)`.
    fn of_numbers(&self, x: &Tensor) -> Result<Tensor> {
        let logits = self.net.forward(x, None)?.transpose(1, 2)?;
        let zeros = logits.narrow(2, 0, 1)?.zeros_like()?;
        Ok(Tensor::cat(&[&zeros, &logits], 2)?)
    }

    fn numbers(&self, tokens: &Tensor) -> Result<Tensor> {
        let largest = (self.vocabulary - 1) as f64;
        let numbers = tokens.to_dtype(self.dtype)?.to_device(&self.device)?;
        Ok((numbers / largest)?)
    }
}

impl Autoregressive for MaskedAutoencoder {
    /// The tokens so far as numbers, `(batch, n)`.
    type State = Vec<Tensor>;

    fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    fn logits(&self, tokens: &Tensor) -> Result<Tensor> {
        self.check(tokens)?;
        self.of_numbers(&self.numbers(tokens)?)
    }

    fn start(&self, batch: usize) -> Result<(Vec<Tensor>, Tensor)> {
        check::at_least_one("batch", batch)?;
        let x = Tensor::zeros((batch, self.net.dim()), self.dtype, &self.device)?;
        let logits = self.of_numbers(&x)?.narrow(1, 0, 1)?.squeeze(1)?;
        Ok((Vec::new(), logits.detach()))
    }

    fn step(&self, mut state: Vec<Tensor>, tokens: &Tensor) -> Result<(Vec<Tensor>, Tensor)> {
        let batch = check::batch("tokens", tokens)?;
        check::labels("tokens", tokens, batch, self.vocabulary)?;
        state.push(self.numbers(tokens)?);
        let (seen, length) = (state.len(), self.net.dim());
        if seen >= length {
            let accepted = format!("at most {length}, the length of the sequences");
            return Err(Error::range("length", seen + 1, accepted));
        }
        let mut columns = state.clone();
        columns.resize(length, state[0].zeros_like()?);
        let logits = self.of_numbers(&Tensor::stack(&columns, 1)?)?;
        let logits = logits.narrow(1, seen, 1)?.squeeze(1)?.detach();
        Ok((state, logits))
    }
}
