//! Sampling of tokens from their logits.

use advect_core::{Error, Generator, Result, check, shape};
use candle_core::{DType, Device, Tensor};
use rand_distr::StandardUniform;

/// A rule for sampling tokens from their logits: at a temperature T, `p ∝ e^(a/T)`, then of the k most likely alone (Fan, Lewis and Dauphin 2018, section 5.4), then of
/// the fewest most likely whose probabilities sum to P or more (nucleus sampling, Holtzman et al. 2020, eq. 2 and 3). Of equal tokens the lower one comes first.
///
/// ```
/// use advect_classics::autoregressive::TokenSampling;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let logits = Tensor::new(&[[0.5f64, 0.2, 0.3]], &Device::Cpu)?.log()?;
/// let rounded = |sampling: TokenSampling| {
///     let p = sampling.probabilities(&logits)?.to_vec2::<f64>()?;
///     Ok::<_, advect_core::Error>(p[0].iter().map(|p| (p * 1e6).round() / 1e6).collect::<Vec<_>>())
/// };
/// assert_eq!(rounded(TokenSampling::new())?, [0.5, 0.2, 0.3]);
/// assert_eq!(rounded(TokenSampling::new().top_k(2)?)?, [0.625, 0.0, 0.375]);
/// assert_eq!(rounded(TokenSampling::new().top_p(0.5)?)?, [1.0, 0.0, 0.0]);
/// assert_eq!(rounded(TokenSampling::new().temperature(0.5)?)?, [0.657895, 0.105263, 0.236842]); // 25 : 4 : 9
/// # Ok(())
/// # }
/// ```
#[doc(alias = "temperature")]
#[doc(alias = "nucleus sampling")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenSampling {
    temperature: f64,
    top_k: usize,
    top_p: f64,
}

impl Default for TokenSampling {
    fn default() -> Self {
        TokenSampling {
            temperature: 1.0,
            top_k: usize::MAX,
            top_p: 1.0,
        }
    }
}

impl TokenSampling {
    /// Creates the rule that samples from the model's own distribution.
    pub fn new() -> Self {
        TokenSampling::default()
    }

    /// Sets the temperature; 1 by default. Below 1, likely tokens become more likely.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is finite and above 0; the limit 0 is `top_k(1)`.
    pub fn temperature(self, temperature: f64) -> Result<Self> {
        let temperature = check::positive("temperature", temperature)?;
        Ok(TokenSampling {
            temperature,
            ..self
        })
    }

    /// Keeps the `count` most likely tokens; all by default.
    ///
    /// # Errors
    /// [`Error::Range`] for 0.
    pub fn top_k(self, count: usize) -> Result<Self> {
        let top_k = check::at_least_one("top_k", count)?;
        Ok(TokenSampling { top_k, ..self })
    }

    /// Keeps the fewest most likely tokens whose probabilities sum to `mass` or more; all by default.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 and outside [0, 1].
    pub fn top_p(self, mass: f64) -> Result<Self> {
        let inside = mass > 0.0 && mass <= 1.0;
        if !inside {
            return Err(Error::range("top_p", mass, "a number in (0, 1]"));
        }
        Ok(TokenSampling {
            top_p: mass,
            ..self
        })
    }

    /// Returns the probabilities of tokens with logits `(batch, vocabulary)`, of this shape, in f64 in the host's memory.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::Empty`] for logits of another shape, [`Error::NonFinite`] for NaN and +∞, [`Error::Range`] if all of a row are −∞.
    pub fn probabilities(&self, logits: &Tensor) -> Result<Tensor> {
        let rows = self.rows(logits)?;
        let (batch, vocabulary) = (rows.len(), rows[0].len());
        Ok(Tensor::from_vec(
            rows.concat(),
            (batch, vocabulary),
            &Device::Cpu,
        )?)
    }

    /// Draws one token for each row of logits, `(batch,)` of u32 on their device.
    pub(super) fn draw(&self, logits: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        let rows = self.rows(logits)?;
        let uniform = rng.values(&StandardUniform, rows.len())?;
        let tokens = rows.iter().zip(uniform).map(|(row, u): (_, f64)| {
            let (mut sum, mut token) = (0.0, 0);
            for (i, p) in row.iter().enumerate().filter(|(_, p)| **p > 0.0) {
                (sum, token) = (sum + p, i as u32);
                if u < sum {
                    break;
                }
            }
            token
        });
        let tokens: Vec<u32> = tokens.collect();
        let count = tokens.len();
        Ok(Tensor::from_vec(tokens, count, &Device::Cpu)?.to_device(logits.device())?)
    }

    fn rows(&self, logits: &Tensor) -> Result<Vec<Vec<f64>>> {
        check::batch("logits", logits)?;
        if logits.rank() != 2 {
            let accepted = "(batch, vocabulary)";
            return Err(Error::shape("logits", logits.dims(), accepted));
        }
        let rows = shape::cast(&logits.detach(), DType::F64)?.to_vec2::<f64>()?;
        let rows = rows.into_iter().enumerate();
        rows.map(|(i, row)| self.row(i, row)).collect()
    }

    fn row(&self, number: usize, mut p: Vec<f64>) -> Result<Vec<f64>> {
        let wrong = |a: &f64| a.is_nan() || *a == f64::INFINITY;
        if let Some(i) = p.iter().position(wrong) {
            return Err(Error::NonFinite {
                argument: "logits".into(),
                index: number * p.len() + i,
                value: p[i],
            });
        }
        let largest = p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return Err(Error::range(
                "logits",
                "-inf for all tokens",
                "at least one finite logit",
            ));
        }
        p.iter_mut()
            .for_each(|a| *a = ((*a - largest) / self.temperature).exp());
        let mut order: Vec<usize> = (0..p.len()).collect();
        order.sort_by(|&i, &j| p[j].total_cmp(&p[i])); // stable
        order.truncate(self.top_k);
        if self.top_p < 1.0 {
            let mass = self.top_p * order.iter().map(|&i| p[i]).sum::<f64>();
            let mut sum = 0.0;
            let before = order.iter().take_while(|&&i| {
                let wanted = sum < mass;
                sum += p[i];
                wanted
            });
            let count = before.count();
            order.truncate(count);
        }
        let sum: f64 = order.iter().map(|&i| p[i]).sum();
        let mut kept = vec![0.0; p.len()];
        order.iter().for_each(|&i| kept[i] = p[i] / sum);
        Ok(kept)
    }
}
