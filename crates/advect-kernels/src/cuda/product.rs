//! Products of matrices, by cuBLAS.

use candle_core::backend::BackendStorage;
use candle_core::{Error, Result, Storage, Tensor};

use super::Fresh;

/// Returns `a b` for a of shape `(..., m, k)` and b of shape `(..., k, n)`, whose other dimensions are the same. Each matrix may be
/// transposed by its strides.
///
/// # Errors
/// An error for shapes that don't fit, and for strides that cuBLAS doesn't take.
pub fn product(a: &Tensor, b: &Tensor) -> Result<Fresh> {
    let ([batch @ .., m, k], [others @ .., rows, n]) = (a.dims(), b.dims()) else {
        return Err(misfit(a, b));
    };
    let ((first, first_layout), (second, second_layout)) =
        (a.storage_and_layout(), b.storage_and_layout());
    match (&*first, &*second) {
        (Storage::Cuda(first), Storage::Cuda(second)) if batch == others && k == rows => {
            let count = batch.iter().product();
            let storage = first.matmul(second, (count, *m, *n, *k), first_layout, second_layout)?;
            let shape: Vec<usize> = batch.iter().chain([m, n]).copied().collect();
            Ok(Fresh::of(storage, shape))
        }
        _ => Err(misfit(a, b)),
    }
}

fn misfit(a: &Tensor, b: &Tensor) -> Error {
    let places = [a, b].map(|x| (x.dims(), x.device().location()));
    Error::Msg(format!("a product of {:?} and {:?}", places[0], places[1])).bt()
}
