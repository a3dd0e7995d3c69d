//! The Inception score (Salimans et al. 2016).

use advect_core::{Error, Result};
use candle_core::Tensor;

use super::{BlockMean, rows};

/// Returns the Inception score `exp(E_x KL(p(y | x) ‖ p(y)))` of the logits `(n, classes)` of generated images by a classifier: from 1 to the
/// number of classes, and high where each image is of a clear class and all classes are there (Salimans et al. 2016, section 4).
///
/// Samples are cut into `splits` parts in their order, each with its own `p(y)`, and the mean over the parts is returned. Ten parts are usual.
/// The score grows with the number of samples in a part.
///
/// ```
/// use advect_metrics::inception_score;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let certain = Tensor::new(&[[0f32, 100.0], [100.0, 0.0]], &Device::Cpu)?;
/// assert!((inception_score(&certain, 1)?.mean - 2.0).abs() < 1e-6);
/// assert_eq!(inception_score(&certain, 2)?.mean, 1.0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`] for 0 splits or more splits than samples; `Empty`, `NonFinite`, `DType`.
#[doc(alias = "IS")]
pub fn inception_score(logits: &Tensor, splits: usize) -> Result<BlockMean> {
    let logits = rows("logits", logits)?.to_vec2::<f64>()?;
    let count = logits.len();
    if splits == 0 || splits > count {
        let accepted = format!("1 to {count}, the number of samples");
        return Err(Error::range("splits", splits, accepted));
    }
    let logs: Vec<Vec<f64>> = logits.into_iter().map(log_softmax).collect();
    let score = |i| score(&logs[i * count / splits..(i + 1) * count / splits]);
    let scores: Vec<f64> = (0..splits).map(score).collect();
    Ok(BlockMean::of(&scores))
}

/// The score of log-probabilities.
fn score(logs: &[Vec<f64>]) -> f64 {
    let count = logs.len() as f64;
    let mut marginal = vec![0.0; logs.first().map_or(0, Vec::len)];
    for row in logs {
        marginal
            .iter_mut()
            .zip(row)
            .for_each(|(m, log)| *m += log.exp());
    }
    marginal.iter_mut().for_each(|m| *m /= count);
    // A class whose probability underflows, here or in the mean, adds nothing.
    let term = |(log, m): (&f64, &f64)| match log.exp() {
        p if p == 0.0 || *m == 0.0 => 0.0,
        p => p * (log - m.ln()),
    };
    let divergences = logs
        .iter()
        .map(|row| row.iter().zip(&marginal).map(term).sum::<f64>());
    (divergences.sum::<f64>() / count).exp()
}

fn log_softmax(mut row: Vec<f64>) -> Vec<f64> {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|x| (x - largest).exp()).sum();
    let log = largest + sum.ln();
    row.iter_mut().for_each(|x| *x -= log);
    row
}
