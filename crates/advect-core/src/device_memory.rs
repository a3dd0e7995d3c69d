//! Errors of candle that say that a device's memory is full.

use candle_core::Error;

/// Whether an error says, or holds one that says, that a device had no memory left for an allocation.
pub(crate) fn is_full(error: &Error) -> bool {
    match error {
        Error::Cuda(inner) => says_full(&**inner),
        Error::WithBacktrace { inner, .. }
        | Error::WithPath { inner, .. }
        | Error::Context { inner, .. } => is_full(inner),
        Error::WrappedContext { wrapped, .. } => says_full(&**wrapped),
        // cuDNN's errors come as what can be shown, and as nothing else.
        Error::Wrapped(shown) => is_status(&shown.to_string()),
        _ => false,
    }
}

fn says_full(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    if let Some(ours) = error.downcast_ref::<crate::Error>() {
        return match ours {
            crate::Error::DeviceMemory { .. } => true,
            crate::Error::Candle(inner) => is_full(inner),
            _ => false,
        };
    }
    if let Some(inner) = error.downcast_ref::<Error>() {
        return is_full(inner);
    }
    is_of_cuda(error)
}

#[cfg(feature = "cuda")]
fn is_of_cuda(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    use candle_core::cuda_backend::CudaError;
    use candle_core::cuda_backend::cudarc::cublas::{result::CublasError, sys::cublasStatus_t};
    use candle_core::cuda_backend::cudarc::curand::{result::CurandError, sys::curandStatus_t};
    use candle_core::cuda_backend::cudarc::driver::{DriverError, sys::CUresult};

    let driver = |error: &DriverError| error.0 == CUresult::CUDA_ERROR_OUT_OF_MEMORY;
    let cublas = |e: &CublasError| e.0 == cublasStatus_t::CUBLAS_STATUS_ALLOC_FAILED;
    let curand = |e: &CurandError| e.0 == curandStatus_t::CURAND_STATUS_ALLOCATION_FAILED;
    match error.downcast_ref::<CudaError>() {
        Some(CudaError::Cuda(error) | CudaError::Load { cuda: error, .. }) => driver(error),
        Some(CudaError::Cublas(error)) => cublas(error),
        Some(CudaError::Curand(error)) => curand(error),
        Some(_) => false,
        None => {
            error.downcast_ref().is_some_and(driver)
                || error.downcast_ref().is_some_and(cublas)
                || error.downcast_ref().is_some_and(curand)
        }
    }
}

/// Without the feature `cuda` the types of these errors aren't known here, though candle itself may have been built with CUDA.
#[cfg(not(feature = "cuda"))]
fn is_of_cuda(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    is_status(&error.to_string())
}

/// Whether a text names a status for memory that is full.
fn is_status(text: &str) -> bool {
    [
        "CUDA_ERROR_OUT_OF_MEMORY",
        "CUBLAS_STATUS_ALLOC_FAILED",
        "CURAND_STATUS_ALLOCATION_FAILED",
        "CUDNN_STATUS_ALLOC_FAILED",
        "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    ]
    .iter()
    .any(|status| text.contains(status))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use candle_core::Context as _;

    use super::*;

    #[cfg(not(feature = "cuda"))]
    fn full() -> Error {
        Error::Cuda("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")".into())
    }

    #[cfg(feature = "cuda")]
    fn full() -> Error {
        use candle_core::cuda_backend::CudaError;
        use candle_core::cuda_backend::cudarc::driver::{DriverError, sys::CUresult};
        CudaError::Cuda(DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY)).into()
    }

    fn is_memory(error: Error) -> bool {
        matches!(crate::Error::from(error), crate::Error::DeviceMemory { .. })
    }

    #[test]
    fn full_memory_is_known_through_what_wraps_it() {
        assert!(is_memory(full()));
        assert!(is_memory(full().bt()));
        assert!(is_memory(full().context("the loss").with_path("here")));
        assert!(is_memory(
            Err::<(), _>(full()).context("the loss").unwrap_err()
        ));
        assert!(is_memory(Error::wrap(
            "CudnnError(CUDNN_STATUS_ALLOC_FAILED)"
        )));
        assert!(!is_memory(Error::Cuda("an illegal address".into())));
        assert!(!is_memory(Error::msg("CUDA_ERROR_OUT_OF_MEMORY in a name")));
        let range = crate::Error::range("batch", 0, "CUDA_ERROR_OUT_OF_MEMORY");
        assert!(!is_memory(range.into()));
    }

    #[test]
    fn full_memory_survives_a_way_through_candle() {
        let ours = crate::Error::from(full());
        let text = ours.to_string();
        assert!(text.contains("a smaller batch"), "{text}");
        // Also by a program whose `main` returns it.
        assert!(format!("{ours:?}").contains("a smaller batch"));
        let source = ours.source().map(ToString::to_string);
        assert!(source.is_some_and(|text| text.contains("OUT_OF_MEMORY")));
        // By itself, and within what candle makes of it.
        let again = crate::Error::from(Error::from(ours));
        assert_eq!(again.to_string(), text);
        let wrapped = Error::from(again).context("the backward pass").bt();
        assert!(is_memory(wrapped));
    }
}
