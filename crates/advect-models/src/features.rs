//! Features of time and class.

use advect_core::Result;
use advect_ops::Value;

/// Features `(1, n)` or `(batch, n)` as `(batch, n)`.
pub(crate) fn for_each_sample<V: Value>(features: V, batch: usize) -> Result<V> {
    match features.primal().dims() {
        &[1, n] if batch > 1 => {
            features.map_linear(|f| Ok(f.broadcast_as((batch, n))?.contiguous()?))
        }
        _ => Ok(features),
    }
}
