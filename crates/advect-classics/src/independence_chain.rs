//! Metropolis and Hastings' acceptance of independent proposals (Hastings 1970; Tierney 1994, section 2.3.3).

/// The proposal at which a chain is at each of its steps, and how often it moved. It begins at the first, and goes on to proposal k with probability
/// `min(1, w_k/w)` for weights w of target over proposal.
pub(crate) struct Chain {
    pub(crate) places: Vec<usize>,
    accepted: usize,
}

impl Chain {
    /// Runs a chain through proposals with these logarithms of weights, each with a uniform number.
    pub(crate) fn new(proposals: impl Iterator<Item = (f64, f64)>) -> Self {
        let mut chain = Chain {
            places: Vec::new(),
            accepted: 0,
        };
        let mut now = (0, f64::NEG_INFINITY);
        for (k, (log_weight, uniform)) in proposals.enumerate() {
            if k == 0 || uniform < (log_weight - now.1).exp() {
                now = (k, log_weight);
                chain.accepted += usize::from(k > 0);
            }
            chain.places.push(now.0);
        }
        chain
    }

    /// The part of the proposals after the first that chains moved to, 0 if there are none.
    pub(crate) fn acceptance_rate(chains: &[Chain]) -> f64 {
        let accepted: usize = chains.iter().map(|chain| chain.accepted).sum();
        let steps: usize = chains.iter().map(|chain| chain.places.len() - 1).sum();
        accepted as f64 / steps.max(1) as f64
    }
}
