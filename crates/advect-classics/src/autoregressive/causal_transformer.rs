//! Transformers with causal attention, to earlier tokens only (Vaswani et al. 2017, "Attention is all you need";
//! Radford et al. 2019, "Language models are unsupervised multitask learners").

use advect_core::{Coefficient, Error, Result, check};
use advect_nn::{Activation, Builder, ClassEmbedding, Linear, NoClass};
use advect_ops::{HeadOrder, attention, causal_token_attention, combine, layer_norm};
use candle_core::Tensor;
use candle_nn::Init;

use super::{Autoregressive, tokens};

/// The ε of layer normalisation.
const EPSILON: f64 = 1e-5;

/// The configuration of a [`CausalTransformer`]; created by [`CausalTransformer::config`].
#[derive(Debug, Clone, Copy)]
pub struct CausalTransformerConfig {
    vocabulary: usize,
    context: usize,
    width: usize,
    heads: usize,
    layers: usize,
}

/// A model of sequences of up to `context` tokens by attention to all earlier tokens: learned features of tokens and of places, blocks
/// `x ← x + attention(norm(x))`, `x ← x + W₂ GELU(W₁ norm(x))` with four times the width inside, a last normalisation, and a linear layer to logits.
///
/// Names of parameters are those of GPT-2: `wte.weight`, with one row more than there are tokens, for the start; `wpe.weight`, `h.0.ln_1.weight`, `h.0.attn.c_attn.weight`,
/// `h.0.attn.c_proj.weight`, `h.0.ln_2.weight`, `h.0.mlp.c_fc.weight`, `h.0.mlp.c_proj.weight`, `ln_f.weight`, `lm_head.weight`, each with a `bias` but the first two; weights
/// are `(outputs, inputs)`, and the last layer has its own.
///
/// While sequences are drawn, keys and values of the tokens so far are kept, so that each token is computed once.
///
/// ```
/// use advect_classics::autoregressive::{Autoregressive, CausalTransformer, TokenSampling};
/// use advect_core::{Generator, Key};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let config = CausalTransformer::config(10, 32).width(16).heads(2).layers(2);
/// let model = config.build(&store.builder())?;
/// let loss = model.cross_entropy(&Tensor::new(&[[3u32, 1, 4, 1, 5]], &Device::Cpu)?)?;
/// assert_eq!(loss.rank(), 0);
/// // Drawn with a twin whose parameters are in no graph.
/// let samples = config.build(&store.frozen())?.sample(4, 32, &TokenSampling::new().top_p(0.9)?, &mut Generator::from_seed(1))?;
/// assert_eq!(samples.dims(), [4, 32]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "GPT")]
#[doc(alias = "decoder-only")]
#[derive(Debug, Clone)]
pub struct CausalTransformer {
    config: CausalTransformerConfig,
    wte: ClassEmbedding,
    wpe: Tensor,
    blocks: Vec<Block>,
    ln_f: Norm,
    lm_head: Linear,
}

/// The keys and values of the tokens so far, for each block `(batch, heads, n, width/heads)`.
#[doc(alias = "KV cache")]
#[derive(Debug, Clone)]
pub struct KeysAndValues {
    blocks: Vec<Option<(Tensor, Tensor)>>,
    seen: usize,
}

#[derive(Debug, Clone)]
struct Block {
    ln_1: Norm,
    c_attn: Linear,
    c_proj: Linear,
    ln_2: Norm,
    c_fc: Linear,
    out: Linear,
}

#[derive(Debug, Clone)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl CausalTransformerConfig {
    /// Sets the width, a multiple of the number of heads; 64 by default.
    pub fn width(self, width: usize) -> Self {
        CausalTransformerConfig { width, ..self }
    }

    /// Sets the number of heads; 4 by default.
    pub fn heads(self, heads: usize) -> Self {
        CausalTransformerConfig { heads, ..self }
    }

    /// Sets the number of blocks; 2 by default.
    pub fn layers(self, layers: usize) -> Self {
        CausalTransformerConfig { layers, ..self }
    }

    /// Builds the network with parameters from a builder: `store.builder()` to train it, `store.frozen()` for a twin that samples.
    ///
    /// # Errors
    /// [`Error::Range`] for a size of 0 and a width that the heads do not divide; errors of the builder.
    pub fn build(&self, builder: &Builder) -> Result<CausalTransformer> {
        check::at_least_one("vocabulary", self.vocabulary)?;
        check::at_least_one("context", self.context)?;
        check::at_least_one("heads", self.heads)?;
        check::at_least_one("layers", self.layers)?;
        if self.width == 0 || !self.width.is_multiple_of(self.heads) {
            let accepted = format!("a multiple of the {} heads", self.heads);
            return Err(Error::range("width", self.width, accepted));
        }
        let width = self.width;
        let block = |k: usize| -> Result<Block> {
            let builder = builder.pp("h").pp(k);
            Ok(Block {
                ln_1: Norm::new(width, &builder.pp("ln_1"))?,
                c_attn: Linear::new(width, 3 * width, &builder.pp("attn.c_attn"))?,
                c_proj: Linear::new(width, width, &builder.pp("attn.c_proj"))?,
                ln_2: Norm::new(width, &builder.pp("ln_2"))?,
                c_fc: Linear::new(width, 4 * width, &builder.pp("mlp.c_fc"))?,
                out: Linear::new(4 * width, width, &builder.pp("mlp.c_proj"))?,
            })
        };
        let init = Init::Randn {
            mean: 0.0,
            stdev: 0.02,
        };
        let (none, wte, wpe) = (NoClass::Learned, builder.pp("wte"), builder.pp("wpe"));
        Ok(CausalTransformer {
            config: *self,
            wte: ClassEmbedding::new(self.vocabulary, width, none, "weight", &wte)?,
            wpe: wpe.get_with_hints((self.context, width), "weight", init)?,
            blocks: (0..self.layers).map(block).collect::<Result<_>>()?,
            ln_f: Norm::new(width, &builder.pp("ln_f"))?,
            lm_head: Linear::new(width, self.vocabulary, &builder.pp("lm_head"))?,
        })
    }
}

impl CausalTransformer {
    /// Creates a configuration for tokens below `vocabulary` and sequences of up to `context` tokens.
    pub fn config(vocabulary: usize, context: usize) -> CausalTransformerConfig {
        CausalTransformerConfig {
            vocabulary,
            context,
            width: 64,
            heads: 4,
            layers: 2,
        }
    }

    /// Returns the length of the longest sequences that the model accepts.
    pub fn context(&self) -> usize {
        self.config.context
    }

    /// Logits after features of tokens, `(batch, n, width)`: a whole sequence, or one token after those of the cache.
    fn forward(&self, features: &Tensor, mut cache: Option<&mut KeysAndValues>) -> Result<Tensor> {
        let (_, n, _) = features.dims3()?;
        let seen = cache.as_ref().map_or(0, |cache| cache.seen);
        let end = seen + n;
        if end > self.config.context {
            let accepted = format!("at most {}, the context", self.config.context);
            return Err(Error::range("length", end, accepted));
        }
        let places = self.wpe.narrow(0, seen, n)?;
        let mut x = features.broadcast_add(&places)?;
        for (k, block) in self.blocks.iter().enumerate() {
            let kept = cache.as_mut().map(|cache| &mut cache.blocks[k]);
            x = block.forward(&x, self.config.heads, kept)?;
        }
        if let Some(cache) = cache {
            cache.seen = end;
        }
        self.lm_head.forward(&self.ln_f.forward(&x)?)
    }

    fn empty(&self) -> KeysAndValues {
        KeysAndValues {
            blocks: vec![None; self.blocks.len()],
            seen: 0,
        }
    }

    /// Logits after one token of each sequence, part of no graph.
    fn one(&self, features: &Tensor, mut cache: KeysAndValues) -> Result<(KeysAndValues, Tensor)> {
        let logits = self.forward(&features.detach().unsqueeze(1)?, Some(&mut cache))?;
        Ok((cache.detached(), logits.squeeze(1)?.detach()))
    }
}

impl KeysAndValues {
    /// Returns the number of tokens so far, the start among them.
    pub fn seen(&self) -> usize {
        self.seen
    }

    fn detached(self) -> Self {
        let detached = |kept: Option<(Tensor, Tensor)>| kept.map(|(k, v)| (k.detach(), v.detach()));
        KeysAndValues {
            blocks: self.blocks.into_iter().map(detached).collect(),
            seen: self.seen,
        }
    }
}

impl Block {
    fn forward(
        &self,
        x: &Tensor,
        heads: usize,
        kept: Option<&mut Option<(Tensor, Tensor)>>,
    ) -> Result<Tensor> {
        let qkv = self.c_attn.forward(&self.ln_1.forward(x)?)?;
        let seen = match kept {
            None => causal_token_attention(&qkv, heads, HeadOrder::ByRole)?,
            Some(kept) => one_more(&qkv, heads, kept)?,
        };
        let x = sum(x, &self.c_proj.forward(&seen)?)?;
        let inside = self.ln_2.forward(&x)?;
        sum(&x, &self.c_fc.then(&inside, Activation::Gelu, &self.out)?)
    }
}

/// The attention of one token to itself and those whose keys and values are kept, to which its own are added.
fn one_more(qkv: &Tensor, heads: usize, kept: &mut Option<(Tensor, Tensor)>) -> Result<Tensor> {
    let (batch, n, columns) = qkv.dims3()?;
    if n != 1 {
        let accepted = format!("({batch}, 1, {columns}), one token");
        return Err(Error::shape("qkv", qkv.dims(), accepted));
    }
    let width = columns / 3;
    let part = |k: usize| -> Result<Tensor> {
        let part = qkv.narrow(2, k * width, width)?;
        let part = part.reshape((batch, n, heads, width / heads))?;
        Ok(part.transpose(1, 2)?.contiguous()?)
    };
    let (q, mut k, mut v) = (part(0)?, part(1)?, part(2)?);
    if let Some((keys, values)) = kept.take() {
        k = Tensor::cat(&[&keys, &k], 2)?;
        v = Tensor::cat(&[&values, &v], 2)?;
    }
    let seen = attention(&q, &k, &v, None)?;
    *kept = Some((k, v));
    Ok(seen.transpose(1, 2)?.reshape((batch, n, width))?)
}

/// `x + y`. Both get its gradient without a copy.
fn sum(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let one = Coefficient::Shared(1.0);
    combine(&[(one.clone(), x), (one, y)])
}

impl Norm {
    fn new(width: usize, builder: &Builder) -> Result<Self> {
        Ok(Norm {
            weight: builder.get_with_hints(width, "weight", Init::Const(1.0))?,
            bias: builder.get_with_hints(width, "bias", Init::Const(0.0))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.weight, &self.bias, EPSILON)
    }
}

impl Autoregressive for CausalTransformer {
    type State = KeysAndValues;

    fn vocabulary(&self) -> usize {
        self.config.vocabulary
    }

    fn logits(&self, tokens: &Tensor) -> Result<Tensor> {
        tokens::check(tokens, self.config.vocabulary)?;
        self.forward(&tokens::shifted(tokens, &self.wte)?, None)
    }

    fn start(&self, batch: usize) -> Result<(KeysAndValues, Tensor)> {
        check::at_least_one("batch", batch)?;
        let first = self.wte.of_none()?.repeat((batch, 1))?;
        self.one(&first, self.empty())
    }

    fn step(&self, state: KeysAndValues, tokens: &Tensor) -> Result<(KeysAndValues, Tensor)> {
        let batch = check::batch("tokens", tokens)?;
        check::labels("tokens", tokens, batch, self.config.vocabulary)?;
        self.one(&self.wte.embed(tokens)?, state)
    }
}
